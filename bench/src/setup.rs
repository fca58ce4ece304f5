//! What stands before a window: streams, data to read, and a caller for each connection.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::body::Body;
use crate::cases::{Case, Load};
use crate::codec::Codec;
use crate::endpoint::Endpoint;
use crate::http::Connection;
use crate::kinesis::Control;
use crate::load::Caller;
use crate::push::{self, Push};
use crate::tip::Tip;
use crate::workload::{
    Check, Cycle, Numbered, Reader, Workload, put_record_pool, put_records_pool,
};

pub(crate) const STREAM: &str = "bench";
/// Records in one request that fills a stream.
const FILL_ENTRIES: usize = 500;
/// Connections that fill a stream with much.
const FILL_CONNECTIONS: u64 = 8;
/// How long one such request may take.
const FILL_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// Who calls during a window.
pub(crate) enum Callers {
    /// Each by itself.
    Each(Vec<Caller>),
    /// A writer and the reader who waits for it.
    Tip(Box<Tip>),
    /// Writers, and subscriptions to what they write.
    Push(Box<Push>),
}

/// A server that speaks Kinesis.
#[derive(Clone, Copy)]
pub(crate) struct Service<'a> {
    pub(crate) endpoint: &'a Endpoint,
}

impl Service<'_> {
    /// Creates the stream of a case.
    pub(crate) async fn create(self, case: &Case) -> Result<()> {
        let mut control = Control::connect(self.endpoint).await?;
        let shards = usize::from(case.setting.shards);
        control.create_stream(STREAM, shards, case.data_bytes).await?;
        let open = control.shards(STREAM).await?.len();
        ensure!(open == shards, "{open} shards where {shards} were asked for");
        Ok(())
    }

    /// Fills the stream that was created if it is to be read, and connects the callers.
    pub(crate) async fn callers(self, case: &Case, pool: &Arc<[Body]>) -> Result<Callers> {
        let Case { load, codec, data_bytes, .. } = *case;
        let mut control = Control::connect(self.endpoint).await?;
        let ids = control.shards(STREAM).await?;
        match load {
            Load::PutRecords { entries } => {
                let check = Check::PutRecords(codec);
                self.cycles(case, pool, entries, check).await.map(Callers::Each)
            }
            Load::PutRecord => {
                let check = Check::PutRecord(codec);
                self.cycles(case, pool, 1, check).await.map(Callers::Each)
            }
            Load::GetRecords => {
                self.fill(STREAM, data_bytes, case.fill_bytes()).await?;
                // No server need keep a connection for as long as that may take.
                let mut control = Control::connect(self.endpoint).await?;
                self.readers(case, &ids, &mut control).await.map(Callers::Each)
            }
            Load::GetRecordsCold => bail!("nothing is cold before a restart"),
            Load::PutToSubscribe => {
                let push = self.push(case, &ids, &mut control).await?;
                Ok(Callers::Push(Box::new(push)))
            }
            Load::PutToRead => {
                let id = ids.first().context("no shard")?;
                let iterator = control.shard_iterator(STREAM, id, "LATEST").await?;
                let reader = Reader::following(codec, &iterator, data_bytes);
                let writer = Cycle::new(Arc::clone(pool), 0, 1, Check::PutRecord(codec));
                let writer = self.caller("PutRecord", codec, writer).await?;
                let reader = self.caller("GetRecords", codec, reader).await?;
                Ok(Callers::Tip(Box::new(Tip { writer, reader, numbers: Some(codec) })))
            }
        }
    }

    async fn cycles(
        self,
        case: &Case,
        pool: &Arc<[Body]>,
        records: usize,
        check: Check,
    ) -> Result<Vec<Caller>> {
        let mut callers = Vec::new();
        for index in 0..case.connections {
            let start = index * pool.len() / case.connections;
            let cycle = Cycle::new(Arc::clone(pool), start, records, check);
            callers.push(self.caller(operation(case.load), case.codec, cycle).await?);
        }
        Ok(callers)
    }

    /// A reader for each connection, over the shards in turn, again and again.
    async fn readers(
        self,
        case: &Case,
        shards: &[String],
        control: &mut Control,
    ) -> Result<Vec<Caller>> {
        let mut iterators = Vec::new();
        for shard in shards {
            iterators.push(control.shard_iterator(STREAM, shard, "TRIM_HORIZON").await?);
        }
        let mut callers = Vec::new();
        for iterator in iterators.iter().cycle().take(case.connections) {
            let reader = Reader::over_and_over(case.codec, iterator, case.data_bytes);
            callers.push(self.caller("GetRecords", case.codec, reader).await?);
        }
        Ok(callers)
    }

    /// Creates a stream and fills it; how many records there are.
    pub(crate) async fn stock(self, case: &Case) -> Result<u64> {
        self.create(case).await?;
        self.fill(STREAM, case.data_bytes, case.fill_bytes()).await
    }

    /// A reader for each shard of such a stream, from its beginning to its tail.
    pub(crate) async fn drainers(self, case: &Case) -> Result<Vec<Caller>> {
        let mut control = Control::connect(self.endpoint).await?;
        let mut callers = Vec::new();
        for shard in control.shards(STREAM).await? {
            let iterator = control.shard_iterator(STREAM, &shard, "TRIM_HORIZON").await?;
            let reader = Reader::following(case.codec, &iterator, case.data_bytes);
            callers.push(self.caller("GetRecords", case.codec, reader).await?);
        }
        Ok(callers)
    }

    /// A subscription to each shard, and writers.
    async fn push(self, case: &Case, shards: &[String], control: &mut Control) -> Result<Push> {
        let consumer = control.register_consumer(STREAM, "bench").await?;
        let mut subscriptions = Vec::new();
        for shard in shards {
            let mut subscription = push::subscribe(self.endpoint, &consumer, shard).await?;
            timeout(FILL_MAX, subscription.begin()).await.context("subscribing")??;
            subscriptions.push(subscription);
        }
        let mut writers = Vec::new();
        for index in 0..case.connections {
            let (first, step) = (index as u64, case.connections as u64);
            let numbered = Numbered::new(STREAM, first, step, case.data_bytes);
            writers.push(self.caller("PutRecord", Codec::Json, numbered).await?);
        }
        let per_second = case.setting.per_second.context("events are measured at a rate")?;
        Ok(Push { writers, subscriptions, per_second, data_bytes: case.data_bytes })
    }

    /// Puts about `fill_bytes` of data into a stream, records of one size; how many there are.
    pub(crate) async fn fill(
        self,
        stream: &str,
        data_bytes: usize,
        fill_bytes: usize,
    ) -> Result<u64> {
        let pool = put_records_pool(Codec::Json, stream, FILL_ENTRIES, data_bytes);
        let cycle = Cycle::new(pool, 0, FILL_ENTRIES, Check::PutRecords(Codec::Json));
        let mut caller = self.caller("PutRecords", Codec::Json, cycle).await?;
        let mut records = 0;
        for _ in 0..fill_bytes.div_ceil(FILL_ENTRIES * data_bytes) {
            let call = timeout(FILL_MAX, caller.call(Instant::now()));
            records += call.await.context("filling the stream")??.records;
        }
        Ok(records)
    }

    /// The same over several connections, for more than a few MiB.
    pub(crate) async fn fill_much(
        self,
        stream: &'static str,
        data_bytes: usize,
        fill_bytes: u64,
    ) -> Result<()> {
        let each = fill_bytes / FILL_CONNECTIONS;
        let requests = each.div_ceil((FILL_ENTRIES * data_bytes) as u64);
        let pool = put_records_pool(Codec::Json, stream, FILL_ENTRIES, data_bytes);
        let mut filling = JoinSet::new();
        for start in 0..FILL_CONNECTIONS as usize {
            let check = Check::PutRecords(Codec::Json);
            let cycle = Cycle::new(Arc::clone(&pool), start, FILL_ENTRIES, check);
            let mut caller = self.caller("PutRecords", Codec::Json, cycle).await?;
            filling.spawn(async move {
                for _ in 0..requests {
                    let call = timeout(FILL_MAX, caller.call(Instant::now()));
                    call.await.context("filling the stream")??;
                }
                anyhow::Ok(())
            });
        }
        while let Some(filled) = filling.join_next().await {
            filled.context("filling panicked")??;
        }
        Ok(())
    }

    async fn caller(
        self,
        operation: &'static str,
        codec: Codec,
        workload: impl Workload + 'static,
    ) -> Result<Caller> {
        caller(self.endpoint, operation, codec, workload).await
    }
}

