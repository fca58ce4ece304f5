//! A client that reads a stream from TRIM_HORIZON on, parents before their children, and keeps
//! nothing but the iterators that it was given.

use std::collections::{BTreeMap, BTreeSet};

use millpond_api::types::{ShardId, StreamArn};
use millpond_shards::{
    Domain, Error,
    directory::Stream,
    engine::{EngineError, Offset},
    iterator::ShardIterator,
    shard::{Limit, Shard},
    stream::StreamNumber,
};

use crate::ledger::{Ledger, Pages, Seen};

/// Reads one stream, as long as it lives.
#[derive(Debug, Default)]
pub(crate) struct Consumer {
    stream: Option<(StreamArn, StreamNumber)>,
    iterators: BTreeMap<ShardId, String>,
    finished: BTreeSet<ShardId>,
    delivered: BTreeSet<(ShardId, Offset)>,
}

impl Consumer {
    /// Reads on in every shard that it knows; first in a stream of this name, where it has none.
    pub(crate) async fn visit(
        &mut self,
        domain: &Domain,
        arn: &StreamArn,
        limit: Limit,
        ledger: &mut Ledger,
    ) -> Result<usize, EngineError> {
        let snapshot = domain.directory().snapshot();
        if let Some((_, number)) = &self.stream
            && snapshot.stream_of_number(*number).is_none()
        {
            *self = Self::default();
        }
        let arn = self.stream.as_ref().map_or(arn, |(arn, _)| arn).clone();
        let namespace = millpond_shards::stream::Namespace::of(&arn);
        let Some(stream) = snapshot.stream(&namespace, arn.name.as_str()) else { return Ok(0) };
        self.stream = Some((arn, stream.state().number));
        self.begin(domain, stream);
        let mut records = 0;
        for (id, token) in self.iterators.clone() {
            let iterator = ShardIterator::open(domain.tokens(), &token);
            let iterator = iterator.expect("an iterator survives everything but time");
            assert_eq!(iterator.number, stream.state().number);
            records += self.read(domain, stream, id, iterator, limit, ledger).await?;
        }
        Ok(records)
    }

    /// Takes up shards whose parents, as far as they are there, have been read to their ends.
    fn begin(&mut self, domain: &Domain, stream: &Stream) {
        let shards = &stream.state().shards;
        for shard in shards.values() {
            let known = self.finished.contains(&shard.id) || self.iterators.contains_key(&shard.id);
            let mut parents = shard.parents.iter().filter(|id| shards.contains_key(id));
            if !known && parents.all(|id| self.finished.contains(&id)) {
                let token = iterator(domain, stream, shard.id, Offset::ZERO);
                self.iterators.insert(shard.id, token);
            }
        }
    }

    async fn read(
        &mut self,
        domain: &Domain,
        stream: &Stream,
        id: ShardId,
        from: ShardIterator,
        limit: Limit,
        ledger: &mut Ledger,
    ) -> Result<usize, EngineError> {
        let (Some(shard), Ok(state)) = (stream.shard(id), stream.state().shard(id)) else {
            // Forgotten; whether that was in time is judged where it was seen.
            self.iterators.remove(&id);
            self.finished.insert(id);
            return Ok(0);
        };
        let pages = read(domain, stream, shard, from.position, limit).await?;
        ledger.check(&pages, state);
        for seen in &pages.records {
            assert!(self.delivered.insert((id, seen.offset)), "{seen:?} was read twice");
        }
        if state.closed.is_some() && pages.at_end {
            ledger.ended(pages.shard, pages.next);
            self.iterators.remove(&id);
            self.finished.insert(id);
        } else {
            self.iterators.insert(id, iterator(domain, stream, id, pages.next));
        }
        Ok(pages.records.len())
    }
}

/// Reads once, as GetRecords does.
pub(crate) async fn read(
    domain: &Domain,
    stream: &Stream,
    shard: &Shard,
    from: Offset,
    limit: Limit,
) -> Result<Pages, EngineError> {
    let horizon = stream.state().horizon(domain.now());
    let mut reading = shard.read(from, horizon, limit).await?;
    match domain.crypt().unlock(stream, &mut reading).await {
        Err(Error::Engine(error)) => return Err(error),
        unlocked => unlocked.expect("a key is there as long as records under it"),
    }
    let records: Vec<_> = reading
        .records()
        .map(|record| Seen {
            offset: record.offset,
            arrival: record.arrival,
            number: shard.sequence_number(record.offset, record.arrival),
            key: record.partition_key.map(str::to_owned),
            data: reading.data(&record).expect("what was sealed opens").into(),
        })
        .collect();
    assert_eq!(records.len(), reading.len());
    for seen in &records {
        assert!(shard.owns(seen.number));
        assert_eq!(shard.offset_at(seen.number), seen.offset);
    }
    let shard = (stream.state().number, shard.id());
    Ok(Pages { shard, from, records, next: reading.next(), at_end: reading.at_end() })
}

fn iterator(domain: &Domain, stream: &Stream, shard: ShardId, position: Offset) -> String {
    let (arn, number) = (stream.state().arn.clone(), stream.state().number);
    ShardIterator { issued: domain.now(), arn, number, shard, position }.seal(domain.tokens())
}
