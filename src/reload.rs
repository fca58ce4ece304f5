//! Credentials and policies that change while the server runs: read anew when a file has changed,
//! or on SIGHUP.

use std::{sync::Arc, time::Duration};

use tokio::{
    signal::unix::Signal,
    task::{JoinError, spawn_blocking},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{app::App, auth::Files};

/// Time between two looks at the files.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps the credentials of `app` as its files say, until `stop`.
pub async fn keep_credentials(app: Arc<App>, mut hangup: Signal, stop: CancellationToken) {
    // What has changed since the start is read, too.
    let mut files = Files::unread();
    let mut told = None;
    loop {
        let Some(looked) = look(&app, files).await else { return };
        files = looked.files;
        match looked.outcome {
            Outcome::Unchanged => {}
            Outcome::Read => {
                tracing::info!("credentials read");
                told = None;
            }
            Outcome::Failed(error) => {
                if told.as_ref() != Some(&error) {
                    tracing::error!(%error, "credentials not read, those before stay");
                }
                told = Some(error);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = hangup.recv() => (files, told) = (Files::unread(), None),
            () = sleep(LOOK_INTERVAL) => {}
        }
    }
}

/// The files after a look at them, and what came of it.
struct Looked {
    files: Files,
    outcome: Outcome,
}

enum Outcome {
    Unchanged,
    Read,
    /// Why, in words.
    Failed(String),
}

/// Reads the files if they have changed. Nothing comes of it when the process ends.
async fn look(app: &Arc<App>, files: Files) -> Option<Looked> {
    let app = Arc::clone(app);
    let look = spawn_blocking(move || {
        if !files.have_changed() {
            return Looked { files, outcome: Outcome::Unchanged };
        }
        let mut files = Files::default();
        let outcome = match app.reload_credentials(&mut files) {
            Ok(()) => Outcome::Read,
            Err(error) => Outcome::Failed(error.to_string()),
        };
        Looked { files, outcome }
    });
    look.await.map_or_else(|error| after_failure(&error), Some)
}

/// A look that panicked is made again: a key that was revoked must not stay good for ever.
fn after_failure(error: &JoinError) -> Option<Looked> {
    let outcome = Outcome::Failed("reading them panicked".to_owned());
    error.is_panic().then_some(Looked { files: Files::unread(), outcome })
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_look_that_panics_is_made_again() {
        let panicked = spawn_blocking(|| panic!("for the test")).await.unwrap_err();
        let looked = after_failure(&panicked).expect("only the end of the process ends it");
        assert!(looked.files.have_changed());
        assert!(matches!(looked.outcome, Outcome::Failed(_)));
        let mut never = JoinSet::new();
        never.spawn(std::future::pending::<()>());
        never.abort_all();
        let cancelled = never.join_next().await.unwrap().unwrap_err();
        assert!(after_failure(&cancelled).is_none());
    }
}
