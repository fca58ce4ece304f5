//! Where the records of a shard are: parts of logs, one after another. Pure.
//!
//! A shard has one space of positions, from zero on, whatever logs it is made of: a log that takes
//! over from another continues its positions. So a fork is metadata, and a truncation too: the fork
//! reads its base's segments up to the point where it was made, and writes a log of its own from
//! there on; what was truncated lies before the first segment.

use millpond_api::types::Timestamp;

use crate::engine::{LogId, Offset};

/// Segments of one shard. Each fork of a fork that was written to has one more, until the records
/// of the oldest have expired.
pub const SEGMENTS_MAX: usize = 1_000;

/// A part of a log that holds records of a shard: up to where the next segment begins, or, if it is
/// the last, to the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The log.
    pub log: LogId,
    /// Position of the shard's first record in it.
    pub from: Offset,
    /// When the newest record before the segment arrived, or earlier ones if they were the last in
    /// other logs: what the segment holds arrived then or later. The epoch where there was none.
    pub after: Timestamp,
}

impl Segment {
    /// The only segment of a new shard.
    #[must_use]
    pub const fn first(log: LogId) -> Self {
        Self { log, from: Offset::ZERO, after: Timestamp::from_millis(0) }
    }
}

/// A segment with a successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Older {
    /// The segment.
    pub segment: Segment,
    /// The position after its last record.
    pub to: Offset,
    /// When its last record arrived, at the latest.
    pub until: Timestamp,
}

/// Whether these can be the segments of a shard: at least one, positions and times ascending.
/// Reading relies on it.
#[must_use]
pub fn ascend(segments: &[Segment]) -> bool {
    !segments.is_empty() && segments.is_sorted_by(|a, b| a.from < b.from && a.after <= b.after)
}

/// All but the last segment.
pub fn older(segments: &[Segment]) -> impl Iterator<Item = Older> {
    let pairs = segments.iter().zip(segments.iter().skip(1));
    pairs.map(|(segment, next)| Older { segment: *segment, to: next.from, until: next.after })
}

/// The segments of a shard that shares what these hold before `end`, and then writes `log`.
/// `last_arrival` is that of the last record before `end`.
#[must_use]
pub fn forked(
    segments: &[Segment],
    log: LogId,
    end: Offset,
    last_arrival: Timestamp,
) -> Vec<Segment> {
    let mut forked: Vec<_> =
        segments.iter().filter(|segment| segment.from < end).copied().collect();
    // Nothing was truncated up to `end` that is still to come.
    let from = segments.first().map_or(end, |first| end.max(first.from));
    let after = segments.iter().map(|segment| segment.after).fold(last_arrival, Timestamp::max);
    forked.push(Segment { log, from, after });
    forked
}

/// The segments without what they hold before `begin`.
#[must_use]
pub fn truncated(segments: &[Segment], begin: Offset) -> Vec<Segment> {
    let gone = older(segments).take_while(|older| older.to <= begin).count();
    let mut left: Vec<_> = segments.iter().skip(gone).copied().collect();
    if let Some(first) = left.first_mut() {
        first.from = first.from.max(begin);
    }
    left
}

/// How many of the segments, counted from the first, hold nothing that arrived at or after
/// `horizon`. The last one isn't among them: it is written to, or was.
#[must_use]
pub fn expired(segments: &[Segment], horizon: Timestamp) -> usize {
    older(segments).take_while(|older| older.until < horizon).count()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Which log each position of a shard is in, from its beginning on.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Model {
        begin: u64,
        logs: Vec<u64>,
        arrivals: Vec<i64>,
        writes: u64,
    }

    #[derive(Debug, Clone)]
    enum Step {
        Write(u8),
        Fork,
        Truncate(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..5_u8).prop_map(Step::Write),
            Just(Step::Fork),
            (0..20_u8).prop_map(Step::Truncate),
        ];
        vec(step, 0..40)
    }

    fn play(steps: &[Step]) -> (Vec<Segment>, Model) {
        let mut segments = vec![Segment::first(LogId::new(0))];
        let mut model = Model { begin: 0, logs: Vec::new(), arrivals: Vec::new(), writes: 0 };
        for (now, step) in (0_u32..).zip(steps) {
            let end = model.begin + model.logs.len() as u64;
            match step {
                Step::Write(records) => {
                    for _ in 0..*records {
                        model.logs.push(model.writes);
                        model.arrivals.push(now.into());
                    }
                }
                Step::Fork => {
                    model.writes = u64::from(now) + 1;
                    let arrival = model.arrivals.last().copied().unwrap_or_default();
                    let (log, arrival) =
                        (LogId::new(model.writes), Timestamp::from_millis(arrival));
                    segments = forked(&segments, log, Offset::new(end), arrival);
                }
                Step::Truncate(records) => {
                    let gone = usize::from(*records).min(model.logs.len());
                    model.logs.drain(..gone);
                    model.arrivals.drain(..gone);
                    model.begin += gone as u64;
                    segments = truncated(&segments, Offset::new(model.begin));
                }
            }
        }
        (segments, model)
    }

    proptest! {
        #[test]
        fn segments_say_in_which_log_each_record_is(steps in steps()) {
            let (segments, model) = play(&steps);
            prop_assert!(segments.is_sorted_by(|a, b| a.from < b.from && a.after <= b.after));
            prop_assert_eq!(segments.last().unwrap().log, LogId::new(model.writes));
            prop_assert_eq!(segments[0].from.value(), model.begin);
            for (position, log) in (model.begin..).zip(&model.logs) {
                let holds = |segment: &&Segment| segment.from.value() <= position;
                let found = segments.iter().rfind(holds).map(|segment| segment.log);
                prop_assert_eq!(found, Some(LogId::new(*log)), "{:?}", segments);
            }
        }

        #[test]
        fn a_segment_has_expired_when_all_its_records_have(steps in steps(), horizon in 0..50_i64) {
            let (segments, model) = play(&steps);
            let horizon = Timestamp::from_millis(horizon);
            let kept = expired(&segments, horizon);
            prop_assert!(kept < segments.len());
            let begins = segments[kept].from.value();
            for (position, arrival) in (model.begin..).zip(&model.arrivals) {
                let has_expired = Timestamp::from_millis(*arrival) < horizon;
                prop_assert!(has_expired || position >= begins);
            }
        }
    }

    #[test]
    fn a_fork_that_was_not_written_to_leaves_no_segment() {
        let base = [Segment::first(LogId::new(1))];
        let at = Timestamp::from_millis(5);
        let fork = forked(&base, LogId::new(2), Offset::new(3), at);
        let again = forked(&fork, LogId::new(3), Offset::new(3), at);
        assert_eq!(again.iter().map(|s| s.log.value()).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(forked(&base, LogId::new(2), Offset::ZERO, at).len(), 1);
    }
}
