"""The producer and the reader of the examples against a fake that refuses many entries."""

import json

import pytest

from consume import Proof, Reader
from events import Event, access_log
from fake import FakeKinesis
from produce import FRUITLESS_CALLS_MAX, OrderedProducer
from shard_tour import split_hottest


def no_sleep(seconds: float) -> None:
    """Time does not pass in these tests."""


def events(count: int, keys: int) -> list[Event]:
    return [
        Event(f"k{n % keys}", json.dumps({"event": {"sequence": n // keys}}).encode())
        for n in range(count)
    ]


def read_and_prove(kinesis) -> Proof:
    proof = Proof()
    for batch in Reader(kinesis, "fake", no_sleep).batches():
        for record in batch.records:
            proof.add(batch.shard, record)
    return proof


@pytest.mark.parametrize("seed", range(5))
def test_order_survives_throttling_and_a_split(seed):
    kinesis = FakeKinesis(shards=4, refuse=0.3, seed=seed)
    producer = OrderedProducer(kinesis, "fake", no_sleep)
    producer.send(events(2_000, keys=90)[:1_000])
    split_hottest(kinesis, "fake", producer.figures.per_shard)
    producer.send(events(2_000, keys=90)[1_000:])

    proof = read_and_prove(kinesis)
    assert proof.events == 2_000
    assert proof.seen == producer.figures.acknowledged
    assert producer.figures.refused > 100


def test_order_survives_a_merge_of_split_shards():
    kinesis = FakeKinesis(shards=2)
    producer = OrderedProducer(kinesis, "fake", no_sleep)
    producer.send(events(300, keys=30)[:100])
    split_hottest(kinesis, "fake", {"shardId-000000000000": 1})
    producer.send(events(300, keys=30)[100:200])
    kinesis.merge_shards("fake", "shardId-000000000002", "shardId-000000000003")
    producer.send(events(300, keys=30)[200:])

    assert read_and_prove(kinesis).events == 300


def test_a_call_holds_a_key_once_and_at_most_500_entries():
    kinesis = FakeKinesis()
    OrderedProducer(kinesis, "fake", no_sleep).send(events(3_000, keys=700))

    assert max(len(keys) for keys in kinesis.calls) == 500
    assert all(len(set(keys)) == len(keys) for keys in kinesis.calls)


def test_a_server_that_stores_nothing_is_given_up():
    kinesis = FakeKinesis(refuse=1.0)
    with pytest.raises(RuntimeError, match="stored nothing"):
        OrderedProducer(kinesis, "fake", no_sleep).send(events(10, keys=3))
    assert len(kinesis.calls) == FRUITLESS_CALLS_MAX


@pytest.mark.parametrize(
    ("sequences", "complaint"),
    [([0, 2], "after a gap"), ([0, 0], "twice"), ([1, 0], "after a gap"), ([0, 1, 0], "twice")],
)
def test_the_proof_fails_where_it_must(sequences, complaint):
    proof = Proof()
    with pytest.raises(AssertionError, match=complaint):
        for number, sequence in enumerate(sequences):
            data = json.dumps({"event": {"sequence": sequence}})
            record = {"PartitionKey": "k", "SequenceNumber": str(number), "Data": data}
            proof.add("shardId-000000000000", record)


def test_the_log_is_reproducible_skewed_and_numbered_per_client():
    first, second = list(access_log(7, 5_000)), list(access_log(7, 5_000))
    assert first == second
    assert first != list(access_log(8, 5_000))
    counts: dict[str, int] = {}
    for event in first:
        document = json.loads(event.data)
        assert document["event"]["sequence"] == counts.get(event.key, 0)
        assert document["source"]["ip"] == event.key
        counts[event.key] = counts.get(event.key, 0) + 1
    assert max(counts.values()) > 20 * 5_000 / 20_000
