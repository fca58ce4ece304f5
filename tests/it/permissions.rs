//! What credentials with policies may do, and credentials that change.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    companions::form,
    server::{START_MILLIS, TestServer, shard_id},
    signing::Signer,
    wire::{self, Refusal},
};

const ACCOUNT: &str = "123456789012";
const STREAM: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks";

/// The key of somebody who may do everything in the account.
const ADMIN: &str = "AKIDADMIN";

/// The key that tests are about.
const KEY: &str = Signer::ID;

/// A server whose credentials are in a file, and the folder of that.
struct Scene {
    server: TestServer,
    folder: TempDir,
}

impl Scene {
    /// With the stream `clicks`; the profile of the key ends with these lines.
    async fn new(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), lines);
        let flags = format!("--credentials {}", folder.path().join("credentials").display());
        let server = TestServer::with(&flags).await;
        let scene = Self { server, folder };
        let create = json!({"StreamName": "clicks", "ShardCount": 1});
        scene.ask(ADMIN, "CreateStream", &create).await.unwrap();
        scene
    }

    /// One whose key has this policy.
    async fn with_policy(statements: &Value) -> Self {
        Self::new(&policy(statements)).await
    }

    async fn ask(
        &self,
        id: &'static str,
        operation: &str,
        input: &Value,
    ) -> Result<Value, Refusal> {
        let signer = Signer { id, ..Signer::known(START_MILLIS) };
        self.server.send(signer.request(operation, &input.to_string())).await.outcome()
    }

    async fn call(&self, operation: &str, input: &Value) -> Value {
        let outcome = self.ask(KEY, operation, input).await;
        outcome.unwrap_or_else(|refusal| panic!("{operation} was refused with {refusal}"))
    }

    async fn refusal(&self, operation: &str, input: &Value) -> String {
        let refusal = self.ask(KEY, operation, input).await.unwrap_err();
        format!("{}: {}", refusal.code, refusal.message)
    }

    /// Changes the profile of the key.
    fn rewrite(&self, lines: &str) -> Result<(), String> {
        write(self.folder.path(), lines);
        self.server.reload_credentials()
    }
}

fn write(folder: &Path, lines: &str) {
    let secret = Signer::SECRET;
    let profile = |id: &str| {
        format!(
            "[{id}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n\
             account = {ACCOUNT}\n"
        )
    };
    let text = format!("{}{}{lines}\n", profile(ADMIN), profile(KEY));
    write_private(&folder.join("credentials"), &text);
}

/// Writes a file that nobody else may read, whole for whoever looks meanwhile.
pub(crate) fn write_private(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::set_permissions(&beside, Permissions::from_mode(0o600)).unwrap();
    fs::rename(beside, path).unwrap();
}

fn policy(statements: &Value) -> String {
    format!("policy = {}", json!({"Version": "2012-10-17", "Statement": statements}))
}

