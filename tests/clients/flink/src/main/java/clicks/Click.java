package clicks;

import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.kinesis.shaded.software.amazon.awssdk.services.kinesis.model.Record;
import org.apache.flink.streaming.connectors.kinesis.serialization.KinesisDeserializationSchema;
import org.apache.flink.util.Collector;

/** A record as it has been read. */
public final class Click {
    public String shardId;
    public String sequenceNumber;
    public String key;
    public String data;

    public Click() {}

    Click(String shardId, String sequenceNumber, String key, byte[] data) {
        this.shardId = shardId;
        this.sequenceNumber = sequenceNumber;
        this.key = key;
        this.data = new String(data, StandardCharsets.UTF_8);
    }

    /** For FlinkKinesisConsumer. */
    static final class FromConsumer implements KinesisDeserializationSchema<Click> {
        @Override
        public Click deserialize(
                byte[] data,
                String partitionKey,
                String sequenceNumber,
                long arrivalMillis,
                String stream,
                String shardId) {
            return new Click(shardId, sequenceNumber, partitionKey, data);
        }

        @Override
        public TypeInformation<Click> getProducedType() {
            return TypeInformation.of(Click.class);
        }
    }

    /** For KinesisStreamsSource. */
    static final class FromSource
            implements org.apache.flink.connector.kinesis.source.serialization
                    .KinesisDeserializationSchema<Click> {
        @Override
        public void deserialize(
                Record record, String stream, String shardId, Collector<Click> clicks) {
            var data = record.data().asByteArray();
            clicks.collect(
                    new Click(shardId, record.sequenceNumber(), record.partitionKey(), data));
        }

        @Override
        public TypeInformation<Click> getProducedType() {
            return TypeInformation.of(Click.class);
        }
    }
}
