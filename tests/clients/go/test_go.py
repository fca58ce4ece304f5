"""AWS SDK for Go v2: HTTP/1.1 on `http://`, HTTP/2 by ALPN with TLS."""

from pathlib import Path

import pytest

import programs
import sdks

FOLDER = Path(__file__).parent
BUILD_SECONDS_MAX = 600


@pytest.fixture(scope="module")
def clicks():
    """The program, built of what go.mod says and nothing else."""
    binary = programs.CACHE / "go" / "clicks"
    env = programs.environment("", GOFLAGS="-mod=readonly", GOTOOLCHAIN="local")
    programs.run(["go", "build", "-o", str(binary), "."], FOLDER, env, BUILD_SECONDS_MAX)
    return str(binary)


@pytest.fixture(params=["http", "https"])
def env(request, dev, secure, ca):
    if request.param == "http":
        return programs.environment(dev)
    return programs.environment(secure, AWS_CA_BUNDLE=str(ca))


def test_records_are_put_and_read(clicks, env):
    sdks.check_records([clicks, "records"], FOLDER, env)


def test_a_subscription_is_sent_everything_until_the_shard_ends(clicks, env, stream):
    log = sdks.check_fan_out([clicks, "fan_out"], FOLDER, env)
    # Over HTTP/1.1 the SDK may lose its connection by itself: docs/clients/go.md.
    assert not log or env["AWS_ENDPOINT_URL"].startswith("http://")


def test_an_error_within_a_subscription_has_its_name(clicks, env, stream):
    sdks.check_error_in_stream([clicks, "fan_out"], FOLDER, env)
