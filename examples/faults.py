#!/usr/bin/env python3
"""Shows that a producer and consumers survive what goes wrong on AWS, by having it go wrong here.

The server is told over its admin API which calls fail, and how. What it did is counted, so a test
can also tell that a fault did happen.
"""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from urllib3.exceptions import ProtocolError

import connect
import consume
import produce
from events import access_log

EVENTS = 600
ORDER = json.dumps({"order": "A-1", "cents": 995}).encode()


def ask(endpoint_url: str, method: str, path: str, body: dict | None = None) -> dict:
    """The answer of the admin API, which clients on the server's own host may ask in dev."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{endpoint_url}/_millpond/{path}", data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Faults:
    """Faults in force; `acted` tells how often each did something."""

    def __init__(self, endpoint_url: str):
        self.endpoint_url = endpoint_url

    def acted(self) -> list[int]:
        return [fault["acted"] for fault in ask(self.endpoint_url, "GET", "faults")["faults"]]


@contextmanager
def injected(endpoint_url: str, *faults: dict) -> Iterator[Faults]:
    """These faults, and no longer than the block."""
    ask(endpoint_url, "PUT", "faults", {"seed": 1, "faults": faults})
    try:
        yield Faults(endpoint_url)
    finally:
        ask(endpoint_url, "DELETE", "faults")


def partial_failures(url: str, kinesis, stream: str) -> None:
    """Some entries of PutRecords are throttled, others fail; all are stored in the end."""
    scope = {"operation": "PutRecords", "stream": stream}
    producer = produce.OrderedProducer(kinesis, stream)
    with injected(
        url,
        scope | {"calls": "1..3", "records": "every 3", "then": {"throttle": True}},
        scope | {"probability": 0.05, "then": {"fail": True}},
    ) as faults:
        producer.send(access_log(1, EVENTS))
        assert all(faults.acted()), faults.acted()
    figures = producer.figures
    print(f"{figures.events} events stored, {figures.refused} entries were refused and sent again")


def troubled_reading(url: str, kinesis, stream: str) -> None:
    """An iterator expires, an answer is empty before the end: nothing is lost or out of order."""
    proof = consume.Proof()
    scope = {"operation": "GetRecords", "stream": stream}
    with injected(
        url,
        scope | {"calls": 1, "then": {"empty": True}},
        scope | {"calls": 2, "then": {"expire-iterator": True}},
        scope | {"calls": 4, "then": {"error": "InternalFailureException"}},
    ) as faults:
        for batch in consume.Reader(kinesis, stream).batches():
            for record in batch.records:
                proof.add(batch.shard, record)
        assert faults.acted() == [1, 1, 1], faults.acted()
    assert proof.events == EVENTS, f"{proof.events} events"
    print(f"{proof.events} events read in order, each once, over an expired iterator")


def lost_answer(url: str, kinesis, stream: str) -> None:
    """The answer to a write is lost, and the SDK writes again: the consumer must know a record."""
    then = {"cut": True, "when": "after-commit"}
    scope = {"operation": "PutRecord", "stream": stream}
    with injected(url, scope | {"calls": 1, "then": then}) as faults:
        kinesis.put_record(StreamName=stream, PartitionKey="A-1", Data=ORDER)
        assert faults.acted() == [1]
    batches = consume.Reader(kinesis, stream).batches()
    orders = [record["Data"] for batch in batches for record in batch.records]
    once = {json.loads(order)["order"]: order for order in orders}
    assert (len(orders), len(once)) == (2, 1), orders
    print("1 order sent, its answer lost: stored twice, counted once by its id")


def cut_subscription(url: str, kinesis, stream: str) -> None:
    """A subscription is cut; the consumer goes on from where it was."""
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    consumer = kinesis.register_stream_consumer(
        StreamARN=summary["StreamARN"], ConsumerName="faults"
    )["Consumer"]
    position = {"Type": "TRIM_HORIZON"}
    told, cuts = [], 0
    then = {"cut": True, "after-events": 1}
    with injected(url, {"stream": stream, "calls": 1, "then": then}):
        while len(told) < 3:
            answer = kinesis.subscribe_to_shard(
                ConsumerARN=consumer["ConsumerARN"],
                ShardId="shardId-000000000000",
                StartingPosition=position,
            )
            try:
                for event in answer["EventStream"]:
                    told += event["SubscribeToShardEvent"]["Records"]
                    number = event["SubscribeToShardEvent"]["ContinuationSequenceNumber"]
                    position = {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number}
                    kinesis.put_record(StreamName=stream, PartitionKey="A-1", Data=ORDER)
                    if len(told) >= 3:
                        break
            except ProtocolError:
                cuts += 1
    kinesis.deregister_stream_consumer(ConsumerARN=consumer["ConsumerARN"])
    assert len({record["SequenceNumber"] for record in told}) == len(told), "a record came twice"
    assert cuts == 1, cuts
    print("a subscription that was cut went on without a gap")


def main() -> None:
    parser = connect.parser(__doc__.splitlines()[0])
    parser.set_defaults(stream="faults")
    arguments = parser.parse_args()
    url, stream = arguments.endpoint_url, arguments.stream
    kinesis = connect.client(url, arguments.region)
    connect.ensure_stream(kinesis, stream, shards=2)
    orders = f"{stream}-orders"
    connect.ensure_stream(kinesis, orders, shards=1)
    try:
        # A producer that keeps order must know of each failure: no blind retries.
        partial_failures(url, connect.client(url, arguments.region, attempts=1), stream)
        troubled_reading(url, kinesis, stream)
        lost_answer(url, kinesis, orders)
        cut_subscription(url, kinesis, orders)
    finally:
        for name in (stream, orders):
            kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)


if __name__ == "__main__":
    connect.run(main)
