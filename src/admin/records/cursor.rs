//! How far a reader has got: a place in each shard that it hasn't read to its end.

use std::collections::BTreeMap;

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use millpond_api::types::{ShardId, Timestamp};
use millpond_shards::{
    directory::Stream,
    engine::{EngineError, Offset},
    shard::Shard,
    stream::{ShardState, StreamNumber},
};
use minicbor::{Decode, Encode};

use super::{Fault, Result, wanted::Start};
use crate::error::{could_not_find, unreadable};

/// Shards that are read together.
const SHARDS_MAX: usize = 1_000;

/// Places in the shards of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Cursor {
    /// The stream's.
    #[n(0)]
    number: u32,
    /// The one shard that is read, unless all are.
    #[n(1)]
    only: Option<i32>,
    /// Shards from this index on are new.
    #[n(2)]
    known: i32,
    #[n(3)]
    places: BTreeMap<i32, u64>,
}

impl Cursor {
    /// The beginning of a reading of one shard, or of all. A sequence number means its own.
    pub(super) async fn begin(
        stream: &Stream,
        only: Option<ShardId>,
        start: &Start,
        now: Timestamp,
    ) -> Result<Self> {
        let state = stream.state();
        let of_number = match start {
            Start::At(number) => Some(number.shard),
            _ => None,
        };
        let only = only.or(of_number);
        let mut places = BTreeMap::new();
        let wanted = |shard: &&ShardState| only.is_none_or(|only| only == shard.id);
        let listed: Vec<&ShardState> = state.listed_shards(now).filter(wanted).collect();
        // Before any of them is opened.
        check(listed.len())?;
        for shard in listed {
            let Some(handle) = stream.shard(shard.id) else { continue };
            if let Start::At(number) = start
                && !handle.owns(*number)
            {
                return Err(Fault::invalid(format!(
                    "from: {number} is not of shard {} of this stream",
                    shard.id
                )));
            }
            let place = place(handle, start, now).await;
            let place = place.map_err(|error| unreadable(error, &state.arn, shard.id))?;
            places.insert(shard.id.index(), place.value());
        }
        if let Some(only) = only.filter(|_| places.is_empty()) {
            return Err(could_not_find(&state.arn, &only.to_string()).into());
        }
        let (number, only) = (state.number.0, only.map(ShardId::index));
        Ok(Self { number, only, known: state.next_shard, places })
    }

    /// Reads what [`text`](Self::text) wrote.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let bytes = BASE64.decode_to_vec(text).ok();
        let cursor = bytes.and_then(|bytes| minicbor::decode(&bytes).ok());
        cursor.ok_or_else(|| Fault::invalid("next: it is not one that was given out here"))
    }

    /// What a reader brings back to read on.
    pub(super) fn text(&self) -> String {
        let bytes = minicbor::to_vec(self).expect("a vector takes everything");
        BASE64.encode_to_string(bytes)
    }

    /// Takes in the shards that are new; `None` when this is another stream's.
    pub(super) fn follow(&mut self, stream: &Stream) -> Result<Option<()>> {
        let state = stream.state();
        if StreamNumber(self.number) != state.number {
            return Ok(None);
        }
        if self.only.is_none() {
            let new = state.shards.keys().map(|id| id.index()).filter(|id| *id >= self.known);
            self.places.extend(new.map(|id| (id, 0)));
        }
        self.known = self.known.max(state.next_shard);
        check(self.places.len()).map(Some)
    }

    /// Where each shard is to be read.
    pub(super) fn places(&self) -> impl Iterator<Item = (ShardId, Offset)> {
        self.places.iter().map(|(id, place)| (ShardId::new(*id), Offset::new(*place)))
    }

    /// A shard is to be read from there on.
    pub(super) fn reach(&mut self, shard: ShardId, next: Offset) {
        self.places.insert(shard.index(), next.value());
    }

    /// Lets go the shards that are closed and read to their end, or gone.
    pub(super) fn forget_ended(&mut self, stream: &Stream) {
        self.places.retain(|id, place| {
            let shard = stream.state().shards.get(&ShardId::new(*id));
            shard.is_some_and(|shard| {
                shard.closed.is_none_or(|closing| Offset::new(*place) < closing.end)
            })
        });
    }

    /// Whether there will be more to read.
    pub(super) fn is_open(&self) -> bool {
        self.ended().is_none()
    }

    /// The one shard that is read, when it is read to its end.
    pub(super) fn ended(&self) -> Option<ShardId> {
        self.only.filter(|only| !self.places.contains_key(only)).map(ShardId::new)
    }
}

/// Refuses to read so many shards together, where they are too many.
fn check(shards: usize) -> Result<()> {
    if shards <= SHARDS_MAX {
        return Ok(());
    }
    let right = "they are read one by one, with shard=SHARD";
    Err(Fault::invalid(format!("the stream has over {SHARDS_MAX} shards: {right}")))
}

async fn place(
    shard: &Shard,
    start: &Start,
    now: Timestamp,
) -> std::result::Result<Offset, EngineError> {
    Ok(match start {
        Start::Oldest => Offset::ZERO,
        Start::Newest => shard.end().await?,
        Start::At(number) => shard.offset_at(*number).min(shard.end().await?),
        Start::Time(at) => shard.seek(*at).await?,
        Start::Since(millis) => {
            let at = Timestamp::from_millis(now.millis().saturating_sub(*millis));
            shard.seek(at).await?
        }
        Start::Last(records) => Offset::new(shard.end().await?.value().saturating_sub(*records)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went(
            number: u32,
            only: Option<i32>,
            known: i32,
            places in btree_map(any::<i32>(), any::<u64>(), 0..50),
        ) {
            let cursor = Cursor { number, only, known, places };
            prop_assert_eq!(Cursor::parse(&cursor.text()), Ok(cursor));
        }
    }

    #[test]
    fn a_damaged_cursor_is_refused_or_is_another() {
        let places = [(-1, 0), (0, 9), (1, u64::MAX), (700, 1 << 40)].into();
        let cursor = Cursor { number: 7, only: Some(2), known: 900, places };
        let bytes = minicbor::to_vec(&cursor).unwrap();
        for (place, by) in
            (0..bytes.len()).flat_map(|place| (1..=u8::MAX).map(move |by| (place, by)))
        {
            let mut bytes = bytes.clone();
            bytes[place] ^= by;
            if let Ok(found) = Cursor::parse(&BASE64.encode_to_string(bytes)) {
                assert_ne!(found, cursor, "{by} at {place}");
                assert_eq!(Cursor::parse(&found.text()), Ok(found));
            }
        }
    }

    #[test]
    fn a_thousand_shards_fit_a_line_of_a_request() {
        let places = (0..1_000).map(|id| (id + 9_000, 1 << 40)).collect();
        let cursor = Cursor { number: u32::MAX, only: None, known: 10_000, places };
        assert!(cursor.text().len() < 20_000, "{}", cursor.text().len());
    }
}
