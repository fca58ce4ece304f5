#!/bin/sh
# The AWS CLI from a stream's creation to its end; the environment says where the server is.
set -eu

# docs: write
aws kinesis create-stream --stream-name visits --shard-count 2
aws kinesis wait stream-exists --stream-name visits
aws kinesis put-record --stream-name visits --partition-key user-1 --data café
aws kinesis put-record --stream-name visits --partition-key user-1 --data thé
# docs: end

# docs: read
shard=$(aws kinesis list-shards --stream-name visits --query 'Shards[1].ShardId' --output text)
iterator=$(aws kinesis get-shard-iterator --stream-name visits --shard-id "$shard" \
    --shard-iterator-type TRIM_HORIZON --query ShardIterator --output text)
aws kinesis get-records --shard-iterator "$iterator" --query 'Records[].[Data]' --output text |
    while read -r data; do echo "$data" | base64 --decode; echo; done
# docs: end

aws kinesis delete-stream --stream-name visits
aws kinesis wait stream-not-exists --stream-name visits
