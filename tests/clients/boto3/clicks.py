"""A writer and a reader in boto3; the environment says where the server is."""

# docs: client
import boto3

kinesis = boto3.client("kinesis")
# docs: end

# docs: write
kinesis.create_stream(StreamName="clicks", ShardCount=2)
kinesis.get_waiter("stream_exists").wait(StreamName="clicks", WaiterConfig={"Delay": 1})

records = [{"PartitionKey": f"user-{n}", "Data": f"click {n}".encode()} for n in range(20)]
put = kinesis.put_records(StreamName="clicks", Records=records)
if put["FailedRecordCount"]:
    raise RuntimeError("try the entries again that have an ErrorCode")
# docs: end


# docs: read
for shard in kinesis.list_shards(StreamName="clicks")["Shards"]:
    start = kinesis.get_shard_iterator(
        StreamName="clicks", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )
    iterator, behind = start["ShardIterator"], 1
    while iterator and behind:
        answer = kinesis.get_records(ShardIterator=iterator)
        for record in answer["Records"]:
            print(shard["ShardId"], record["Data"].decode())
        iterator, behind = answer.get("NextShardIterator"), answer["MillisBehindLatest"]
# docs: end

# docs: push
arn = kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]["StreamARN"]
consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="reader")["Consumer"]
pushed = kinesis.subscribe_to_shard(
    ConsumerARN=consumer["ConsumerARN"],
    ShardId="shardId-000000000000",
    StartingPosition={"Type": "TRIM_HORIZON"},
)
for event in pushed["EventStream"]:
    records = event["SubscribeToShardEvent"]["Records"]
    print("pushed", *(record["Data"].decode() for record in records), sep="\n")
    break
pushed["EventStream"].close()
# docs: end
