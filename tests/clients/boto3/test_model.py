"""The model inside botocore drives a check of the 40 classic operations.

Each is called so that its calls together hold every member, nested ones too, and every value of
every enum that the model documents; each call must be accepted; each answer must have every
member that the model requires. A newer model with a new member fails here until the member has a
value below.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore.exceptions import ClientError

import connect
import server

LATER = ("Queue", "Channel")  # operations on these are not among the 40
SHARD = "shardId-000000000000"
STREAM_ID = "abcdefghijklmnopqrst-abc"
KEY = "alias/aws/kinesis"

MODEL = botocore.session.get_session().get_service_model("kinesis")
OPERATIONS = [name for name in MODEL.operation_names if not any(noun in name for noun in LATER)]


class World:
    """An account of its own on a server that all share, and ways to what the calls need."""

    def __init__(self, url: str):
        self.kinesis = connect.client(url, key=f"{random.randrange(10**12):012}", attempts=1)
        self.kinesis.meta.events.register(
            "before-sign.kinesis", lambda request, **_: stay(url, request)
        )
        self.made = 0

    def stream(self, shards: int = 1, **more) -> dict:
        """A new stream's name and ARN, as the members of an input, and a StreamId beside them."""
        self.made += 1
        name = f"stream-{self.made}"
        if more.get("StreamModeDetails", {}).get("StreamMode") != "ON_DEMAND":
            more["ShardCount"] = shards
        self.kinesis.create_stream(StreamName=name, **more)
        summary = self.kinesis.describe_stream_summary(StreamName=name)
        arn = summary["StreamDescriptionSummary"]["StreamARN"]
        return {"StreamName": name, "StreamARN": arn, "StreamId": STREAM_ID}

    def by_arn(self, **more) -> dict:
        """The same for operations that know no names."""
        stream = self.stream(**more)
        del stream["StreamName"]
        return stream

    def on_demand(self) -> dict:
        return self.by_arn(StreamModeDetails={"StreamMode": "ON_DEMAND"})

    def consumer(self) -> dict:
        """A new stream's consumer, by all of its names."""
        stream = self.by_arn()
        answer = self.kinesis.register_stream_consumer(
            StreamARN=stream["StreamARN"], ConsumerName="reader"
        )
        named = {"ConsumerName": "reader", "ConsumerARN": answer["Consumer"]["ConsumerARN"]}
        return stream | named

    def put(self, stream: dict) -> str:
        put = self.kinesis.put_record(StreamARN=stream["StreamARN"], PartitionKey="k", Data=b"x")
        return put["SequenceNumber"]

    def created(self, stream: dict) -> datetime:
        summary = self.kinesis.describe_stream_summary(StreamARN=stream["StreamARN"])
        return summary["StreamDescriptionSummary"]["StreamCreationTimestamp"]

    def commit(self) -> None:
        """What warm throughput is for."""
        self.kinesis.update_account_settings(
            MinimumThroughputBillingCommitment={"Status": "ENABLED"}
        )


def stay(url: str, request) -> None:
    """Undoes what a StreamId does: botocore leaves the endpoint that it was given."""
    request.url = (
        urlsplit(request.url)._replace(netloc=urlsplit(url).netloc, scheme="http").geturl()
    )


def resource(stream: dict) -> dict:
    return {"ResourceARN": stream["StreamARN"], "StreamId": STREAM_ID}


def policy(stream: dict) -> str:
    return (
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},'
        f'"Action":"kinesis:PutRecord","Resource":"{stream["StreamARN"]}"}}}}'
    )


def add_tags_to_stream(world):
    yield world.stream() | {"Tags": {"a": "1"}}


def create_stream(world):
    yield {
        "StreamName": "provisioned",
        "ShardCount": 2,
        "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "Tags": {"a": "1"},
        "MaxRecordSizeInKiB": 2048,
        "RecordDistributionStrategy": "USER_PARTITION_KEY",
    }
    world.commit()
    yield {
        "StreamName": "on-demand",
        "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
        "WarmThroughputMiBps": 5,
        "RecordDistributionStrategy": "AUTO",
    }
    yield {"StreamName": "neither"}


def decrease_stream_retention_period(world):
    stream = world.stream()
    world.kinesis.increase_stream_retention_period(
        StreamARN=stream["StreamARN"], RetentionPeriodHours=48
    )
    yield stream | {"RetentionPeriodHours": 24}


def delete_resource_policy(world):
    stream = world.by_arn()
    world.kinesis.put_resource_policy(ResourceARN=stream["StreamARN"], Policy=policy(stream))
    yield resource(stream)


def delete_stream(world):
    yield world.stream() | {"EnforceConsumerDeletion": True}


def deregister_stream_consumer(world):
    yield world.consumer()


def describe_account_settings(world):
    yield {}


def describe_limits(world):
    yield {}


def describe_stream(world):
    yield world.stream(shards=2) | {"Limit": 1, "ExclusiveStartShardId": SHARD}


def describe_stream_consumer(world):
    yield world.consumer()


