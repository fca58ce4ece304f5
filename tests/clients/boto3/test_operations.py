"""Each operation that is served, as boto3 calls it and reads its answer."""

import itertools
import math
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

import connect

HASH_KEY_MAX = 2**128 - 1
SHARD = "shardId-000000000000"


def code(error) -> str:
    return error.value.response["Error"]["Code"]


def read(kinesis, stream: str, shard: str = SHARD, **position) -> dict:
    position = position or {"ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, **position)
    return kinesis.get_records(ShardIterator=iterator["ShardIterator"])


def shards(kinesis, stream: str) -> list[dict]:
    return kinesis.list_shards(StreamName=stream)["Shards"]


def is_open(shard: dict) -> bool:
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def test_create_stream_and_describe_stream(kinesis, create):
    name = create(shards=3)
    stream = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert stream["StreamName"] == name
    assert stream["StreamARN"].endswith(f":stream/{name}")
    assert stream["StreamStatus"] == "ACTIVE"
    assert stream["RetentionPeriodHours"] == 24
    assert stream["EncryptionType"] == "NONE"
    ranges = [
        (int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"]))
        for s in stream["Shards"]
    ]
    assert ranges[0][0] == 0 and ranges[-1][1] == HASH_KEY_MAX
    assert all(upper[0] == lower[1] + 1 for lower, upper in itertools.pairwise(ranges))


def test_create_stream_refuses_a_name_that_exists(kinesis, create):
    name = create()
    with pytest.raises(kinesis.exceptions.ResourceInUseException, match="already exists"):
        kinesis.create_stream(StreamName=name, ShardCount=1)


def test_delete_stream_and_its_waiter(kinesis, new_name):
    name = new_name()
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    kinesis.delete_stream(StreamName=name)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException, match=f"{name} under account"):
        kinesis.describe_stream(StreamName=name)


def test_describe_stream_summary(kinesis, create):
    name = create(shards=2)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 2
    assert summary["ConsumerCount"] == 0
    assert summary["StreamStatus"] == "ACTIVE"
    assert summary["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert "StreamId" not in summary


def test_list_streams_and_its_paginator(kinesis, create):
    names = {create() for _ in range(5)}
    pages = kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 2})
    found = [name for page in pages for name in page["StreamNames"]]
    assert names <= set(found)
    assert found == sorted(set(found))


def test_describe_stream_paginator_gives_every_shard(kinesis, create):
    name = create(shards=7)
    paginator = kinesis.get_paginator("describe_stream")
    pages = list(paginator.paginate(StreamName=name, PaginationConfig={"PageSize": 3}))
    found = [s["ShardId"] for page in pages for s in page["StreamDescription"]["Shards"]]
    assert len(pages) == 3
    assert found == [f"shardId-{n:012}" for n in range(7)]


def test_list_shards_pages_and_filters(kinesis, create):
    name = create(shards=5)
    first = kinesis.list_shards(StreamName=name, MaxResults=3)
    rest = kinesis.list_shards(NextToken=first["NextToken"], MaxResults=3)
    assert "NextToken" not in rest
    assert [s["ShardId"] for s in first["Shards"] + rest["Shards"]] == [
        f"shardId-{n:012}" for n in range(5)
    ]
    after = {"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000003"}
    [last] = kinesis.list_shards(StreamName=name, ShardFilter=after)["Shards"]
    assert last["ShardId"] == "shardId-000000000004"


def test_list_shards_paginator_gives_a_page_and_fails_for_more_as_on_aws(kinesis, create):
    paginator = kinesis.get_paginator("list_shards")
    pages = iter(paginator.paginate(StreamName=create(shards=3)))
    assert [s["ShardId"] for s in next(pages)["Shards"]] == [f"shardId-{n:012}" for n in range(3)]
    assert next(pages, None) is None
    # It says NextToken and StreamName together.
    pages = iter(paginator.paginate(StreamName=create(shards=2), PaginationConfig={"PageSize": 1}))
    assert len(next(pages)["Shards"]) == 1
    with pytest.raises(kinesis.exceptions.InvalidArgumentException, match="NextToken and Stream"):
        next(pages)


