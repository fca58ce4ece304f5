"""Kill -9 in the middle of a storm of writes, again and again, on one data directory."""

import random
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from ledger import STREAM, Ledger, Storm, client, wait_until

ROUNDS = 6
RECORDS_BEFORE_KILL = 400


def reshard(url: str, round_number: int) -> None:
    """Splits an open shard, or merges two; the kill may fall before, into or after it."""
    try:
        kinesis = client(url)
        shards = [
            shard
            for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        ]
        shards.sort(key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))
        if round_number % 2 and len(shards) > 1:
            merge(kinesis, shards)
        else:
            split(kinesis, shards[0])
    except (ClientError, BotoCoreError):
        pass  # the server may be gone by now, or still finish the reshard of the last round


def split(kinesis, shard: dict) -> None:
    keys = shard["HashKeyRange"]
    middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"]) + 1) // 2
    kinesis.split_shard(
        StreamName=STREAM, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(middle)
    )


def merge(kinesis, shards: list[dict]) -> None:
    lower, upper = (shard["ShardId"] for shard in shards[:2])
    kinesis.merge_shards(StreamName=STREAM, ShardToMerge=lower, AdjacentShardToMerge=upper)


def wait_for(storm: Storm, records: int) -> None:
    """Until so many are acknowledged; a storm that stands still is a fault."""
    wait_until(lambda: storm.acknowledged() >= records, f"{records} acknowledged records")


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_what_was_acknowledged_survives_kills(start, tmp_path, durability):
    chance = random.Random(durability)
    flags = ["--data-dir", str(tmp_path / "data"), "--durability", durability]
    flags += ["--quotas", "off", "--transition", "100ms", "--stream", f"{STREAM}:3"]
    ledger = Ledger()
    for round_number in range(ROUNDS):
        server = start(*flags)
        held = ledger.check(server.url)
        storm = Storm(server.url, f"round-{round_number}")
        wait_for(storm, RECORDS_BEFORE_KILL // 2)
        resharding = threading.Thread(target=reshard, args=(server.url, round_number))
        resharding.start()
        wait_for(storm, RECORDS_BEFORE_KILL // 2 + chance.randrange(RECORDS_BEFORE_KILL))
        server.kill()
        resharding.join()
        before = len(ledger.acknowledged)
        storm.end(ledger)
        assert len(ledger.acknowledged) > before
        assert held >= before
    server = start(*flags)
    assert ledger.check(server.url) >= ROUNDS * RECORDS_BEFORE_KILL // 2
    server.stop()


def test_an_orderly_stop_answers_whatever_it_has_stored(start, tmp_path):
    flags = ["--data-dir", str(tmp_path / "data"), "--quotas", "off", "--stream", f"{STREAM}:2"]
    server, ledger = start(*flags), Ledger()
    storm = Storm(server.url, "stop")
    wait_for(storm, RECORDS_BEFORE_KILL)
    server.stop()
    storm.end(ledger)
    # A request that comes while its connection is closed may go unheard, but not half heard.
    unheard = ("Could not connect to the endpoint", "Connection was closed before we received")
    assert [refusal for refusal in ledger.refusals if not refusal.startswith(unheard)] == []
    again = start(*flags)
    assert ledger.check(again.url) == len(ledger.acknowledged)
    again.stop()
