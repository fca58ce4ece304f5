package clicks;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.CoordinatorConfig;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.leases.LeaseManagementConfig;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.RetrievalSpecificConfig;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/** A worker of an application that reads a stream from its beginning: APPLICATION STREAM ID HOW. */
public final class Worker {
    private static final int STOP_SECONDS_MAX = 20;

    private Worker() {}

    public static void main(String[] args) {
        String application = args[0];
        String stream = args[1];
        String id = args[2];
        boolean fanOut = args[3].equals("fan-out");

        // docs: clients
        // Endpoints, the region and keys are in the environment.
        KinesisAsyncClient kinesis =
                KinesisClientUtil.createKinesisAsyncClient(KinesisAsyncClient.builder());
        DynamoDbAsyncClient dynamoDb = DynamoDbAsyncClient.create();
        CloudWatchAsyncClient cloudWatch = CloudWatchAsyncClient.create();

        var beginning = InitialPositionInStreamExtended.newInitialPosition(
                InitialPositionInStream.TRIM_HORIZON);
        ConfigsBuilder configs = new ConfigsBuilder(
                new SingleStreamTracker(stream, beginning),
                application,
                kinesis,
                dynamoDb,
                cloudWatch,
                id,
                () -> new Processor(id));
        RetrievalSpecificConfig retrieval = fanOut
                ? new FanOutConfig(kinesis).streamName(stream).applicationName(application)
                : new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(250);
        // docs: end
        Scheduler scheduler = new Scheduler(
                configs.checkpointConfig(),
                quick(configs.coordinatorConfig()),
                quick(configs.leaseManagementConfig()),
                configs.lifecycleConfig(),
                configs.metricsConfig(),
                configs.processorConfig(),
                configs.retrievalConfig().retrievalSpecificConfig(retrieval));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(scheduler)));
        scheduler.run();
    }

    // docs: quick
    /** A test hasn't the time that KCL takes to see new shards and dead workers. */
    private static LeaseManagementConfig quick(LeaseManagementConfig leases) {
        leases.workerUtilizationAwareAssignmentConfig()
                .disableWorkerMetrics(true)
                .workerMetricsReporterFreqInMillis(1_000);
        return leases.failoverTimeMillis(10_000)
                .leaseAssignmentIntervalMillis(1_000L)
                .shardSyncIntervalMillis(5_000)
                .dynamoDbLockBasedLeaderLeaseDurationInMillis(10_000)
                .dynamoDbLockBasedLeaderHeartbeatPeriodInMillis(2_000);
    }

    private static CoordinatorConfig quick(CoordinatorConfig coordinator) {
        return coordinator.parentShardPollIntervalMillis(500)
                .shardConsumerDispatchPollIntervalMillis(200);
    }
    // docs: end

    private static void stop(Scheduler scheduler) {
        try {
            scheduler.startGracefulShutdown().get(STOP_SECONDS_MAX, TimeUnit.SECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException hindered) {
            scheduler.shutdown();
        }
    }
}
