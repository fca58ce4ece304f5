"""Puts clicks of five users as aggregates, reads them and takes them apart again."""

import base64
import json
import sys
from collections import defaultdict

import boto3
from aws_kinesis_agg.aggregator import AggRecord, RecordAggregator
from aws_kinesis_agg.deaggregator import iter_deaggregate_records

kinesis = boto3.client("kinesis")
stream = sys.argv[1]


# docs: put
def put(clicks: list[tuple[str, bytes]]) -> None:
    # An aggregate goes to one shard, so that each key has its own: then its order is kept.
    aggregators = defaultdict(RecordAggregator)
    for user, data in clicks:
        if full := aggregators[user].add_user_record(user, data):
            put_aggregate(full)
    for aggregator in aggregators.values():
        if rest := aggregator.clear_and_get():
            put_aggregate(rest)


def put_aggregate(aggregate: AggRecord) -> None:
    key, _, data = aggregate.get_contents()
    kinesis.put_record(StreamName=stream, PartitionKey=key, Data=data)
    # docs: end


# docs: read
def read(shard: str):
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    behind = True
    while iterator and behind:
        got = kinesis.get_records(ShardIterator=iterator)
        yield from iter_deaggregate_records(got["Records"], data_format="Boto3")
        iterator, behind = got.get("NextShardIterator"), got["MillisBehindLatest"]
    # docs: end


put([(f"user-{click % 5}", f"click {click} ".ljust(1000, ".").encode()) for click in range(6000)])
for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
    for record in read(shard["ShardId"]):
        click = record["kinesis"]
        data = base64.b64decode(click["data"]).decode().rstrip(" .")
        print(json.dumps({"key": click["partitionKey"], "data": data}))
