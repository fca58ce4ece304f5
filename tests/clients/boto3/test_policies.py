"""Policies of streams, consumers and credentials, as two accounts meet them."""

import json

import boto3
import pytest
from botocore.exceptions import ClientError

import connect
import server
from waiting import register, wait

OWNER, FRIEND = "111111111111", "222222222222"
SHARD = "shardId-000000000000"


@pytest.fixture
def owner(endpoint_url):
    return connect.client(endpoint_url, key=OWNER)


@pytest.fixture
def friend(endpoint_url):
    return connect.client(endpoint_url, key=FRIEND)


@pytest.fixture
def stream_arn(owner, new_name):
    """A stream of the owner's, by its ARN."""
    name = new_name()
    connect.ensure_stream(owner, name, 1)
    yield f"arn:aws:kinesis:us-east-1:{OWNER}:stream/{name}"
    owner.delete_stream(StreamName=name, EnforceConsumerDeletion=True)


def policy(*statements: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(actions: str | list[str], resource: str, account: str = FRIEND) -> dict:
    principal = {"AWS": f"arn:aws:iam::{account}:root"}
    return {"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": resource}


def denied(call, **arguments) -> str:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    return error.value.response["Error"]["Message"]


def test_put_get_and_delete_resource_policy(owner, stream_arn):
    assert owner.get_resource_policy(ResourceARN=stream_arn)["Policy"] == "{}"
    text = policy(allow("kinesis:PutRecord", stream_arn))
    owner.put_resource_policy(ResourceARN=stream_arn, Policy=text)
    assert owner.get_resource_policy(ResourceARN=stream_arn)["Policy"] == text
    owner.delete_resource_policy(ResourceARN=stream_arn)
    assert owner.get_resource_policy(ResourceARN=stream_arn)["Policy"] == "{}"
    with pytest.raises(owner.exceptions.ResourceNotFoundException):
        owner.delete_resource_policy(ResourceARN=stream_arn)


def test_what_is_no_policy_is_told(owner, stream_arn):
    with pytest.raises(owner.exceptions.InvalidArgumentException, match=r"Statement\[0\].Effect"):
        text = policy(allow("kinesis:*", stream_arn) | {"Effect": "Grant"})
        owner.put_resource_policy(ResourceARN=stream_arn, Policy=text)


def test_another_account_writes_and_reads_a_shared_stream(owner, friend, stream_arn):
    record = {"StreamARN": stream_arn, "PartitionKey": "k", "Data": b"shared"}
    message = denied(friend.put_record, **record)
    assert message.endswith(
        f"on resource: {stream_arn} because no resource-based policy allows the "
        "kinesis:PutRecord action"
    )
    actions = ["kinesis:Put*", "kinesis:Get*", "kinesis:Describe*", "kinesis:ListShards"]
    owner.put_resource_policy(ResourceARN=stream_arn, Policy=policy(allow(actions, stream_arn)))
    friend.put_record(**record)
    friend.put_records(StreamARN=stream_arn, Records=[{"PartitionKey": "k", "Data": b"and again"}])
    assert friend.describe_stream(StreamARN=stream_arn)["StreamDescription"]["StreamARN"]
    shards = friend.list_shards(StreamARN=stream_arn)["Shards"]
    iterator = friend.get_shard_iterator(
        StreamARN=stream_arn, ShardId=shards[0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = friend.get_records(StreamARN=stream_arn, ShardIterator=iterator)["Records"]
    assert [record["Data"] for record in records] == [b"shared", b"and again"]
    # What isn't shared stays the owner's.
    denied(friend.delete_stream, StreamARN=stream_arn)
    owner.delete_resource_policy(ResourceARN=stream_arn)
    denied(friend.get_records, ShardIterator=iterator)


def test_another_account_subscribes_with_a_shared_consumer(owner, friend, stream_arn):
    arn = register(owner, stream_arn, "reader")
    denied(friend.describe_stream_consumer, ConsumerARN=arn)
    actions = ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"]
    owner.put_resource_policy(ResourceARN=arn, Policy=policy(allow(actions, arn)))
    owner.put_record(StreamARN=stream_arn, PartitionKey="k", Data=b"pushed")
    assert friend.describe_stream_consumer(ConsumerARN=arn)["ConsumerDescription"]
    events = friend.subscribe_to_shard(
        ConsumerARN=arn, ShardId=SHARD, StartingPosition={"Type": "TRIM_HORIZON"}
    )["EventStream"]
    event = next(iter(events))["SubscribeToShardEvent"]
    assert [record["Data"] for record in event["Records"]] == [b"pushed"]
    events.close()


PROFILE = """[{id}]
aws_access_key_id = {id}
aws_secret_access_key = fake-{id}
account = {account}
{more}
"""


def write(path, *profiles: str) -> None:
    path.write_text("\n".join(profiles))
    path.chmod(0o600)


def client(url: str, key: str, token: str | None = None):
    return boto3.client(
        "kinesis",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=f"fake-{key}",
        aws_session_token=token,
    )


def test_credentials_have_policies_and_change_while_the_server_runs(tmp_path):
    writer = {"Effect": "Allow", "Action": "kinesis:PutRecord*", "Resource": "*"}
    (tmp_path / "writer.json").write_text(policy(writer))
    (tmp_path / "writer.json").chmod(0o644)
    admin = PROFILE.format(id="admin", account=OWNER, more="")
    limited = PROFILE.format(
        id="writer", account=OWNER, more="user_name = web/writer\npolicies = writer.json"
    )
    credentials = tmp_path / "credentials"
    write(credentials, admin, limited)
    flags = ["--data-dir", str(tmp_path / "data"), "--credentials", str(credentials)]
    with server.running(*flags, mode="serve") as url:
        connect.ensure_stream(client(url, "admin"), "clicks", 1)
        limited_client = client(url, "writer")
        limited_client.put_record(StreamName="clicks", PartitionKey="k", Data=b"")
        message = denied(limited_client.describe_stream_summary, StreamName="clicks")
        assert message == (
            f"User: arn:aws:iam::{OWNER}:user/web/writer is not authorized to perform: "
            "kinesis:DescribeStreamSummary on resource: "
            f"arn:aws:kinesis:us-east-1:{OWNER}:stream/clicks because no identity-based policy "
            "allows the kinesis:DescribeStreamSummary action"
        )
        # A session from now on, with the same policy.
        write(credentials, admin, limited + "aws_session_token = fake-token\n")
        wait(lambda: is_refused(limited_client))
        session = client(url, "writer", token="fake-token")
        session.put_record(StreamName="clicks", PartitionKey="k", Data=b"")
        # Gone.
        write(credentials, admin)
        wait(lambda: is_refused(session))


def is_refused(kinesis) -> bool:
    try:
        kinesis.put_record(StreamName="clicks", PartitionKey="k", Data=b"")
    except ClientError as error:
        return error.response["Error"]["Code"] == "UnrecognizedClientException"
    return False
