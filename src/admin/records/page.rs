//! An answer, written record by record: nothing of it is held but its text.

use millpond_api::{Codec, types::Timestamp};
use millpond_shards::directory::Stream;

use super::{
    Result,
    cursor::Cursor,
    merge::{Merged, Source},
    readings::Readings,
    told::Told,
    wanted::Wanted,
};
use crate::{
    blocks::Blocks,
    payload::{Payload, UNPACKED_BYTES_MAX},
};

/// Bytes of text in an answer; the last stored record of it may lie beyond.
pub(super) const PAGE_BYTES_MAX: usize = 4 << 20;

/// Bytes that are inflated for an answer, whether or not they are told; the last stored record of
/// it may need as many again.
const INFLATED_BYTES_MAX: usize = UNPACKED_BYTES_MAX;

/// The records of an answer, as it is written.
pub(super) struct Page {
    body: Blocks,
    is_empty: bool,
    millis_behind: i64,
}

impl Page {
    /// Tells of what was read until `now` as much as fits; `cursor` moves on as far. This may be a
    /// second of work where records are unpacked.
    pub(super) fn of(
        stream: &Stream,
        readings: &Readings,
        wanted: &Wanted,
        cursor: &mut Cursor,
        now: Timestamp,
    ) -> Result<Self> {
        let mut body = Blocks::with_capacity(readings.told_bytes());
        body.append(b"{\"records\":[");
        let mut page = Self { body, is_empty: true, millis_behind: 0 };
        let sources = readings.parts.iter().map(|(shard, reading)| Source { shard, reading });
        let mut merged = Merged::new(sources, readings.until);
        let (mut inflated, mut newest) = (0, now);
        while let Some((source, view)) = merged.next()
            && page.body.len() < PAGE_BYTES_MAX
            && inflated < INFLATED_BYTES_MAX
            && merged.taken() <= wanted.limit
        {
            let unreadable =
                |error| crate::error::unreadable(error, &stream.state().arn, source.shard.id());
            let data = source.reading.data(&view).map_err(unreadable)?;
            let payload = Payload::of(view.partition_key, data, wanted.unpacking);
            let mut records = payload.records();
            for record in records.by_ref() {
                page.tell(&Told::of(source.shard, &view, record));
            }
            inflated += records.inflated_bytes();
            newest = view.arrival;
            merged.accept();
        }
        merged.places(|shard, next| cursor.reach(shard, next));
        if merged.is_behind() {
            // 0 would say that there is nothing more.
            page.millis_behind = (now.millis() - newest.millis()).max(1);
        }
        Ok(page)
    }

    fn tell(&mut self, record: &Told<'_>) {
        if !self.is_empty {
            self.body.append(b",");
        }
        self.is_empty = false;
        Codec::Json.encode_into(record, &mut self.body);
    }

    /// Whether no record is told.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// The whole answer, with where to read on: nowhere at the end of a closed shard that was read
    /// alone, which names the shards that took over from it.
    pub(super) fn end(self, stream: &Stream, cursor: &Cursor) -> Blocks {
        let Self { mut body, millis_behind, .. } = self;
        let ended = cursor.ended();
        body.append(b"],\"next\":");
        Codec::Json.encode_into(&ended.is_none().then(|| cursor.text()), &mut body);
        body.append(b",\"millis_behind_latest\":");
        Codec::Json.encode_into(&millis_behind, &mut body);
        if let Some(id) = ended {
            let children = stream.state().children(id).map(|child| child.id.to_string());
            body.append(b",\"child_shards\":");
            Codec::Json.encode_into(&children.collect::<Vec<_>>(), &mut body);
        }
        body.append(b"}");
        body
    }
}
