//! The whole server in this process, without sockets, on a clock that stands until it is moved.

use std::{ffi::OsString, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use http::Request;
use millpond::{
    app::App,
    auth::Files,
    companions::cloudwatch::sample_streams,
    config::{self, Config},
    http::{Peer, Site},
    kms,
};
use millpond_api::Codec;
use millpond_quotas::{Clock, Time};
use millpond_shards::{
    crypt::{KeyService, testing::TestKeys},
    engine::memory::MemoryEngine,
    state::{Command, PolicyCommand, Resource},
    tasks::Tasks,
};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::wire::{self, Answer, Refusal};

/// The account of callers, unless they are another.
pub(crate) const ACCOUNT: &str = "000000000000";

/// Somebody else.
pub(crate) const STRANGER: &str = "111122223333";

/// The region of callers, unless they are elsewhere.
pub(crate) const REGION: &str = "us-east-1";

/// When tests begin, in milliseconds.
pub(crate) const START_MILLIS: i64 = 1_700_000_000_000;

/// A server, and a client that speaks to it. Copies speak to the same server.
#[derive(Clone)]
pub(crate) struct TestServer {
    app: Arc<App>,
    site: Site,
    clock: Clock,
    engine: MemoryEngine,
    keys: Arc<dyn KeyService>,
    config: Arc<Config>,
    codec: Codec,
    account: String,
    region: String,
}

impl TestServer {
    /// As `millpond dev` starts it: no quotas, transitions at once, any well-formed signature.
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// As `millpond dev` starts it with these flags.
    pub(crate) async fn with(flags: &str) -> Self {
        Self::run(&format!("dev {flags}")).await
    }

    /// As `millpond` starts it with these arguments, but in memory.
    pub(crate) async fn run(arguments: &str) -> Self {
        let config = config_of(arguments);
        let clock = clock();
        let keys = kms::open(&config.keys, &clock).unwrap();
        Self::open(config, MemoryEngine::new(), keys, clock).await
    }

    /// As `millpond dev` starts it with these flags, but with these master keys.
    pub(crate) async fn with_keys(flags: &str, keys: TestKeys) -> Self {
        let config = config_of(&format!("dev {flags}"));
        Self::open(config, MemoryEngine::new(), Arc::new(keys), clock()).await
    }

    async fn open(
        config: Arc<Config>,
        engine: MemoryEngine,
        keys: Arc<dyn KeyService>,
        clock: Clock,
    ) -> Self {
        let storage = Arc::new(engine.clone());
        let app = App::open(&config, storage, Arc::clone(&keys), clock.clone()).await.unwrap();
        let site = Arc::clone(&app).site(&config);
        let (account, region) = (ACCOUNT.to_owned(), REGION.to_owned());
        Self { app, site, clock, engine, keys, config, codec: Codec::Json, account, region }
    }

    /// What is left of this server after a crash, started again.
    pub(crate) async fn after_crash(&self) -> Self {
        let (config, keys) = (Arc::clone(&self.config), Arc::clone(&self.keys));
        let opened = Self::open(config, self.engine.crash(0), keys, self.next_clock()).await;
        Self { codec: self.codec, account: self.account.clone(), ..opened }
    }

    /// What is left of this server after a crash, started again with other flags.
    pub(crate) async fn restarted_with(&self, flags: &str) -> Self {
        let (config, keys) = (config_of(&format!("dev {flags}")), Arc::clone(&self.keys));
        Self::open(config, self.engine.crash(0), keys, self.next_clock()).await
    }

    /// A clock at the same time that the tasks of this server don't live by any more.
    fn next_clock(&self) -> Clock {
        Clock::manual(self.clock.now())
    }

    /// The same server, spoken to in this format.
    pub(crate) fn speaking(&self, codec: Codec) -> Self {
        Self { codec, ..self.clone() }
    }

    /// The same server, as another account.
    pub(crate) fn as_account(&self, account: &str) -> Self {
        Self { account: account.to_owned(), ..self.clone() }
    }

    /// The same server, in another region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self.clone() }
    }

    /// Reads the credentials anew, as it does by itself when their files change.
    pub(crate) fn reload_credentials(&self) -> Result<(), String> {
        let read = self.app.reload_credentials(&mut Files::default());
        read.map_err(|error| error.to_string())
    }

    /// The way to make its storage fail.
    pub(crate) fn engine(&self) -> &MemoryEngine {
        &self.engine
    }

    /// What is told of throttles when the server stops.
    pub(crate) fn summary_of_throttles(&self) -> Vec<String> {
        self.app.summary_of_throttles()
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Service time in milliseconds; wall time is the same.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().millis()
    }

    /// Moves the clock as the admin API does: past everything that becomes due on the way.
    pub(crate) async fn advance(&self, by: Duration) {
        self.clock.step_by(by).await.unwrap();
    }

    /// Has metrics of streams gathered, as a server with a port does.
    pub(crate) fn gather_metrics(&self) -> DropGuard {
        let (app, stop) = (Arc::clone(&self.app), CancellationToken::new());
        let told = stop.clone();
        Tasks::default().spawn("metrics", sample_streams(app, told));
        stop.drop_guard()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.respond(request).await).await
    }

    /// An answer whose body was not taken yet.
    pub(crate) async fn respond(&self, request: Request<Body>) -> Response {
        self.site.clone().call(request).await
    }

    /// The header that names the caller. Nobody checks the signature.
    pub(crate) fn authorization(&self) -> String {
        let Self { account, region, .. } = self;
        format!(
            "AWS4-HMAC-SHA256 Credential={account}/20231114/{region}/kinesis/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=0123456789abcdef"
        )
    }

    /// The answer of the admin API to a client on this host.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder().method(method).uri(format!("/_millpond/{path}"));
        let request = request.header("host", "localhost:4567").extension(here());
        let answer = self.send(request.body(Body::from(body)).unwrap()).await;
        let output = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer.status.as_u16(), output)
    }

    /// What the admin API answers a client on this host with. Panics when it refuses.
    pub(crate) async fn administer(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, output) = self.admin(method, path, &body).await;
        assert_eq!(status, 200, "{method} {path}: {output}");
        output
    }

    /// A request of this client to an operation, with any body.
    pub(crate) fn request(&self, operation: &str, body: impl Into<bytes::Bytes>) -> Request<Body> {
        let headers = [
            ("content-type", self.codec.content_type()),
            ("x-amz-target", &format!("Kinesis_20131202.{operation}")),
            ("x-amz-date", "20231114T221320Z"),
            ("authorization", &self.authorization()),
        ];
        wire::request(&headers, body)
    }

    /// The whole answer of an operation.
    pub(crate) async fn answer(&self, operation: &str, input: &Value) -> Answer {
        Answer::of(self.begin(operation, input).await).await
    }

    /// The answer of an operation, whose body was not taken yet.
    pub(crate) async fn begin(&self, operation: &str, input: &Value) -> Response {
        self.respond(self.request(operation, wire::write(self.codec, input))).await
    }

    pub(crate) async fn outcome(&self, operation: &str, input: Value) -> Result<Value, Refusal> {
        self.answer(operation, &input).await.outcome()
    }

    /// What the operation answers with. Panics when it refuses.
    pub(crate) async fn call(&self, operation: &str, input: Value) -> Value {
        let outcome = self.outcome(operation, input).await;
        outcome.unwrap_or_else(|refusal| panic!("{operation} was refused with {refusal}"))
    }

    /// Why the operation refuses, as `CODE: MESSAGE`. Panics when it doesn't, or with a status
    /// other than 400.
    pub(crate) async fn refusal(&self, operation: &str, input: Value) -> String {
        match self.outcome(operation, input).await {
            Err(Refusal { status: 400, code, message }) => format!("{code}: {message}"),
            Err(refusal) => panic!("{operation} was refused with {refusal}"),
            Ok(output) => panic!("{operation} was not refused, but answered {output}"),
        }
    }
}

