#!/bin/sh
# The AWS CLI from a stream's creation to its end; the environment says where the server is.
set -eu

# docs: write
aws kinesis create-stream --stream-name clicks --shard-count 2
aws kinesis wait stream-exists --stream-name clicks
aws kinesis put-record --stream-name clicks --partition-key user-1 --data café
# docs: end

# docs: read
shard=$(aws kinesis list-shards --stream-name clicks --query 'Shards[1].ShardId' --output text)
iterator=$(aws kinesis get-shard-iterator --stream-name clicks --shard-id "$shard" \
    --shard-iterator-type TRIM_HORIZON --query ShardIterator --output text)
aws kinesis get-records --shard-iterator "$iterator" --query 'Records[].Data' --output text |
    base64 --decode
# docs: end

aws kinesis delete-stream --stream-name clicks
aws kinesis wait stream-not-exists --stream-name clicks
