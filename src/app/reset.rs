//! A running server as it was after its first start, for the next test.

use std::path::Path;

use millpond_shards::snapshot::{Contents, SnapshotError};

use super::App;
use crate::{process::StartError, throttles::Filter};

impl App {
    /// Deletes every stream and what accounts have settled, forgets metrics of clients and streams
    /// and what was throttled, has no faults but those of `--faults`, which begin anew, and makes
    /// the streams of the configuration anew. What Prometheus counts goes on, as do the clock and
    /// the key of tokens.
    ///
    /// # Errors
    /// When storage fails: the server is then as it was, or without streams.
    pub async fn reset(&self) -> Result<(), StartError> {
        self.faults.reset();
        self.domain.reset().await.map_err(StartError::new)?;
        self.metric_store.clear();
        let (directory, now) = (self.domain.directory(), self.domain.now());
        self.throttles.clear(directory, &Filter::default(), now);
        self.make_streams(None).await
    }

    /// Takes over everything that the snapshot at `path` holds, in the place of what is there. See
    /// [`millpond_shards::Domain::restore`].
    ///
    /// # Errors
    /// Those of `Domain::restore`: the server is then as it was.
    pub async fn restore(&self, path: &Path) -> Result<Contents, SnapshotError> {
        let contents = self.domain.restore(path).await?;
        self.metric_store.clear();
        Ok(contents)
    }
}
