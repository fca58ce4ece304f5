//! The body of an answer: written once, in blocks whose memory is given back as they are sent.
//!
//! In one piece, an answer of many megabytes would be memory fresh from the operating system each
//! time: filling its pages in costs more than writing the answer.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use millpond_api::Output;

use crate::answers::AnswerRoom;

/// Bytes of a block, but for what its end is too short for; the first may be smaller.
const BLOCK_BYTES: usize = 256 << 10;

/// Bytes in the order that they were written in.
#[derive(Debug, Default)]
pub struct Blocks {
    full: Vec<Vec<u8>>,
    last: Vec<u8>,
}

impl From<Vec<u8>> for Blocks {
    fn from(bytes: Vec<u8>) -> Self {
        Self { full: Vec::new(), last: bytes }
    }
}

impl Blocks {
    /// Empty, with memory for about `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Vec::with_capacity(bytes.min(BLOCK_BYTES)).into()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && self.last.is_empty()
    }

    /// Bytes that were written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.full.iter().chain([&self.last]).map(Vec::len).sum()
    }

    /// Bytes of memory that the blocks take.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.full.iter().chain([&self.last]).map(Vec::capacity).sum()
    }

    /// The body of a response, which holds `room` until its last byte is sent.
    pub fn into_body(self, room: AnswerRoom) -> Body {
        if self.full.is_empty() && room.is_empty() {
            return Body::from(self.last);
        }
        Body::new(BlockBody { rest: self.into_frames(room) })
    }

    /// What is to be sent, a frame each, which holds `room` until the last byte is.
    #[must_use]
    pub fn into_frames(self, room: AnswerRoom) -> VecDeque<Bytes> {
        let room = Arc::new(room);
        let blocks = self.full.into_iter().chain([self.last]);
        let blocks = blocks.filter(|block| !block.is_empty());
        blocks.map(|block| room.hold(block)).collect()
    }

    /// Adds a few bytes.
    pub fn append(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).extend_from_slice(bytes);
    }

    /// Goes on where `bytes` more fit: a block grows until it is a whole one.
    #[cold]
    fn turn(&mut self, bytes: usize) {
        if self.last.capacity() < BLOCK_BYTES {
            self.last.reserve(bytes);
        } else {
            let next = Vec::with_capacity(BLOCK_BYTES.max(bytes));
            self.full.push(std::mem::replace(&mut self.last, next));
        }
    }
}

impl Output for Blocks {
    #[inline]
    fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        if bytes > self.last.capacity() - self.last.len() {
            self.turn(bytes);
        }
        &mut self.last
    }
}

/// The blocks that are still to be sent, a frame each.
struct BlockBody {
    rest: VecDeque<Bytes>,
}

impl hyper::body::Body for BlockBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.rest.pop_front().map(|block| Ok(Frame::data(block))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.iter().map(|block| block.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use http_body_util::BodyExt as _;
    use hyper::body::Body as _;

    use super::*;

    /// Bytes that differ from their neighbours, and a block's worth from one another.
    fn text(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at % 251) as u8).collect()
    }

    async fn sent(body: Body) -> Bytes {
        let announced = body.size_hint().exact();
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(announced, Some(bytes.len() as u64));
        bytes
    }

    #[tokio::test]
    async fn what_is_written_is_sent_whatever_its_size() {
        let sizes = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7];
        for bytes in sizes {
            for (capacity, piece) in [(0, 1000), (100, BLOCK_BYTES + 3), (bytes, 4096)] {
                let mut blocks = Blocks::with_capacity(capacity);
                for piece in text(bytes).chunks(piece) {
                    blocks.append(piece);
                }
                assert_eq!((blocks.len(), blocks.is_empty()), (bytes, bytes == 0));
                assert!(blocks.capacity() <= bytes + 2 * BLOCK_BYTES);
                assert_eq!(sent(blocks.into_body(AnswerRoom::default())).await, text(bytes));
            }
        }
    }

    #[tokio::test]
    async fn room_is_held_until_the_last_block_is_gone() {
        let answers = crate::answers::Answers::new(1 << 20);
        let room = answers.room(1 << 20).await.unwrap();
        let mut blocks = Blocks::default();
        text(2 * BLOCK_BYTES).chunks(4096).for_each(|piece| blocks.append(piece));
        let mut body = blocks.into_body(room);
        let is_free = || answers.room(1 << 20).now_or_never().is_some();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let second = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(body.frame().await.is_none());
        drop((body, first));
        assert!(!is_free());
        drop(second);
        assert!(is_free());
    }
}
