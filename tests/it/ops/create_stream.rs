//! CreateStream.

use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{ACCOUNT, STRANGER, TestServer, in_both_formats, shard_id};

const HASH_KEY_MAX: &str = "340282366920938463463374607431768211455";

#[tokio::test]
async fn a_new_stream_has_the_defaults_of_kinesis() {
    in_both_formats("", async |server| {
        let input = json!({"StreamName": "clicks", "ShardCount": 3});
        let answer = server.answer("CreateStream", &input).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        let summary = server.summary("clicks").await;
        let expected = json!({
            "StreamName": "clicks",
            "StreamARN": server.arn("clicks"),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": crate::wire::seconds(server.now()),
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
            "OpenShardCount": 3,
            "ConsumerCount": 0,
            "MaxRecordSizeInKiB": 1024,
        });
        assert_eq!(summary, expected);
    })
    .await;
}

/// Boundaries as recorded from AWS.
#[tokio::test]
async fn the_hash_keys_are_cut_as_aws_cuts_them() {
    let server = TestServer::new().await;
    for (shards, ends) in [
        (1, vec![HASH_KEY_MAX]),
        (2, vec!["170141183460469231731687303715884105727", HASH_KEY_MAX]),
        (
            3,
            vec![
                "113427455640312821154458202477256070484",
                "226854911280625642308916404954512140969",
                HASH_KEY_MAX,
            ],
        ),
    ] {
        let name = format!("clicks-{shards}");
        server.create(&name, shards).await;
        let listed = server.shards(&name).await;
        let found: Vec<_> =
            listed.iter().map(|shard| &shard["HashKeyRange"]["EndingHashKey"]).collect();
        assert_eq!(found, ends, "{shards}");
        assert_eq!(listed[0]["HashKeyRange"]["StartingHashKey"], "0");
        let ids: Vec<_> = listed.iter().map(|shard| shard["ShardId"].clone()).collect();
        assert_eq!(ids, (0..shards).map(|index| json!(shard_id(index))).collect::<Vec<_>>());
        assert!(listed.iter().all(|shard| shard.get("ParentShardId").is_none()));
    }
}

/// The clock of all tests stands at the time that the numbers in the data plane's notes are of.
#[tokio::test]
async fn shards_begin_with_sequence_numbers_in_aws_layout() {
    let server = TestServer::new().await.with_stream("clicks", 2).await;
    let listed = server.shards("clicks").await;
    let starts: Vec<_> = listed.iter().map(|shard| &shard["SequenceNumberRange"]).collect();
    let expected = [
        json!({"StartingSequenceNumber":
            "49646437577108476416916876405825929425585429676275269634"}),
        json!({"StartingSequenceNumber":
            "49646437577130777162115407028967465143858078037781250066"}),
    ];
    assert_eq!(starts, expected.iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_is_creating_until_its_transition_is_over() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 2).await;
    let description = describe(&server).await;
    assert_eq!(description["StreamStatus"], "CREATING");
    assert_eq!(description["Shards"], json!([]));
    assert_eq!(server.summary("clicks").await["OpenShardCount"], 0);
    let put = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": ""});
    let refusal = server.refusal("PutRecord", put).await;
    let missing = format!("Stream clicks under account {ACCOUNT} not found.");
    assert_eq!(refusal, format!("ResourceNotFoundException: {missing}"));

    server.advance(Duration::from_millis(19_999)).await;
    assert_eq!(describe(&server).await["StreamStatus"], "CREATING");
    server.advance(Duration::from_millis(1)).await;
    let description = describe(&server).await;
    assert_eq!(description["StreamStatus"], "ACTIVE");
    assert_eq!(description["Shards"].as_array().unwrap().len(), 2);
    server.put("clicks", "k", "now").await;
}

#[tokio::test]
async fn a_transition_goes_on_after_a_crash() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 2).await;
    let server = server.after_crash().await;
    assert_eq!(server.status("clicks").await, "CREATING");
    server.advance(Duration::from_secs(20)).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
}

