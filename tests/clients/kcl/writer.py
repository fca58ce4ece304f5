"""Writes to a stream and reshards it, and remembers what the server acknowledged."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import connect
from stored import Stored

BATCH = 5
PAUSE_SECONDS = 0.1
USERS = 97
WRITE_SECONDS_MAX = 60

SIDES = ("StartingHashKey", "EndingHashKey")


class Writer:
    """Writes until it is told to stop, record after record, over many partition keys."""

    def __init__(self, url: str, stream: str):
        # Nothing is sent twice: what is stored is what is acknowledged.
        self.kinesis = connect.client(url, attempts=1)
        self.stream = stream
        self.acknowledged: dict[str, list[Stored]] = {}
        self.written = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        for first in itertools.count(step=BATCH):
            if self.stopping.wait(PAUSE_SECONDS):
                return
            numbers = range(first, first + BATCH)
            self.put([(f"user-{number % USERS}", b"%d" % number) for number in numbers])
            self.written = numbers.stop

    def put(self, batch: list[tuple[str, bytes]]) -> None:
        records = [{"PartitionKey": key, "Data": data} for key, data in batch]
        answer = self.kinesis.put_records(StreamName=self.stream, Records=records)
        assert answer["FailedRecordCount"] == 0, answer
        for (key, data), record in zip(batch, answer["Records"], strict=True):
            shard, number = record["ShardId"], record["SequenceNumber"]
            self.acknowledged.setdefault(shard, []).append((shard, number, key, data))

    def wait(self, records: int) -> None:
        """Waits until so many more have been written."""
        until = self.written + records
        end = time.monotonic() + WRITE_SECONDS_MAX
        while self.written < until:
            assert time.monotonic() < end, f"{self.written} of {until} records in time"
            time.sleep(PAUSE_SECONDS)

    def reshard(self, turn: int) -> None:
        """Splits a shard and merges two others, each time elsewhere."""
        shards = self.open_shards()
        parent = shards[turn % len(shards)]
        start, end = (int(parent["HashKeyRange"][side]) for side in SIDES)
        self.kinesis.split_shard(
            StreamName=self.stream,
            ShardToSplit=parent["ShardId"],
            NewStartingHashKey=str((start + end + 1) // 2),
        )
        connect.wait_active(self.kinesis, self.stream)
        shards = self.open_shards()
        first = (2 * turn + 1) % (len(shards) - 1)
        self.kinesis.merge_shards(
            StreamName=self.stream,
            ShardToMerge=shards[first]["ShardId"],
            AdjacentShardToMerge=shards[first + 1]["ShardId"],
        )
        connect.wait_active(self.kinesis, self.stream)

    def open_shards(self) -> list[dict]:
        """The open shards, by their hash keys."""
        found = self.kinesis.list_shards(StreamName=self.stream, ShardFilter={"Type": "AT_LATEST"})
        return sorted(
            found["Shards"], key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"])
        )


@contextmanager
def writing(url: str, stream: str) -> Iterator[Writer]:
    """A writer at work in the background; it has ended after this."""
    writer = Writer(url, stream)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        yield writer
    finally:
        writer.stopping.set()
        thread.join()