/// What most tests need.
impl TestServer {
    /// With a stream of so many shards, ACTIVE unless transitions take time.
    pub(crate) async fn with_stream(self, name: &str, shards: u32) -> Self {
        self.create(name, shards).await;
        self
    }

    pub(crate) async fn create(&self, name: &str, shards: u32) {
        self.call("CreateStream", json!({"StreamName": name, "ShardCount": shards})).await;
    }

    /// An on-demand stream.
    pub(crate) async fn create_on_demand(&self, name: &str) {
        let details = json!({"StreamMode": "ON_DEMAND"});
        let input = json!({"StreamName": name, "StreamModeDetails": details});
        self.call("CreateStream", input).await;
    }

    /// Commits this client's account to a minimum throughput.
    pub(crate) async fn commit(&self) {
        let enabled = json!({"Status": "ENABLED"});
        let input = json!({"MinimumThroughputBillingCommitment": enabled});
        self.call("UpdateAccountSettings", input).await;
    }

    /// The ARN of a stream of this client's, whether or not it exists.
    pub(crate) fn arn(&self, name: &str) -> String {
        format!("arn:aws:kinesis:{}:{}:stream/{name}", self.region, self.account)
    }

    /// DescribeStreamSummary's answer.
    pub(crate) async fn summary(&self, name: &str) -> Value {
        let output = self.call("DescribeStreamSummary", json!({"StreamName": name})).await;
        output["StreamDescriptionSummary"].clone()
    }