#[tokio::test]
async fn a_name_is_unique_in_its_account_and_region_only() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    for shards in [1, 2] {
        let input = json!({"StreamName": "clicks", "ShardCount": shards});
        let exists = format!("Stream clicks under account {ACCOUNT} already exists.");
        let refusal = server.refusal("CreateStream", input).await;
        assert_eq!(refusal, format!("ResourceInUseException: {exists}"));
    }
    for namespace in [server.as_account(STRANGER), server.in_region("eu-west-1")] {
        namespace.create("clicks", 2).await;
        assert_eq!(namespace.summary("clicks").await["StreamARN"], namespace.arn("clicks"));
        namespace.advance(Duration::from_secs(20)).await;
        assert_eq!(namespace.shards("clicks").await.len(), 2);
    }
    assert_eq!(server.shards("clicks").await.len(), 1);
}

#[tokio::test]
async fn five_streams_are_created_at_once() {
    let server = TestServer::with("--transition 20s").await;
    for index in 0..5 {
        server.create(&format!("clicks-{index}"), 1).await;
    }
    let sixth = json!({"StreamName": "sixth", "ShardCount": 1});
    let refusal = server.refusal("CreateStream", sixth.clone()).await;
    assert!(refusal.starts_with("LimitExceededException: "), "{refusal}");
    server.as_account(STRANGER).call("CreateStream", sixth.clone()).await;
    server.advance(Duration::from_secs(20)).await;
    server.call("CreateStream", sixth).await;
}

#[tokio::test]
async fn an_account_has_a_limit_of_shards() {
    let server = TestServer::with("--shard-limit 5").await.with_stream("clicks", 3).await;
    let input = json!({"StreamName": "orders", "ShardCount": 3});
    let refusal = server.refusal("CreateStream", input.clone()).await;
    let expected = "LimitExceededException: This request would exceed the shard limit for the \
        account 000000000000 in us-east-1. Current shard count for the account: 3. Limit: 5. \
        Number of additional shards that would have resulted from this request: 3. Refer to the \
        AWS Service Limits page \
        (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits \
        and how to request higher limits.";
    assert_eq!(refusal, expected);
    server.in_region("eu-west-1").call("CreateStream", input).await;
    server.create("orders", 2).await;
}

#[tokio::test]
async fn shards_to_be_count_against_the_limit() {
    let flags = "--shard-limit 5 --transition 20s";
    let server = TestServer::with(flags).await.with_stream("clicks", 3).await;
    let input = json!({"StreamName": "orders", "ShardCount": 3});
    let refusal = server.refusal("CreateStream", input).await;
    assert!(refusal.contains("Current shard count for the account: 3. Limit: 5."), "{refusal}");
}

#[tokio::test]
async fn tags_and_record_size_are_there_from_the_start() {
    let server = TestServer::with("--transition 20s").await;
    let input = json!({"StreamName": "clicks", "ShardCount": 1, "MaxRecordSizeInKiB": 10240,
        "StreamModeDetails": {"StreamMode": "PROVISIONED"}, "Tags": {"team": "web", "empty": ""}});
    server.call("CreateStream", input).await;
    assert_eq!(server.summary("clicks").await["MaxRecordSizeInKiB"], 10_240);
    let tags = server.call("ListTagsForStream", json!({"StreamName": "clicks"})).await;
    let expected = json!([{"Key": "empty", "Value": ""}, {"Key": "team", "Value": "web"}]);
    assert_eq!(tags["Tags"], expected);
}

#[tokio::test]
async fn without_a_shard_count_a_stream_is_on_demand_with_four_shards() {
    in_both_formats("", async |server| {
        server.call("CreateStream", json!({"StreamName": "clicks"})).await;
        server.create_on_demand("orders").await;
        for name in ["clicks", "orders"] {
            let summary = server.summary(name).await;
            assert_eq!(summary["StreamModeDetails"], json!({"StreamMode": "ON_DEMAND"}));
            assert_eq!(summary["RecordDistributionStrategy"], "USER_PARTITION_KEY");
            assert_eq!(summary["OpenShardCount"], 4);
            assert!(summary.get("WarmThroughput").is_none());
            let stream = server.call("DescribeStream", json!({"StreamName": name})).await;
            let details = &stream["StreamDescription"]["StreamModeDetails"];
            assert_eq!(*details, json!({"StreamMode": "ON_DEMAND"}));
        }
        let listed = server.call("ListStreams", json!({})).await;
        for summary in listed["StreamSummaries"].as_array().unwrap() {
            assert_eq!(summary["StreamModeDetails"], json!({"StreamMode": "ON_DEMAND"}));
        }
    })
    .await;
}

