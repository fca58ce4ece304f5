"""CloudWatch and STS on the port of Kinesis, through boto3."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

import connect


@pytest.fixture
def client(endpoint_url):
    """Makes clients of other services that speak to the same server."""

    return lambda service: connect.client(endpoint_url, service=service)


def test_sts_knows_the_account_of_streams(client, kinesis, create):
    stream = create()
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    caller = client("sts").get_caller_identity()
    assert caller["Account"] == arn["StreamARN"].split(":")[4]
    assert caller["Arn"] == f"arn:aws:iam::{caller['Account']}:user/test"


def test_metrics_are_read_back(client, new_name):
    cloudwatch, namespace = client("cloudwatch"), new_name()
    shard = {"Name": "ShardId", "Value": "shardId-000000000000"}
    # More than ten kilobytes, which the SDK packs.
    cloudwatch.put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": f"metric-{n:03}", "Value": n, "Unit": "Count", "Dimensions": [shard]}
            for n in range(600)
        ],
    )
    pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace=namespace)
    metrics = [metric for page in pages for metric in page["Metrics"]]
    assert [metric["MetricName"] for metric in metrics] == [f"metric-{n:03}" for n in range(600)]
    assert all(metric["Dimensions"] == [shard] for metric in metrics)

    now = datetime.now(UTC)
    answer = cloudwatch.get_metric_data(
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        MetricDataQueries=[
            {
                "Id": f"m{n}",
                "MetricStat": {"Metric": metrics[n], "Period": 3600, "Stat": "Sum"},
            }
            for n in (7, 8)
        ],
    )
    assert [(r["Id"], sum(r["Values"])) for r in answer["MetricDataResults"]] == [
        ("m7", 7.0),
        ("m8", 8.0),
    ]
    assert all(r["StatusCode"] == "Complete" for r in answer["MetricDataResults"])


def test_errors_have_the_types_of_the_sdk(client):
    cloudwatch = client("cloudwatch")
    with pytest.raises(cloudwatch.exceptions.InvalidParameterValueException) as refused:
        cloudwatch.put_metric_data(
            Namespace="AWS/Kinesis", MetricData=[{"MetricName": "m", "Value": 1}]
        )
    assert "AWS/Kinesis" in str(refused.value)
    with pytest.raises(ClientError, match="millpond does not serve cloudwatch:DescribeAlarms"):
        cloudwatch.describe_alarms()