def test_describe_limits(endpoint_url, new_name):
    name = new_name()
    kinesis = connect.client(endpoint_url, key="333333333333")  # nobody else's shards are in it
    assert kinesis.describe_limits()["OpenShardCount"] == 0
    connect.ensure_stream(kinesis, name, shards=3)
    limits = kinesis.describe_limits()
    assert limits["OpenShardCount"] == 3
    assert limits["ShardLimit"] > 3
    kinesis.delete_stream(StreamName=name)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})


def test_describe_and_update_account_settings(endpoint_url):
    kinesis = connect.client(endpoint_url, key="222222222222")  # nobody else settles anything in it
    member = "MinimumThroughputBillingCommitment"
    assert kinesis.describe_account_settings()[member] == {"Status": "DISABLED"}
    enabled = kinesis.update_account_settings(**{member: {"Status": "ENABLED"}})[member]
    assert enabled["Status"] == "ENABLED"
    assert enabled["EarliestAllowedEndAt"] == enabled["StartedAt"] + timedelta(hours=24)
    assert datetime.now(UTC) - enabled["StartedAt"] < timedelta(minutes=1)
    ending = kinesis.update_account_settings(**{member: {"Status": "DISABLED"}})[member]
    assert ending == {**enabled, "Status": "ENABLED_UNTIL_EARLIEST_ALLOWED_END"}
    assert kinesis.describe_account_settings()[member] == ending


def test_put_record_is_read_back_as_it_was(kinesis, create):
    name = create()
    data = bytes(range(256))
    before = datetime.now(UTC) - timedelta(seconds=1)
    put = kinesis.put_record(StreamName=name, PartitionKey="Schlüssel ✓", Data=data)
    [record] = read(kinesis, name)["Records"]
    assert record["Data"] == data
    assert record["PartitionKey"] == "Schlüssel ✓"
    assert (put["ShardId"], put["SequenceNumber"]) == (SHARD, record["SequenceNumber"])
    assert before < record["ApproximateArrivalTimestamp"] < before + timedelta(minutes=1)


def test_put_record_by_arn_and_by_explicit_hash_key(kinesis, create):
    name = create(shards=2)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    for hash_key, shard in [(0, SHARD), (HASH_KEY_MAX, "shardId-000000000001")]:
        put = kinesis.put_record(
            StreamARN=summary["StreamARN"],
            PartitionKey="k",
            Data=b"",
            ExplicitHashKey=str(hash_key),
        )
        assert put["ShardId"] == shard


def test_put_records_answers_in_the_order_of_its_entries(kinesis, create):
    name = create(shards=3)
    keys = ["a", "b", "e", "f"]
    entries = [{"PartitionKey": key, "Data": key.encode()} for key in keys]
    answer = kinesis.put_records(StreamName=name, Records=entries)
    assert answer["FailedRecordCount"] == 0
    # MD5 of these keys, as recorded for a stream of three shards.
    assert [int(result["ShardId"][-1]) for result in answer["Records"]] == [0, 1, 2, 1]
    records = read(kinesis, name, "shardId-000000000001")["Records"]
    assert [record["Data"] for record in records] == [b"b", b"f"]


def test_put_records_takes_500_entries_and_no_more(kinesis, create):
    name = create()
    entries = [{"PartitionKey": str(n), "Data": b"x"} for n in range(501)]
    assert kinesis.put_records(StreamName=name, Records=entries[:500])["FailedRecordCount"] == 0
    with pytest.raises(ClientError) as error:
        kinesis.put_records(StreamName=name, Records=entries)
    assert code(error) == "ValidationException"


