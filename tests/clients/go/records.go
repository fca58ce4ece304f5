package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// putAndRead puts a hundred records into a stream, which it makes if it has to, and reads all that are there.
func putAndRead(ctx context.Context, client *kinesis.Client, stream string) error {
	if err := ensureStream(ctx, client, stream, 2); err != nil {
		return err
	}
	if err := put(ctx, client, stream, clicks(100)); err != nil {
		return err
	}
	shards, err := listShards(ctx, client, stream)
	if err != nil {
		return err
	}
	for _, shard := range shards {
		if err := readShard(ctx, client, stream, shard); err != nil {
			return err
		}
	}
	return nil
}

func ensureStream(ctx context.Context, client *kinesis.Client, stream string, shards int32) error {
	_, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{
		StreamName: &stream,
		ShardCount: &shards,
	})
	var there *types.ResourceInUseException
	if err != nil && !errors.As(err, &there) {
		return err
	}
	waiter := kinesis.NewStreamExistsWaiter(client, func(options *kinesis.StreamExistsWaiterOptions) {
		options.MinDelay = time.Second
	})
	return waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &stream}, time.Minute)
}

func clicks(count int) []types.PutRecordsRequestEntry {
	entries := make([]types.PutRecordsRequestEntry, count)
	for click := range entries {
		entries[click] = types.PutRecordsRequestEntry{
			PartitionKey: aws.String(fmt.Sprintf("user-%d", click%7)),
			Data:         fmt.Appendf(nil, "click %d", click),
		}
	}
	return entries
}

func put(
	ctx context.Context, client *kinesis.Client, stream string, entries []types.PutRecordsRequestEntry,
) error {
	output, err := client.PutRecords(ctx, &kinesis.PutRecordsInput{
		StreamName: &stream,
		Records:    entries,
	})
	if err != nil {
		return err
	}
	for _, entry := range output.Records {
		if entry.ErrorCode != nil {
			return fmt.Errorf("%s: %s", *entry.ErrorCode, aws.ToString(entry.ErrorMessage))
		}
	}
	return nil
}

func listShards(ctx context.Context, client *kinesis.Client, stream string) ([]types.Shard, error) {
	var shards []types.Shard
	// The stream is named for the first page only: each NextToken knows it.
	page := &kinesis.ListShardsInput{StreamName: &stream, MaxResults: aws.Int32(1)}
	for {
		output, err := client.ListShards(ctx, page)
		if err != nil {
			return nil, err
		}
		shards = append(shards, output.Shards...)
		if output.NextToken == nil {
			return shards, nil
		}
		page = &kinesis.ListShardsInput{NextToken: output.NextToken, MaxResults: aws.Int32(1)}
	}
}

func readShard(ctx context.Context, client *kinesis.Client, stream string, shard types.Shard) error {
	start, err := client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName:        &stream,
		ShardId:           shard.ShardId,
		ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		return err
	}
	for iterator := start.ShardIterator; iterator != nil; {
		output, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{
			ShardIterator: iterator,
			Limit:         aws.Int32(30),
		})
		if err != nil {
			return err
		}
		for _, record := range output.Records {
			tell(map[string]string{
				"shard":  *shard.ShardId,
				"key":    *record.PartitionKey,
				"number": *record.SequenceNumber,
				"data":   string(record.Data),
			})
		}
		if *output.MillisBehindLatest == 0 {
			return nil
		}
		iterator = output.NextShardIterator
	}
	return nil
}