fn allow(actions: &Value, resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

fn denied(user: &str, operation: &str, resource: &str, why: &str) -> String {
    format!(
        "AccessDeniedException: User: arn:aws:iam::{ACCOUNT}:user/{user} is not authorized to \
         perform: kinesis:{operation} on resource: {resource} {why}"
    )
}

fn not_allowed(operation: &str, resource: &str) -> String {
    let why = format!("because no identity-based policy allows the kinesis:{operation} action");
    denied(KEY, operation, resource, &why)
}

fn put() -> Value {
    json!({"StreamName": "clicks", "PartitionKey": "k", "Data": wire::blob("text")})
}

fn clicks() -> Value {
    json!({"StreamName": "clicks"})
}

/// Every operation on a stream, with what it needs.
fn on_stream() -> Vec<(&'static str, Value)> {
    let clicks = |members: Value| {
        let mut input = clicks();
        input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        input
    };
    let arn = |member: &str, members: Value| {
        let mut input = members;
        input[member] = json!(STREAM);
        input
    };
    let record = json!({"PartitionKey": "k", "Data": wire::blob("text")});
    let tags = json!({"a": "b"});
    let key = json!({"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"});
    vec![
        ("AddTagsToStream", clicks(json!({ "Tags": tags }))),
        ("CreateStream", clicks(json!({"ShardCount": 1}))),
        ("DecreaseStreamRetentionPeriod", clicks(json!({"RetentionPeriodHours": 24}))),
        ("DeleteResourcePolicy", arn("ResourceARN", json!({}))),
        ("DeleteStream", clicks(json!({}))),
        ("DescribeStream", clicks(json!({}))),
        ("DescribeStreamSummary", clicks(json!({}))),
        ("DisableEnhancedMonitoring", clicks(json!({"ShardLevelMetrics": ["ALL"]}))),
        ("EnableEnhancedMonitoring", clicks(json!({"ShardLevelMetrics": ["ALL"]}))),
        ("GetResourcePolicy", arn("ResourceARN", json!({}))),
        (
            "GetShardIterator",
            clicks(json!({"ShardId": shard_id(0), "ShardIteratorType": "LATEST"})),
        ),
        ("IncreaseStreamRetentionPeriod", clicks(json!({"RetentionPeriodHours": 24}))),
        ("ListShards", clicks(json!({}))),
        ("ListStreamConsumers", arn("StreamARN", json!({}))),
        ("ListTagsForResource", arn("ResourceARN", json!({}))),
        ("ListTagsForStream", clicks(json!({}))),
        ("MergeShards", clicks(json!({"ShardToMerge": "0", "AdjacentShardToMerge": "1"}))),
        ("PutRecord", put()),
        ("PutRecords", clicks(json!({"Records": [record]}))),
        ("PutResourcePolicy", arn("ResourceARN", json!({"Policy": "{}"}))),
        ("RegisterStreamConsumer", arn("StreamARN", json!({"ConsumerName": "reader"}))),
        ("RemoveTagsFromStream", clicks(json!({"TagKeys": ["a"]}))),
        ("SplitShard", clicks(json!({"ShardToSplit": "0", "NewStartingHashKey": "9"}))),
        ("StartStreamEncryption", clicks(key.clone())),
        ("StopStreamEncryption", clicks(key)),
        ("TagResource", arn("ResourceARN", json!({ "Tags": tags }))),
        ("UntagResource", arn("ResourceARN", json!({"TagKeys": ["a"]}))),
        ("UpdateMaxRecordSize", arn("StreamARN", json!({"MaxRecordSizeInKiB": 1024}))),
        (
            "UpdateShardCount",
            clicks(json!({"TargetShardCount": 1, "ScalingType": "UNIFORM_SCALING"})),
        ),
        (
            "UpdateStreamMode",
            arn("StreamARN", json!({"StreamModeDetails": {"StreamMode": "ON_DEMAND"}})),
        ),
        (
            "UpdateStreamRecordDistributionStrategy",
            arn("StreamARN", json!({"RecordDistributionStrategy": "AUTO"})),
        ),
        ("UpdateStreamWarmThroughput", arn("StreamARN", json!({"WarmThroughputMiBps": 1}))),
    ]
}

/// Operations on consumers, with what they need beside the ARN.
const ON_CONSUMER: [&str; 3] =
    ["DescribeStreamConsumer", "SubscribeToShard", "DeregisterStreamConsumer"];

/// Operations that are about the account.
const ON_ACCOUNT: [&str; 4] =
    ["DescribeAccountSettings", "DescribeLimits", "ListStreams", "UpdateAccountSettings"];

fn account_input(operation: &str) -> Value {
    match operation {
        "UpdateAccountSettings" => {
            json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}})
        }
        _ => json!({}),
    }
}

