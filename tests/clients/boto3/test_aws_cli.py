"""Every command that the AWS CLI has for Kinesis."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from test_model import OPERATIONS

# An account of its own, so that what belongs to the account is nobody else's.
ACCOUNT = "555555555555"
SHARDS = [f"shardId-{number:012}" for number in range(6)]


def environment(endpoint_url: str, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),  # nobody's own configuration
        "AWS_ENDPOINT_URL_KINESIS": endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "test",
    }


class Session:
    """Runs commands of `aws kinesis` and remembers which ended well.

    All of them in one process, as the program takes most of a second to start.
    """

    def __init__(self, env: dict[str, str]):
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("aws_session.py")],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.succeeded: set[str] = set()

    def ask(self, *arguments: str) -> dict:
        self.process.stdin.write(json.dumps(["kinesis", *arguments]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __call__(self, command: str, *arguments: str) -> dict:
        ended = self.ask(command, *arguments, "--output", "json")
        assert ended["code"] == 0, ended["stderr"]
        self.succeeded.add(command)
        return json.loads(ended["stdout"]) if ended["stdout"] else {}

    def offered(self) -> set[str]:
        """The operations that the CLI has commands for."""
        refusal = self.ask("nonsense")["stderr"]
        words = re.findall(r"[a-z-]+", refusal.split("valid choices are:")[1])
        return {word for word in words if "-" in word.strip("-")}

    def summary(self, name: str) -> dict:
        return self("describe-stream-summary", "--stream-name", name)["StreamDescriptionSummary"]


@pytest.fixture
def session(endpoint_url, tmp_path):
    session = Session(environment(endpoint_url, tmp_path))
    yield session
    session.process.kill()
    session.process.communicate()


def shards(aws, name):
    stream = ["--stream-name", name]
    described = aws("describe-stream", *stream)["StreamDescription"]
    assert [shard["ShardId"] for shard in described["Shards"]] == SHARDS[:1]
    middle = str(2**127)
    aws("split-shard", *stream, "--shard-to-split", SHARDS[0], "--new-starting-hash-key", middle)
    merged = ["--shard-to-merge", SHARDS[1], "--adjacent-shard-to-merge", SHARDS[2]]
    aws("merge-shards", *stream, *merged)
    # The CLI asks for pages of one, and gives them as one answer.
    listed = aws("describe-stream", *stream, "--page-size", "1")["StreamDescription"]["Shards"]
    assert [shard["ShardId"] for shard in listed] == SHARDS[:4]
    target = ["--target-shard-count", "2", "--scaling-type", "UNIFORM_SCALING"]
    answer = aws("update-shard-count", *stream, *target)
    assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (1, 2)
    listed = aws("list-shards", *stream, "--shard-filter", "Type=AT_LATEST")["Shards"]
    assert [shard["ShardId"] for shard in listed] == SHARDS[4:]
    assert listed[0]["ParentShardId"] == SHARDS[3]


def records(aws, name):
    stream = ["--stream-name", name]
    explicit = ["--partition-key", "a", "--explicit-hash-key", "0", "--data", "one"]
    first = aws("put-record", *stream, *explicit)
    assert first["ShardId"] == SHARDS[4]
    entries = [{"Data": data, "PartitionKey": "a", "ExplicitHashKey": "0"} for data in "23"]
    put = aws("put-records", *stream, "--records", json.dumps(entries))
    assert put["FailedRecordCount"] == 0
    numbers = [first["SequenceNumber"], *(entry["SequenceNumber"] for entry in put["Records"])]
    at = ["--shard-iterator-type", "AT_SEQUENCE_NUMBER", "--starting-sequence-number", numbers[0]]
    iterator = aws("get-shard-iterator", *stream, "--shard-id", SHARDS[4], *at)["ShardIterator"]
    read = aws("get-records", "--shard-iterator", iterator)
    assert [record["SequenceNumber"] for record in read["Records"]] == numbers
    data = [base64.b64decode(record["Data"]) for record in read["Records"]]
    assert data == [b"one", b"2", b"3"]
    assert read["MillisBehindLatest"] == 0


def settings(aws, name):
    stream, arn = ["--stream-name", name], ["--stream-arn", aws.summary(name)["StreamARN"]]
    for command, hours in (("increase", 48), ("decrease", 24)):
        retention = ["--retention-period-hours", str(hours)]
        aws(f"{command}-stream-retention-period", *stream, *retention)
        assert aws.summary(name)["RetentionPeriodHours"] == hours
    key = ["--encryption-type", "KMS", "--key-id", "alias/aws/kinesis"]
    for command, encryption in (("start", "KMS"), ("stop", "NONE")):
        aws(f"{command}-stream-encryption", *stream, *key)
        assert aws.summary(name)["EncryptionType"] == encryption
    metrics = ["--shard-level-metrics", "IncomingBytes", "OutgoingBytes"]
    enabled = aws("enable-enhanced-monitoring", *stream, *metrics)
    assert sorted(enabled["DesiredShardLevelMetrics"]) == ["IncomingBytes", "OutgoingBytes"]
    disabled = aws("disable-enhanced-monitoring", *stream, *metrics)
    assert disabled["DesiredShardLevelMetrics"] == []
    aws("update-max-record-size", *arn, "--max-record-size-in-ki-b", "2048")
    assert aws.summary(name)["MaxRecordSizeInKiB"] == 2048


def consumers(aws, name):
    stream = ["--stream-arn", aws.summary(name)["StreamARN"]]
    reader = [*stream, "--consumer-name", "reader"]
    registered = aws("register-stream-consumer", *reader)["Consumer"]
    found = aws("describe-stream-consumer", *reader)["ConsumerDescription"]
    assert (found["ConsumerARN"], found["ConsumerStatus"]) == (registered["ConsumerARN"], "ACTIVE")
    [listed] = aws("list-stream-consumers", *stream)["Consumers"]
    assert listed["ConsumerARN"] == registered["ConsumerARN"]
    aws("deregister-stream-consumer", "--consumer-arn", registered["ConsumerARN"])
    assert aws("list-stream-consumers", *stream)["Consumers"] == []


def tags(aws, name):
    stream, arn = ["--stream-name", name], ["--resource-arn", aws.summary(name)["StreamARN"]]
    data, web = ({"Key": "team", "Value": value} for value in ("data", "web"))
    aws("add-tags-to-stream", *stream, "--tags", "team=data,stage=test")
    aws("remove-tags-from-stream", *stream, "--tag-keys", "stage")
    assert aws("list-tags-for-stream", *stream)["Tags"] == [data]
    aws("tag-resource", *arn, "--tags", "team=web")
    assert aws("list-tags-for-resource", *arn)["Tags"] == [web]
    aws("untag-resource", *arn, "--tag-keys", "team")
    assert aws("list-tags-for-resource", *arn)["Tags"] == []


def policies(aws, name):
    arn = aws.summary(name)["StreamARN"]
    allow = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kinesis:PutRecord"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow | {"Resource": arn}]})
    aws("put-resource-policy", "--resource-arn", arn, "--policy", policy)
    assert aws("get-resource-policy", "--resource-arn", arn)["Policy"] == policy
    aws("delete-resource-policy", "--resource-arn", arn)
    assert aws("get-resource-policy", "--resource-arn", arn)["Policy"] == "{}"


def account(aws, name):
    limits = aws("describe-limits")
    assert (limits["OpenShardCount"], limits["OnDemandStreamCount"]) == (2, 0)
    member = "MinimumThroughputBillingCommitment"
    assert aws("describe-account-settings")[member]["Status"] == "DISABLED"
    enabled = ["--minimum-throughput-billing-commitment", "Status=ENABLED"]
    assert aws("update-account-settings", *enabled)[member]["Status"] == "ENABLED"
    stream = ["--stream-arn", aws.summary(name)["StreamARN"]]
    aws("update-stream-mode", *stream, "--stream-mode-details", "StreamMode=ON_DEMAND")
    assert aws.summary(name)["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    warm = aws("update-stream-warm-throughput", *stream, "--warm-throughput-mi-bps", "5")
    assert warm["WarmThroughput"]["TargetMiBps"] == 5


# The CLI has no command for an event stream, and its model doesn't know the other one yet.
NOT_OFFERED = {"subscribe-to-shard", "update-stream-record-distribution-strategy"}


def command(operation: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", operation).lower()


@pytest.mark.parametrize("endpoint_url", ["dev"], indirect=True)
def test_every_command_that_it_has_for_the_forty_operations(session, new_name):
    name = new_name()
    session("create-stream", "--stream-name", name, "--shard-count", "1")
    assert name in session("list-streams")["StreamNames"]
    for story in (shards, records, settings, consumers, tags, policies, account):
        story(session, name)
    session("delete-stream", "--stream-name", name)
    assert name not in session("list-streams")["StreamNames"]
    forty = {command(operation) for operation in OPERATIONS}
    assert session.succeeded == forty - NOT_OFFERED
    assert session.succeeded == forty & session.offered(), "give what is new a call above"
