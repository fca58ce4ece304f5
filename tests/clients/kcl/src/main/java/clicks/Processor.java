package clicks;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import software.amazon.kinesis.exceptions.KinesisClientLibException;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

/** Tells of each record of a shard, and of what happens to the shard, in one line of JSON each. */
final class Processor implements ShardRecordProcessor {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final String worker;
    private String shard;
    private String last;

    Processor(String worker) {
        this.worker = worker;
    }

    @Override
    public void initialize(InitializationInput input) {
        shard = input.shardId();
        last = input.extendedSequenceNumber().sequenceNumber();
        tell("initialize", Map.of("from", last));
    }

    @Override
    public void processRecords(ProcessRecordsInput input) {
        input.records().forEach(this::process);
        // KCL drops a lease by itself when a shard was merged with one that has no lease yet, and
        // begins again at the checkpoint. Records behind it would be seen twice.
        checkpoint(input.checkpointer());
    }

    @Override
    public void shardEnded(ShardEndedInput input) {
        tell("shardEnded", Map.of());
        checkpoint(input.checkpointer());
    }

    @Override
    public void leaseLost(LeaseLostInput input) {
        tell("leaseLost", Map.of());
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
        tell("shutdownRequested", Map.of());
        checkpoint(input.checkpointer());
    }

    private void process(KinesisClientRecord record) {
        byte[] data = new byte[record.data().remaining()];
        record.data().get(data);
        last = record.sequenceNumber();
        tell("record", Map.of(
                "sequenceNumber", last,
                "subSequenceNumber", record.subSequenceNumber(),
                "partitionKey", record.partitionKey(),
                "data", data));
    }

    private void checkpoint(RecordProcessorCheckpointer checkpointer) {
        try {
            checkpointer.checkpoint();
        } catch (ShutdownException lost) {
            // Another worker has the lease and goes on from the last checkpoint.
            return;
        } catch (KinesisClientLibException failed) {
            throw new IllegalStateException(failed);
        }
        tell("checkpoint", Map.of("at", last));
    }

    private void tell(String event, Map<String, Object> more) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("event", event);
        line.put("micros", ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()));
        line.put("worker", worker);
        line.put("shard", shard);
        line.putAll(more);
        try {
            System.out.println(JSON.writeValueAsString(line));
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
