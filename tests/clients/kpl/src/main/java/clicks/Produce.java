package clicks;

import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.MoreExecutors;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import software.amazon.kinesis.producer.Attempt;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordFailedException;
import software.amazon.kinesis.producer.UserRecordResult;

/** Puts clicks at a steady rate, tells what became of each, and waits to be stopped. */
public final class Produce implements AutoCloseable {
    private static final int OUTSTANDING_MAX = 10_000;
    private static final int KEYS = 500;
    private static final int BATCH = 100;

    private final KinesisProducer producer;
    private final String stream;

    private Produce(String stream) {
        this.producer = new KinesisProducer(configuration());
        this.stream = stream;
    }

    /** Arguments: the stream, how many clicks, and how many a second. */
    public static void main(String[] arguments) throws InterruptedException {
        try (var produce = new Produce(arguments[0])) {
            produce.put(Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]));
            new CountDownLatch(1).await();
        }
    }

    // docs: configuration
    private static KinesisProducerConfiguration configuration() {
        var endpoint = URI.create(System.getenv("AWS_ENDPOINT_URL")); // https://localhost:4567
        return new KinesisProducerConfiguration()
                .setRegion(System.getenv("AWS_REGION"))
                .setKinesisEndpoint(endpoint.getHost())
                .setKinesisPort(endpoint.getPort())
                .setCloudwatchEndpoint(endpoint.getHost())
                .setCloudwatchPort(endpoint.getPort())
                .setStsEndpoint(endpoint.getHost())
                .setStsPort(endpoint.getPort())
                .setCaCertFile(System.getenv("AWS_CA_BUNDLE"))
                .setMetricsUploadDelay(2_000); // a minute, unless set
    }
    // docs: end

    private void put(int count, int perSecond) throws InterruptedException {
        long started = System.nanoTime();
        for (int number = 0; number < count; number++) {
            put("user-" + number % KEYS, number);
            if (number % BATCH == 0) {
                long due = started + TimeUnit.SECONDS.toNanos(1) * number / perSecond;
                TimeUnit.NANOSECONDS.sleep(due - System.nanoTime());
            }
        }
        producer.flushSync();
    }

    // docs: put
    private void put(String key, int number) throws InterruptedException {
        while (producer.getOutstandingRecordsCount() >= OUTSTANDING_MAX) {
            TimeUnit.MILLISECONDS.sleep(1);
        }
        var data = ByteBuffer.wrap(Integer.toString(number).getBytes(StandardCharsets.UTF_8));
        var put = producer.addUserRecord(stream, key, data);
        Futures.addCallback(put, tell(number), MoreExecutors.directExecutor());
    }
    // docs: end

    private static FutureCallback<UserRecordResult> tell(int number) {
        return new FutureCallback<>() {
            @Override
            public void onSuccess(UserRecordResult put) {
                tell("{\"number\":%d,\"ShardId\":\"%s\",\"SequenceNumber\":\"%s\",\"failed\":[%s]}",
                        number, put.getShardId(), put.getSequenceNumber(), failed(put));
            }

            @Override
            public void onFailure(Throwable failure) {
                var why = failure instanceof UserRecordFailedException refused
                        ? failed(refused.getResult())
                        : "\"" + failure + "\"";
                tell("{\"number\":%d,\"failed\":[%s]}", number, why);
            }
        };
    }

    /** A line in one piece, as a log line may else come between: printf writes piece by piece. */
    private static void tell(String line, Object... values) {
        System.out.println(line.formatted(values));
    }

    /** The error codes of the attempts that failed, as a list of JSON. */
    private static String failed(UserRecordResult put) {
        List<String> codes = put.getAttempts().stream()
                .filter(attempt -> !attempt.isSuccessful())
                .map(Attempt::getErrorCode)
                .map(code -> "\"" + code + "\"")
                .toList();
        return String.join(",", codes);
    }

    @Override
    public void close() {
        producer.destroy();
    }
}
