//! The listener: accepts connections up to a number, and lets them finish when told to stop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Site, connection::Connections};
use crate::telemetry::Warning;

/// What connections may cost.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// How long a connection may stay open without a complete request head.
    pub idle_max: Duration,
    /// How long a client may be slower in taking a large answer than
    /// `answer_bytes_per_second_min` before its connection is cut.
    pub answer_grace: Duration,
    /// The slowest client of a large answer that is waited for, on average since it began.
    pub answer_bytes_per_second_min: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            idle_max: Duration::from_mins(2),
            answer_grace: Duration::from_secs(30),
            answer_bytes_per_second_min: 16 << 10,
        }
    }
}

/// Pause after a failed `accept`: most often no file descriptor was free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The kernel asks a silent peer whether it lives after this time.
const TCP_KEEPALIVE_TIME: Duration = Duration::from_mins(1);

/// The kernel gives up a peer that has not taken what we sent for this time.
const TCP_UNTAKEN_MAX: Duration = Duration::from_mins(2);

/// Serves `site` on `listener` until `stop`, then lets requests at hand finish for up to `drain`.
/// Returns how many connections had to be cut.
///
/// One port speaks HTTP/1.1 and HTTP/2 with prior knowledge, and both in TLS if there is `tls`. A
/// handler is dropped at its next `await` when its client goes away.
pub async fn serve(
    listener: TcpListener,
    site: Site,
    tls: Option<TlsAcceptor>,
    limits: ConnectionLimits,
    stop: CancellationToken,
    drain: Duration,
) -> usize {
    let (tasks, streams) = (TaskTracker::new(), TaskTracker::new());
    let cut = CancellationToken::new();
    let mut gate = Gate::new(listener, limits.connections_max);
    let connections =
        Connections::new(site, tls, limits, streams.clone(), stop.clone(), cut.clone());
    while let Some(accepted) = stop.run_until_cancelled(gate.accept()).await {
        let Some((stream, peer, place)) = accepted else { continue };
        let connections = connections.clone();
        tasks.spawn(async move {
            connections.serve(stream, peer).await;
            drop(place);
        });
    }
    drop(gate);

    tasks.close();
    streams.close();
    let finished = async {
        tasks.wait().await;
        streams.wait().await;
    };
    if timeout(drain, finished).await.is_ok() {
        return 0;
    }
    let remaining = tasks.len();
    cut.cancel();
    tasks.wait().await;
    remaining
}

/// The listener and the places for connections.
struct Gate {
    listener: TcpListener,
    places: Arc<Semaphore>,
    full: Warning,
    failed: Warning,
}

impl Gate {
    fn new(listener: TcpListener, connections_max: usize) -> Self {
        let places = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        Self { listener, places, full: Warning::default(), failed: Warning::default() }
    }

    /// The next connection with its place, or `None` when there was none to be had just now.
    async fn accept(&mut self) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let place = self.place().await;
        match self.listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = tune(&stream) {
                    tracing::debug!(%peer, %error, "socket options not set");
                }
                Some((stream, peer, place))
            }
            Err(error) => {
                self.accept_failed(&error).await;
                None
            }
        }
    }

    async fn place(&mut self) -> OwnedSemaphorePermit {
        if self.places.available_permits() == 0 && self.full.is_due() {
            tracing::warn!("all connections are taken; new ones wait (see --max-connections)");
        }
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.expect("the places are never closed")
    }

    async fn accept_failed(&mut self, error: &io::Error) {
        let client_left = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
        );
        if client_left {
            return;
        }
        if self.failed.is_due() {
            tracing::error!(%error, "cannot accept connections; trying on (see ulimit -n)");
        }
        sleep(ACCEPT_PAUSE).await;
    }
}

/// Answers leave at once, and peers that vanished are found out.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE_TIME))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(TCP_UNTAKEN_MAX))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_are_tuned() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (client, _accepted) = tokio::join!(TcpStream::connect(addr), listener.accept());
        let client = client.unwrap();
        tune(&client).unwrap();
        assert!(client.nodelay().unwrap());
        let socket = SockRef::from(&client);
        assert!(socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(TCP_UNTAKEN_MAX));
    }
}
