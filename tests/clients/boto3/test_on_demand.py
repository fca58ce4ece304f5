"""On-demand streams: modes, warm throughput, and records that the service spreads."""

import pytest

import connect

ON_DEMAND = {"StreamMode": "ON_DEMAND"}
PROVISIONED = {"StreamMode": "PROVISIONED"}


@pytest.fixture
def on_demand(kinesis, new_name):
    """Creates on-demand streams that are deleted after the test."""
    created = []

    def create_stream(client=kinesis, **members) -> str:
        name = new_name()
        client.create_stream(StreamName=name, StreamModeDetails=ON_DEMAND, **members)
        client.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
        created.append((client, name))
        return name

    yield create_stream
    for client, name in created:
        client.delete_stream(StreamName=name)


@pytest.fixture
def committed(endpoint_url):
    """A client of an account that is committed to a minimum throughput."""
    client = connect.client(endpoint_url, key="444444444444")
    member = {"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}}
    client.update_account_settings(**member)
    return client


def summary(kinesis, name: str) -> dict:
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]


def wait(kinesis, name: str) -> dict:
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return summary(kinesis, name)


def test_create_stream_on_demand(kinesis, on_demand):
    name = on_demand()
    told = summary(kinesis, name)
    assert told["StreamModeDetails"] == ON_DEMAND
    assert told["OpenShardCount"] == 4
    assert told["RecordDistributionStrategy"] == "USER_PARTITION_KEY"
    assert kinesis.describe_limits()["OnDemandStreamCount"] >= 1
    with pytest.raises(kinesis.exceptions.ClientError, match="is in On-Demand mode"):
        kinesis.update_shard_count(
            StreamName=name, TargetShardCount=8, ScalingType="UNIFORM_SCALING"
        )


def test_update_stream_mode(kinesis, create):
    name = create(shards=2)
    arn = summary(kinesis, name)["StreamARN"]
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"before")
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails=ON_DEMAND)
    told = wait(kinesis, name)
    assert (told["StreamModeDetails"], told["OpenShardCount"]) == (ON_DEMAND, 4)
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails=PROVISIONED)
    told = wait(kinesis, name)
    assert (told["StreamModeDetails"], told["OpenShardCount"]) == (PROVISIONED, 4)
    with pytest.raises(kinesis.exceptions.LimitExceededException):
        kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails=ON_DEMAND)


def test_update_stream_warm_throughput(committed, on_demand):
    name = on_demand(client=committed, WarmThroughputMiBps=5)
    assert summary(committed, name)["WarmThroughput"] == {"TargetMiBps": 5, "CurrentMiBps": 5}
    answer = committed.update_stream_warm_throughput(StreamName=name, WarmThroughputMiBps=7)
    assert (answer["StreamName"], answer["WarmThroughput"]["TargetMiBps"]) == (name, 7)
    told = wait(committed, name)
    assert told["WarmThroughput"] == {"TargetMiBps": 7, "CurrentMiBps": 7}
    assert told["OpenShardCount"] == 7


def test_warm_throughput_needs_a_commitment(kinesis, on_demand):
    with pytest.raises(kinesis.exceptions.InvalidArgumentException, match="commitment"):
        kinesis.update_stream_warm_throughput(StreamName=on_demand(), WarmThroughputMiBps=5)


def test_update_stream_record_distribution_strategy(kinesis, on_demand):
    name = on_demand()
    arn = summary(kinesis, name)["StreamARN"]
    kinesis.update_stream_record_distribution_strategy(
        StreamARN=arn, RecordDistributionStrategy="AUTO"
    )
    assert summary(kinesis, name)["RecordDistributionStrategy"] == "AUTO"
    puts = [kinesis.put_record(StreamName=name, Data=b"alone") for _ in range(8)]
    assert len({put["ShardId"] for put in puts}) == 4
    start = kinesis.get_shard_iterator(
        StreamName=name, ShardId=puts[0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )
    records = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert [record["Data"] for record in records] == [b"alone"] * 2
    assert not any("PartitionKey" in record for record in records)
    many = kinesis.put_records(StreamName=name, Records=[{"Data": b"x"}] * 20)
    assert many["FailedRecordCount"] == 0
