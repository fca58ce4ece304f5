"""A disk that runs full while the server writes, and has room again later."""

import os
import urllib.error
import urllib.request
from itertools import count
from pathlib import Path

import pytest

from ledger import STREAM, Ledger, client, wait_until

RECORD_BYTES = 20_000
ENTRIES = 40
TAG_CALLS_MAX = 3_000


def readiness(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{url}/_millpond/health/ready") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def fill(file: Path) -> None:
    """Takes every byte that is left, as somebody else's file would."""
    with file.open("wb", buffering=0) as ballast:
        for block in (2**20, 4096, 1):
            try:
                while True:
                    ballast.write(b"\0" * block)
            except OSError:
                continue
    assert os.statvfs(file).f_bavail == 0


def write_until_refused(ledger: Ledger, url: str) -> None:
    kinesis, calls = client(url), count()
    while not ledger.refusals:
        names = [f"{len(ledger.attempted)}-{next(calls)}-{n}" for n in range(ENTRIES)]
        ledger.put(kinesis, names, RECORD_BYTES)
        assert len(ledger.attempted) < 100_000, "the small disk was never full"


def can_write(ledger: Ledger, url: str) -> bool:
    ledger.refusals.clear()
    ledger.put(client(url), [f"again-{len(ledger.attempted)}"])
    return not ledger.refusals


def serve(start, disk: Path):
    flags = ["--data-dir", str(disk / "data"), "--stream", f"{STREAM}:2", "--quotas", "off"]
    return start(*flags, "--transition", "0s", "--shard-limit", "10000")


def test_records_fill_the_disk(start, small_disk):
    """Refused in words that say why, ready again when there is room, nothing lost."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (32 << 20))
    server, ledger = serve(start, small_disk), Ledger()
    write_until_refused(ledger, server.url)
    assert "no space left for records" in ledger.refusals[0], ledger.refusals[0]
    status, reason = readiness(server.url)
    assert (status, "no space left" in reason) == (503, True), reason
    held = ledger.check(server.url)

    ballast.unlink()
    wait_until(lambda: readiness(server.url)[0] == 200, "readiness")
    assert can_write(ledger, server.url), ledger.refusals
    assert ledger.check(server.url) == held + 1
    server.stop()
    again = serve(start, small_disk)
    assert ledger.check(again.url) == held + 1


def test_others_fill_the_disk_to_the_last_byte(start, small_disk):
    """No reserve helps then: RocksDB's own writes fail, and must recover without a restart."""
    server, ledger = serve(start, small_disk), Ledger()
    assert can_write(ledger, server.url)
    fill(small_disk / "ballast")
    write_until_refused(ledger, server.url)
    assert "no space left" in ledger.refusals[0].lower(), ledger.refusals[0]
    assert readiness(server.url)[0] == 503
    acknowledged = len(ledger.acknowledged)
    assert ledger.check(server.url) >= acknowledged

    (small_disk / "ballast").unlink()
    wait_until(lambda: readiness(server.url)[0] == 200, "readiness")
    wait_until(lambda: can_write(ledger, server.url), "a write that is taken")
    ledger.check(server.url)
    server.kill()
    again = serve(start, small_disk)
    ledger.check(again.url)
    assert can_write(ledger, again.url)


def test_records_fill_the_memory(start):
    """The same in memory; deleting a stream makes room."""
    flags = ["--memory-limit", "32MiB", "--stream", f"{STREAM}:2", "--stream", "other"]
    server, ledger = start(*flags, mode="dev"), Ledger()
    write_until_refused(ledger, server.url)
    assert "no space left for records" in ledger.refusals[0], ledger.refusals[0]
    assert readiness(server.url)[0] == 503
    ledger.check(server.url)

    kinesis = client(server.url)
    with pytest.raises(kinesis.exceptions.ClientError) as refused:
        for _ in range(32):
            kinesis.put_record(StreamName=STREAM, PartitionKey="k", Data=b"x" * 1_000_000)
    request = refused.value.response["ResponseMetadata"]["RequestId"]
    told = f'id={request} operation="PutRecord" error="InternalFailureException"'
    wait_until(lambda: any(told in line for line in server.last_lines), "a word in the log")
    kinesis.delete_stream(StreamName=STREAM)
    wait_until(lambda: readiness(server.url)[0] == 200, "readiness")
    kinesis.put_record(StreamName="other", PartitionKey="k", Data=b"room")
    server.stop()


def tag_until_refused(kinesis) -> str:
    """Metadata may use the reserve that is kept for it, but not more than there is."""
    for number in range(TAG_CALLS_MAX):
        tags = {f"{number % 4}-{tag}-{'k' * 120}": "v" * 256 for tag in range(10)}
        try:
            kinesis.add_tags_to_stream(StreamName=STREAM, Tags=tags)
        except kinesis.exceptions.ClientError as error:
            return error.response["Error"]["Code"]
    raise AssertionError("the full disk took everything")


def can_tag(kinesis) -> bool:
    try:
        kinesis.add_tags_to_stream(StreamName=STREAM, Tags={"disk": "has room"})
    except kinesis.exceptions.ClientError:
        return False
    return True


def test_changes_of_metadata_fill_the_disk(start, small_disk):
    """They meet the end inside RocksDB, which must recover by itself; what failed isn't there."""
    server, ledger = serve(start, small_disk), Ledger()
    kinesis = client(server.url)
    assert can_write(ledger, server.url)
    fill(small_disk / "ballast")
    assert tag_until_refused(kinesis) == "InternalFailureException"
    with pytest.raises(kinesis.exceptions.ClientError):
        kinesis.create_stream(StreamName="failed", ShardCount=1)
    assert not can_write(ledger, server.url)
    assert readiness(server.url)[0] == 503
    assert kinesis.list_streams()["StreamNames"] == [STREAM]
    ledger.check(server.url)

    (small_disk / "ballast").unlink()
    wait_until(lambda: readiness(server.url)[0] == 200, "readiness")
    assert can_tag(kinesis)
    assert can_write(ledger, server.url), ledger.refusals
    kinesis.create_stream(StreamName="made", ShardCount=1)
    server.kill()
    again = serve(start, small_disk)
    assert client(again.url).list_streams()["StreamNames"] == ["made", STREAM]
    tags = client(again.url).list_tags_for_stream(StreamName=STREAM)["Tags"]
    assert {"Key": "disk", "Value": "has room"} in tags
    ledger.check(again.url)
