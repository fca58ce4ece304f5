"""KPL puts aggregated records while the stream is split and merged, and KCL takes them apart."""

import base64
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import connect
import dynamodb
import kcl
import programs
from consume import Reader
from maven import Java

pytestmark = pytest.mark.heavy

FOLDER = Path(__file__).parent
KEYS = 500
CLICKS = 60_000
SPREAD = 10_000
CLICKS_PER_SECOND = 4_000
MIDDLE_OF_LOWER_HALF = str(2**126)
# The two that the stream begins with, two of a split, and one of a merge.
SHARDS = {f"shardId-{number:012}" for number in range(5)}
TOLD_SECONDS_MAX = 150


@pytest.fixture
def worker(dev, stream):
    with dynamodb.running() as tables:
        program = kcl.Application("reader", dev, tables).worker(stream, "one")
        yield program
        program.kill()


@pytest.fixture
def produce(secure, ca):
    """Starts the producer, which waits at the end until it is stopped."""
    started = []

    def start(stream: str, count: int) -> programs.Program:
        command = Java(FOLDER).command("clicks.Produce", stream, str(count), str(CLICKS_PER_SECOND))
        environment = programs.environment(secure, AWS_CA_BUNDLE=str(ca))
        started.append(programs.Program(command, FOLDER, environment))
        return started[-1]

    yield start
    for program in started:
        program.stop()


def acknowledged(producer: programs.Program, count: int) -> Iterator[dict]:
    """What KPL tells of each click, none of which fails."""
    for _ in range(count):
        told = producer.expect(TOLD_SECONDS_MAX)
        assert "ShardId" in told, f"{told}:\n{''.join(producer.log)}"
        yield told


def put_all(kinesis, stream: str, producer: programs.Program) -> dict[int, dict]:
    """Every click that was put; the stream is split and merged under way."""
    put = {}
    for told in acknowledged(producer, CLICKS):
        put[told["number"]] = told
        if len(put) == CLICKS // 4:
            kinesis.split_shard(
                StreamName=stream,
                ShardToSplit="shardId-000000000000",
                NewStartingHashKey=MIDDLE_OF_LOWER_HALF,
            )
        if len(put) == CLICKS // 2:
            kinesis.merge_shards(
                StreamName=stream,
                ShardToMerge="shardId-000000000003",
                AdjacentShardToMerge="shardId-000000000001",
            )
    assert put.keys() == set(range(CLICKS))
    return put


def put_ends(kinesis, stream: str) -> set[str]:
    """Puts a last record into each open shard; the shards."""
    latest = {"Type": "AT_LATEST"}
    shards = kinesis.list_shards(StreamName=stream, ShardFilter=latest)["Shards"]
    return {
        kinesis.put_record(
            StreamName=stream,
            PartitionKey="end",
            ExplicitHashKey=shard["HashKeyRange"]["StartingHashKey"],
            Data=b"end",
        )["ShardId"]
        for shard in shards
    }


def read_all(worker: programs.Program, open_shards: set[str]) -> list[dict]:
    """What KCL read, up to the last record of each open shard, after which comes nothing."""
    records = []
    while open_shards:
        told = worker.expect(TOLD_SECONDS_MAX)
        if told["event"] != "record":
            continue
        if told["partitionKey"] == "end":
            open_shards = open_shards - {told["shard"]}
        else:
            records.append(told)
    return records


def place(record: dict) -> tuple[str, str]:
    return record["shard"], record["sequenceNumber"]


def user_records_put(dev: str, stream: str) -> float:
    """How many records KPL has put by what it told CloudWatch so far."""
    cloudwatch = connect.client(dev, service="cloudwatch")
    metric = {
        "Namespace": "KinesisProducerLibrary",
        "MetricName": "UserRecordsPut",
        "Dimensions": [{"Name": "StreamName", "Value": stream}],
    }
    query = {"Id": "put", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}
    now = datetime.now(UTC)
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[query],
        StartTime=now - timedelta(hours=2),
        EndTime=now + timedelta(minutes=1),
    )
    return sum(answer["MetricDataResults"][0]["Values"])


def test_every_click_that_is_acknowledged_is_read(dev, stream, worker, produce):
    kinesis = connect.client(dev)
    put = put_all(kinesis, stream, produce(stream, CLICKS))
    records = read_all(worker, put_ends(kinesis, stream))

    read = defaultdict(list)
    for record in records:
        number = int(base64.b64decode(record["data"]))
        assert record["partitionKey"] == f"user-{number % KEYS}"
        read[number].append(place(record))
    assert read.keys() == put.keys()
    for number, told in put.items():
        assert (told["ShardId"], told["SequenceNumber"]) in read[number]
        # After a split or merge KPL puts again what another shard got than it had thought.
        assert set(told["failed"]) <= {"Wrong Shard"}
        assert len(read[number]) <= 1 + len(told["failed"])

    assert {told["ShardId"] for told in put.values()} == SHARDS
    assert len(set(map(place, records))) < CLICKS / 10, "the records were not aggregated"
    for shard in SHARDS:
        order = [
            (int(record["sequenceNumber"]), record["subSequenceNumber"])
            for record in records
            if record["shard"] == shard
        ]
        assert order == sorted(set(order))

    deadline = time.monotonic() + TOLD_SECONDS_MAX
    while user_records_put(dev, stream) < CLICKS and time.monotonic() < deadline:
        time.sleep(0.5)
    assert user_records_put(dev, stream) == CLICKS


def test_records_that_the_service_spreads_are_not_aggregated(dev, produce):
    kinesis = connect.client(dev)
    kinesis.create_stream(
        StreamName="spread",
        StreamModeDetails={"StreamMode": "ON_DEMAND"},
        RecordDistributionStrategy="AUTO",
    )
    connect.wait_active(kinesis, "spread")
    put = {
        (told["ShardId"], told["SequenceNumber"]): told["number"]
        for told in acknowledged(produce("spread", SPREAD), SPREAD)
    }
    batches = Reader(kinesis, "spread").batches()
    read = {
        (batch.shard, record["SequenceNumber"]): int(record["Data"])
        for batch in batches
        for record in batch.records
    }
    assert read == put
    assert sorted(read.values()) == list(range(SPREAD))
    of_one_key = {shard for (shard, _), number in read.items() if number % KEYS == 0}
    assert len(of_one_key) > 1
