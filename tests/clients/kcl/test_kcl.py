"""KCL, polling and with fan-out, over a stream that is resharded while a worker is killed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import history
import pytest
from fleet import Fleet
from writer import Writer, writing

import connect
import dynamodb
import kcl
import stored

pytestmark = pytest.mark.heavy

STREAM = "clicks"
TURNS = 10
BETWEEN_TURNS = 150  # records
# A worker makes tables when it is the first, and waits for them in steps of ten seconds.
START_SECONDS_MAX = 120
FAILOVER_SECONDS_MAX = 150


@pytest.fixture
def tables():
    with dynamodb.running() as url:
        yield url


@pytest.fixture(params=["polling", "fan-out"])
def fleet(request, dev, tables) -> Iterator[Fleet]:
    """The workers of an application, none so far; they have ended after the test."""
    connect.ensure_stream(connect.client(dev), STREAM, 4)
    fleet = Fleet(kcl.Application("reader", dev, tables, how=request.param), STREAM)
    yield fleet
    fleet.stop()


def test_every_record_is_seen_once_in_order(fleet, dev, tables):
    with writing(dev, STREAM) as writer:
        for name in ("one", "two"):
            fleet.start(name)
            fleet.until(has_records(name), START_SECONDS_MAX)
        for turn in range(TURNS):
            if turn == TURNS // 2:
                fleet.until(lambda lines: both_read(lines, writer), START_SECONDS_MAX)
                killed = leader(tables)
                fleet.kill(killed)
            writer.reshard(turn)
            writer.wait(BETWEEN_TURNS)
    kept = stored.records(dev, STREAM)
    assert {shard: records for shard, records in kept.items() if records} == writer.acknowledged

    shards = writer.kinesis.list_shards(StreamName=STREAM)["Shards"]
    assert len(shards) == 4 + 3 * TURNS
    [survivor] = fleet.workers
    fleet.until(lambda lines: has_all(lines, survivor, kept, shards), FAILOVER_SECONDS_MAX)
    assert leader(tables) == survivor
    fleet.stop()

    tenures = history.tenures(fleet.lines)
    assert not history.faults(kept, parents(shards), tenures, killed)
    left = {tenure.shard for tenure in tenures if tenure.worker == killed and tenure.open}
    taken = {tenure.shard for tenure in tenures if tenure.worker == survivor}
    assert left and left <= taken
    checkpoints = leases(tables, "checkpoint")
    for shard in writer.open_shards():
        assert checkpoints[shard["ShardId"]] == kept[shard["ShardId"]][-1][1]
    check_consumers(dev, fan_out=fleet.application.how == "fan-out")
    metrics = processed(dev)
    for shard, seen in history.of_shards(tenures).items():
        # Whoever begins at a checkpoint counts its record again; the killed one didn't tell all.
        if [tenure.worker for tenure in seen] == [survivor]:
            assert metrics[shard] == len(kept[shard])


def has_records(worker: str) -> Callable[[list[dict]], bool]:
    return lambda lines: any(
        line["worker"] == worker and line["event"] == "record" for line in lines
    )


def both_read(lines: list[dict], writer: Writer) -> bool:
    """Each worker has an open shard and has seen records of it."""
    shards = {shard["ShardId"] for shard in writer.open_shards()}
    last = {tenure.shard: tenure for tenure in history.tenures(lines) if tenure.records}
    return {last[shard].worker for shard in shards if shard in last} == {"one", "two"}


def has_all(lines: list[dict], survivor: str, kept: dict, shards: list[dict]) -> bool:
    """All records and all ends of shards have been seen, and the survivor has what is open."""
    seen = {line["sequenceNumber"] for line in lines if line["event"] == "record"}
    if any(number not in seen for records in kept.values() for _, number, *_ in records):
        return False
    last = {tenure.shard: tenure for tenure in history.tenures(lines)}
    closed = {shard["ShardId"] for shard in shards if is_closed(shard)}
    return last.keys() == kept.keys() and all(
        not tenure.open if shard in closed else tenure.worker == survivor
        for shard, tenure in last.items()
    )


def is_closed(shard: dict) -> bool:
    return "EndingSequenceNumber" in shard["SequenceNumberRange"]


def parents(shards: list[dict]) -> dict[str, list[str]]:
    names = ("ParentShardId", "AdjacentParentShardId")
    return {shard["ShardId"]: [shard[name] for name in names if name in shard] for shard in shards}


def leader(tables: str) -> str:
    """The worker that assigns leases to all."""
    return leases(tables, "ownerName")["Leader"]


def leases(tables: str, name: str) -> dict[str, str]:
    """What KCL's table says under a name, by shard for the most part."""
    items = dynamodb.items(tables, "reader")
    return {item["leaseKey"]: item[name] for item in items if name in item}


def check_consumers(dev: str, fan_out: bool) -> None:
    kinesis = connect.client(dev)
    summary = kinesis.describe_stream_summary(StreamName=STREAM)["StreamDescriptionSummary"]
    consumers = kinesis.list_stream_consumers(StreamARN=summary["StreamARN"])["Consumers"]
    assert [consumer["ConsumerName"] for consumer in consumers] == ["reader"] * fan_out


def processed(dev: str) -> dict[str, float]:
    """How many records of each shard were processed, as KCL told CloudWatch."""
    cloudwatch = connect.client(dev, service="cloudwatch")
    metrics = cloudwatch.list_metrics(Namespace="reader", MetricName="RecordsProcessed")["Metrics"]
    queries = [
        {"Id": f"m{place}", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}
        for place, metric in enumerate(metrics)
    ]
    now = datetime.now(UTC)
    results = cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=now - timedelta(hours=2), EndTime=now
    )["MetricDataResults"]
    told = {result["Id"]: sum(result["Values"]) for result in results}
    return {shard_of(metric): told[f"m{place}"] for place, metric in enumerate(metrics)}


def shard_of(metric: dict) -> str:
    [shard] = (pair["Value"] for pair in metric["Dimensions"] if pair["Name"] == "ShardId")
    return shard