/// The bare server, driven like the service.
#[derive(Clone, Copy)]
pub(crate) struct Bare<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// Records that one answer counts for.
    pub(crate) records: usize,
}

impl Bare<'_> {
    pub(crate) async fn callers(self, case: &Case, pool: &Arc<[Body]>) -> Result<Callers> {
        if case.load == Load::PutToRead {
            let writer = self.caller(case, pool, 0).await?;
            let reader = Case { load: Load::GetRecords, ..*case };
            let reader = self.caller(&reader, &self::pool(&reader), 0).await?;
            return Ok(Callers::Tip(Box::new(Tip { writer, reader, numbers: None })));
        }
        let mut callers = Vec::new();
        for index in 0..case.connections {
            callers.push(self.caller(case, pool, index).await?);
        }
        Ok(Callers::Each(callers))
    }

    async fn caller(self, case: &Case, pool: &Arc<[Body]>, index: usize) -> Result<Caller> {
        let start = index * pool.len() / case.connections;
        let cycle = Cycle::new(Arc::clone(pool), start, self.records, Check::Answered);
        caller(self.endpoint, operation(case.load), case.codec, cycle).await
    }
}

/// The requests of a case; those of a reader all look alike to a server that knows no iterators.
pub(crate) fn pool(case: &Case) -> Arc<[Body]> {
    let Case { codec, data_bytes, .. } = *case;
    match case.load {
        Load::PutRecords { entries } => put_records_pool(codec, STREAM, entries, data_bytes),
        Load::PutRecord | Load::PutToRead | Load::PutToSubscribe => {
            put_record_pool(codec, STREAM, data_bytes)
        }
        Load::GetRecords | Load::GetRecordsCold => {
            [Body::new(codec.get_records(&"A".repeat(200)))].into()
        }
    }
}

const fn operation(load: Load) -> &'static str {
    match load {
        Load::PutRecords { .. } => "PutRecords",
        Load::PutRecord | Load::PutToRead | Load::PutToSubscribe => "PutRecord",
        Load::GetRecords | Load::GetRecordsCold => "GetRecords",
    }
}

async fn caller(
    endpoint: &Endpoint,
    operation: &'static str,
    codec: Codec,
    workload: impl Workload + 'static,
) -> Result<Caller> {
    let connection = Connection::open(endpoint).await?;
    let signer = connection.signer(codec.content_type(), operation);
    Ok(Caller { connection, signer, workload: Box::new(workload) })
}
