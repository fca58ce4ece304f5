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
    /// What Prometheus counts goes on, as do the clock and the key of tokens. It is done whole, and
    /// after others of its kind, whether the answer is waited for or not.
    ///
    /// # Errors
    /// When storage fails: the server is then as it was, or without streams.
    pub async fn reset(self: &Arc<Self>) -> Result<(), StartError> {
        let app = Arc::clone(self);
        let reset = async move {
            app.faults.reset();
            app.domain.reset().await.map_err(StartError::new)?;
            app.forget_counts();
            app.make_streams(None).await
        };
        self.carry_through("reset", reset).await.unwrap_or_else(|gone| Err(StartError::new(gone)))
    }

    /// Takes over everything that the snapshot at `path` holds, in the place of what is there, and
    /// forgets what was counted. See [`millpond_shards::Domain::restore`]. It is done whole, and
    /// after others of its kind, whether the answer is waited for or not.
    ///
    /// # Errors
    /// Those of `Domain::restore`: the server is then as it was.
    pub async fn restore(self: &Arc<Self>, path: PathBuf) -> Result<Contents, SnapshotError> {
        let app = Arc::clone(self);
        let restore = async move {
            let contents = app.domain.restore(&path).await?;
            app.forget_counts();
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

    /// Does `work` to its end when no other is at work, even if whoever asked for it goes away.
    async fn carry_through<T: Send + 'static>(
        self: &Arc<Self>,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Fact> {
        let app = Arc::clone(self);
        let (done, outcome) = oneshot::channel();
        Tasks::default().spawn(name, async move {
            let _alone = app.replacing.lock().await;
            done.send(work.await).ok();
        });
        outcome.await.map_err(|_| Fact::Stopping)
    }
}