def test_get_shard_iterator_types(kinesis, create):
    name = create()
    numbers = [
        kinesis.put_record(StreamName=name, PartitionKey="k", Data=data)["SequenceNumber"]
        for data in (b"0", b"1", b"2")
    ]
    starts = {
        "AT_SEQUENCE_NUMBER": ({"StartingSequenceNumber": numbers[1]}, [b"1", b"2"]),
        "AFTER_SEQUENCE_NUMBER": ({"StartingSequenceNumber": numbers[1]}, [b"2"]),
        "TRIM_HORIZON": ({}, [b"0", b"1", b"2"]),
        "LATEST": ({}, []),
        "AT_TIMESTAMP": (
            {"Timestamp": datetime(2020, 1, 1, tzinfo=UTC)},
            [b"0", b"1", b"2"],
        ),
    }
    for kind, (position, expected) in starts.items():
        records = read(kinesis, name, ShardIteratorType=kind, **position)["Records"]
        assert [record["Data"] for record in records] == expected, kind


def test_get_records_goes_on_where_it_stopped(kinesis, create):
    name = create()
    for n in range(5):
        kinesis.put_record(StreamName=name, PartitionKey="k", Data=str(n).encode())
    first = kinesis.get_shard_iterator(
        StreamName=name, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    got, iterator = [], first
    for _ in range(math.ceil(5 / 2)):
        answer = kinesis.get_records(ShardIterator=iterator, Limit=2)
        got += [record["Data"] for record in answer["Records"]]
        iterator = answer["NextShardIterator"]
    assert got == [b"0", b"1", b"2", b"3", b"4"]
    assert answer["MillisBehindLatest"] == 0
    assert len(kinesis.get_records(ShardIterator=first)["Records"]) == 5


def test_get_records_refuses_an_iterator_that_was_tampered_with(kinesis, create):
    name = create()
    iterator = kinesis.get_shard_iterator(
        StreamName=name, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    middle = len(iterator) // 2
    other = "A" if iterator[middle] != "A" else "B"
    with pytest.raises(kinesis.exceptions.InvalidArgumentException, match="Invalid ShardIterator"):
        kinesis.get_records(ShardIterator=iterator[:middle] + other + iterator[middle + 1 :])


def test_split_shard_then_merge_shards(kinesis, create):
    name = create()
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"before")
    kinesis.split_shard(StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=str(2**127))
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})

    parent, lower, upper = shards(kinesis, name)
    assert not is_open(parent) and is_open(lower) and is_open(upper)
    assert lower["ParentShardId"] == upper["ParentShardId"] == SHARD
    end = read(kinesis, name)
    assert [record["Data"] for record in end["Records"]] == [b"before"]
    if "NextShardIterator" in end:  # the end may come with the last records or on the next call
        end = kinesis.get_records(ShardIterator=end["NextShardIterator"])
    assert "NextShardIterator" not in end
    children = {child["ShardId"]: child["ParentShards"] for child in end["ChildShards"]}
    assert children == {lower["ShardId"]: [SHARD], upper["ShardId"]: [SHARD]}

    kinesis.merge_shards(
        StreamName=name,
        ShardToMerge=lower["ShardId"],
        AdjacentShardToMerge=upper["ShardId"],
    )
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    merged = shards(kinesis, name)[-1]
    assert merged["ParentShardId"] == lower["ShardId"]
    assert merged["AdjacentParentShardId"] == upper["ShardId"]
    assert merged["HashKeyRange"] == {
        "StartingHashKey": "0",
        "EndingHashKey": str(HASH_KEY_MAX),
    }


def test_update_shard_count(kinesis, create):
    name = create(shards=4)
    answer = kinesis.update_shard_count(
        StreamName=name, TargetShardCount=3, ScalingType="UNIFORM_SCALING"
    )
    assert (answer["CurrentShardCount"], answer["TargetShardCount"]) == (4, 3)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    after = shards(kinesis, name)
    assert len(after) == 11
    # As observed on AWS: shards 6, 9 and 10 stay open.
    assert [int(s["ShardId"][-2:]) for s in after if is_open(s)] == [6, 9, 10]
    with pytest.raises(kinesis.exceptions.LimitExceededException, match="scale up over double"):
        kinesis.update_shard_count(
            StreamName=name, TargetShardCount=7, ScalingType="UNIFORM_SCALING"
        )


