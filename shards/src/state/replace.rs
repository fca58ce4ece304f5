//! Everything replaced at once: by nothing, or by what a snapshot holds. Pure.

use std::collections::BTreeMap;

use millpond_api::types::Timestamp;

use super::State;
use crate::{
    commitment::Commitment,
    engine::{LogId, Offset},
    stream::{Namespace, Segment, ShardState, StreamNumber, StreamState, segments},
};

/// What a server is to hold instead of what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restored {
    /// All streams, whose records are in logs that were staged.
    pub(crate) streams: Vec<StreamState>,
    /// What accounts have committed themselves to.
    pub(crate) commitments: BTreeMap<Namespace, Commitment>,
    /// The number that the next stream gets at least.
    pub(crate) next_stream: StreamNumber,
}

/// A part of a log of a snapshot, and the log of this server that its records are copied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copied {
    /// The log of this server.
    pub(crate) log: LogId,
    /// Position of the first record.
    pub(crate) first: Offset,
    /// The position after the last.
    pub(crate) end: Offset,
    /// When the last record before `first` arrived, or before there were any in the log.
    pub(crate) after: Timestamp,
}

/// The state without streams and settings. Numbers aren't given out twice all the same.
pub(crate) fn emptied(state: &State) -> State {
    let shards = state.streams().flat_map(|stream| stream.shards.values());
    let logs = shards.flat_map(|shard| &shard.segments).map(|segment| segment.log);
    let mut empty = State::new(state.shard_limit).limited_to(state.counts);
    empty.next_stream = state.next_stream;
    empty.unused_logs = state.unused_logs.iter().copied().chain(logs).collect();
    empty
}

/// The state with so many new logs, which are going to be filled. Nothing refers to them yet, so
/// they are dropped if that comes to nothing, also after a crash.
pub(crate) fn staged(state: &State, logs: usize) -> (State, Vec<LogId>) {
    let mut next = state.clone();
    let number = next.take_number();
    let logs = (0..logs as u64).map(|index| LogId::new(u64::from(number.0) << 32 | index));
    let logs: Vec<_> = logs.collect();
    next.unused_logs.extend(logs.iter().copied());
    (next, logs)
}

/// The state with what a snapshot holds in the place of everything.
pub(crate) fn restored(state: &State, restored: Restored) -> State {
    let mut next = emptied(state);
    next.next_stream = next.next_stream.max(restored.next_stream);
    for stream in restored.streams {
        for segment in stream.shards.values().flat_map(|shard| &shard.segments) {
            next.unused_logs.remove(&segment.log);
        }
        let log_number = next.take_number();
        next.put(StreamState { log_number, ..stream });
    }
    next.commitments = restored.commitments;
    next
}

/// The streams of `state`, with their records in the logs that those of `copies` are copied to:
/// each log of the snapshot has at least one copy, if only of nothing. `None` where the snapshot
/// lacks a log that a stream refers to, or what it has of it can't be what the stream wrote.
pub(crate) fn relocated(state: &State, copies: &BTreeMap<LogId, Vec<Copied>>) -> Option<Restored> {
    let relocate = |stream: &StreamState| {
        let mut stream = stream.clone();
        for shard in stream.shards.values_mut() {
            shard.segments = relocated_segments(shard, copies)?;
        }
        Some(stream)
    };
    let streams = state.streams().map(|stream| relocate(stream)).collect::<Option<_>>()?;
    let (commitments, next_stream) = (state.commitments.clone(), state.next_stream);
    Some(Restored { streams, commitments, next_stream })
}

fn relocated_segments(
    shard: &ShardState,
    copies: &BTreeMap<LogId, Vec<Copied>>,
) -> Option<Vec<Segment>> {
    let mut relocated = Vec::new();
    for older in segments::older(&shard.segments) {
        let Segment { log, from, after } = older.segment;
        let of_log = copies.get(&log)?.iter();
        let held = of_log.filter(|copy| copy.end > from && copy.first < older.to);
        relocated.extend(held.map(|copy| placed(copy, from, after)));
    }
    let Segment { log, from, after } = shard.segment();
    let of_log = copies.get(&log)?;
    let last = of_log.last().filter(|last| last.end >= from)?;
    let held = of_log.iter().filter(|copy| copy.end > from || *copy == last);
    relocated.extend(held.map(|copy| placed(copy, from, after)));
    segments::ascend(&relocated).then_some(relocated)
}

fn placed(copy: &Copied, from: Offset, after: Timestamp) -> Segment {
    Segment { log: copy.log, from: from.max(copy.first), after: after.max(copy.after) }
}

#[cfg(test)]
mod tests {
    use millpond_api::types::{HashKeyRange, ShardId};
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::stream::Parents;

    fn shard(segments: Vec<Segment>) -> ShardState {
        ShardState {
            id: ShardId::new(0),
            range: HashKeyRange::FULL,
            parents: Parents::default(),
            created: Timestamp::default(),
            segments,
            closed: None,
        }
    }

    proptest! {
        /// Each position that a record is at is in the copy that has it.
        #[test]
        fn records_are_found_in_their_copies(
            begins in vec(1..10_u64, 1..5),
            trimmed in 0..30_u64,
            gaps in vec(any::<bool>(), 40),
        ) {
            // One log after another takes over, and some positions have no record.
            let mut from = trimmed;
            let mut segments = Vec::new();
            for (i, length) in (0..).zip(&begins) {
                let after = Timestamp::from_millis(i);
                let log = LogId::new(i.cast_unsigned());
                segments.push(Segment { log, from: Offset::new(from), after });
                from += length;
            }
            let end = from;
            let stored = |log: u64, position: u64| {
                let log_end = segments.get(log as usize + 1).map_or(end, |next| next.from.value());
                // Logs go on behind what the shard has of them.
                position < log_end + 2 && gaps[position as usize % gaps.len()]
            };
            let mut copies = BTreeMap::new();
            let mut fresh = 100;
            for (log, segment) in (0..).zip(&segments) {
                let mut of_log: Vec<Copied> = Vec::new();
                for position in segment.from.value()..end + 2 {
                    if !stored(log, position) {
                        continue;
                    }
                    let (first, after) = (Offset::new(position), segment.after);
                    if let Some(last) = of_log.last_mut().filter(|last| last.end == first) {
                        last.end = first.plus(1);
                        continue;
                    }
                    fresh += 1;
                    let (log, end) = (LogId::new(fresh), first.plus(1));
                    of_log.push(Copied { log, first, end, after });
                }
                if of_log.is_empty() {
                    fresh += 1;
                    let (first, after) = (Offset::new(end), segment.after);
                    of_log.push(Copied { log: LogId::new(fresh), first, end: first, after });
                }
                copies.insert(segment.log, of_log);
            }
            let relocated = relocated_segments(&shard(segments.clone()), &copies).unwrap();
            for position in trimmed..end {
                let holds = |segment: &&Segment| segment.from.value() <= position;
                let log = segments.iter().rfind(holds).unwrap().log;
                let has = |c: &&Copied| (c.first.value()..c.end.value()).contains(&position);
                let copy = copies[&log].iter().find(has).map(|copy| copy.log);
                if copy.is_some() {
                    prop_assert_eq!(relocated.iter().rfind(holds).map(|s| s.log), copy);
                }
            }
        }
    }
}
