//! What stands before a window: streams, data to read, and a caller for each connection.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, timeout};

use crate::body::Body;
use crate::cases::{Case, Load};
use crate::codec::Codec;
use crate::endpoint::Endpoint;
use crate::http::Connection;
use crate::kinesis::Control;
use crate::load::Caller;
use crate::tip::Tip;
use crate::workload::{Check, Cycle, Reader, Workload, put_record_pool, put_records_pool};

const STREAM: &str = "bench";
/// Records in one request that fills a stream.
const FILL_ENTRIES: usize = 500;
/// How long one such request may take.
const FILL_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// Who calls during a window.
pub(crate) enum Callers {
    /// Each by itself.
    Each(Vec<Caller>),
    /// A writer and the reader who waits for it.
    Tip(Box<Tip>),
}

/// A server that speaks Kinesis.
#[derive(Clone, Copy)]
pub(crate) struct Service<'a> {
    pub(crate) endpoint: &'a Endpoint,
}

impl Service<'_> {
    /// Creates the stream, fills it if it is to be read, and connects the callers.
    pub(crate) async fn callers(
        self,
        case: &Case,
        pool: &Arc<[Body]>,
        fill_bytes: usize,
    ) -> Result<Callers> {
        let Case { load, codec, data_bytes, .. } = *case;
        let mut control = Control::connect(self.endpoint).await?;
        let shards = usize::from(case.setting.shards);
        control.create_stream(STREAM, shards, data_bytes).await?;
        let ids = control.shards(STREAM).await?;
        ensure!(ids.len() == shards, "{} shards where {shards} were asked for", ids.len());
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
                self.fill(STREAM, data_bytes, fill_bytes).await?;
                let mut iterators = Vec::new();
                for id in &ids {
                    iterators.push(control.shard_iterator(STREAM, id, "TRIM_HORIZON").await?);
                }
                self.readers(case, &iterators).await.map(Callers::Each)
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

    /// A reader for each connection, over the shards in turn.
    async fn readers(self, case: &Case, iterators: &[String]) -> Result<Vec<Caller>> {
        let mut callers = Vec::new();
        for iterator in iterators.iter().cycle().take(case.connections) {
            let reader = Reader::over_and_over(case.codec, iterator, case.data_bytes);
            callers.push(self.caller("GetRecords", case.codec, reader).await?);
        }
        Ok(callers)
    }

    /// Puts about `fill_bytes` of data into a stream, records of one size.
    pub(crate) async fn fill(
        self,
        stream: &str,
        data_bytes: usize,
        fill_bytes: usize,
    ) -> Result<()> {
        let pool = put_records_pool(Codec::Json, stream, FILL_ENTRIES, data_bytes);
        let cycle = Cycle::new(pool, 0, FILL_ENTRIES, Check::PutRecords(Codec::Json));
        let mut caller = self.caller("PutRecords", Codec::Json, cycle).await?;
        for _ in 0..fill_bytes.div_ceil(FILL_ENTRIES * data_bytes) {
            timeout(FILL_MAX, caller.call(Instant::now()))
                .await
                .context("filling the stream")??;
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
        Load::PutRecord | Load::PutToRead => put_record_pool(codec, STREAM, data_bytes),
        Load::GetRecords => [Body::new(codec.get_records(&"A".repeat(200)))].into(),
    }
}

const fn operation(load: Load) -> &'static str {
    match load {
        Load::PutRecords { .. } => "PutRecords",
        Load::PutRecord | Load::PutToRead => "PutRecord",
        Load::GetRecords => "GetRecords",
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
