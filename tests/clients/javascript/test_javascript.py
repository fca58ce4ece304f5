"""AWS SDK for JavaScript v3 on Node.js: HTTP/2 at once on `http://`, and TLS."""

from pathlib import Path

import pytest

import programs
import sdks

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def modules():
    """What package-lock.json says, and nothing else."""
    programs.run(["npm", "ci", "--no-audit", "--no-fund"], FOLDER, programs.environment(""), 300)


@pytest.fixture(params=["http", "https"])
def env(request, dev, secure, ca):
    if request.param == "http":
        return programs.environment(dev)
    return programs.environment(secure, NODE_EXTRA_CA_CERTS=str(ca))


def test_records_are_put_and_read(env):
    sdks.check_records(["node", "records.js"], FOLDER, env)


def test_a_subscription_is_sent_everything_until_the_shard_ends(env, stream):
    sdks.check_fan_out(["node", "fan_out.js"], FOLDER, env)


def test_an_error_within_a_subscription_has_its_name(env, stream):
    sdks.check_error_in_stream(["node", "fan_out.js"], FOLDER, env)
