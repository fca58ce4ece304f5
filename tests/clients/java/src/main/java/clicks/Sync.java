package clicks;

import java.util.List;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;

/** Makes a stream, writes to it and reads it with the synchronous client. */
public final class Sync {
    private static final String STREAM = "clicks";

    private final KinesisClient kinesis;

    private Sync(KinesisClient kinesis) {
        this.kinesis = kinesis;
    }

    public static void main(String[] args) {
        // docs: client
        // The endpoint, region and keys are in the environment: AWS_ENDPOINT_URL and the others.
        try (KinesisClient kinesis = KinesisClient.create()) {
            new Sync(kinesis).run();
        }
        // docs: end
    }

    private void run() {
        try {
            kinesis.describeStreamSummary(r -> r.streamName(STREAM));
        } catch (ResourceNotFoundException absent) {
            System.out.println("absent: " + absent.awsErrorDetails().errorMessage());
        }
        // docs: write
        kinesis.createStream(r -> r.streamName(STREAM).shardCount(2));
        kinesis.waiter().waitUntilStreamExists(r -> r.streamName(STREAM));

        List<PutRecordsRequestEntry> clicks = IntStream.range(0, 20).mapToObj(Sync::click).toList();
        var put = kinesis.putRecords(r -> r.streamName(STREAM).records(clicks));
        if (put.failedRecordCount() > 0) {
            throw new IllegalStateException("try the entries again that have an error code");
        }
        // docs: end
        SdkBytes large = SdkBytes.fromByteArray(new byte[1_000_000]);
        kinesis.putRecord(r -> r.streamName(STREAM).partitionKey("large").data(large));
        System.out.println("streams: " + kinesis.listStreams().streamNames());
        for (Shard shard : kinesis.listShards(r -> r.streamName(STREAM)).shards()) {
            read(shard.shardId());
        }
    }

    private static PutRecordsRequestEntry click(int number) {
        return PutRecordsRequestEntry.builder()
                .partitionKey("user-" + number % 5)
                .data(SdkBytes.fromUtf8String("click " + number + " ✓"))
                .build();
    }

    private void read(String shardId) {
        String iterator = kinesis.getShardIterator(r -> r.streamName(STREAM)
                .shardId(shardId)
                .shardIteratorType(ShardIteratorType.TRIM_HORIZON))
                .shardIterator();
        GetRecordsResponse got;
        do {
            String from = iterator;
            got = kinesis.getRecords(r -> r.shardIterator(from).limit(7));
            got.records().forEach(record -> Lines.print(shardId, record));
            iterator = got.nextShardIterator();
        } while (got.millisBehindLatest() > 0);
    }
}
