//! The yardstick: an axum server that reads each body and answers, and does nothing else.

use std::net::Ipv4Addr;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use tokio::net::TcpListener;

/// The largest body read; that of the largest PutRecords request.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The largest answer asked for; GetRecords pages may be as large.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct BareServer {
    /// Bytes of each answer
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32)
        .range(..=ANSWER_BYTES_MAX as i64))]
    answer_bytes: u32,
}

impl BareServer {
    /// Serves until the process is ended.
    pub(crate) async fn run(self) -> Result<()> {
        let answer = Bytes::from(vec![b' '; self.answer_bytes as usize]);
        let app = Router::new()
            .route("/", post(read_and_answer))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(answer);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("bare server on http://{}", listener.local_addr()?);
        Ok(axum::serve(listener, app).await?)
    }
}

async fn read_and_answer(State(answer): State<Bytes>, _body: Bytes) -> Bytes {
    answer
}
