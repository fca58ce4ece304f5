package main

import (
	"context"
	"errors"
	"log"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// fanOut registers a consumer and tells each event of a shard until the shard ends.
func fanOut(ctx context.Context, client *kinesis.Client, stream, shard string) error {
	consumer, err := register(ctx, client, stream, "dashboard")
	if err != nil {
		return err
	}
	tell(map[string]string{"consumer": consumer})
	err = readEvents(ctx, client, consumer, shard, tellEvent)
	var known smithy.APIError
	if errors.As(err, &known) {
		tell(map[string]string{"error": known.ErrorCode()})
		return nil
	}
	return err
}

// register returns the ARN of the new consumer when it is ACTIVE.
func register(ctx context.Context, client *kinesis.Client, stream, name string) (string, error) {
	summary, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{
		StreamName: &stream,
	})
	if err != nil {
		return "", err
	}
	registered, err := client.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{
		StreamARN:    summary.StreamDescriptionSummary.StreamARN,
		ConsumerName: &name,
	})
	if err != nil {
		return "", err
	}
	arn := registered.Consumer.ConsumerARN
	for {
		output, err := client.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{
			ConsumerARN: arn,
		})
		if err != nil {
			return "", err
		}
		if output.ConsumerDescription.ConsumerStatus == types.ConsumerStatusActive {
			return *arn, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// readEvents calls each with every event of the shard.
func readEvents(
	ctx context.Context, client *kinesis.Client, consumer, shard string,
	each func(types.SubscribeToShardEvent),
) error {
	// docs: subscribe
	position := &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	for position != nil {
		output, err := client.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{
			ConsumerARN:      &consumer,
			ShardId:          &shard,
			StartingPosition: position,
		})
		if err != nil {
			return err
		}
		position, err = drain(output.GetStream(), position, each)
		// A subscription lasts five minutes, or as long as its connection; the next one goes on.
		var refused smithy.APIError
		if errors.As(err, &refused) {
			return err
		}
		if err != nil {
			log.Printf("subscribing again: %v", err)
		}
	}
	// docs: end
	return nil
}

// drain returns where to go on, nil at the end of the shard.
func drain(
	events *kinesis.SubscribeToShardEventStream, position *types.StartingPosition,
	each func(types.SubscribeToShardEvent),
) (*types.StartingPosition, error) {
	defer events.Close()
	for member := range events.Events() {
		event := member.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
		each(event)
		if event.ContinuationSequenceNumber == nil {
			return nil, nil
		}
		position = &types.StartingPosition{
			Type:           types.ShardIteratorTypeAfterSequenceNumber,
			SequenceNumber: event.ContinuationSequenceNumber,
		}
	}
	return position, events.Err()
}

func tellEvent(event types.SubscribeToShardEvent) {
	news := struct {
		Data     []string `json:"data"`
		Children []string `json:"children,omitempty"`
	}{Data: []string{}}
	for _, record := range event.Records {
		news.Data = append(news.Data, string(record.Data))
	}
	for _, child := range event.ChildShards {
		news.Children = append(news.Children, aws.ToString(child.ShardId))
	}
	tell(news)
}
