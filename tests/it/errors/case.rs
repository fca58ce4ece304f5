//! How a row of the table of errors is provoked.

use std::time::Duration;

use futures::future::LocalBoxFuture;
use millpond_api::Codec;
use serde_json::{Value, json};

use crate::{server::TestServer, wire::Refusal};

/// How long streams are in transition in the scenes below.
const TRANSITION: Duration = Duration::from_hours(1);

/// What is there before a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scene {
    /// Nothing.
    Empty,
    /// The stream `clicks` of three shards.
    Active,
    /// The same, not ACTIVE yet.
    Creating,
    /// The same, its shard 0 being split.
    Updating,
    /// The same, its shard 0 split.
    Split,
}

impl Scene {
    pub(super) async fn set(self, codec: Codec) -> TestServer {
        let server = TestServer::with("--transition 1h --shard-limit 5").await.speaking(codec);
        if matches!(self, Self::Empty) {
            return server;
        }
        server.create("clicks", 3).await;
        if matches!(self, Self::Creating) {
            return server;
        }
        server.advance(TRANSITION).await;
        if matches!(self, Self::Active) {
            return server;
        }
        let split = json!({"StreamName": "clicks", "ShardToSplit": "0", "NewStartingHashKey": "9"});
        server.call("SplitShard", split).await;
        if matches!(self, Self::Split) {
            server.advance(TRANSITION).await;
        }
        server
    }
}

/// What comes of a case.
pub(super) enum Verdict {
    /// The row is right.
    AsTold,
    /// The row is right, but describes messages of many forms: `STATUS CODE: MESSAGE` in this one.
    Spelled(String),
    /// We answer otherwise, for a reason.
    Unlike {
        #[expect(dead_code, reason = "it is there to be read")]
        why: &'static str,
        /// `STATUS CODE: MESSAGE`.
        answer: String,
    },
    /// It can't be provoked, for a reason.
    Excused(#[expect(dead_code, reason = "it is there to be read")] &'static str),
}

type Provoke = Box<dyn Fn(Codec) -> LocalBoxFuture<'static, Option<Refusal>>>;

/// How one row is provoked, and what it leaves open.
pub(super) struct Case {
    operation: &'static str,
    condition: String,
    code: &'static str,
    /// What stands in the row's message for names in braces.
    pub(super) fill: Vec<(&'static str, String)>,
    pub(super) verdict: Verdict,
    codecs: Vec<Codec>,
    provoke: Provoke,
}

impl Case {
    /// A refusal that any code provokes, in each format.
    pub(super) fn new<A>(
        operation: &'static str,
        condition: impl Into<String>,
        code: &'static str,
        provoke: impl Fn(Codec) -> A + 'static,
    ) -> Self
    where
        A: Future<Output = Refusal> + 'static,
    {
        let provoke: Provoke = Box::new(move |codec| {
            let refusal = provoke(codec);
            Box::pin(async move { Some(refusal.await) })
        });
        Self {
            operation,
            condition: condition.into(),
            code,
            fill: Vec::new(),
            verdict: Verdict::AsTold,
            codecs: vec![Codec::Json, Codec::Cbor],
            provoke,
        }
    }

    /// A call of the operation on `clicks` that is refused.
    pub(super) fn call(
        operation: &'static str,
        condition: impl Into<String>,
        code: &'static str,
        scene: Scene,
        input: Value,
    ) -> Self {
        Self::new(operation, condition, code, move |codec| {
            let input = on_clicks(operation, input.clone());
            async move {
                let server = scene.set(codec).await;
                refused(&server, operation, input).await
            }
        })
    }

    /// A row that nothing provokes.
    pub(super) fn excused(
        operation: &'static str,
        condition: impl Into<String>,
        code: &'static str,
        why: &'static str,
    ) -> Self {
        Self {
            operation,
            condition: condition.into(),
            code,
            fill: Vec::new(),
            verdict: Verdict::Excused(why),
            codecs: Vec::new(),
            provoke: Box::new(|_| Box::pin(async { None })),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "texts and numbers, as they come")]
    pub(super) fn fill(mut self, name: &'static str, value: impl ToString) -> Self {
        self.fill.push((name, value.to_string()));
        self
    }

    /// For a row about all operations, of which this is one.
    pub(super) fn of_all(mut self) -> Self {
        self.operation = "*";
        self
    }

    /// For what only JSON can say.
    pub(super) fn in_json(mut self) -> Self {
        self.codecs = vec![Codec::Json];
        self
    }

    /// For what only CBOR can say.
    pub(super) fn in_cbor(mut self) -> Self {
        self.codecs = vec![Codec::Cbor];
        self
    }

    /// The row describes many messages, of which this is the one.
    pub(super) fn spelled(mut self, answer: &str) -> Self {
        self.verdict = Verdict::Spelled(answer.to_owned());
        self
    }

    /// We answer otherwise.
    pub(super) fn unlike(mut self, why: &'static str, answer: impl Into<String>) -> Self {
        self.verdict = Verdict::Unlike { why, answer: answer.into() };
        self
    }

    pub(super) fn name(&self) -> super::Key {
        super::key(self.operation, &self.condition, self.code)
    }

    pub(super) fn codecs(&self) -> Vec<Codec> {
        self.codecs.clone()
    }

    pub(super) async fn provoke(&self, codec: Codec) -> Option<Refusal> {
        (self.provoke)(codec).await
    }
}

/// The input with the stream's name, for operations that take one.
fn on_clicks(operation: &str, mut input: Value) -> Value {
    let addressed = !matches!(operation, "GetRecords" | "ListStreams" | "DescribeLimits")
        && input.get("StreamName").is_none()
        && input.get("NextToken").is_none()
        && input.get("StreamARN").is_none();
    if addressed {
        input["StreamName"] = json!("clicks");
    }
    input
}

/// Why the operation refuses. Panics when it doesn't.
pub(super) async fn refused(server: &TestServer, operation: &str, input: Value) -> Refusal {
    match server.outcome(operation, input).await {
        Err(refusal) => refusal,
        Ok(output) => panic!("{operation} was not refused, but answered {output}"),
    }
}
