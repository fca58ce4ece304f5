//! Streams that are told of after they were deleted.

use std::collections::{VecDeque, vec_deque};

use millpond_api::types::StreamArn;

use super::Observed;

/// So many streams, and
const STREAMS_MAX: usize = 1_000;

/// so many shards of theirs together: some hundred bytes each.
const SHARDS_MAX: usize = 10_000;

/// As they were last seen. The oldest are forgotten when there is no room for more.
#[derive(Debug, Default)]
pub(crate) struct Gone(VecDeque<Observed>);

impl Gone {
    pub(crate) fn add(&mut self, streams: impl Iterator<Item = Observed>) {
        let mut shards: usize = self.iter().map(|stream| stream.shards.len()).sum();
        for stream in streams {
            shards += stream.shards.len();
            self.0.push_back(stream);
            while self.0.len() > STREAMS_MAX || shards > SHARDS_MAX {
                let Some(oldest) = self.0.pop_front() else { break };
                shards -= oldest.shards.len();
            }
        }
    }

    pub(crate) fn iter(&self) -> vec_deque::Iter<'_, Observed> {
        self.0.iter()
    }

    /// Forgets the streams that `of` picks.
    pub(crate) fn forget(&mut self, of: impl Fn(&StreamArn) -> bool) {
        self.0.retain(|stream| !of(&stream.arn));
    }
}

#[cfg(test)]
mod tests {
    use millpond_api::types::{ShardId, StreamMode};
    use millpond_quotas::{Peak, ShardPeaks};

    use super::*;
    use crate::observed::{Billed, ObservedShard};

    fn stream(number: u64, shards: u16) -> Observed {
        let shard = |index| ObservedShard {
            id: ShardId::new(index),
            width_ppb: 1,
            is_open: true,
            peaks: ShardPeaks::default(),
        };
        let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/s{number}");
        Observed {
            arn: arn.parse().unwrap(),
            is_gone: true,
            mode: StreamMode::Provisioned,
            open_shards: shards.into(),
            offered: Peak::default(),
            shards: (0..i32::from(shards)).map(shard).collect(),
            billed: Billed::default(),
        }
    }

    fn names(gone: &Gone) -> Vec<String> {
        gone.iter().map(|stream| stream.arn.name.to_string()).collect()
    }

    #[test]
    fn the_oldest_streams_are_forgotten() {
        let mut gone = Gone::default();
        gone.add((0..1_500).map(|number| stream(number, 1)));
        assert_eq!((gone.iter().len(), names(&gone)[0].as_str()), (STREAMS_MAX, "s500"));
    }

    #[test]
    fn streams_of_many_shards_take_the_room_of_others() {
        let mut gone = Gone::default();
        gone.add((0..20).map(|number| stream(number, 999)));
        assert_eq!((gone.iter().len(), names(&gone)[0].as_str()), (10, "s10"));
        gone.add(std::iter::once(stream(20, 999)));
        assert_eq!((gone.iter().len(), names(&gone)[0].as_str()), (10, "s11"));
        gone.forget(|arn| arn.name.as_str() != "s15");
        gone.add([stream(21, 999), stream(22, 0)].into_iter());
        assert_eq!(names(&gone), ["s15", "s21", "s22"]);
    }
}
