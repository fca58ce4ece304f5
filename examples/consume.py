#!/usr/bin/env python3
"""Reads a stream from its oldest record and follows splits and merges.

A key's records lie in the parent until a split, in a child after it. So a child is read only when
all of its parents have been read to their end: then the order of each key survives resharding.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import connect

RECORDS_MAX = 10_000  # in one GetRecords call
POLL_SECONDS = 0.2  # the service allows five calls a second and shard


@dataclass
class Shard:
    """Where reading stands in one shard."""

    id: str
    iterator: str | None
    last: str | None = None
    """Sequence number of the last record that was read."""
    millis_behind: int = 1


@dataclass(frozen=True)
class Batch:
    """What one call brought."""

    shard: str
    records: list[dict]
    shard_ended: bool
    millis_behind: int


class Lineage:
    """Which shards can be read now: those whose parents, if they still exist, are finished."""

    def __init__(self, kinesis, stream: str):
        pages = kinesis.list_shards(StreamName=stream)
        shards = pages["Shards"]
        while token := pages.get("NextToken"):
            pages = kinesis.list_shards(NextToken=token)
            shards += pages["Shards"]
        self._unfinished = {shard["ShardId"]: self._parents(shard) for shard in shards}
        self._started: set[str] = set()
        self._finished: set[str] = set()

    @staticmethod
    def _parents(shard: dict) -> set[str]:
        members = ("ParentShardId", "AdjacentParentShardId")
        return {shard[member] for member in members if shard.get(member)}

    def finish(self, shard: str, children: list[dict] = ()) -> None:
        """The shard has been read to its end, which named its children."""
        self._finished.add(shard)
        self._unfinished.pop(shard, None)
        for child in children:
            if child["ShardId"] not in self._finished:
                self._unfinished[child["ShardId"]] = set(child["ParentShards"])

    def ready(self) -> list[str]:
        """Shards that were not given out before and may be read now, oldest first."""
        # A parent that is neither finished nor listed has expired: nothing of it is left to read.
        ready = sorted(
            shard
            for shard, parents in self._unfinished.items()
            if shard not in self._started and not parents & self._unfinished.keys()
        )
        self._started.update(ready)
        return ready


class Reader:
    """Polls all shards in turn."""

    def __init__(self, kinesis, stream: str, sleep: Callable[[float], None] = time.sleep):
        self.kinesis = kinesis
        self.stream = stream
        self.sleep = sleep

    def open(self, shard: str, after: str | None = None) -> Shard:
        """Stands after the given sequence number, else at the oldest record."""
        position = {"ShardIteratorType": "TRIM_HORIZON"}
        if after:
            position = {
                "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                "StartingSequenceNumber": after,
            }
        iterator = self.kinesis.get_shard_iterator(
            StreamName=self.stream, ShardId=shard, **position
        )
        return Shard(shard, iterator["ShardIterator"], after)

    def read(self, shard: Shard, limit: int = RECORDS_MAX) -> tuple[list[dict], list[dict]]:
        """Records, and the children once the shard has ended: then its iterator is None."""
        try:
            answer = self.kinesis.get_records(ShardIterator=shard.iterator, Limit=limit)
        except self.kinesis.exceptions.ProvisionedThroughputExceededException:
            self.sleep(POLL_SECONDS)
            return [], []
        except self.kinesis.exceptions.ExpiredIteratorException:
            shard.iterator = self.open(shard.id, shard.last).iterator
            return [], []
        shard.iterator = answer.get("NextShardIterator")
        shard.millis_behind = answer["MillisBehindLatest"]
        if answer["Records"]:
            shard.last = answer["Records"][-1]["SequenceNumber"]
        return answer["Records"], answer.get("ChildShards", [])

    def batches(self, follow: bool = False) -> Iterator[Batch]:
        """Everything in the stream; with `follow` goes on for ever, else ends at the tip."""
        lineage = Lineage(self.kinesis, self.stream)
        shards: list[Shard] = []
        while True:
            shards += [self.open(shard) for shard in lineage.ready()]
            got_any = False
            for shard in shards:
                records, children = self.read(shard)
                if shard.iterator is None:
                    lineage.finish(shard.id, children)
                got_any = got_any or bool(records) or shard.iterator is None
                yield Batch(shard.id, records, shard.iterator is None, shard.millis_behind)
            shards = [shard for shard in shards if shard.iterator]
            at_tip = all(shard.millis_behind == 0 for shard in shards)
            if not got_any and at_tip and not follow:
                return
            if not got_any:
                self.sleep(POLL_SECONDS)


@dataclass
class Proof:
    """Checks, record by record, that each key's events come in order, each once, none left out."""

    events: int = 0
    payload_bytes: int = 0

    def __post_init__(self) -> None:
        self.next: dict[str, int] = {}
        self.seen: set[tuple[str, str]] = set()

    def add(self, shard: str, record: dict) -> None:
        """Raises at the first record that has no key, or is not the next one of its key."""
        key, place = record.get("PartitionKey"), (shard, record["SequenceNumber"])
        if key is None:
            raise AssertionError(f"a record without a key is in no order: {place}")
        found = json.loads(record["Data"])["event"]["sequence"]
        expected = self.next.get(key, 0)
        if found != expected:
            fault = "twice or too late" if found < expected else "after a gap or too early"
            raise AssertionError(
                f"event {found} of {key} comes {fault} (expected {expected}) at {place}"
            )
        if place in self.seen:
            raise AssertionError(f"sequence number given twice: {place}")
        self.next[key] = expected + 1
        self.seen.add(place)
        self.events += 1
        self.payload_bytes += len(record["Data"]) + len(key.encode())


def main() -> None:
    parser = connect.parser(__doc__.splitlines()[0])
    parser.add_argument("--follow", action="store_true", help="wait for further records at the end")
    arguments = parser.parse_args()
    kinesis = connect.client(arguments.endpoint_url, arguments.region)
    for batch in Reader(kinesis, arguments.stream).batches(arguments.follow):
        for record in batch.records:
            print(batch.shard, record["SequenceNumber"], record["Data"].decode(errors="replace"))


if __name__ == "__main__":
    connect.run(main)
