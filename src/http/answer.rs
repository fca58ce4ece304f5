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
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{connection::Busy, pace::Pace, server::ConnectionLimits};

/// A larger answer is handed over in pieces of this size, as HTTP/2 copies into its own queue what
/// it gets, whatever its client's window. It is an HTTP/2 frame.
const PIECE_BYTES: usize = 16 << 10;

/// Extension of a response whose body takes its time, but ends by itself if its client reads it.
#[derive(Clone)]
pub struct Ends(Shared<BoxFuture<'static, ()>>);

impl Ends {
    /// At the time when `end` does, at the latest.
    #[must_use]
    pub fn new(end: BoxFuture<'static, ()>) -> Self {
        Self(end.shared())
    }
}

/// What an answer needs of its connection.
pub(super) struct Outlet {
    pub(super) limits: Arc<ConnectionLimits>,
    pub(super) tasks: TaskTracker,
    /// Ends the connection at once.
    pub(super) cut: CancellationToken,
}

impl Outlet {
    /// Watches a large answer that begins now: it must be taken by the time that is due for the
    /// bytes after those that were.
    fn watch_pace(&self) -> Watch {
        let limits = &self.limits;
        let pace = Pace::start(limits.answer_grace, limits.answer_bytes_per_second_min);
        self.watch(|taken| async move {
            let due = || pace.due(taken.load(Ordering::Relaxed));
            while due() > Instant::now() {
                sleep_until(due()).await;
            }
        })
    }

    /// Watches an answer that ends by itself, if its client reads it.
    fn watch_end(&self, Ends(end): Ends) -> Watch {
        let grace = self.limits.answer_grace;
        self.watch(|_| async move {
            end.await;
            sleep(grace).await;
        })
    }

    /// Ends the connection when `late` does, which sees how many bytes were taken.
    ///
    /// It is watched until the last of its bytes is dropped: then the kernel has it.
    fn watch<F>(&self, late: impl FnOnce(Arc<AtomicU64>) -> F) -> Watch
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (gone, taken) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let watch = Watch { taken: Arc::clone(&taken), gone: Arc::new(gone.clone().drop_guard()) };
        let (cut, late) = (self.cut.clone(), late(taken));
        self.tasks.spawn(async move {
            if gone.run_until_cancelled(late).await.is_some() {
                tracing::debug!("an answer was taken too slowly; its connection is cut");
                cut.cancel();
            }
        });
        watch
    }
}

/// A large answer on its way.
struct Watch {
    taken: Arc<AtomicU64>,
    /// Dropped with the last of the answer's bytes.
    gone: Arc<DropGuard>,
}

impl Watch {
    fn hold(&self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Watched { bytes, _gone: Arc::clone(&self.gone) })
    }
}

/// Bytes that tell when the last slice of them is dropped.
struct Watched {
    bytes: Bytes,
    _gone: Arc<DropGuard>,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// An answer's body, which keeps its connection busy until it is handed over.
pub(super) struct AnswerBody {
    body: Body,
    /// What is left of a frame that leaves in pieces.
    rest: Bytes,
    /// Since the first frame that is large or not the last, or from the start where it is known
    /// when the answer ends.
    watch: Option<Watch>,
    /// None when all frames were handed over.
    busy: Option<Busy>,
}

impl AnswerBody {
    pub(super) fn new(body: Body, busy: Busy, ends: Option<Ends>) -> Self {
        let watch = ends.map(|end| busy.outlet().watch_end(end));
        Self { body, rest: Bytes::new(), watch, busy: Some(busy) }
    }

    fn frame(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match (frame.into_data(), &self.busy) {
            (Ok(bytes), Some(busy)) if self.is_watched(&bytes) => {
                self.rest =
                    self.watch.get_or_insert_with(|| busy.outlet().watch_pace()).hold(bytes);
                self.piece()
            }
            (Ok(bytes), _) => Frame::data(bytes),
            (Err(frame), _) => frame,
        }
    }

    /// Whether the client must take this frame by a time: a large one, and whatever isn't the last.
    fn is_watched(&self, frame: &Bytes) -> bool {
        frame.len() > PIECE_BYTES || self.watch.is_some() || !self.body.is_end_stream()
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let piece = self.rest.split_to(PIECE_BYTES.min(self.rest.len()));
        if let Some(watch) = &self.watch {
            watch.taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        Frame::data(piece)
    }
}

impl hyper::body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = if self.rest.is_empty() {
            Pin::new(&mut self.body).poll_frame(cx).map_ok(|frame| self.frame(frame))
        } else {
            Poll::Ready(Some(Ok(self.piece())))
        };
        if self.is_end_stream() {
            // HTTP/2 keeps a body until its client takes the last frame, if it ever does.
            (self.watch, self.busy) = (None, None);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.rest.is_empty() { self.body.size_hint() } else { SizeHint::new() }
    }
}
