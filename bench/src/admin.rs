//! The clock of a server under test, which its admin API moves.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::timeout;

use crate::endpoint::Endpoint;
use crate::http::Connection;
use crate::millpond::data_dir;

/// How long a move may take; the server itself gives up a little earlier.
const MOVE_MAX: Duration = Duration::from_mins(1);

/// A connection to the admin API.
pub(crate) struct Admin {
    connection: Connection,
    head: String,
}

impl Admin {
    /// Connects to the server that has its home here.
    pub(crate) async fn connect(endpoint: &Endpoint, home: &Path) -> Result<Self> {
        let token = fs::read_to_string(data_dir(home).join("admin.token"));
        let token = token.context("reading the admin token")?;
        let head = format!(
            "POST /_millpond/clock/advance HTTP/1.1\r\nhost: {}\r\n\
             content-type: application/json\r\nauthorization: Bearer {}",
            endpoint.address,
            token.trim()
        );
        Ok(Self { connection: Connection::open(endpoint).await?, head })
    }

    /// Moves service time; what becomes due on the way has been done when this returns.
    pub(crate) async fn advance(&mut self, by: Duration) -> Result<()> {
        let body = format!(r#"{{"seconds": {}}}"#, by.as_secs());
        let moved = timeout(MOVE_MAX, self.connection.unsigned(&self.head, &body));
        moved.await.context("the clock was not moved")?.context("moving the clock").map(drop)
    }
}
