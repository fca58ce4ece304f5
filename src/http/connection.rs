//! One connection: HTTP/1.1 or HTTP/2 by its first bytes, closed when it has been idle too long.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use futures::{StreamExt as _, stream::FuturesUnordered};
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, sleep_until},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Site,
    answer::{AnswerBody, Outlet},
    server::ConnectionLimits,
};
use crate::faults::Cut;

/// Bytes of a request's head, and of what HTTP/1.1 reads at once. An idle connection may keep it.
const HEAD_BYTES_MAX: u32 = 32 << 10;

/// HTTP/2 flow control: what a client may send before we have read it, a stream.
const H2_STREAM_WINDOW_BYTES: u32 = 256 << 10;

/// The same, a connection.
const H2_CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

/// Requests at once on one HTTP/2 connection.
const H2_STREAMS_MAX: u32 = 128;

/// An HTTP/2 peer is asked whether it lives after this silence.
const H2_PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a connection that has been told to close may stay without a request: time for a head
/// that is on its way, and for an HTTP/2 client to take the farewell.
const CLOSING_IDLE_MAX: Duration = Duration::from_secs(1);

/// First byte of a TLS connection, which no HTTP connection begins with.
const TLS_HANDSHAKE: u8 = 22;

/// Where a request came from, among the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The other end of the connection.
    pub address: SocketAddr,
    /// Whether it came over TLS.
    pub is_secure: bool,
}

/// What all connections of a server share.
#[derive(Clone)]
pub(super) struct Connections {
    builder: Builder<Spawner>,
    site: Site,
    tls: Option<TlsAcceptor>,
    limits: Arc<ConnectionLimits>,
    streams: TaskTracker,
    /// Finish the requests at hand, then close.
    stop: CancellationToken,
    /// Close at once.
    cut: CancellationToken,
}

impl Connections {
    pub(super) fn new(
        site: Site,
        tls: Option<TlsAcceptor>,
        limits: ConnectionLimits,
        streams: TaskTracker,
        stop: CancellationToken,
        cut: CancellationToken,
    ) -> Self {
        let limits = Arc::new(limits);
        Self { builder: builder(streams.clone()), site, tls, limits, streams, stop, cut }
    }

    /// Serves one connection until its client, its idleness or the server ends it.
    pub(super) async fn serve(self, stream: TcpStream, address: SocketAddr) {
        let opened = tokio::select! {
            biased;
            opened = open(stream, self.tls.as_ref()) => opened,
            () = self.cut.cancelled() => return,
            () = sleep(self.limits.idle_max) => return,
            () = async { self.stop.cancelled().await; sleep(CLOSING_IDLE_MAX).await } => return,
        };
        match opened {
            Ok(Opened::Plain(stream)) => {
                self.serve_http(stream, Peer { address, is_secure: false }).await;
            }
            Ok(Opened::Secure(stream)) => {
                self.serve_http(stream, Peer { address, is_secure: true }).await;
            }
            Err(error) => tracing::debug!(peer = %address, %error, "no TLS"),
        }
    }

    async fn serve_http<S>(self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // Tokens of its own: those of all connections would share one lock, polled on every wake.
        let (stop, cut) = (self.stop.child_token(), self.cut.child_token());
        let outlet = Outlet { limits: self.limits.clone(), tasks: self.streams, cut: cut.clone() };
        let activity = Arc::new(Activity::new(outlet));
        let service = service_fn({
            let activity = Arc::clone(&activity);
            move |request| answer(self.site.clone(), request, peer, activity.begin())
        });
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
        let (mut since, mut idle_max) = (activity.opened, self.limits.idle_max);
        let mut closing = false;
        loop {
            let (cut, stop, idle_at) = (&cut, &stop, activity.idle_at(since, idle_max));
            let turn = async move {
                tokio::select! {
                    biased;
                    () = cut.cancelled() => Turn::Cut,
                    () = stop.cancelled(), if !closing => Turn::Stop,
                    () = sleep_until(idle_at) => Turn::Idle,
                }
            };
            // With a waker of its own: it isn't looked at whenever the connection is.
            let mut turn: FuturesUnordered<_> = [turn].into_iter().collect();
            let turn = tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %peer.address, error, "connection failed");
                    }
                    return;
                }
                Some(turn) = turn.next() => turn,
            };
            match turn {
                Turn::Cut => return,
                Turn::Idle if activity.idle_at(since, idle_max) > Instant::now() => continue,
                Turn::Idle if closing => return,
                Turn::Stop | Turn::Idle => {}
            }
            closing = true;
            (since, idle_max) = (Instant::now(), CLOSING_IDLE_MAX);
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// What a connection is told from outside.
enum Turn {
    /// To end at once.
    Cut,
    /// To finish the requests at hand.
    Stop,
    /// That it may have been idle for too long.
    Idle,
}

/// A connection that HTTP can begin on.
enum Opened {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// Waits for the first byte, if it is to tell TLS from HTTP, and does the handshake.
async fn open(stream: TcpStream, tls: Option<&TlsAcceptor>) -> io::Result<Opened> {
    let Some(tls) = tls else { return Ok(Opened::Plain(stream)) };
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first != [TLS_HANDSHAKE] {
        return Ok(Opened::Plain(stream));
    }
    Ok(Opened::Secure(Box::new(tls.accept(stream).await?)))
}

fn builder(streams: TaskTracker) -> Builder<Spawner> {
    let mut builder = Builder::new(Spawner(streams));
    // `Activity` bounds the wait for a head, so hyper need not arm a timer for each request.
    builder.http1().header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .keep_alive_interval(H2_PING_INTERVAL);
    builder
}

/// HTTP/2 runs each request as a task of its own; the server owns those too.
#[derive(Clone)]
struct Spawner(TaskTracker);

impl<F> hyper::rt::Executor<F> for Spawner
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

async fn answer(
    site: Site,
    mut request: Request<Incoming>,
    peer: Peer,
    busy: Busy,
) -> Result<Response<AnswerBody>, Cut> {
    request.extensions_mut().insert(peer);
    let response = site.call(request.map(Body::new)).await;
    // HTTP/1.1 is closed without an answer then, and HTTP/2 resets the stream.
    if let Some(cut) = response.extensions().get::<Cut>() {
        return Err(*cut);
    }
    let ends = response.extensions().get().cloned();
    Ok(response.map(|body| AnswerBody::new(body, busy, ends)))
}

/// Whether a connection has requests at hand, and since when it has none.
struct Activity {
    outlet: Outlet,
    opened: Instant,
    requests: AtomicUsize,
    idle_since_ms: AtomicU64,
}

impl Activity {
    fn new(outlet: Outlet) -> Self {
        Self {
            outlet,
            opened: Instant::now(),
            requests: AtomicUsize::new(0),
            idle_since_ms: AtomicU64::new(0),
        }
    }

    fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// When the connection will have been idle for `span` after `since`, if nothing comes.
    fn idle_at(&self, since: Instant, span: Duration) -> Instant {
        if self.requests.load(Ordering::Relaxed) > 0 {
            return Instant::now() + span;
        }
        let idle_since_ms = self.idle_since_ms.load(Ordering::Relaxed);
        since.max(self.opened + Duration::from_millis(idle_since_ms)) + span
    }
}

/// A request at hand, from its head until its answer is handed over.
pub(super) struct Busy(Arc<Activity>);

impl Busy {
    /// Where the answer goes.
    pub(super) fn outlet(&self) -> &Outlet {
        &self.0.outlet
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let now_ms = self.0.opened.elapsed().as_millis() as u64;
        self.0.idle_since_ms.store(now_ms, Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}