def test_retention_goes_up_and_down(kinesis, create):
    name = create()

    def hours() -> int:
        return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"][
            "RetentionPeriodHours"
        ]

    kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=168)
    connect.wait_active(kinesis, name)
    assert hours() == 168
    kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    connect.wait_active(kinesis, name)
    assert hours() == 48
    with pytest.raises(kinesis.exceptions.InvalidArgumentException):
        kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=72)


def test_update_max_record_size(kinesis, create):
    name = create()
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["MaxRecordSizeInKiB"] == 1024
    data = bytes(2 * 1024 * 1024 - 1)
    with pytest.raises(ClientError) as error:
        kinesis.put_record(StreamName=name, PartitionKey="k", Data=data)
    assert code(error) == "ValidationException"
    kinesis.update_max_record_size(StreamARN=summary["StreamARN"], MaxRecordSizeInKiB=2048)
    connect.wait_active(kinesis, name)
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=data)
    [record] = read(kinesis, name)["Records"]
    assert record["Data"] == data


def test_enhanced_monitoring_is_enabled_and_disabled(kinesis, create):
    name = create()

    def monitored() -> set[str]:
        connect.wait_active(kinesis, name)
        summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        [monitoring] = summary["EnhancedMonitoring"]
        return set(monitoring["ShardLevelMetrics"])

    assert monitored() == set()
    answer = kinesis.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    assert answer["CurrentShardLevelMetrics"] == []
    assert len(answer["DesiredShardLevelMetrics"]) == 7
    assert monitored() == set(answer["DesiredShardLevelMetrics"])
    answer = kinesis.disable_enhanced_monitoring(
        StreamARN=answer["StreamARN"], ShardLevelMetrics=["IncomingBytes", "OutgoingBytes"]
    )
    assert len(answer["CurrentShardLevelMetrics"]) == 7
    assert len(answer["DesiredShardLevelMetrics"]) == 5
    assert monitored() == set(answer["DesiredShardLevelMetrics"])


def test_tags_are_added_listed_and_removed(kinesis, create):
    name = create()
    kinesis.add_tags_to_stream(StreamName=name, Tags={"team": "data", "stage": "test", "a": ""})
    first = kinesis.list_tags_for_stream(StreamName=name, Limit=2)
    assert first["HasMoreTags"]
    last = first["Tags"][-1]["Key"]
    rest = kinesis.list_tags_for_stream(StreamName=name, ExclusiveStartTagKey=last)
    assert not rest["HasMoreTags"]
    tags = {tag["Key"]: tag["Value"] for tag in first["Tags"] + rest["Tags"]}
    assert tags == {"team": "data", "stage": "test", "a": ""}
    kinesis.remove_tags_from_stream(StreamName=name, TagKeys=["stage", "a"])
    assert kinesis.list_tags_for_stream(StreamName=name)["Tags"] == [
        {"Key": "team", "Value": "data"}
    ]


def test_a_dry_run_is_refused_after_all_checks_and_changes_nothing(kinesis, create):
    name = create()
    iterator = kinesis.get_shard_iterator(
        StreamName=name, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    entry = {"PartitionKey": "k", "Data": b"x"}
    dry_runs = [
        lambda: kinesis.put_record(StreamName=name, **entry, DryRun=True),
        lambda: kinesis.put_records(StreamName=name, Records=[entry], DryRun=True),
        lambda: kinesis.get_records(ShardIterator=iterator, DryRun=True),
        lambda: kinesis.get_shard_iterator(
            StreamName=name, ShardId=SHARD, ShardIteratorType="LATEST", DryRun=True
        ),
    ]
    for dry_run in dry_runs:
        with pytest.raises(ClientError) as error:
            dry_run()
        assert code(error) == "DryRunOperationException"
    assert read(kinesis, name)["Records"] == []
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.put_record(StreamName=f"{name}-missing", **entry, DryRun=True)
