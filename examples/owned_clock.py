#!/usr/bin/env python3
"""A day of Kinesis in a moment: the clock stands until the test moves it, and nothing is random.

It starts servers of its own, as each begins at the same time with the same seed. MILLPOND_BIN names
the binary.
"""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

import connect
import server

START = 1_700_000_000
HOUR = 3_600


class Clock:
    """The server's clock, over its admin API, which clients on its own host may ask in dev."""

    def __init__(self, endpoint_url: str):
        self.url = f"{endpoint_url}/_millpond/clock"

    def _ask(self, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.url + path, data, timeout=60) as answer:
            return json.load(answer)

    def now(self) -> float:
        return self._ask("")["epoch_seconds"]

    def advance(self, seconds: float) -> None:
        """Everything that is due on the way has happened when this returns."""
        self._ask("/advance", {"seconds": seconds})


@contextmanager
def standing(*flags: str) -> Iterator[tuple]:
    """A client and the clock of a new server, whose time stands at START."""
    with server.running("--clock", str(START), *flags) as url:
        yield connect.client(url), Clock(url)


def texts(answer: dict) -> list[str]:
    return [record["Data"].decode() for record in answer["Records"]]


def iterator(kinesis, kind: str = "TRIM_HORIZON") -> str:
    shard = {"StreamName": "orders", "ShardId": "shardId-000000000000"}
    return kinesis.get_shard_iterator(**shard, ShardIteratorType=kind)["ShardIterator"]


def refused(code: str, call, **arguments) -> None:
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
    else:
        raise AssertionError(f"{code} was expected")


def retention(kinesis, clock: Clock) -> None:
    """Records live for 24 hours, to the millisecond; 25 hours pass."""
    kinesis.put_record(StreamName="orders", PartitionKey="k", Data=b"early")
    clock.advance(HOUR)
    kinesis.put_record(StreamName="orders", PartitionKey="k", Data=b"late")
    clock.advance(23 * HOUR)
    assert texts(kinesis.get_records(ShardIterator=iterator(kinesis))) == ["early", "late"]
    clock.advance(0.001)
    assert texts(kinesis.get_records(ShardIterator=iterator(kinesis))) == ["late"]
    clock.advance(HOUR)
    assert texts(kinesis.get_records(ShardIterator=iterator(kinesis))) == []


def expiry(kinesis, clock: Clock) -> None:
    """An iterator lives for five minutes."""
    held = iterator(kinesis, "LATEST")
    clock.advance(300)
    kinesis.get_records(ShardIterator=held)
    clock.advance(0.001)
    refused("ExpiredIteratorException", kinesis.get_records, ShardIterator=held)


def subscription(kinesis, clock: Clock) -> None:
    """A subscription ends after five minutes, with a sign of life every five seconds until then."""
    arn = kinesis.describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]
    arn = kinesis.register_stream_consumer(StreamARN=arn["StreamARN"], ConsumerName="audit")
    began = kinesis.subscribe_to_shard(
        ConsumerARN=arn["Consumer"]["ConsumerARN"],
        ShardId="shardId-000000000000",
        StartingPosition={"Type": "LATEST"},
    )
    events = []
    reader = threading.Thread(target=lambda: events.extend(began["EventStream"]))
    reader.start()
    clock.advance(300)
    reader.join(timeout=10)
    assert not reader.is_alive() and len(events) == 59, len(events)


def transitions(kinesis, clock: Clock) -> None:
    """What takes a while takes just that."""
    kinesis.create_stream(StreamName="later", ShardCount=1)
    seen = []
    for seconds in 0, 4.999, 0.001:
        clock.advance(seconds)
        summary = kinesis.describe_stream_summary(StreamName="later")["StreamDescriptionSummary"]
        seen.append(summary["StreamStatus"])
    assert seen == ["CREATING", "CREATING", "ACTIVE"], seen


def suite() -> None:
    with standing("--stream", "orders:1", "--transition", "5s") as (kinesis, clock):
        began = time.monotonic()
        for case in transitions, retention, expiry:
            case(kinesis, clock)
        passed, took = clock.now() - START, time.monotonic() - began
        print(f"{passed / HOUR:.1f} hours passed in {took:.2f} s")
    with standing("--stream", "orders:1") as (kinesis, clock):
        subscription(kinesis, clock)
        print(f"a subscription of {clock.now() - START:.0f} s ended")


def session() -> list[tuple]:
    """All that a new server answers to the same calls: statuses, headers, bodies."""
    heard = []

    def hear(http_response, **_) -> None:
        # The date is the world's.
        headers = {k: v for k, v in http_response.headers.items() if k.lower() != "date"}
        heard.append((http_response.status_code, headers, http_response.content))

    with standing("--seed", "42") as (kinesis, clock):
        kinesis.meta.events.register("after-call.kinesis", hear)
        kinesis.create_stream(StreamName="orders", ShardCount=1)
        kinesis.create_stream(StreamName="returns", ShardCount=1)
        entries = [{"PartitionKey": key, "Data": key.encode()} for key in "abc"]
        kinesis.put_records(StreamName="orders", Records=entries)
        clock.advance(1)
        kinesis.put_record(StreamName="orders", PartitionKey="d", Data=b"d")
        read = kinesis.get_records(ShardIterator=iterator(kinesis))
        assert texts(read) == ["a", "b", "c", "d"]
        page = kinesis.list_streams(Limit=1)
        kinesis.list_streams(NextToken=page["NextToken"])
        arn = page["StreamSummaries"][0]["StreamARN"]
        kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="audit")
        clock.advance(25 * HOUR)
        kinesis.split_shard(
            StreamName="orders", ShardToSplit="shardId-000000000000", NewStartingHashKey="9"
        )
        kinesis.describe_stream(StreamName="orders")
        refused("ResourceNotFoundException", kinesis.describe_stream, StreamName="absent")
    return heard


def main() -> None:
    suite()
    first, again = session(), session()
    assert first == again
    print(f"{len(first)} answers came twice, byte for byte")


if __name__ == "__main__":
    connect.run(main)
