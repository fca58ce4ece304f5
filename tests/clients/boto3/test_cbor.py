"""The older CBOR form of the protocol, which SDKs for Java speak, with another's codec."""

from datetime import UTC, datetime, timedelta

import boto3
import cbor2
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

CONTENT_TYPE = "application/x-amz-cbor-1.1"
SHARD = "shardId-000000000000"


class Cbor:
    """Signs with botocore, encodes with cbor2; Java's writer leaves the lengths of maps open."""

    def __init__(self, endpoint_url: str, indefinite: bool):
        self.url = f"{endpoint_url}/"
        self.indefinite = indefinite
        credentials = boto3.Session("test", "test").get_credentials()
        self.signer = SigV4Auth(credentials, "kinesis", "us-east-1")

    def call(self, operation: str, members: dict) -> tuple[int, dict]:
        body = cbor2.dumps(members, indefinite_containers=self.indefinite)
        request = AWSRequest("POST", self.url, data=body)
        request.headers["Content-Type"] = CONTENT_TYPE
        request.headers["X-Amz-Target"] = f"Kinesis_20131202.{operation}"
        self.signer.add_auth(request)
        headers = dict(request.headers)
        answer = urllib3.request("POST", self.url, headers=headers, body=body, retries=False)
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        return answer.status, cbor2.loads(answer.data, semantic_decoders={1: timestamp})

    def ask(self, operation: str, **members) -> dict:
        status, answer = self.call(operation, members)
        assert status == 200, answer
        return answer


def timestamp(millis: object, immutable: bool) -> datetime:
    """Kinesis counts milliseconds where the standard counts seconds, and never in fractions."""
    assert type(millis) is int
    return datetime.fromtimestamp(millis / 1000, UTC)


@pytest.fixture(params=[False, True], ids=["definite", "indefinite"])
def cbor(endpoint_url, request):
    return Cbor(endpoint_url, indefinite=request.param)


def test_records_and_streams_are_the_same_in_cbor_and_json(kinesis, cbor, create):
    name = create()
    records = [{"PartitionKey": str(n), "Data": bytes([n, 255])} for n in range(3)]
    put = cbor.ask("PutRecords", StreamName=name, Records=records)
    assert put["FailedRecordCount"] == 0

    position = {"ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = cbor.ask("GetShardIterator", StreamName=name, **position)["ShardIterator"]
    got = cbor.ask("GetRecords", ShardIterator=iterator, Limit=10)
    assert [record["Data"] for record in got["Records"]] == [b"\0\xff", b"\1\xff", b"\2\xff"]
    assert [r["SequenceNumber"] for r in got["Records"]] == [
        r["SequenceNumber"] for r in put["Records"]
    ]
    assert got["Records"] == kinesis.get_records(ShardIterator=iterator)["Records"]

    described = cbor.ask("DescribeStream", StreamName=name)["StreamDescription"]
    assert described == kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert datetime.now(UTC) - described["StreamCreationTimestamp"] < timedelta(minutes=1)


def test_a_timestamp_is_taken_in_milliseconds(cbor, create):
    name = create()
    cbor.ask("PutRecord", StreamName=name, PartitionKey="k", Data=b"now")

    def read_at(time: datetime) -> list[dict]:
        at = cbor2.CBORTag(1, round(time.timestamp() * 1000))
        position = {"ShardId": SHARD, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": at}
        iterator = cbor.ask("GetShardIterator", StreamName=name, **position)["ShardIterator"]
        return cbor.ask("GetRecords", ShardIterator=iterator)["Records"]

    [record] = read_at(datetime.now(UTC) - timedelta(minutes=1))
    arrival = record["ApproximateArrivalTimestamp"]
    assert read_at(arrival) == [record]
    after = arrival + timedelta(milliseconds=1)
    while datetime.now(UTC) <= after:
        pass  # a position in the future is refused
    assert read_at(after) == []


def test_errors_are_maps_too(cbor, new_name):
    name = new_name()
    status, answer = cbor.call("DescribeStream", {"StreamName": name})
    assert status == 400
    assert answer == {
        "__type": "ResourceNotFoundException",
        "message": f"Stream {name} under account 000000000000 not found.",
    }
