"""What the server has of a stream, as another client reads it."""

import connect

# Shard, sequence number, partition key and data.
Stored = tuple[str, str, str, bytes]


def records(url: str, stream: str) -> dict[str, list[Stored]]:
    """All records by shard, also of closed shards, in order."""
    kinesis = connect.client(url)
    shards = kinesis.list_shards(StreamName=stream)["Shards"]
    return {shard["ShardId"]: of_shard(kinesis, stream, shard["ShardId"]) for shard in shards}


def of_shard(kinesis, stream: str, shard: str) -> list[Stored]:
    found = []
    start = kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )
    iterator = start["ShardIterator"]
    while iterator:
        got = kinesis.get_records(ShardIterator=iterator)
        found += [
            (shard, record["SequenceNumber"], record["PartitionKey"], record["Data"])
            for record in got["Records"]
        ]
        iterator = got.get("NextShardIterator") if got["MillisBehindLatest"] else None
    return found
