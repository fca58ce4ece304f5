"""Consumers, and tags by ARN, as boto3 registers, lists, tags and deregisters them."""

import pytest

from waiting import described, register, wait


@pytest.fixture
def arn(kinesis, create):
    """The ARN of a new stream."""
    summary = kinesis.describe_stream_summary(StreamName=create())
    return summary["StreamDescriptionSummary"]["StreamARN"]


def is_gone(kinesis, consumer: str) -> bool:
    try:
        described(kinesis, consumer)
    except kinesis.exceptions.ResourceNotFoundException:
        return True
    return False


def test_register_stream_consumer(kinesis, arn):
    answer = kinesis.register_stream_consumer(
        StreamARN=arn, ConsumerName="reader", Tags={"team": "data"}
    )["Consumer"]
    created = int(answer["ConsumerCreationTimestamp"].timestamp())
    assert answer["ConsumerARN"] == f"{arn}/consumer/reader:{created}"
    assert (answer["ConsumerName"], answer["ConsumerStatus"]) == ("reader", "CREATING")
    tags = kinesis.list_tags_for_resource(ResourceARN=answer["ConsumerARN"])["Tags"]
    assert tags == [{"Key": "team", "Value": "data"}]
    with pytest.raises(kinesis.exceptions.ResourceInUseException, match="reader"):
        kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="reader")


def test_describe_stream_consumer(kinesis, arn):
    consumer = register(kinesis, arn, "reader")
    answer = described(kinesis, consumer)
    assert (answer["StreamARN"], answer["ConsumerName"]) == (arn, "reader")
    named = kinesis.describe_stream_consumer(StreamARN=arn, ConsumerName="reader")
    assert named["ConsumerDescription"] == answer
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException, match="writer"):
        kinesis.describe_stream_consumer(StreamARN=arn, ConsumerName="writer")


def test_list_stream_consumers_and_its_paginator(kinesis, arn):
    names = ["a", "b", "c"]
    consumers = [register(kinesis, arn, name) for name in reversed(names)]
    paginator = kinesis.get_paginator("list_stream_consumers")
    pages = list(paginator.paginate(StreamARN=arn, PaginationConfig={"PageSize": 2}))
    found = [consumer for page in pages for consumer in page["Consumers"]]
    assert len(pages) == 2
    assert [consumer["ConsumerName"] for consumer in found] == names
    assert [consumer["ConsumerARN"] for consumer in found] == consumers[::-1]


def test_deregister_stream_consumer(kinesis, arn):
    by_arn, by_name = (register(kinesis, arn, name) for name in ("a", "b"))
    kinesis.deregister_stream_consumer(ConsumerARN=by_arn)
    kinesis.deregister_stream_consumer(StreamARN=arn, ConsumerName="b")
    wait(lambda: is_gone(kinesis, by_arn) and is_gone(kinesis, by_name))
    assert kinesis.list_stream_consumers(StreamARN=arn)["Consumers"] == []
    with pytest.raises(kinesis.exceptions.InvalidArgumentException, match="Both streamARN"):
        kinesis.deregister_stream_consumer(ConsumerName="a")


def test_delete_stream_keeps_to_its_consumers(kinesis, arn):
    consumer = register(kinesis, arn, "reader")
    summary = kinesis.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]
    assert summary["ConsumerCount"] == 1
    with pytest.raises(kinesis.exceptions.ResourceInUseException, match="can’t delete"):
        kinesis.delete_stream(StreamARN=arn)
    assert described(kinesis, consumer)["ConsumerStatus"] == "ACTIVE"


def test_tag_resource(kinesis, arn):
    for resource in (arn, register(kinesis, arn, "reader")):
        kinesis.tag_resource(ResourceARN=resource, Tags={"team": "web", "a": ""})
        kinesis.tag_resource(ResourceARN=resource, Tags={"team": "data"})
        tags = kinesis.list_tags_for_resource(ResourceARN=resource)["Tags"]
        assert tags == [{"Key": "a", "Value": ""}, {"Key": "team", "Value": "data"}]
    assert kinesis.list_tags_for_stream(StreamARN=arn)["Tags"] == tags


def test_untag_resource(kinesis, arn):
    for resource in (arn, register(kinesis, arn, "reader")):
        kinesis.tag_resource(ResourceARN=resource, Tags={"team": "web", "a": ""})
        kinesis.untag_resource(ResourceARN=resource, TagKeys=["a", "unknown"])
        tags = kinesis.list_tags_for_resource(ResourceARN=resource)["Tags"]
        assert tags == [{"Key": "team", "Value": "web"}]


def test_list_tags_for_resource(kinesis, arn):
    assert kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"] == []
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException, match="not found"):
        kinesis.list_tags_for_resource(ResourceARN=f"{arn}-missing")
