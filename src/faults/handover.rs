//! Bytes that tell when they are handed over: a connection that is cut must not take with it what
//! its client was told before.

use bytes::Bytes;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Whether bytes were handed over.
#[derive(Debug, Clone)]
pub struct Handover(CancellationToken);

impl Handover {
    /// The bytes, and what tells that they were handed over.
    #[must_use]
    pub fn of(bytes: Bytes) -> (Bytes, Self) {
        let gone = CancellationToken::new();
        let held = Held { bytes, _gone: gone.clone().drop_guard() };
        (Bytes::from_owner(held), Self(gone))
    }

    /// Ends when the last slice of the bytes was dropped, and the connection had time to send what
    /// it may have copied of them.
    pub async fn done(&self) {
        self.0.cancelled().await;
        // It flushes before it asks again for what to send.
        tokio::task::yield_now().await;
    }
}

struct Held {
    bytes: Bytes,
    _gone: DropGuard,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
