// Puts a hundred records into a stream, which it makes if it has to, and reads all that are there.
import {
  CreateStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  PutRecordsCommand,
  ResourceInUseException,
  waitUntilStreamExists,
} from "@aws-sdk/client-kinesis";

const StreamName = process.argv[2];
const kinesis = new KinesisClient();

async function ensureStream(ShardCount) {
  try {
    await kinesis.send(new CreateStreamCommand({ StreamName, ShardCount }));
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
  }
  await waitUntilStreamExists({ client: kinesis, minDelay: 1, maxWaitTime: 60 }, { StreamName });
}

async function put(records) {
  const { FailedRecordCount, Records } = await kinesis.send(
    new PutRecordsCommand({ StreamName, Records: records }),
  );
  if (FailedRecordCount > 0) {
    const refused = Records.filter((entry) => entry.ErrorCode);
    throw new Error(`${FailedRecordCount} not stored: ${refused[0].ErrorMessage}`);
  }
}

// docs: shards
async function* shards() {
  // The stream is named for the first page only: each NextToken knows it.
  let page = { StreamName };
  do {
    const { Shards, NextToken } = await kinesis.send(
      new ListShardsCommand({ ...page, MaxResults: 1 }),
    );
    yield* Shards;
    page = { NextToken };
  } while (page.NextToken);
}
// docs: end

async function* recordsOf({ ShardId }) {
  let { ShardIterator } = await kinesis.send(
    new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: "TRIM_HORIZON" }),
  );
  while (ShardIterator) {
    const read = await kinesis.send(new GetRecordsCommand({ ShardIterator, Limit: 30 }));
    yield* read.Records;
    if (read.MillisBehindLatest === 0) return;
    ShardIterator = read.NextShardIterator;
  }
}

await ensureStream(2);
await put(
  Array.from({ length: 100 }, (_, click) => ({
    PartitionKey: `user-${click % 7}`,
    Data: Buffer.from(`click ${click}`),
  })),
);
for await (const shard of shards()) {
  for await (const { PartitionKey, SequenceNumber, Data } of recordsOf(shard)) {
    const data = Buffer.from(Data).toString();
    console.log(
      JSON.stringify({ shard: shard.ShardId, key: PartitionKey, number: SequenceNumber, data }),
    );
  }
}
kinesis.destroy();
