package clicks;

import java.util.Base64;
import software.amazon.awssdk.services.kinesis.model.Record;

/** What both programs tell. */
final class Lines {
    private Lines() {}

    /** A record in one line, its data as base64. */
    static void print(String shardId, Record record) {
        String data = Base64.getEncoder().encodeToString(record.data().asByteArrayUnsafe());
        System.out.println(
                String.join(" ", shardId, record.sequenceNumber(), record.partitionKey(), data));
    }
}
