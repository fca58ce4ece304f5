"""The JSON that Lambda hands to a handler and an on-failure destination, as recorded from AWS."""

import base64
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Source:
    """A stream's ARN, and the name of the function that gets its records."""

    arn: str
    function: str

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def function_arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.function}"


def event(source: Source, shard: str, records: list[dict]) -> dict:
    """What the handler gets for records of GetRecords."""
    return {"Records": [_event_record(source, shard, record) for record in records]}


def _event_record(source: Source, shard: str, record: dict) -> dict:
    # Where the service picks the shards of records, they need no keys.
    has_key = "PartitionKey" in record
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            **({"partitionKey": record["PartitionKey"]} if has_key else {}),
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{source.account}:role/lambda-role",
        "awsRegion": source.region,
        "eventSourceARN": source.arn,
    }


@dataclass(frozen=True)
class GivenUp:
    """Records that will not be tried again, and why."""

    shard: str
    records: list[dict]
    condition: str
    """RetryAttemptsExhausted or RecordAgeExceeded."""
    attempts: int
    error: str | None
    """Lambda's functionError; None when the handler itself named the records."""


def failure(source: Source, given_up: GivenUp, at: datetime) -> dict:
    """What the on-failure destination gets."""
    first, last = given_up.records[0], given_up.records[-1]
    description = {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": source.function_arn,
            "condition": given_up.condition,
            "approximateInvokeCount": given_up.attempts,
        },
        "version": "1.0",
        "timestamp": iso(at),
        "KinesisBatchInfo": {
            "shardId": given_up.shard,
            "startSequenceNumber": first["SequenceNumber"],
            "endSequenceNumber": last["SequenceNumber"],
            "approximateArrivalOfFirstRecord": iso(first["ApproximateArrivalTimestamp"]),
            "approximateArrivalOfLastRecord": iso(last["ApproximateArrivalTimestamp"]),
            "batchSize": len(given_up.records),
            "streamArn": source.arn,
        },
    }
    if given_up.condition != "RecordAgeExceeded":
        description["responseContext"] = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": given_up.error,
        }
    return description


def iso(at: datetime) -> str:
    """As failure descriptions write it: 2026-03-01T00:00:00.123Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
