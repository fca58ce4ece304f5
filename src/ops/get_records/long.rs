//! An answer that is read on as it is sent.
//!
//! Whole, a page of 10 MiB would be read, written and sent through memory that no cache holds, and
//! nothing else would run on its thread meanwhile. In pieces the client has the first while the
//! rest is still on the disk, and one that is slow holds a piece or two.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use millpond_api::{Parts, types::Timestamp};
use millpond_quotas::limits;
use millpond_shards::{
    batch::CHUNK_BYTES_MAX,
    crypt::Crypt,
    directory::Stream,
    engine::EngineError,
    iterator::ShardIterator,
    shard::{Charged, Limit, Reading, Shard},
    token::Tokens,
};

use super::{
    super::{Cx, records},
    PIECE_BYTES, page_bytes,
};
use crate::{
    answers::{AnswerRoom, Answers},
    blocks::Blocks,
    error::{Result, unreadable},
};

/// The members of an answer with records, in the order of the whole one.
const MEMBERS: [&str; 3] = ["Records", "NextShardIterator", "MillisBehindLatest"];

type Outcome<T> = std::result::Result<T, EngineError>;

/// Records that were read, and room for them.
pub(super) type Piece = (Reading, AnswerRoom);

/// The answer, as far as it was told. The stream is the one that it was when the answer began.
pub(super) struct LongAnswer {
    stream: Arc<Stream>,
    shard: Arc<Shard>,
    created: Timestamp,
    crypt: Crypt,
    tokens: Tokens,
    answers: Answers,
    /// `None` when the list is ended.
    list: Option<Parts>,
    /// Where the next page begins.
    next: ShardIterator,
    millis_behind: i64,
    charged: Option<Charged>,
    left: Limit,
}

/// Whether a page goes on behind what was read, where as much as `left` may follow.
pub(super) fn goes_on(reading: &Reading, left: Limit) -> bool {
    let ends = reading.is_empty() || reading.is_cut() || reading.at_end();
    !ends && left.records > 0 && left.payload_bytes > 0
}

impl LongAnswer {
    /// The frames of the answer that begins with `first`, which was read at `iterator`, and holds
    /// as much as `limit`.
    ///
    /// # Errors
    /// When a record of the first piece can't be opened.
    pub(super) fn frames(
        cx: &Cx<'_>,
        (stream, shard): (&Arc<Stream>, &Arc<Shard>),
        iterator: ShardIterator,
        first: Piece,
        limit: Limit,
    ) -> Result<BoxStream<'static, Bytes>> {
        let [records, ..] = MEMBERS;
        let mut body = Blocks::with_capacity(PIECE_BYTES);
        let mut answer = Self {
            stream: Arc::clone(stream),
            shard: Arc::clone(shard),
            created: stream.state().shard(shard.id())?.created,
            crypt: cx.domain().crypt().clone(),
            tokens: cx.domain().tokens().clone(),
            answers: cx.answers(),
            list: Some(cx.codec().begin(MEMBERS.len(), records, &mut body)),
            next: iterator,
            millis_behind: 0,
            charged: None,
            left: limit,
        };
        let first = answer.tell(first, body);
        let first = first.map_err(|e| unreadable(e, &stream.state().arn, shard.id()))?;
        let others =
            stream::unfold(answer, async |mut answer| Some((answer.more().await?, answer)));
        Ok(stream::once(async { first }).chain(others).flat_map(stream::iter).boxed())
    }

    /// The next frames; `None` when all were made.
    ///
    /// What keeps the page from going on ends it: the next page begins there, and is refused for it
    /// if that lasts.
    async fn more(&mut self) -> Option<VecDeque<Bytes>> {
        self.list.as_ref()?;
        let piece = self.read_on().await.transpose();
        let told =
            piece.map(|piece| self.tell(piece?, Blocks::with_capacity(PIECE_BYTES))).transpose();
        let told = told.unwrap_or_else(|error| {
            let (stream, shard) = (&self.stream.state().arn, self.shard.id());
            tracing::warn!(%stream, %shard, %error, "a page ends early: records not read");
            None
        });
        told.or_else(|| Some(self.end(Blocks::default()).into_frames(AnswerRoom::default())))
    }

    /// The next piece; `None` when the page can't hold it, or it isn't there to be told yet.
    async fn read_on(&self) -> Outcome<Option<Piece>> {
        let state = self.stream.state();
        // Of chunks the last may go beyond the piece. One that is larger, with a record from when
        // larger ones were allowed, begins a page of its own.
        let record_bytes = limits::record_bytes_max(state.max_record_kib.into()) as usize;
        let payload_bytes = PIECE_BYTES + CHUNK_BYTES_MAX + record_bytes;
        let room_bytes = page_bytes(state, Limit { payload_bytes, ..self.left });
        // What it waits with is on its way, and gives its room back as the client takes it.
        let Some(room) = self.answers.room(room_bytes).await else { return Ok(None) };
        let horizon = state.horizon(self.shard.now());
        let mut reading = self.shard.read(self.next.position, horizon, self.left).await?;
        // One record is read even where it doesn't fit.
        let fits = reading.payload_bytes() <= self.left.payload_bytes as u64
            && reading.held_bytes() <= payload_bytes;
        let unlocked = self.crypt.opener(&self.stream).unlock(&mut reading);
        let is_open = unlocked.is_ok_and(|missing| missing.is_empty());
        Ok((!reading.is_empty() && fits && is_open).then_some((reading, room)))
    }

    /// The frames that tell a piece, and, when nothing may follow, the end.
    fn tell(&mut self, (reading, room): Piece, mut body: Blocks) -> Outcome<VecDeque<Bytes>> {
        let records = records::all(&self.shard, &reading)?;
        if let Some(list) = &mut self.list {
            list.elements(&records, &mut body);
        }
        let charged = records::charge(&self.stream, &self.shard, self.charged, &reading);
        self.charged = Some(charged);
        self.left = self.left.less(&reading);
        self.next.position = reading.next();
        self.millis_behind =
            records::millis_behind(&reading, reading.next(), self.created, self.shard.now());
        if !goes_on(&reading, self.left) {
            body = self.end(body);
        }
        let room = room.shrunk_to(body.capacity());
        Ok(body.into_frames(room))
    }

    /// Ends the list, and writes what stands behind it.
    fn end(&mut self, mut body: Blocks) -> Blocks {
        let Some(list) = self.list.take() else { return body };
        self.next.issued = self.shard.now();
        let [_, next, millis_behind] = MEMBERS;
        let rest = list.end_list(&mut body);
        rest.member(next, &self.next.seal(&self.tokens), &mut body);
        rest.member(millis_behind, &self.millis_behind, &mut body);
        rest.end(&mut body);
        body
    }
}
