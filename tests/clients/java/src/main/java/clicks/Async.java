package clicks;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.PutRecordResponse;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler.Visitor;

/** Has records pushed to it, over a merge, by the asynchronous client, which speaks HTTP/2. */
public final class Async {
    private static final String STREAM = "clicks";
    private static final int PUTS = 20;

    private final KinesisAsyncClient kinesis;
    private final CountDownLatch afterMerge = new CountDownLatch(PUTS);
    private String consumer;

    private Async(KinesisAsyncClient kinesis) {
        this.kinesis = kinesis;
    }

    public static void main(String[] args) throws Exception {
        try (KinesisAsyncClient kinesis = KinesisAsyncClient.create()) {
            new Async(kinesis).run();
        }
    }

    private void run() throws Exception {
        kinesis.createStream(r -> r.streamName(STREAM).shardCount(2)).join();
        kinesis.waiter().waitUntilStreamExists(r -> r.streamName(STREAM)).join();
        register();
        refused();
        List<String> parents = shards();
        List<CompletableFuture<Void>> readers = parents.stream().map(this::subscribe).toList();
        put("before");
        kinesis.mergeShards(r -> r.streamName(STREAM)
                .shardToMerge(parents.get(0))
                .adjacentShardToMerge(parents.get(1))).join();
        kinesis.waiter().waitUntilStreamExists(r -> r.streamName(STREAM)).join();
        put("after");
        // A subscription to a closed shard ends when the shard has been read.
        readers.forEach(CompletableFuture::join);
        subscribe(shards().get(2));
        if (!afterMerge.await(30, TimeUnit.SECONDS)) {
            throw new IllegalStateException(afterMerge.getCount() + " records didn't come");
        }
    }

    private void register() throws InterruptedException {
        String stream = kinesis.describeStreamSummary(r -> r.streamName(STREAM)).join()
                .streamDescriptionSummary().streamARN();
        consumer = kinesis.registerStreamConsumer(r -> r.streamARN(stream).consumerName("reader"))
                .join().consumer().consumerARN();
        while (status() != ConsumerStatus.ACTIVE) {
            Thread.sleep(100);
        }
    }

    private ConsumerStatus status() {
        return kinesis.describeStreamConsumer(r -> r.consumerARN(consumer)).join()
                .consumerDescription().consumerStatus();
    }

    // docs: subscribe
    private CompletableFuture<Void> subscribe(String shardId) {
        var handler = SubscribeToShardResponseHandler.builder()
                .subscriber(Visitor.builder()
                        .onSubscribeToShardEvent(event -> print(shardId, event))
                        .build())
                .build();
        return kinesis.subscribeToShard(r -> r.consumerARN(consumer)
                .shardId(shardId)
                .startingPosition(from -> from.type(ShardIteratorType.TRIM_HORIZON)), handler);
    }
    // docs: end

    private synchronized void print(String shardId, SubscribeToShardEvent event) {
        event.records().forEach(record -> {
            Lines.print(shardId, record);
            if (record.data().asUtf8String().startsWith("after")) {
                afterMerge.countDown();
            }
        });
        if (event.continuationSequenceNumber() == null) {
            System.out.println("end of " + shardId + ", then " + event.childShards().stream()
                    .map(child -> child.shardId() + " of " + child.parentShards())
                    .toList());
        }
    }

    /** Asks for a shard that isn't there. */
    private void refused() {
        try {
            subscribe("shardId-000000000099").join();
        } catch (CompletionException failed) {
            if (failed.getCause() instanceof ResourceNotFoundException absent) {
                System.out.println("absent: " + absent.awsErrorDetails().errorMessage());
                return;
            }
            throw failed;
        }
    }

    private List<String> shards() {
        return kinesis.listShards(r -> r.streamName(STREAM)).join()
                .shards().stream().map(Shard::shardId).toList();
    }

    private void put(String when) {
        List<CompletableFuture<PutRecordResponse>> puts = IntStream.range(0, PUTS)
                .mapToObj(number -> kinesis.putRecord(r -> r.streamName(STREAM)
                        .partitionKey("user-" + number)
                        .data(SdkBytes.fromUtf8String(when + " " + number))))
                .toList();
        puts.forEach(CompletableFuture::join);
    }
}
