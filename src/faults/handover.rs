//! Bytes that tell when they are handed over: a connection that is cut must not take with it what
//! its client was told before.

use bytes::Bytes;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The bytes, and a token that is cancelled when the last slice of them is dropped: then the kernel
/// has them, or the connection is gone.
#[must_use]
pub fn handed_over(bytes: Bytes) -> (Bytes, CancellationToken) {
    let gone = CancellationToken::new();
    let held = Held { bytes, _gone: gone.clone().drop_guard() };
    (Bytes::from_owner(held), gone)
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