#[tokio::test]
async fn every_operation_takes_its_permission() {
    let scene = Scene::with_policy(&allow(&json!("s3:*"), "*")).await;
    let register = json!({"StreamARN": STREAM, "ConsumerName": "reader"});
    let output = scene.ask(ADMIN, "RegisterStreamConsumer", &register).await.unwrap();
    let consumer = output["Consumer"]["ConsumerARN"].as_str().unwrap();
    let iterator = json!({"StreamName": "clicks", "ShardId": shard_id(0),
        "ShardIteratorType": "LATEST"});
    let output = scene.ask(ADMIN, "GetShardIterator", &iterator).await.unwrap();
    let get = json!({"ShardIterator": output["ShardIterator"]});
    let subscribe = json!({"ConsumerARN": consumer, "ShardId": shard_id(0),
        "StartingPosition": {"Type": "LATEST"}});
    let on_stream = on_stream().into_iter().chain([("GetRecords", get)]);
    let on_stream = on_stream.map(|(operation, input)| (operation, STREAM, input));
    let on_consumer = ON_CONSUMER.map(|operation| (operation, consumer, subscribe.clone()));
    let on_account = ON_ACCOUNT.map(|operation| (operation, "*", account_input(operation)));
    let mut asked = Vec::new();
    for (operation, resource, input) in on_stream.chain(on_consumer).chain(on_account) {
        assert_eq!(scene.refusal(operation, &input).await, not_allowed(operation, resource));
        asked.push(operation);
    }
    asked.sort_unstable();
    let served: Vec<_> = crate::errors::served().into_iter().collect();
    assert_eq!(asked, served, "and no operation is left out");
    // Nothing of all that was done.
    let summary = scene.ask(ADMIN, "DescribeStreamSummary", &clicks()).await.unwrap();
    assert_eq!(summary["StreamDescriptionSummary"]["ConsumerCount"], 1);
}

#[tokio::test]
async fn what_a_policy_allows_is_done() {
    let actions = json!(["kinesis:PutRecord", "kinesis:ListStreams", "kinesis:Describe*"]);
    let scene = Scene::with_policy(&allow(&actions, "*")).await;
    scene.call("PutRecord", &put()).await;
    scene.call("DescribeLimits", &json!({})).await;
    assert_eq!(scene.call("ListStreams", &json!({})).await["StreamNames"], json!(["clicks"]));
    let records = json!({"StreamName": "clicks", "Records": [put()]});
    assert_eq!(scene.refusal("PutRecords", &records).await, not_allowed("PutRecords", STREAM));
}

#[tokio::test]
async fn what_isnt_there_is_told_to_whom_it_is_allowed_only() {
    let scene = Scene::with_policy(&allow(&json!("kinesis:*"), STREAM)).await;
    let orders = json!({"StreamName": "orders"});
    let refusal = scene.refusal("DescribeStream", &orders).await;
    assert_eq!(refusal, not_allowed("DescribeStream", &STREAM.replace("clicks", "orders")));
    let refusal = scene.refusal("ListStreams", &json!({})).await;
    assert_eq!(refusal, not_allowed("ListStreams", "*"), "no stream's ARN allows it");
    scene.call("DeleteStream", &clicks()).await;
    let refusal = scene.refusal("DescribeStream", &clicks()).await;
    assert!(refusal.starts_with("ResourceNotFoundException: "), "{refusal}");
    // A consumer that isn't there has no ARN yet, but a name.
    let reader = json!({"StreamARN": STREAM, "ConsumerName": "reader"});
    let refusal = scene.refusal("DescribeStreamConsumer", &reader).await;
    let unknown = format!("{STREAM}/consumer/reader");
    assert_eq!(refusal, not_allowed("DescribeStreamConsumer", &unknown));
}

#[tokio::test]
async fn an_explicit_deny_has_its_own_words() {
    let deny = json!({"Effect": "Deny", "Action": "kinesis:PutRecord", "Resource": STREAM});
    let scene = Scene::with_policy(&json!([allow(&json!("*"), "*"), deny])).await;
    let why = "with an explicit deny in an identity-based policy";
    assert_eq!(scene.refusal("PutRecord", &put()).await, denied(KEY, "PutRecord", STREAM, why));
    scene.call("DescribeStream", &clicks()).await;
}

