//! The yardsticks: an axum server that reads each body and answers, and does nothing else; and the
//! same with each body on disk before its answer.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;

use log::Log;

mod log;

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
    /// Append each body to this file, on disk, before the answer
    #[arg(long, value_name = "FILE")]
    append: Option<PathBuf>,
}

#[derive(Clone)]
struct Site {
    answer: Bytes,
    log: Option<Log>,
}

impl BareServer {
    /// Serves until the process is ended.
    pub(crate) async fn run(self) -> Result<()> {
        let answer = Bytes::from(vec![b' '; self.answer_bytes as usize]);
        let log = self.append.map(|file| Log::create(&file)).transpose()?;
        let app = Router::new()
            .route("/", post(read_and_answer))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Site { answer, log });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("bare server on http://{}", listener.local_addr()?);
        Ok(axum::serve(listener, app).await?)
    }
}

async fn read_and_answer(State(site): State<Site>, body: Bytes) -> Result<Bytes, StatusCode> {
    if let Some(log) = &site.log {
        log.append(body).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    }
    Ok(site.answer)
}
