"""AWS SDK for Rust: HTTP/1.1 on `http://`, HTTP/2 by ALPN with TLS."""

from pathlib import Path

import pytest

import programs
import sdks

FOLDER = Path(__file__).parent
TARGET = programs.CACHE / "rust"
BUILD_SECONDS_MAX = 900


@pytest.fixture(scope="module", autouse=True)
def built():
    """The programs, of what Cargo.lock says and nothing else."""
    env = programs.environment("", CARGO_TARGET_DIR=str(TARGET))
    programs.run(["cargo", "build", "--quiet", "--locked"], FOLDER, env, BUILD_SECONDS_MAX)


@pytest.fixture(params=["http", "https"])
def env(request, dev, secure, ca):
    if request.param == "http":
        return programs.environment(dev)
    return programs.environment(secure, SSL_CERT_FILE=str(ca))


def test_records_are_put_and_read(env):
    sdks.check_records([str(TARGET / "debug/records")], FOLDER, env)


def test_a_subscription_is_sent_everything_until_the_shard_ends(env, stream):
    sdks.check_fan_out([str(TARGET / "debug/fan_out")], FOLDER, env)


def test_an_error_within_a_subscription_has_its_name(env, stream):
    sdks.check_error_in_stream([str(TARGET / "debug/fan_out")], FOLDER, env)
