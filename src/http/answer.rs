//! An answer on its way: large ones leave in pieces, at a pace that the client must keep.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, timeout_at};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{connection::Busy, pace::Pace, server::ConnectionLimits};

/// A larger answer is handed over in pieces of this size, as HTTP/2 copies into its own queue what
/// it gets, whatever its client's window. It is an HTTP/2 frame.
const PIECE_BYTES: usize = 16 << 10;

/// What an answer needs of its connection.
pub(super) struct Outlet {
    pub(super) limits: Arc<ConnectionLimits>,
    pub(super) tasks: TaskTracker,
    /// Ends the connection at once.
    pub(super) cut: CancellationToken,
}

impl Outlet {
    /// Ends the connection when `bytes`, taken out of what is returned, are not taken in time.
    ///
    /// Time runs until the last slice is dropped: then the kernel has it.
    fn watch(&self, bytes: Bytes) -> Large {
        let limits = &self.limits;
        let pace = Pace::start(limits.answer_grace, limits.answer_bytes_per_second_min);
        let (gone, taken) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let rest = Bytes::from_owner(Watched { bytes, _gone: gone.clone().drop_guard() });
        let (cut, so_far) = (self.cut.clone(), Arc::clone(&taken));
        self.tasks.spawn(async move {
            let due = || pace.due(so_far.load(Ordering::Relaxed));
            while timeout_at(due(), gone.cancelled()).await.is_err() {
                if due() <= Instant::now() {
                    tracing::debug!("an answer was taken too slowly; its connection is cut");
                    return cut.cancel();
                }
            }
        });
        Large { rest, taken }
    }
}

/// Bytes that tell when the last slice of them is dropped.
struct Watched {
    bytes: Bytes,
    _gone: DropGuard,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What is left of a frame that leaves in pieces.
struct Large {
    rest: Bytes,
    taken: Arc<AtomicU64>,
}

impl Large {
    fn piece(&mut self) -> Bytes {
        let piece = self.rest.split_to(PIECE_BYTES.min(self.rest.len()));
        self.taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
        piece
    }
}

/// An answer's body, which keeps its connection busy until it is handed over.
pub(super) struct AnswerBody {
    body: Body,
    large: Option<Large>,
    /// None when all frames were handed over.
    busy: Option<Busy>,
}

impl AnswerBody {
    pub(super) fn new(body: Body, busy: Busy) -> Self {
        Self { body, large: None, busy: Some(busy) }
    }

    fn frame(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let is_large = frame.data_ref().is_some_and(|bytes| bytes.len() > PIECE_BYTES);
        match (frame.into_data(), &self.busy) {
            (Ok(bytes), Some(busy)) if is_large => {
                let large = self.large.insert(busy.outlet().watch(bytes));
                Frame::data(large.piece())
            }
            (Ok(bytes), _) => Frame::data(bytes),
            (Err(frame), _) => frame,
        }
    }
}

impl hyper::body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = match &mut self.large {
            Some(large) => Poll::Ready(Some(Ok(Frame::data(large.piece())))),
            None => Pin::new(&mut self.body).poll_frame(cx).map_ok(|frame| self.frame(frame)),
        };
        self.large.take_if(|large| large.rest.is_empty());
        if self.is_end_stream() {
            // HTTP/2 keeps a body until its client takes the last frame, if it ever does.
            self.busy = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.large.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.large {
            // Asked for before the first frame, or not at all.
            Some(_) => SizeHint::new(),
            None => self.body.size_hint(),
        }
    }
}
