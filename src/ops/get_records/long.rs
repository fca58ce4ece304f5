//! An answer that is read on as it is sent.
//!
//! Whole, a page of 10 MiB would be read, written and sent through memory that no cache holds, and
//! nothing else would run on its thread meanwhile. In pieces the client has the first while the
//! rest is still on the disk, and one that is slow holds a piece.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use millpond_api::{Parts, types::Timestamp};
use millpond_shards::{
    crypt::Crypt,
    directory::Stream,
    engine::EngineError,
    iterator::ShardIterator,
    shard::{Limit, Reading, Shard},
    token::Tokens,
};

use super::{
    super::{Cx, records},
    page_bytes,
};
use crate::{
    answers::{AnswerRoom, Answers},
    blocks::Blocks,
};

/// The members of an answer with records, in the order of the whole one.
const MEMBERS: [&str; 3] = ["Records", "NextShardIterator", "MillisBehindLatest"];

/// Records that were read, and room for them.
pub(super) type Piece = (Reading, AnswerRoom);

/// The answer, as far as it was told.
pub(super) struct LongAnswer {
    stream: Arc<Stream>,
    shard: Arc<Shard>,
    created: Timestamp,
    crypt: Crypt,
    tokens: Tokens,
    answers: Answers,
    now: Timestamp,
    /// `None` when the list is ended.
    list: Option<Parts>,
    /// Where the next page begins.
    next: ShardIterator,
    millis_behind: i64,
    told_bytes: u64,
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
        created: Timestamp,
        iterator: ShardIterator,
        first: Piece,
        limit: Limit,
    ) -> Result<BoxStream<'static, Bytes>, EngineError> {
        let (domain, now) = (cx.domain(), cx.now());
        let [records, ..] = MEMBERS;
        let mut body = Blocks::default();
        let mut answer = Self {
            stream: Arc::clone(stream),
            shard: Arc::clone(shard),
            created,
            crypt: domain.crypt().clone(),
            tokens: domain.tokens().clone(),
            answers: cx.answers(),
            now,
            list: Some(cx.codec().begin(MEMBERS.len(), records, &mut body)),
            next: ShardIterator { issued: now, ..iterator },
            millis_behind: 0,
            told_bytes: 0,
            left: limit,
        };
        let first = answer.tell(first, body)?;
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
        let piece = self.read_on().await;
        let told = piece.and_then(|piece| self.tell(piece, Blocks::default()).ok());
        told.or_else(|| Some(self.end(Blocks::default()).into_frames(AnswerRoom::default())))
    }

    async fn read_on(&self) -> Option<Piece> {
        let state = self.stream.state();
        // What it waits with is on its way, and gives its room back as the client takes it.
        let room = self.answers.room(page_bytes(state, self.left)).await?;
        let horizon = state.horizon(self.now);
        let mut reading = self.shard.read(self.next.position, horizon, self.left).await.ok()?;
        let missing = self.crypt.opener(&self.stream).unlock(&mut reading).ok()?;
        // One record is read even where it doesn't fit.
        let fits = reading.payload_bytes() <= self.left.payload_bytes as u64;
        let goes_on = !reading.is_empty() && missing.is_empty() && fits;
        goes_on.then_some((reading, room))
    }

    /// The frames that tell a piece, and, when nothing may follow, the end.
    fn tell(
        &mut self,
        (reading, room): Piece,
        mut body: Blocks,
    ) -> Result<VecDeque<Bytes>, EngineError> {
        let records = records::all(&self.shard, &reading)?;
        if let Some(list) = &mut self.list {
            list.elements(&records, &mut body);
        }
        records::charge(&self.stream, &self.shard, self.told_bytes, &reading);
        self.told_bytes += reading.payload_bytes();
        self.left = self.left.less(&reading);
        self.next.position = reading.next();
        self.millis_behind =
            records::millis_behind(&reading, reading.next(), self.created, self.now);
        if !goes_on(&reading, self.left) {
            body = self.end(body);
        }
        let room = room.shrunk_to(body.capacity());
        Ok(body.into_frames(room))
    }

    /// Ends the list, and writes what stands behind it.
    fn end(&mut self, mut body: Blocks) -> Blocks {
        let Some(list) = self.list.take() else { return body };
        let [_, next, millis_behind] = MEMBERS;
        let rest = list.end_list(&mut body);
        rest.member(next, &self.next.seal(&self.tokens), &mut body);
        rest.member(millis_behind, &self.millis_behind, &mut body);
        rest.end(&mut body);
        body
    }
}