#[tokio::test]
async fn the_policy_of_a_stream_can_let_a_user_in() {
    let scene = Scene::new(&format!(
        "user_name = web/alice\n{}",
        policy(&json!({"Effect":
        "Allow", "Action": "s3:*", "Resource": "*"}))
    ))
    .await;
    let why = "because no identity-based policy allows the kinesis:PutRecord action";
    let refused = denied("web/alice", "PutRecord", STREAM, why);
    for (principal, is_let_in) in
        [(ACCOUNT, false), ("arn:aws:iam::123456789012:user/web/alice", true)]
    {
        let statement = json!({"Effect": "Allow", "Principal": {"AWS": principal},
            "Action": "kinesis:Put*", "Resource": STREAM});
        let shared = json!({"ResourceARN": STREAM,
            "Policy": json!({ "Statement": statement }).to_string()});
        scene.ask(ADMIN, "PutResourcePolicy", &shared).await.unwrap();
        if is_let_in {
            scene.call("PutRecord", &put()).await;
        } else {
            assert_eq!(scene.refusal("PutRecord", &put()).await, refused);
        }
    }
}

#[tokio::test]
async fn tags_of_a_request_count() {
    let condition = json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}});
    let mut tagging = allow(
        &json!([
            "kinesis:AddTagsToStream",
            "kinesis:TagResource",
            "kinesis:RegisterStreamConsumer",
            "kinesis:RemoveTagsFromStream",
            "kinesis:UntagResource"
        ]),
        "*",
    );
    tagging["Condition"] = condition;
    let create = allow(&json!("kinesis:CreateStream"), "*");
    let scene = Scene::with_policy(&json!([tagging, create])).await;
    for (operation, key) in [("AddTagsToStream", "Tags"), ("RemoveTagsFromStream", "TagKeys")] {
        for (tags, is_allowed) in [("team", true), ("cost", false)] {
            let tags = if key == "Tags" { json!({ tags: "x" }) } else { json!([tags]) };
            let mut input = clicks();
            input[key] = tags.clone();
            let by_arn = json!({"ResourceARN": STREAM, key: tags});
            let other = if key == "Tags" { "TagResource" } else { "UntagResource" };
            for (operation, input) in [(operation, input), (other, by_arn)] {
                if is_allowed {
                    scene.call(operation, &input).await;
                } else {
                    let refusal = scene.refusal(operation, &input).await;
                    assert_eq!(refusal, not_allowed(operation, STREAM));
                }
            }
        }
    }
    let register = |tag: &str| json!({"StreamARN": STREAM, "ConsumerName": "a", "Tags": {tag: ""}});
    let refusal = scene.refusal("RegisterStreamConsumer", &register("cost")).await;
    assert_eq!(refusal, not_allowed("RegisterStreamConsumer", STREAM));
    scene.call("RegisterStreamConsumer", &register("team")).await;
    let orders = |tag: &str| json!({"StreamName": "orders", "ShardCount": 1, "Tags": {tag: ""}});
    let refusal = scene.refusal("CreateStream", &orders("cost")).await;
    assert_eq!(refusal, not_allowed("AddTagsToStream", &STREAM.replace("clicks", "orders")));
    scene.call("CreateStream", &orders("team")).await;
}

#[tokio::test]
async fn a_new_consumer_is_tagged_by_permission_only() {
    let scene = Scene::with_policy(&allow(&json!("kinesis:RegisterStreamConsumer"), "*")).await;
    let tagged = json!({"StreamARN": STREAM, "ConsumerName": "reader", "Tags": {"a": "b"}});
    let refusal = scene.refusal("RegisterStreamConsumer", &tagged).await;
    let consumer = format!("{STREAM}/consumer/reader:{}", START_MILLIS / 1000);
    assert_eq!(refusal, not_allowed("TagResource", &consumer));
    let plain = json!({"StreamARN": STREAM, "ConsumerName": "reader"});
    scene.call("RegisterStreamConsumer", &plain).await;
}