def describe_stream_summary(world):
    yield world.stream()
    yield world.on_demand()


METRICS = MODEL.shape_for("MetricsName").enum


def disable_enhanced_monitoring(world):
    yield world.stream() | {"ShardLevelMetrics": METRICS[:-1]}
    yield world.stream() | {"ShardLevelMetrics": METRICS[-1:]}


def enable_enhanced_monitoring(world):
    yield from disable_enhanced_monitoring(world)


def get_records(world):
    stream = world.by_arn()
    world.put(stream)
    iterator = world.kinesis.get_shard_iterator(
        StreamARN=stream["StreamARN"], ShardId=SHARD, ShardIteratorType="TRIM_HORIZON"
    )
    call = stream | {"ShardIterator": iterator["ShardIterator"], "Limit": 10}
    yield call
    yield call | {"DryRun": True}


def get_resource_policy(world):
    stream = world.by_arn()
    yield resource(stream)
    world.kinesis.put_resource_policy(ResourceARN=stream["StreamARN"], Policy=policy(stream))
    yield resource(stream)


def positions(number: str) -> Iterator[tuple[str, dict]]:
    """Each type of position with what belongs to it: a number or a time."""
    yield "TRIM_HORIZON", {}
    yield "LATEST", {}
    yield "AT_SEQUENCE_NUMBER", {"Number": number}
    yield "AFTER_SEQUENCE_NUMBER", {"Number": number}
    yield "AT_TIMESTAMP", {"Timestamp": datetime.now(UTC) - timedelta(minutes=1)}


def get_shard_iterator(world):
    stream = world.stream()
    for kind, more in positions(world.put(stream)):
        if number := more.pop("Number", None):
            more["StartingSequenceNumber"] = number
        yield stream | more | {"ShardId": SHARD, "ShardIteratorType": kind}
    yield stream | {"ShardId": SHARD, "ShardIteratorType": "LATEST", "DryRun": True}


def increase_stream_retention_period(world):
    yield world.stream() | {"RetentionPeriodHours": 8760}


def list_shards(world):
    stream = world.stream(shards=3)
    now = datetime.now(UTC)
    for kind, more in [
        ("AFTER_SHARD_ID", {"ShardId": SHARD}),
        ("AT_TRIM_HORIZON", {}),
        ("FROM_TRIM_HORIZON", {}),
        ("AT_LATEST", {}),
        ("AT_TIMESTAMP", {"Timestamp": now}),
        ("FROM_TIMESTAMP", {"Timestamp": now}),
    ]:
        yield stream | {"ShardFilter": {"Type": kind} | more}
    yield stream | {
        "ExclusiveStartShardId": SHARD,
        "MaxResults": 1,
        "StreamCreationTimestamp": world.created(stream),
    }
    page = world.kinesis.list_shards(StreamARN=stream["StreamARN"], MaxResults=1)
    yield {"NextToken": page["NextToken"], "MaxResults": 1, "StreamId": STREAM_ID}


def list_stream_consumers(world):
    stream = world.by_arn()
    for name in ("one", "two"):
        world.kinesis.register_stream_consumer(StreamARN=stream["StreamARN"], ConsumerName=name)
    yield stream | {"MaxResults": 1, "StreamCreationTimestamp": world.created(stream)}
    page = world.kinesis.list_stream_consumers(StreamARN=stream["StreamARN"], MaxResults=1)
    yield stream | {"NextToken": page["NextToken"]}


def list_streams(world):
    for _ in range(2):
        world.stream()
    yield {"Limit": 1, "ExclusiveStartStreamName": "stream-0"}
    yield {"NextToken": world.kinesis.list_streams(Limit=1)["NextToken"]}


def list_tags_for_resource(world):
    yield resource(world.by_arn(Tags={"a": "1"}))


def list_tags_for_stream(world):
    yield world.stream(Tags={"a": "1", "b": "2"}) | {"ExclusiveStartTagKey": "a", "Limit": 1}


def merge_shards(world):
    adjacent = {"AdjacentShardToMerge": "shardId-000000000001"}
    yield world.stream(shards=2) | {"ShardToMerge": SHARD} | adjacent


def put_record(world):
    stream = world.stream()
    record = {"Data": b"x", "PartitionKey": "k", "ExplicitHashKey": "7"}
    yield stream | record | {"SequenceNumberForOrdering": world.put(stream)}
    yield stream | record | {"DryRun": True}


def put_records(world):
    stream = world.stream()
    records = [{"Data": b"x", "ExplicitHashKey": "7", "PartitionKey": "k"}]
    yield stream | {"Records": records}
    yield stream | {"Records": records, "DryRun": True}


def put_resource_policy(world):
    stream = world.by_arn()
    yield resource(stream) | {"Policy": policy(stream)}


def register_stream_consumer(world):
    yield world.by_arn() | {"ConsumerName": "reader", "Tags": {"a": "1"}}


def remove_tags_from_stream(world):
    yield world.stream(Tags={"a": "1"}) | {"TagKeys": ["a"]}


