//! Streams and consumers that another account uses, by ARN, as their policies allow.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::yield_now;

use crate::{
    events::{input, oldest, subscribe_at},
    server::{ACCOUNT, STRANGER, TestServer, in_both_formats, shard_id, texts},
    wire,
};

/// What may be shared of a stream, with what each call needs.
fn on_streams(arn: &str) -> Vec<(&'static str, Value)> {
    let data = wire::blob("text");
    let iterator =
        json!({"StreamARN": arn, "ShardId": shard_id(0), "ShardIteratorType": "TRIM_HORIZON"});
    vec![
        ("PutRecord", json!({"StreamARN": arn, "PartitionKey": "k", "Data": data})),
        ("PutRecords", json!({"StreamARN": arn, "Records": [{"PartitionKey": "k", "Data": data}]})),
        ("GetShardIterator", iterator),
        ("DescribeStream", json!({ "StreamARN": arn })),
        ("DescribeStreamSummary", json!({ "StreamARN": arn })),
        ("ListShards", json!({ "StreamARN": arn })),
        ("ListStreamConsumers", json!({ "StreamARN": arn })),
        ("ListTagsForStream", json!({ "StreamARN": arn })),
        ("ListTagsForResource", json!({ "ResourceARN": arn })),
    ]
}

/// A statement that lets the stranger's account do this.
fn allow(actions: &Value, resource: &str) -> Value {
    let principal = json!({ "AWS": STRANGER });
    json!({"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": resource})
}

fn denied(operation: &str, arn: &str, why: &str) -> String {
    format!(
        "AccessDeniedException: User: arn:aws:iam::{STRANGER}:user/{STRANGER} is not authorized to \
         perform: kinesis:{operation} on resource: {arn} {why}"
    )
}

fn not_allowed(operation: &str, arn: &str) -> String {
    let why = format!("because no resource-based policy allows the kinesis:{operation} action");
    denied(operation, arn, &why)
}

#[tokio::test]
async fn each_operation_takes_its_own_permission() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let (arn, stranger) = (server.arn("clicks"), server.as_account(STRANGER));
    for (operation, input) in on_streams(&arn) {
        let action = format!("kinesis:{operation}");
        server.share(&arn, allow(&json!(action), &arn)).await;
        stranger.call(operation, input.clone()).await;
        for (other, input) in on_streams(&arn) {
            if other != operation {
                let refusal = stranger.refusal(other, input).await;
                assert_eq!(refusal, not_allowed(other, &arn));
            }
        }
        server.share(&arn, allow(&json!("kinesis:MergeShards"), &arn)).await;
        let refusal = stranger.refusal(operation, input).await;
        assert_eq!(refusal, not_allowed(operation, &arn), "it is about another operation");
    }
}

#[tokio::test]
async fn records_of_another_account_are_written_and_read() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let (arn, stranger) = (server.arn("clicks"), server.as_account(STRANGER));
        server.share(&arn, allow(&json!("*"), "*")).await;
        // It has a stream of the same name, which is another one.
        stranger.create("clicks", 1).await;
        let calls = on_streams(&arn);
        stranger.call(calls[0].0, calls[0].1.clone()).await;
        assert_eq!(server.read("clicks", 0).await, ["text"]);
        assert_eq!(stranger.read("clicks", 0).await, [""; 0]);
        let mut iterator = stranger.iterator_of(calls[2].1.clone()).await;
        for _ in 0..2 {
            let input = json!({"StreamARN": arn, "ShardIterator": iterator});
            let output = stranger.call("GetRecords", input).await;
            iterator = output["NextShardIterator"].as_str().unwrap().to_owned();
        }
        let output = stranger.call("GetRecords", json!({ "ShardIterator": iterator })).await;
        assert_eq!(texts(&output), [""; 0]);
        let summary = stranger.call(calls[4].0, calls[4].1.clone()).await;
        assert_eq!(summary["StreamDescriptionSummary"]["StreamARN"], json!(arn));
    })
    .await;
}

/// Turns that a request gets to meet a sealed shard; it takes a few.
const TURNS: usize = 1_000;

