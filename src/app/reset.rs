//! A running server as it was after its first start, or as a snapshot has it, for the next test.

use std::{path::PathBuf, sync::Arc};

use millpond_shards::{
    Error as Fact,
    snapshot::{Contents, SnapshotError},
    tasks::Tasks,
};
use tokio::sync::oneshot;

use super::App;
use crate::{process::StartError, throttles::Filter};

impl App {
    /// Deletes every stream and what accounts have settled, forgets what was counted, has no faults
    /// but those of `--faults`, which begin anew, and makes the streams of the configuration anew.
    /// What Prometheus counts of requests goes on, as do the clock and the key of tokens. It waits
    /// for others of its kind. Once begun it is done whole, whether it is waited for or not.
    ///
    /// # Errors
    /// When the key of a stream of the configuration can't be used: the server is then as it was.
    /// And when storage fails: as it was, or without streams.
    pub async fn reset(self: &Arc<Self>) -> Result<(), StartError> {
        let app = Arc::clone(self);
        let reset = async move {
            let streams = app.planned_streams().await?;
            app.domain.reset().await.map_err(StartError::new)?;
            app.faults.reset();
            app.forget_counts();
            app.make_planned(streams).await?;
            let streams = app.domain.directory().snapshot().streams().count();
            tracing::info!(streams, "reset");
            Ok(())
        };
        self.carry_through("reset", reset).await.unwrap_or_else(|gone| Err(StartError::new(gone)))
    }

    /// Takes over everything that the snapshot at `path` holds, in the place of what is there, and
    /// forgets what was counted. See [`millpond_shards::Domain::restore`]. It waits for others of
    /// its kind. Once begun it is done whole, whether the answer is waited for or not.
    ///
    /// # Errors
    /// Those of `Domain::restore`: the server is then as it was.
    pub async fn restore(self: &Arc<Self>, path: PathBuf) -> Result<Contents, SnapshotError> {
        let app = Arc::clone(self);
        let restore = async move {
            let contents = app.domain.restore(&path).await?;
            app.forget_counts();
            let Contents { streams, records, bytes } = contents;
            tracing::info!(from = %path.display(), streams, records, bytes, "restored");
            Ok(contents)
        };
        self.carry_through("restore", restore).await.unwrap_or_else(|gone| Err(gone.into()))
    }

    /// Forgets what was of other streams: metrics, what was throttled and what it would have cost,
    /// and the calls that count against rates.
    fn forget_counts(&self) {
        self.metric_store.clear();
        let (directory, now) = (self.domain.directory(), self.domain.now());
        self.throttles.clear(directory, &Filter::default(), now);
        self.calls.refill();
    }

    /// Does `work` when no other is at work, and to its end, even if whoever asked goes away.
    async fn carry_through<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Fact> {
        // Who goes away before its turn is out of the queue.
        let alone = Arc::clone(&self.replacing).lock_owned().await;
        let (done, outcome) = oneshot::channel();
        // Nobody waits for it at the end: the domain's own tasks end what it asks of them.
        Tasks::default().spawn(name, async move {
            let outcome = work.await;
            drop(alone);
            done.send(outcome).ok();
        });
        outcome.await.map_err(|_| Fact::Stopping)
    }
}
