"""Enhanced fan-out: SubscribeToShard as boto3 reads its event stream."""

import pytest
from botocore.exceptions import ClientError, EventStreamError

from waiting import register


@pytest.fixture
def stream(kinesis, create):
    """A new stream's name, and the ARN of its consumer."""
    name = create(shards=1)
    summary = kinesis.describe_stream_summary(StreamName=name)
    return name, register(kinesis, summary["StreamDescriptionSummary"]["StreamARN"], "reader")


def subscribe(kinesis, consumer: str, **position):
    position = position or {"Type": "TRIM_HORIZON"}
    shard = "shardId-000000000000"
    answer = kinesis.subscribe_to_shard(
        ConsumerARN=consumer, ShardId=shard, StartingPosition=position
    )
    return answer["EventStream"]


def put(kinesis, name: str, data: bytes) -> str:
    return kinesis.put_record(StreamName=name, PartitionKey="k", Data=data)["SequenceNumber"]


def with_records(events):
    """The events that have some: every five seconds there may be one without any."""
    return (event for event in events if data(event))


def data(event: dict) -> list[bytes]:
    return [record["Data"] for record in event["SubscribeToShardEvent"]["Records"]]


def test_records_are_pushed(kinesis, stream):
    name, consumer = stream
    first = put(kinesis, name, b"1")
    events = with_records(subscribe(kinesis, consumer))
    event = next(events)
    assert data(event) == [b"1"]
    assert event["SubscribeToShardEvent"]["ContinuationSequenceNumber"] == first
    second = put(kinesis, name, b"2")
    event = next(events)
    assert data(event) == [b"2"]
    assert event["SubscribeToShardEvent"]["ContinuationSequenceNumber"] == second
    assert event["SubscribeToShardEvent"]["MillisBehindLatest"] == 0


def test_a_split_shard_ends_with_its_children(kinesis, stream):
    name, consumer = stream
    put(kinesis, name, b"1")
    events = subscribe(kinesis, consumer)
    told = [next(iter(events))]
    kinesis.split_shard(
        StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127)
    )
    told += list(events)
    assert [record for event in told for record in data(event)] == [b"1"]
    last = told[-1]["SubscribeToShardEvent"]
    assert "ContinuationSequenceNumber" not in last
    assert [child["ShardId"] for child in last["ChildShards"]] == [
        "shardId-000000000001",
        "shardId-000000000002",
    ]


def test_a_deregistered_consumer_is_told_so(kinesis, stream):
    _, consumer = stream
    events = subscribe(kinesis, consumer, Type="LATEST")
    kinesis.deregister_stream_consumer(ConsumerARN=consumer)
    with pytest.raises(EventStreamError) as told:
        list(events)
    assert told.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_an_unknown_consumer_is_refused(kinesis, stream):
    _, consumer = stream
    unknown = consumer.rsplit(":", 1)[0] + ":1"
    with pytest.raises(ClientError) as refused:
        subscribe(kinesis, unknown)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
