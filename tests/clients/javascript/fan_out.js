// Reads a shard by enhanced fan-out until it ends, and tells each event in a line of JSON.
import {
  DescribeStreamConsumerCommand,
  DescribeStreamSummaryCommand,
  KinesisClient,
  RegisterStreamConsumerCommand,
  SubscribeToShardCommand,
} from "@aws-sdk/client-kinesis";
import { setTimeout } from "node:timers/promises";

const [StreamName, ShardId] = process.argv.slice(2);
const kinesis = new KinesisClient();

async function register(ConsumerName) {
  const { StreamDescriptionSummary } = await kinesis.send(
    new DescribeStreamSummaryCommand({ StreamName }),
  );
  const { Consumer } = await kinesis.send(
    new RegisterStreamConsumerCommand({
      StreamARN: StreamDescriptionSummary.StreamARN,
      ConsumerName,
    }),
  );
  return Consumer.ConsumerARN;
}

async function untilActive(ConsumerARN) {
  for (;;) {
    const { ConsumerDescription } = await kinesis.send(
      new DescribeStreamConsumerCommand({ ConsumerARN }),
    );
    if (ConsumerDescription.ConsumerStatus === "ACTIVE") return;
    await setTimeout(100);
  }
}

// docs: subscribe
async function* events(ConsumerARN) {
  let position = { Type: "TRIM_HORIZON" };
  // A subscription lasts five minutes; the next one goes on where it was.
  while (position) {
    const { EventStream } = await kinesis.send(
      new SubscribeToShardCommand({ ConsumerARN, ShardId, StartingPosition: position }),
    );
    for await (const { SubscribeToShardEvent: event } of EventStream) {
      if (!event) continue;
      yield event;
      const SequenceNumber = event.ContinuationSequenceNumber;
      position = SequenceNumber && { Type: "AFTER_SEQUENCE_NUMBER", SequenceNumber };
    }
  }
}
// docs: end

const tell = (news) => console.log(JSON.stringify(news));
const consumer = await register("dashboard");
await untilActive(consumer);
tell({ consumer });
try {
  for await (const { Records, ChildShards } of events(consumer)) {
    tell({
      data: Records.map(({ Data }) => Buffer.from(Data).toString()),
      children: ChildShards?.map((child) => child.ShardId),
    });
  }
} catch (error) {
  tell({ error: error.name });
}
kinesis.destroy();
