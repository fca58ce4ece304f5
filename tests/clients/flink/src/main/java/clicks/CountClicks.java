package clicks;

import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.kinesis.sink.KinesisStreamsSink;
import org.apache.flink.connector.kinesis.source.KinesisStreamsSource;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.CheckpointConfig.ExternalizedCheckpointCleanup;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.connectors.kinesis.FlinkKinesisConsumer;

/** A job that reads one stream, numbers the clicks of each key, and writes them to another. */
public final class CountClicks {
    /** Arguments: the reader, the ARNs of both streams, where checkpoints go, what to resume. */
    public static void main(String[] arguments) throws Exception {
        var configuration = new Configuration();
        configuration.setString("restart-strategy.type", "none");
        if (arguments.length > 4) {
            configuration.setString("execution.savepoint.path", arguments[4]);
        }
        var flink = StreamExecutionEnvironment.getExecutionEnvironment(configuration);
        flink.enableCheckpointing(1000);
        flink.setParallelism(2);
        var checkpoints = flink.getCheckpointConfig();
        checkpoints.setCheckpointStorage(Path.of(arguments[3]).toUri());
        checkpoints.setExternalizedCheckpointCleanup(
                ExternalizedCheckpointCleanup.RETAIN_ON_CANCELLATION);

        clicks(flink, arguments[0], arguments[1])
                .keyBy(click -> click.key)
                .map(new Count())
                .uid("count")
                .sinkTo(sink(arguments[2]))
                .uid("counted");
        flink.execute("count clicks");
    }

    static DataStream<Click> clicks(
            StreamExecutionEnvironment flink, String reader, String streamArn) {
        if (reader.equals("SOURCE")) {
            var type = TypeInformation.of(Click.class);
            var watermarks = WatermarkStrategy.<Click>noWatermarks();
            return flink.fromSource(source(streamArn), watermarks, "clicks", type).uid("clicks");
        }
        var stream = streamArn.substring(streamArn.lastIndexOf('/') + 1);
        return flink.addSource(consumer(stream, reader)).uid("clicks");
    }

    // Keys come from the environment, as with every AWS SDK. docs: connection
    static Map<String, String> connection() {
        return Map.of("aws.region", "us-east-1", "aws.endpoint", System.getenv("AWS_ENDPOINT_URL"));
    }
    // docs: end

    // The reader is POLLING or EFO, which is fan-out. docs: consumer
    static FlinkKinesisConsumer<Click> consumer(String stream, String reader) {
        var properties = new Properties();
        properties.putAll(connection());
        properties.setProperty("flink.stream.initpos", "TRIM_HORIZON");
        properties.setProperty("flink.shard.discovery.intervalmillis", "1000");
        properties.setProperty("flink.stream.recordpublisher", reader);
        properties.setProperty("flink.stream.efo.consumername", "count-clicks");
        return new FlinkKinesisConsumer<>(stream, new Click.FromConsumer(), properties);
    }
    // docs: end

    static KinesisStreamsSource<Click> source(String streamArn) {
        var configuration = Configuration.fromMap(connection());
        configuration.setString("flink.stream.initpos", "TRIM_HORIZON");
        configuration.setString("flink.shard.discovery.intervalmillis", "1000");
        return KinesisStreamsSource.<Click>builder()
                .setStreamArn(streamArn)
                .setSourceConfig(configuration)
                .setDeserializationSchema(new Click.FromSource())
                .build();
    }

    // docs: sink
    static KinesisStreamsSink<String> sink(String streamArn) {
        var properties = new Properties();
        properties.putAll(connection());
        return KinesisStreamsSink.<String>builder()
                .setStreamArn(streamArn)
                .setKinesisClientProperties(properties)
                .setSerializationSchema(new SimpleStringSchema())
                .setPartitionKeyGenerator(line -> String.valueOf(line.hashCode()))
                .setFailOnError(true)
                .build();
    }
    // docs: end

    private CountClicks() {}
}