#[tokio::test]
async fn records_of_another_account_follow_a_split() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let (arn, stranger) = (server.arn("clicks"), server.as_account(STRANGER));
    let transition = Duration::from_secs(20);
    server.advance(transition).await;
    server.share(&arn, allow(&json!("*"), "*")).await;
    let split = json!({"StreamARN": arn, "ShardToSplit": "0", "NewStartingHashKey": "9"});
    server.call("SplitShard", split).await;
    let faults = server.engine().faults();
    faults.hold();
    let ((), output) = tokio::join!(server.advance(transition), async {
        // The shard is sealed, and nobody sees its children yet.
        while faults.queued() == 0 {
            yield_now().await;
        }
        let (operation, input) = on_streams(&arn).remove(0);
        tokio::join!(stranger.call(operation, input), async {
            for _ in 0..TURNS {
                yield_now().await;
            }
            faults.release();
        })
        .0
    });
    assert_eq!(output["ShardId"], json!(shard_id(2)));
}

#[tokio::test]
async fn an_iterator_is_worth_what_its_holder_may_do_now() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let (arn, stranger) = (server.arn("clicks"), server.as_account(STRANGER));
    let own = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    let refusal = stranger.refusal("GetRecords", json!({"ShardIterator": own})).await;
    assert_eq!(refusal, not_allowed("GetRecords", &arn));
    server.share(&arn, allow(&json!("kinesis:Get*"), &arn)).await;
    stranger.call("GetRecords", json!({"ShardIterator": own})).await;
    server.call("DeleteResourcePolicy", json!({ "ResourceARN": arn })).await;
    let refusal = stranger.refusal("GetRecords", json!({"ShardIterator": own})).await;
    assert_eq!(refusal, not_allowed("GetRecords", &arn));
    let elsewhere = server.in_region("eu-west-1");
    let refusal = elsewhere.refusal("GetRecords", json!({"ShardIterator": own})).await;
    assert_eq!(refusal, "InvalidArgumentException: Invalid ShardIterator.");
    server.call("GetRecords", json!({ "ShardIterator": own })).await;
}

#[tokio::test]
async fn listings_of_another_account_go_on() {
    let server = TestServer::new().await.with_stream("clicks", 3).await;
    let (arn, stranger) = (server.arn("clicks"), server.as_account(STRANGER));
    server.share(&arn, allow(&json!("kinesis:List*"), &arn)).await;
    let page = stranger.call("ListShards", json!({"StreamARN": arn, "MaxResults": 1})).await;
    let next = json!({"NextToken": page["NextToken"]});
    let output = stranger.call("ListShards", next.clone()).await;
    assert_eq!(output["Shards"].as_array().unwrap().len(), 2);
    server.call("DeleteResourcePolicy", json!({ "ResourceARN": arn })).await;
    let refusal = stranger.refusal("ListShards", next.clone()).await;
    assert_eq!(refusal, not_allowed("ListShards", &arn));
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    let refusal = stranger.refusal("ListShards", next).await;
    assert_eq!(refusal, not_allowed("ListShards", &arn), "it isn't told that it is gone");
}

#[tokio::test]
async fn a_consumer_has_a_policy_of_its_own() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let (stream, stranger) = (server.arn("clicks"), server.as_account(STRANGER));
    let consumer = server.register("clicks", "reader").await;
    server.put("clicks", "k", "text").await;
    let described = json!({ "ConsumerARN": consumer });
    let subscribe = input(&consumer, 0, &oldest());
    server.share(&stream, allow(&json!("kinesis:*"), "*")).await;
    for (operation, input) in
        [("DescribeStreamConsumer", &described), ("SubscribeToShard", &subscribe)]
    {
        let refusal = stranger.refusal(operation, input.clone()).await;
        assert_eq!(refusal, not_allowed(operation, &consumer));
    }
    server.share(&consumer, allow(&json!("kinesis:*"), &consumer)).await;
    let described = stranger.call("DescribeStreamConsumer", described).await;
    assert_eq!(described["ConsumerDescription"]["StreamARN"], json!(stream));
    let mut events = subscribe_at(&stranger, &consumer, 0, oldest()).await;
    assert_eq!(texts(&events.event().await), ["text"]);
    // Other accounts know it by its ARN only.
    let by_name = json!({"StreamARN": stream, "ConsumerName": "reader"});
    let refusal = stranger.refusal("DescribeStreamConsumer", by_name).await;
    assert!(refusal.starts_with("AccessDeniedException: "), "{refusal}");
}

