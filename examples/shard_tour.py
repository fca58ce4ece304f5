#!/usr/bin/env python3
"""Pushes events through a 4-shard stream, splits the hottest shard, and proves that none got lost.

All are read back: each client's events must have come in order, each once, none left out.
"""

import itertools
import time
import uuid
from dataclasses import dataclass

import connect
from consume import Proof, Reader
from events import access_log
from produce import OrderedProducer

SHARDS = 4


@dataclass(frozen=True)
class Report:
    """The figures of one tour."""

    written: int
    calls: int
    refused: int
    write_seconds: float
    read_seconds: float
    read_mb: float
    hottest: str
    records_per_shard: dict[str, int]

    def __str__(self) -> str:
        shards = "".join(
            f"\n  {shard}: {n:,}" for shard, n in sorted(self.records_per_shard.items())
        )
        return (
            f"wrote {self.written:,} events in {self.calls:,} calls and {self.write_seconds:.1f} s "
            f"({self.written / self.write_seconds:,.0f}/s); "
            f"{self.refused:,} entries were throttled\n"
            f"split {self.hottest}, the hottest, half way{shards}\n"
            f"read {self.read_mb:.1f} MB in {self.read_seconds:.1f} s "
            f"({self.written / self.read_seconds:,.0f} events/s)\n"
            "order per partition key: yes; gaps: none; duplicates: none"
        )


def split_hottest(kinesis, stream: str, per_shard: dict[str, int]) -> str:
    """Splits the shard that took most records in the middle of its hash keys."""
    hottest = max(per_shard, key=per_shard.get)
    shards = {shard["ShardId"]: shard for shard in kinesis.list_shards(StreamName=stream)["Shards"]}
    hash_keys = shards[hottest]["HashKeyRange"]
    middle = (int(hash_keys["StartingHashKey"]) + int(hash_keys["EndingHashKey"]) + 1) // 2
    kinesis.split_shard(StreamName=stream, ShardToSplit=hottest, NewStartingHashKey=str(middle))
    return hottest


def tour(endpoint_url: str, region: str, stream: str, count: int, seed: int) -> Report:
    """Raises AssertionError where the stream did not keep its promise."""
    producing = connect.client(endpoint_url, region, attempts=1)
    kinesis = connect.client(endpoint_url, region)
    connect.ensure_stream(kinesis, stream, SHARDS)

    events = access_log(seed, count)
    producer = OrderedProducer(producing, stream)
    started = time.perf_counter()
    producer.send(itertools.islice(events, count // 2))
    hottest = split_hottest(kinesis, stream, producer.figures.per_shard)
    producer.send(events)  # the shard closes under this; nothing waits for it
    write_seconds = time.perf_counter() - started
    connect.wait_active(kinesis, stream)

    proof = Proof()
    started = time.perf_counter()
    for batch in Reader(kinesis, stream).batches():
        for record in batch.records:
            proof.add(batch.shard, record)
    read_seconds = time.perf_counter() - started

    figures = producer.figures
    lost = figures.acknowledged - proof.seen
    assert not lost, f"{len(lost)} acknowledged records were not read, one is {min(lost)}"
    unknown = proof.seen - figures.acknowledged
    assert not unknown, f"{len(unknown)} records were read that nobody wrote, one is {min(unknown)}"
    assert proof.events == count, f"{proof.events} events read of {count}"
    return Report(
        written=figures.events,
        calls=figures.calls,
        refused=figures.refused,
        write_seconds=write_seconds,
        read_seconds=read_seconds,
        read_mb=proof.payload_bytes / 1e6,
        hottest=hottest,
        records_per_shard=dict(figures.per_shard),
    )


def main() -> None:
    parser = connect.parser(__doc__.splitlines()[0])
    parser.set_defaults(stream=f"shard-tour-{uuid.uuid4().hex[:8]}")
    parser.add_argument("--count", type=int, default=100_000, help="events to send")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same events")
    parser.add_argument("--keep", action="store_true", help="do not delete the stream afterwards")
    arguments = parser.parse_args()
    url, region, stream = arguments.endpoint_url, arguments.region, arguments.stream
    print(tour(url, region, stream, arguments.count, arguments.seed))
    if not arguments.keep:
        connect.client(url, region).delete_stream(StreamName=stream)


if __name__ == "__main__":
    connect.run(main)
