//! What faults do to a request, at three points: admission, before anything is done for it; commit,
//! as its records are written; and delivery, as records are told.

mod feed;
mod named;

use std::{sync::Arc, time::Duration};

use millpond_api::{
    ErrorKind, OperationId,
    types::{ConsumerArn, StreamArn, Timestamp},
};
use millpond_quotas::{Limit, Refusal};
use millpond_shards::{Error as Fact, directory::Stream, shard::Reading, stream::Namespace};

use super::{
    Cx, Reply,
    write::{Entry, Written},
};
use crate::{
    error::{Error, Result, read_throttled, write_throttled},
    faults::{Call, Delivery, Ending, Injector, RecordFault, Verdict},
};

pub(super) use feed::{OnFeed, Told};
use named::Named;

/// What faults make of one call.
pub(super) struct Injected {
    injector: Arc<Injector>,
    call: Arc<Call>,
    verdict: Verdict,
    iterator_is_expired: bool,
    consumer: Option<ConsumerArn>,
}

/// The point of admission: notes what faults make of the call, and does what comes first.
/// `Some` is the answer, in the operation's stead.
///
/// # Errors
/// The error that is the answer.
pub(super) async fn admit(
    cx: &Cx<'_>,
    injector: Arc<Injector>,
    body: &[u8],
) -> Result<Option<Reply>> {
    let injected = cx.inject(Injected::of(cx, injector, body));
    let before = &injected.verdict.before;
    injected.delay(cx, before.delay).await;
    match &before.ending {
        Some(ending) => injected.ended(cx, ending),
        None => Ok(None),
    }
}

impl Injected {
    fn of(cx: &Cx<'_>, injector: Arc<Injector>, body: &[u8]) -> Self {
        let named = Named::read(cx, body);
        let call = named.call(cx);
        let verdict = injector.on_call(&call);
        let iterator = named.shard_iterator.0.as_deref().unwrap_or_default();
        if verdict.expires_iterator {
            injector.expire(iterator);
        }
        let iterator_is_expired = verdict.expires_iterator || injector.has_expired(iterator);
        let consumer = named.consumer_arn();
        Self { injector, call: Arc::new(call), verdict, iterator_is_expired, consumer }
    }

    /// Takes the time that a fault wants, in service time, unless the fault is cleared meanwhile or
    /// the server stops.
    async fn delay(&self, cx: &Cx<'_>, delay: Duration) {
        if !delay.is_zero() {
            tokio::select! {
                () = cx.clock().sleep(delay) => {}
                () = self.injector.over() => {}
                () = cx.stopping() => {}
            }
        }
    }

    /// What is answered, or `None` when the operation itself knows better.
    fn ended(&self, cx: &Cx<'_>, ending: &Ending) -> Result<Option<Reply>> {
        match ending {
            Ending::Cut => Ok(Some(Reply::Cut)),
            Ending::Error(error) => Err(Error(error.clone())),
            Ending::Fail => Err(failed()),
            Ending::Throttle => self.throttled(cx).map_or(Ok(None), Err),
            Ending::End | Ending::CutHalfway => Ok(None),
        }
    }

    /// The error of a call that comes too often; `None` when the call doesn't say what for.
    fn throttled(&self, cx: &Cx<'_>) -> Option<Error> {
        let arn = self.stream();
        match cx.operation() {
            OperationId::GetRecords => {
                let (arn, id) = arn.zip(self.call.shard)?;
                if let Some(shard) = cx.find(&arn).ok().as_ref().and_then(|s| s.shard(id)) {
                    shard.meter().count_read_throttle();
                }
                Some(read_throttled(&arn, id))
            }
            OperationId::GetShardIterator => {
                arn.zip(self.call.shard).map(|(arn, id)| read_throttled(&arn, id))
            }
            OperationId::SubscribeToShard => {
                let (consumer, shard) = self.consumer.clone().zip(self.call.shard)?;
                let limit = Limit::SubscribeCalls;
                let refusal = Box::new(Refusal { limit, excess: 1, retry_after: Duration::ZERO });
                Some(Fact::SubscribedTooOften { consumer, shard, refusal }.into())
            }
            _ => Some(cx.rate_exceeded(arn.as_ref())),
        }
    }

    fn stream(&self) -> Option<StreamArn> {
        let Call { account, region, stream, .. } = &*self.call;
        let namespace = Namespace { account: *account, region: region.clone() };
        stream.clone().map(|name| namespace.arn(name))
    }

    /// The answer of an operation that was carried out, or what takes its place.
    pub(super) async fn after(&self, cx: &Cx<'_>, outcome: Result<Reply>) -> Result<Reply> {
        let after = &self.verdict.after;
        self.delay(cx, after.delay).await;
        let ending = after.ending.as_ref();
        match ending.map_or(Ok(None), |ending| self.ended(cx, ending))? {
            Some(reply) => Ok(reply),
            None if ending == Some(&Ending::CutHalfway) => Ok(halved(outcome)),
            None => outcome,
        }
    }
}

/// Half of the answer, where it has halves.
fn halved(outcome: Result<Reply>) -> Reply {
    match outcome {
        Ok(Reply::Whole { body, room }) if !body.is_empty() => Reply::CutHalfway { body, room },
        _ => Reply::Cut,
    }
}

/// What faults make of an operation, as it is carried out. Without faults nothing.
impl Injected {
    /// The point of commit: what becomes of a record that is to be written. `None` when nothing
    /// keeps it from that.
    pub(super) fn refusal(
        &self,
        index: usize,
        stream: &Stream,
        entry: &Entry<'_>,
    ) -> Option<Result<Written>> {
        match self.verdict.records.get(&index)? {
            RecordFault::Throttled => {
                let routing = stream.routing();
                let shard = routing
                    .shard_of(entry.routing_key().hash_key())
                    .or(routing.shards().first())?;
                shard.meter().count_write_throttles(1);
                Some(Err(write_throttled(&stream.state().arn, shard.id())))
            }
            RecordFault::Failed => Some(Err(failed())),
            RecordFault::FailedAfterwards => None,
        }
    }

    /// Records that are written, and said not to be.
    pub(super) fn denied(&self) -> impl Iterator<Item = (usize, Error)> {
        let records = self.verdict.records.iter();
        let denied = records.filter(|(_, fault)| **fault == RecordFault::FailedAfterwards);
        denied.map(|(index, _)| (*index, failed()))
    }

    /// When an iterator that was issued at `issued` was issued, as far as its bearer is told.
    /// Iterators live for `life` milliseconds.
    pub(super) fn issued(&self, issued: Timestamp, now: Timestamp, life: i64) -> Timestamp {
        let expired = Timestamp::from_millis(now.millis() - life - 1);
        if self.iterator_is_expired { issued.min(expired) } else { issued }
    }

    /// The point of delivery: what becomes of these records.
    pub(super) fn delivery(&self, reading: &Reading) -> Option<Delivery> {
        delivery(&self.injector, &self.call, reading)
    }
}

fn delivery(injector: &Injector, call: &Call, reading: &Reading) -> Option<Delivery> {
    if reading.is_empty() || !injector.is_about_deliveries() {
        return None;
    }
    let keys: Vec<_> = reading.records().map(|record| record.partition_key).collect();
    injector.on_delivery(call, &keys)
}

fn failed() -> Error {
    Error(ErrorKind::InternalFailureException.with("Internal service failure."))
}