#[tokio::test]
async fn permission_comes_before_what_a_request_says() {
    let scene = Scene::with_policy(&allow(&json!("kinesis:Get*"), STREAM)).await;
    let split = json!({"StreamName": "clicks", "ShardToSplit": "x", "NewStartingHashKey": "9"});
    assert_eq!(scene.refusal("SplitShard", &split).await, not_allowed("SplitShard", STREAM));
    // But after constraints: what is asked for is known only then.
    let refusal = scene.refusal("PutRecord", &json!({"StreamName": "no spaces"})).await;
    assert!(refusal.starts_with("ValidationException: "), "{refusal}");
}

#[tokio::test]
async fn policies_stand_in_files_too_and_are_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("writer.json");
    let statement = |action: &str| {
        json!({"Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}).to_string()
    };
    write_private(&file, &statement("kinesis:PutRecord"));
    let lines = format!("policies = {}", file.display());
    let scene = Scene::new(&lines).await;
    scene.call("PutRecord", &put()).await;
    let refused = not_allowed("DescribeStream", STREAM);
    assert_eq!(scene.refusal("DescribeStream", &clicks()).await, refused);
    write_private(&file, &statement("kinesis:*"));
    assert_eq!(scene.refusal("DescribeStream", &clicks()).await, refused, "not read yet");
    scene.server.reload_credentials().unwrap();
    scene.call("DescribeStream", &clicks()).await;
}

#[tokio::test]
async fn credentials_come_and_go() {
    let scene = Scene::new("").await;
    scene.call("DescribeStream", &clicks()).await;
    // A session from now on: without its token the key is nobody's.
    scene.rewrite("aws_session_token = token").unwrap();
    let invalid =
        "UnrecognizedClientException: The security token included in the request is invalid.";
    assert_eq!(scene.refusal("DescribeStream", &clicks()).await, invalid);
    let session = |at_millis| Signer { token: Some("token"), ..Signer::known(at_millis) };
    let request = session(START_MILLIS).request("DescribeStream", &clicks().to_string());
    scene.server.send(request).await.outcome().unwrap();
    // It ended at the start of the test.
    scene
        .rewrite("aws_session_token = token\naws_session_expiration = 2023-11-14T22:13:20Z")
        .unwrap();
    let request = session(START_MILLIS).request("DescribeStream", &clicks().to_string());
    let refusal = scene.server.send(request).await.refusal();
    assert_eq!(refusal.code, "ExpiredTokenException");
}

#[tokio::test]
async fn broken_files_change_nothing_and_tell_no_secret() {
    let scene = Scene::new("").await;
    for (lines, sentence) in [
        ("hush", "expected [profile], key = value, or a comment"),
        ("policy = {", "policy: EOF while parsing an object at line 1 column 1"),
        ("policies = nowhere.json", "policy file"),
        ("arn = arn:aws:iam::000000000000:user/a", "arn is that of a user or a role"),
        ("user_name = a b", "user_name is a name"),
    ] {
        let told = scene.rewrite(lines).unwrap_err();
        assert!(told.contains(sentence), "{told}");
        assert!(!told.contains(Signer::SECRET), "{told}");
        scene.call("DescribeStream", &clicks()).await;
    }
    fs::remove_file(scene.folder.path().join("credentials")).unwrap();
    scene.server.reload_credentials().unwrap_err();
    scene.call("DescribeStream", &clicks()).await;
}

#[tokio::test]
async fn metrics_need_permission_too_and_who_one_is_does_not() {
    let scene = Scene::with_policy(&json!([allow(&json!("kinesis:*"), "*")])).await;
    let signer = Signer::known(START_MILLIS);
    let ask = async |service, action| {
        let (status, xml) = form(&scene.server, &signer, service, action).await;
        (status.as_u16(), xml)
    };
    let (status, xml) = ask("monitoring", "Action=ListMetrics").await;
    assert_eq!(status, 403);
    assert!(xml.contains("is not authorized to perform: cloudwatch:ListMetrics on"), "{xml}");
    assert_eq!(ask("sts", "Action=GetCallerIdentity").await.0, 200);
}
