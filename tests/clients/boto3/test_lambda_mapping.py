"""The rules of the Lambda-style consumer, against the fake: batches, failures, checkpoints."""

import base64
import json

import pytest

from fake import ARN, FakeKinesis
from lambda_consumer import SHARD_END, EventSourceMapping, Settings

SHARD = "shardId-000000000000"


class Handler:
    """Keeps what it was called with; fails on data in `bad`, by raising or by naming the record."""

    def __init__(self, bad: set[str] = frozenset(), report: bool = False):
        self.bad, self.report = bad, report
        self.batches: list[list[str]] = []
        self.handled: list[str] = []

    def __call__(self, event, context):
        records = [record["kinesis"] for record in event["Records"]]
        batch = [base64.b64decode(record["data"]).decode() for record in records]
        self.batches.append(batch)
        failures = [place for place, data in enumerate(batch) if data in self.bad]
        if failures and not self.report:
            raise ValueError(batch[failures[0]])
        if failures:
            self.handled += batch[: failures[0]]
            number = records[failures[0]]["sequenceNumber"]
            return {"batchItemFailures": [{"itemIdentifier": number}]}
        self.handled += batch
        return None


def fill(kinesis, names) -> None:
    for name in names:
        kinesis.put_records("fake", [{"PartitionKey": name, "Data": name.encode()}])


def run(kinesis, handler, now=1_700_000_000.0, checkpoint=None, **settings) -> list[dict]:
    """Runs to the end of the stream and returns what was given up."""
    given_up = []
    EventSourceMapping(
        kinesis,
        "fake",
        handler,
        Settings(**settings),
        checkpoint,
        given_up.append,
        clock=lambda: now,
        sleep=lambda seconds: None,
    ).run(until_idle=True)
    return given_up


@pytest.fixture
def kinesis():
    fake = FakeKinesis()
    fill(fake, "abcdefgh")
    return fake


def test_batches_are_of_the_size_asked_and_in_order(kinesis):
    handler = Handler()
    run(kinesis, handler, batch_size=3)
    assert handler.handled == list("abcdefgh")
    assert max(map(len, handler.batches)) == 3


def test_a_window_gathers_records_of_several_reads(kinesis):
    ticks = iter(range(1000))
    handler = Handler()
    settings = Settings(batch_size=100, batch_window_seconds=30)
    EventSourceMapping(
        kinesis, "fake", handler, settings, clock=lambda: next(ticks), sleep=lambda seconds: None
    ).run(until_idle=True)
    assert handler.batches == [list("abcdefgh")]


def test_a_bad_batch_is_tried_as_often_as_asked_and_then_described(kinesis):
    handler = Handler(bad={"c"})
    [failure] = run(kinesis, handler, batch_size=4, retries=2)
    assert handler.batches[:3] == [list("abcd")] * 3
    assert handler.handled == list("efgh")
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert failure["requestContext"]["approximateInvokeCount"] == 3
    assert failure["responseContext"]["functionError"] == "Unhandled"
    info = failure["KinesisBatchInfo"]
    assert (info["startSequenceNumber"], info["endSequenceNumber"], info["batchSize"]) == (
        "1",
        "4",
        4,
    )
    assert info["approximateArrivalOfFirstRecord"] == "2023-11-14T22:13:20.000Z"
    assert info["streamArn"] == ARN


def test_halving_gives_up_the_bad_record_alone(kinesis):
    handler = Handler(bad={"c"})
    [failure] = run(kinesis, handler, batch_size=7, retries=1, bisect=True)
    assert handler.handled == list("abdefgh")
    assert failure["KinesisBatchInfo"]["startSequenceNumber"] == "3"
    assert failure["KinesisBatchInfo"]["batchSize"] == 1
    assert failure["requestContext"]["approximateInvokeCount"] == 2


def test_a_reported_record_is_where_the_next_try_begins(kinesis):
    handler = Handler(bad={"c"}, report=True)
    [failure] = run(kinesis, handler, batch_size=7, retries=0, bisect=True, report_failures=True)
    assert handler.handled == list("abdefgh")
    assert handler.batches[:2] == [list("abcdefg"), list("cdefg")]
    assert failure["KinesisBatchInfo"]["batchSize"] == 1
    assert failure["responseContext"]["functionError"] is None


def test_reports_mean_nothing_unless_asked_for(kinesis):
    handler = Handler(bad={"c"}, report=True)
    assert run(kinesis, handler) == []
    assert sum(map(len, handler.batches)) == 8


def test_a_report_of_an_unknown_record_fails_the_batch(kinesis):
    calls = []

    def handler(event, context):
        calls.append(len(event["Records"]))
        return {"batchItemFailures": [{"itemIdentifier": "no such number"}]}

    run(kinesis, handler, batch_size=7, retries=1, report_failures=True)
    assert calls == [7, 7, 1, 1]  # the fake reads seven at a time


def test_old_records_are_put_aside_without_a_call(kinesis):
    handler = Handler()
    # The fake's records arrive one a second from 1,700,000,000 on.
    [failure] = run(kinesis, handler, now=1_700_000_010.0, record_age_seconds_max=7.0)
    assert handler.handled == list("defgh")
    assert failure["requestContext"]["condition"] == "RecordAgeExceeded"
    assert failure["KinesisBatchInfo"]["batchSize"] == 3
    assert "responseContext" not in failure


def test_the_checkpoint_survives_a_restart_and_a_split(kinesis, tmp_path):
    checkpoint = tmp_path / "checkpoint.json"
    first = Handler()
    run(kinesis, first, checkpoint=checkpoint)
    kinesis.split_shard("fake", SHARD, str(2**127))
    fill(kinesis, "ijklmnop")
    second = Handler()
    run(kinesis, second, checkpoint=checkpoint)

    assert first.handled == list("abcdefgh")
    assert sorted(second.handled) == list("ijklmnop")
    assert json.loads(checkpoint.read_text())[SHARD] == SHARD_END


def test_a_handler_that_dies_half_way_sees_the_rest_again(kinesis, tmp_path):
    class Killed(BaseException):
        pass

    handler = Handler()

    def dying(event, context):
        if len(handler.batches) == 1:
            raise Killed
        return handler(event, context)

    checkpoint = tmp_path / "checkpoint.json"
    with pytest.raises(Killed):
        run(kinesis, dying, batch_size=3, checkpoint=checkpoint)
    run(kinesis, handler, batch_size=3, checkpoint=checkpoint)
    assert handler.handled == list("abcdefgh")


def test_the_event_is_lambdas_own(kinesis):
    events = []
    run(kinesis, lambda event, context: events.append(event), batch_size=1)
    assert events[1] == {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "b",
                    "sequenceNumber": "2",
                    "data": "Yg==",
                    "approximateArrivalTimestamp": 1_700_000_001.0,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{SHARD}:2",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::000000000000:role/lambda-role",
                "awsRegion": "us-east-1",
                "eventSourceARN": ARN,
            }
        ]
    }
