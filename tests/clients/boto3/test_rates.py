"""In real time, over loopback: no window admits more than the limit says, whatever the machine."""

import pytest

import rates
import server

SECONDS = 2


@pytest.fixture(scope="module")
def strict():
    with server.running("--quotas", "strict") as url:
        yield url


# A machine that is busy may admit less in a window that is measured from outside; never more.
# Every admission falls between the first request and the last answer.
@pytest.mark.parametrize("shards", [1, 3])
def test_no_more_is_written_than_the_limit(strict, shards):
    measured = rates.write(strict, shards, 100, SECONDS)
    assert 0 < measured.admitted_ever <= shards * 1_000 * (measured.seconds_ever + 1)


@pytest.mark.parametrize("shards", [1, 3])
def test_no_more_is_read_than_the_limit(strict, shards):
    measured = rates.read(strict, shards, 0, SECONDS)
    assert 0 < measured.admitted_ever <= shards * 5 * (measured.seconds_ever + 1)


def test_no_more_bytes_are_read_than_the_limit(strict):
    size = 512 << 10
    measured = rates.read(strict, 1, size, SECONDS)
    # The last answer may go over it: it is paid for afterwards.
    allowed = 2 * rates.MIB * (measured.seconds_ever + 1) + size
    assert 0 < measured.admitted_ever <= allowed
