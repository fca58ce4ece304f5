// Command clicks uses a stream in the two ways that there are:
//
//	clicks records STREAM          puts records, and reads them by GetRecords
//	clicks fan_out STREAM SHARD    reads a shard by enhanced fan-out until it ends
//
// What it reads it tells in lines of JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, arguments []string) error {
	// docs: client
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := kinesis.NewFromConfig(settings)
	// docs: end
	switch {
	case len(arguments) == 2 && arguments[0] == "records":
		return putAndRead(ctx, client, arguments[1])
	case len(arguments) == 3 && arguments[0] == "fan_out":
		return fanOut(ctx, client, arguments[1], arguments[2])
	}
	return fmt.Errorf("usage: clicks records STREAM | clicks fan_out STREAM SHARD")
}

func tell(news any) {
	if err := json.NewEncoder(os.Stdout).Encode(news); err != nil {
		log.Fatal(err)
	}
}