#[tokio::test]
async fn some_things_only_the_owner_does() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let (arn, stranger) = (server.arn("clicks"), server.as_account(STRANGER));
    let consumer = server.register("clicks", "reader").await;
    server.share(&arn, allow(&json!("*"), "*")).await;
    server.share(&consumer, allow(&json!("*"), "*")).await;
    for (operation, subject, input) in [
        ("DeleteStream", &arn, json!({ "StreamARN": arn })),
        ("UpdateMaxRecordSize", &arn, json!({"StreamARN": arn, "MaxRecordSizeInKiB": 2048})),
        ("RegisterStreamConsumer", &arn, json!({"StreamARN": arn, "ConsumerName": "other"})),
        ("AddTagsToStream", &arn, json!({"StreamARN": arn, "Tags": {"a": "b"}})),
        ("PutResourcePolicy", &arn, json!({"ResourceARN": arn, "Policy": "{}"})),
        ("TagResource", &consumer, json!({"ResourceARN": consumer, "Tags": {"a": "b"}})),
        ("DeregisterStreamConsumer", &consumer, json!({ "ConsumerARN": consumer })),
    ] {
        assert_eq!(stranger.refusal(operation, input).await, not_allowed(operation, subject));
    }
}

#[tokio::test]
async fn what_is_denied_stays_denied() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let (arn, stranger) = (server.arn("clicks"), server.as_account(STRANGER));
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": ["kinesis:Put*", "kinesis:G*",
        "kinesis:DeleteStream", "kinesis:DeleteResourcePolicy"], "Resource": "*"});
    server.share(&arn, json!([allow(&json!("*"), "*"), deny])).await;
    let explicit = "with an explicit deny in a resource-based policy";
    let (operation, put) = on_streams(&arn).remove(0);
    let refusal = stranger.refusal(operation, put.clone()).await;
    assert_eq!(refusal, denied(operation, &arn, explicit));
    // Its own account too, but that it can mend the policy.
    let own = |refusal: String| refusal.replace(STRANGER, ACCOUNT);
    let refusal = server.refusal(operation, put.clone()).await;
    assert_eq!(refusal, own(denied(operation, &arn, explicit)));
    let by_name = json!({"StreamName": "clicks"});
    let refusal = server.refusal("DeleteStream", by_name.clone()).await;
    assert_eq!(refusal, own(denied("DeleteStream", &arn, explicit)));
    server.call("DescribeStream", by_name).await;
    server.call("GetResourcePolicy", json!({ "ResourceARN": arn })).await;
    server.call("DeleteResourcePolicy", json!({ "ResourceARN": arn })).await;
    server.call(operation, put).await;
}

#[tokio::test]
async fn another_region_has_no_policy() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let arn = server.arn("clicks");
    server.share(&arn, allow(&json!("*"), "*")).await;
    let elsewhere = server.as_account(STRANGER).in_region("eu-west-1");
    for (operation, input) in on_streams(&arn) {
        assert_eq!(elsewhere.refusal(operation, input).await, not_allowed(operation, &arn));
    }
}

#[tokio::test]
async fn conditions_count_the_tags_of_the_stream() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let (arn, stranger) = (server.arn("clicks"), server.as_account(STRANGER));
    let mut statement = allow(&json!("kinesis:PutRecord"), &arn);
    statement["Condition"] = json!({"StringEquals": {"aws:ResourceTag/stage": "test"}});
    server.share(&arn, statement).await;
    let (operation, put) = on_streams(&arn).remove(0);
    let refusal = stranger.refusal(operation, put.clone()).await;
    assert_eq!(refusal, not_allowed(operation, &arn));
    let tags = json!({"StreamName": "clicks", "Tags": {"stage": "test"}});
    server.call("AddTagsToStream", tags).await;
    stranger.call(operation, put).await;
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_is_its_owners_to_know() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let (arn, stranger) = (server.arn("clicks"), server.as_account(STRANGER));
    server.store_policy(&arn, "{").await;
    for (operation, input) in on_streams(&arn) {
        let refusal = stranger.refusal(operation, input.clone()).await;
        assert_eq!(refusal, not_allowed(operation, &arn), "as if there were no stream");
        let refusal = server.outcome(operation, input).await.unwrap_err();
        assert_eq!((refusal.status, refusal.code.as_str()), (500, "InternalFailureException"));
    }
    server.share(&arn, allow(&json!("*"), "*")).await;
    let (operation, put) = on_streams(&arn).remove(0);
    stranger.call(operation, put).await;
}
