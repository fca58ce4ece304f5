package clicks;

import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.configuration.Configuration;

/** Numbers the clicks of each key in checkpointed state, and tells each as a line of JSON. */
final class Count extends RichMapFunction<Click, String> {
    private static final String LINE =
            "{\"ShardId\":\"%s\",\"SequenceNumber\":\"%s\",\"key\":\"%s\",\"n\":%s,\"count\":%d}";

    private transient ValueState<Long> count;

    @Override
    public void open(Configuration configuration) {
        count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Long.class));
    }

    @Override
    public String map(Click click) throws Exception {
        long before = count.value() == null ? 0 : count.value();
        count.update(before + 1);
        return LINE.formatted(
                click.shardId, click.sequenceNumber, click.key, click.data, before + 1);
    }
}
