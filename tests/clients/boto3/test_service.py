"""What holds across operations: namespaces, errors, what is not served, the examples in small."""

import re
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

import connect
from shard_tour import tour

README = Path(__file__).parents[3] / "README.md"


def test_twenty_thousand_events_over_a_split_keep_order(endpoint_url, new_name, kinesis):
    name = new_name()
    report = tour(endpoint_url, "us-east-1", name, count=20_000, seed=1)
    kinesis.delete_stream(StreamName=name)
    assert report.written == 20_000
    assert len(report.records_per_shard) == 6


def test_accounts_never_meet(endpoint_url, new_name):
    name = new_name()
    one = connect.client(endpoint_url, key="111111111111")
    two = connect.client(endpoint_url, key="222222222222")
    connect.ensure_stream(one, name, 1)
    summary = one.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["StreamARN"] == f"arn:aws:kinesis:us-east-1:111111111111:stream/{name}"
    assert two.list_streams()["StreamNames"] == []
    with pytest.raises(two.exceptions.ResourceNotFoundException, match="account 222222222222"):
        two.put_record(StreamName=name, PartitionKey="k", Data=b"")
    with pytest.raises(two.exceptions.AccessDeniedException):
        two.put_record(StreamARN=summary["StreamARN"], PartitionKey="k", Data=b"")
    one.delete_stream(StreamName=name)


def test_regions_never_meet(endpoint_url, new_name):
    name = new_name()
    here, there = (connect.client(endpoint_url, region) for region in ("us-east-1", "eu-west-1"))
    for client, data in [(here, b"here"), (there, b"there")]:
        connect.ensure_stream(client, name, 1)
        client.put_record(StreamName=name, PartitionKey="k", Data=data)
    iterator = there.get_shard_iterator(
        StreamName=name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )
    records = there.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    assert [record["Data"] for record in records] == [b"there"]
    for client in (here, there):
        client.delete_stream(StreamName=name)


def test_constraints_are_named_in_the_words_of_aws(kinesis):
    with pytest.raises(ClientError) as error:
        kinesis.create_stream(StreamName="no spaces", ShardCount=1)
    answer = error.value.response
    assert answer["Error"]["Code"] == "ValidationException"
    assert answer["Error"]["Message"] == (
        "1 validation error detected: Value 'no spaces' at 'streamName' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert re.fullmatch(r"[0-9a-f-]{36}", answer["ResponseMetadata"]["RequestId"])


def unserved() -> list[str]:
    """The operations that the README says are not there yet."""
    return re.findall(r"^\| (\w+) \| not yet \|", README.read_text(), re.MULTILINE)


SAMPLES = {
    "ListChannels": {},
    "ListQueues": {},
}


def test_the_readme_names_what_is_not_served():
    assert set(SAMPLES) <= set(unserved())


@pytest.mark.parametrize("operation", SAMPLES)
def test_what_is_not_served_says_so(kinesis, create, operation):
    name = create()
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    filled = {
        member: value.format(name=name, arn=arn) if isinstance(value, str) else value
        for member, value in SAMPLES[operation].items()
    }
    method = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
    with pytest.raises(ClientError) as error:
        getattr(kinesis, method)(**filled)
    assert operation in error.value.response["Error"]["Message"]
