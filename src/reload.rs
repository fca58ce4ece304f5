//! Credentials and policies that change while the server runs: read anew when a file has changed,
//! or on SIGHUP.

use std::{sync::Arc, time::Duration};

use tokio::{signal::unix::Signal, task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{app::App, auth::Files};

/// Time between two looks at the files.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps the credentials of `app` as its files say, until `stop`.
pub async fn keep_credentials(app: Arc<App>, mut hangup: Signal, stop: CancellationToken) {
    // Nothing is known of them yet: what has changed since the start is read, too.
    let mut files = Files::default();
    let mut is_told = true;
    loop {
        let Some(seen) = look(&app, files, is_told).await else { return };
        files = seen;
        is_told = tokio::select! {
            () = stop.cancelled() => return,
            told = hangup.recv() => told.is_some(),
            () = sleep(LOOK_INTERVAL) => false,
        };
    }
}

/// Reads the files if they have changed, or anyway when told so. A file that can't be used is told
/// of once, as it isn't read again until it changes. Nothing comes of it when the process ends.
async fn look(app: &Arc<App>, files: Files, is_told: bool) -> Option<Files> {
    let app = Arc::clone(app);
    let look = spawn_blocking(move || {
        if !is_told && !files.have_changed() {
            return files;
        }
        let mut looked_at = Files::default();
        match app.reload_credentials(&mut looked_at) {
            Ok(()) => tracing::info!("credentials read"),
            Err(error) => tracing::error!(%error, "credentials not read, those before stay"),
        }
        looked_at
    });
    look.await.ok()
}