def split_shard(world):
    yield world.stream() | {"ShardToSplit": SHARD, "NewStartingHashKey": str(2**127)}


def start_stream_encryption(world):
    yield world.stream() | {"EncryptionType": "KMS", "KeyId": KEY}


def stop_stream_encryption(world):
    stream = world.stream()
    world.kinesis.start_stream_encryption(
        StreamARN=stream["StreamARN"], EncryptionType="KMS", KeyId=KEY
    )
    yield stream | {"EncryptionType": "KMS", "KeyId": KEY}


def subscribe_to_shard(world):
    consumer = world.consumer()
    call = {"ConsumerARN": consumer["ConsumerARN"], "StreamId": STREAM_ID, "ShardId": SHARD}
    for kind, more in positions(world.put(consumer)):
        if number := more.pop("Number", None):
            more["SequenceNumber"] = number
        yield call | {"StartingPosition": {"Type": kind} | more}
    yield call | {"StartingPosition": {"Type": "LATEST"}, "DryRun": True}


def tag_resource(world):
    yield resource(world.by_arn()) | {"Tags": {"a": "1"}}


def untag_resource(world):
    yield resource(world.by_arn(Tags={"a": "1"})) | {"TagKeys": ["a"]}


def update_account_settings(world):
    for status in ("ENABLED", "DISABLED"):
        yield {"MinimumThroughputBillingCommitment": {"Status": status}}


def update_max_record_size(world):
    yield world.by_arn() | {"MaxRecordSizeInKiB": 10240}


def update_shard_count(world):
    yield world.stream() | {"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"}


def update_stream_mode(world):
    world.commit()
    stream = world.by_arn()
    yield stream | {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "WarmThroughputMiBps": 5}
    yield stream | {"StreamModeDetails": {"StreamMode": "PROVISIONED"}}


def update_stream_record_distribution_strategy(world):
    stream = world.on_demand()
    for strategy in ("AUTO", "USER_PARTITION_KEY"):
        yield stream | {"RecordDistributionStrategy": strategy}


def update_stream_warm_throughput(world):
    world.commit()
    stream = world.stream(StreamModeDetails={"StreamMode": "ON_DEMAND"})
    yield stream | {"WarmThroughputMiBps": 6}


def documented(shape, path: str = "") -> set[str]:
    """Every member below `shape`, and every value of every enum, each as a path."""
    if shape is None:
        return set()
    if shape.type_name == "structure":
        below = [
            {f"{path}.{name}"} | documented(member, f"{path}.{name}")
            for name, member in shape.members.items()
        ]
        return set().union(*below)
    if shape.type_name == "list":
        return documented(shape.member, f"{path}[]")
    return {f"{path}={value}" for value in getattr(shape, "enum", [])}


def said(shape, value, path: str = "") -> set[str]:
    """Those of them that an input holds."""
    if shape.type_name == "structure":
        below = [
            {f"{path}.{name}"} | said(shape.members[name], member, f"{path}.{name}")
            for name, member in value.items()
        ]
        return set().union(*below)
    if shape.type_name == "list":
        return set().union(*(said(shape.member, item, f"{path}[]") for item in value))
    return {f"{path}={value}"} & documented(shape, path)


def missing(shape, value, path: str = "") -> set[str]:
    """The required members that an answer doesn't have."""
    if shape is None or value is None:
        return set()
    if shape.type_name == "structure":
        absent = {f"{path}.{name}" for name in shape.required_members if name not in value}
        present = [name for name in shape.members if name in value]
        below = [missing(shape.members[name], value[name], f"{path}.{name}") for name in present]
        return absent.union(*below)
    if shape.type_name == "list":
        return set().union(*(missing(shape.member, item, f"{path}[]") for item in value))
    return set()


def events(answer: dict) -> list[dict]:
    """What an event stream says first, in place of the stream."""
    if stream := answer.get("EventStream"):
        first = next(iter(stream))
        stream.close()
        answer["EventStream"] = first
    return answer


@pytest.fixture(scope="module")
def url():
    with server.running() as url:
        yield url


# What only an error can answer: a value that AWS documents and refuses.
REFUSED = {
    "StartStreamEncryption": {".EncryptionType=NONE"},
    "StopStreamEncryption": {".EncryptionType=NONE"},
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_documented_member_is_accepted_and_answered(url, operation):
    world, model = World(url), MODEL.operation_model(operation)
    method = botocore.xform_name(operation)
    covered = set(REFUSED.get(operation, ()))
    for call in globals()[method](world):
        if model.input_shape is not None:
            covered |= said(model.input_shape, call)
        try:
            answer = getattr(world.kinesis, method)(**call)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            assert (code, call.get("DryRun")) == ("DryRunOperationException", True), error
            continue
        assert "DryRun" not in call, "it was not to be done"
        assert not missing(model.output_shape, events(answer)), call
    assert documented(model.input_shape) - covered == set(), "give these a value above"


def test_there_are_forty():
    assert len(OPERATIONS) == 40