#[tokio::test]
async fn what_only_the_other_mode_has_is_refused_and_not_half_done() {
    let server = TestServer::new().await;
    let on_demand = json!({"StreamMode": "ON_DEMAND"});
    for (members, words) in [
        (json!({"StreamModeDetails": {"StreamMode": "PROVISIONED"}}), "ShardCount"),
        (json!({"StreamModeDetails": on_demand, "ShardCount": 1}), "ShardCount"),
        (json!({"ShardCount": 1, "WarmThroughputMiBps": 1}), "WarmThroughputMiBps"),
        (
            json!({"ShardCount": 1, "RecordDistributionStrategy": "AUTO"}),
            "RecordDistributionStrategy",
        ),
        (json!({"StreamModeDetails": on_demand, "WarmThroughputMiBps": 1}), "commitment"),
    ] {
        let mut input = members;
        input["StreamName"] = json!("clicks");
        let refusal = server.refusal("CreateStream", input).await;
        assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
        assert!(refusal.contains(words), "{refusal}");
    }
    let streams = server.call("ListStreams", json!({})).await;
    assert_eq!(streams["StreamNames"], json!([]));
}

#[tokio::test]
async fn an_on_demand_stream_is_warm_from_the_start() {
    let server = TestServer::with("--transition 20s").await;
    server.commit().await;
    let input = json!({"StreamName": "clicks", "WarmThroughputMiBps": 9,
        "RecordDistributionStrategy": "AUTO"});
    server.call("CreateStream", input).await;
    let warm = server.summary("clicks").await["WarmThroughput"].clone();
    assert_eq!(warm, json!({"TargetMiBps": 9, "CurrentMiBps": 0}));
    server.advance(Duration::from_secs(20)).await;
    let server = server.after_crash().await;
    let summary = server.summary("clicks").await;
    assert_eq!(summary["WarmThroughput"], json!({"TargetMiBps": 9, "CurrentMiBps": 9}));
    assert_eq!(summary["RecordDistributionStrategy"], "AUTO");
    assert_eq!(server.shards("clicks").await.len(), 9);
    let limit = json!({"StreamName": "orders", "WarmThroughputMiBps": 10_241});
    let refusal = server.refusal("CreateStream", limit).await;
    assert!(refusal.starts_with("LimitExceededException: "), "{refusal}");
}

#[tokio::test]
async fn user_partition_keys_are_what_provisioned_streams_have_anyway() {
    let server = TestServer::new().await;
    let input = json!({"StreamName": "clicks", "ShardCount": 1,
        "RecordDistributionStrategy": "USER_PARTITION_KEY"});
    server.call("CreateStream", input).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
}

#[tokio::test]
async fn tags_are_checked() {
    let server = TestServer::new().await;
    let tagged = |tags: Value| json!({"StreamName": "clicks", "ShardCount": 1, "Tags": tags});
    let many: Value = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect();
    for tags in [json!({"a;b": "c"}), json!({"a": "b\tc"}), json!({"a%": "c"}), many] {
        let refusal = server.refusal("CreateStream", tagged(tags)).await;
        assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
    }
    let fifty: Value = (0..50).map(|n| (format!("k{n}"), json!("v"))).collect();
    server.call("CreateStream", tagged(fifty)).await;
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await;
    let input = |n: u32| json!({"StreamName": format!("clicks-{n}"), "ShardCount": 1});
    for n in 0..5 {
        server.call("CreateStream", input(n)).await;
    }
    let refusal = server.refusal("CreateStream", input(5)).await;
    assert!(refusal.starts_with("LimitExceededException: Rate exceeded for stream"), "{refusal}");
    server.as_account(STRANGER).call("CreateStream", input(5)).await;
    server.advance(Duration::from_millis(199)).await;
    server.refusal("CreateStream", input(5)).await;
    server.advance(Duration::from_millis(1)).await;
    server.call("CreateStream", input(5)).await;
}

async fn describe(server: &TestServer) -> Value {
    let output = server.call("DescribeStream", json!({"StreamName": "clicks"})).await;
    output["StreamDescription"].clone()
}