    pub(crate) async fn status(&self, name: &str) -> String {
        self.summary(name).await["StreamStatus"].as_str().unwrap().to_owned()
    }

    /// Registers a consumer with a stream of this client's; its ARN.
    pub(crate) async fn register(&self, stream: &str, name: &str) -> String {
        let input = json!({"StreamARN": self.arn(stream), "ConsumerName": name});
        let output = self.call("RegisterStreamConsumer", input).await;
        output["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned()
    }

    /// DescribeStreamConsumer's answer.
    pub(crate) async fn consumer(&self, arn: &str) -> Value {
        let output = self.call("DescribeStreamConsumer", json!({ "ConsumerARN": arn })).await;
        output["ConsumerDescription"].clone()
    }

    /// Puts a policy of these statements on a stream or a consumer.
    pub(crate) async fn share(&self, arn: &str, statements: Value) {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        self.call("PutResourcePolicy", json!({"ResourceARN": arn, "Policy": policy})).await;
    }

    /// Stores a policy of a stream past all checks, as an older version may have.
    pub(crate) async fn store_policy(&self, arn: &str, policy: &str) {
        let resource = Resource::Stream(arn.parse().unwrap());
        let put = PolicyCommand::Put { resource, policy: policy.into() };
        self.app.domain().control().submit(Command::Policy(put)).await.unwrap();
    }

    /// The shards of a stream, open and closed.
    pub(crate) async fn shards(&self, name: &str) -> Vec<Value> {
        let output = self.call("ListShards", json!({"StreamName": name})).await;
        output["Shards"].as_array().unwrap().clone()
    }

    /// Puts one record, whose data is its text.
    pub(crate) async fn put(&self, name: &str, key: &str, data: &str) -> Value {
        let data = wire::blob(data);
        let input = json!({"StreamName": name, "PartitionKey": key, "Data": data});
        self.call("PutRecord", input).await
    }

    /// An iterator of a type that needs nothing else.
    pub(crate) async fn iterator(&self, name: &str, shard: u32, kind: &str) -> String {
        let input = json!({"StreamName": name, "ShardId": shard_id(shard),
            "ShardIteratorType": kind});
        self.iterator_of(input).await
    }

    pub(crate) async fn iterator_of(&self, input: Value) -> String {
        let output = self.call("GetShardIterator", input).await;
        output["ShardIterator"].as_str().unwrap().to_owned()
    }

    /// GetRecords' answer.
    pub(crate) async fn get(&self, iterator: &str) -> Value {
        self.call("GetRecords", json!({"ShardIterator": iterator})).await
    }

    /// The data of the records that an iterator finds at once, as texts.
    pub(crate) async fn texts(&self, iterator: &str) -> Vec<String> {
        texts(&self.get(iterator).await)
    }

    /// All that can be read of a shard, as texts.
    pub(crate) async fn read(&self, name: &str, shard: u32) -> Vec<String> {
        let mut texts = Vec::new();
        let mut next = Some(self.iterator(name, shard, "TRIM_HORIZON").await);
        while let Some(iterator) = next {
            let output = self.get(&iterator).await;
            let records = self::texts(&output);
            next = output["NextShardIterator"].as_str().map(str::to_owned);
            if records.is_empty() {
                break;
            }
            texts.extend(records);
        }
        texts
    }
}

/// A connection of a client on the same host.
pub(crate) fn here() -> Peer {
    Peer { address: ([127, 0, 0, 1], 50_000).into(), is_secure: false }
}

/// When tests begin.
fn clock() -> Clock {
    Clock::manual(Time::from_millis(START_MILLIS))
}

fn config_of(arguments: &str) -> Arc<Config> {
    let words = ["millpond"].into_iter().chain(arguments.split_whitespace());
    match config::read(words.map(OsString::from), |_| None) {
        Ok(config::Request::Run(config)) => Arc::new(*config),
        other => panic!("not a configuration: {other:?}"),
    }
}

/// The data of the records in GetRecords' answer, as texts.
pub(crate) fn texts(output: &Value) -> Vec<String> {
    let records = output["Records"].as_array().unwrap();
    let text = |record: &Value| String::from_utf8(wire::bytes(&record["Data"])).unwrap();
    records.iter().map(text).collect()
}

pub(crate) fn shard_id(index: u32) -> String {
    format!("shardId-{index:012}")
}

/// Runs a test in both formats, each on a server of its own that is started with these flags.
pub(crate) async fn in_both_formats(flags: &str, test: impl AsyncFn(TestServer)) {
    for codec in [Codec::Json, Codec::Cbor] {
        test(TestServer::with(flags).await.speaking(codec)).await;
    }
}
