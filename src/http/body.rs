//! Reading a request's body: bounded in bytes, in time, and in what all bodies together hold.

use std::{fmt, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use millpond_quotas::limits::REQUEST_BODY_BYTES_MAX;
use tokio::time::{Instant, timeout_at};

use super::{
    budget::{BodyBudget, Room},
    pace::Pace,
};

/// What one body may cost.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes in the largest body.
    pub body_bytes_max: usize,
    /// From the first attempt to read until the last byte.
    pub deadline: Duration,
    /// How long a client may be slower than `bytes_per_second_min` before it is refused.
    pub grace: Duration,
    /// The slowest client that is waited for, on average since it began.
    pub bytes_per_second_min: u32,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: REQUEST_BODY_BYTES_MAX,
            deadline: Duration::from_mins(2),
            grace: Duration::from_secs(5),
            bytes_per_second_min: 16 << 10,
        }
    }
}

/// Memory reserved for a body of several frames when its first one comes.
const FIRST_RESERVE_BYTES: usize = 64 << 10;

/// A refused body is read on and thrown away up to here, and for [`DISCARD_TIME_MAX`], because
/// most clients send all they have before they read the answer.
const DISCARD_BYTES_MAX: u64 = 32 << 20;

/// See [`DISCARD_BYTES_MAX`].
const DISCARD_TIME_MAX: Duration = Duration::from_secs(5);

/// How bodies are read: their bounds, and the memory that they share.
#[derive(Debug, Clone)]
pub struct BodyReader {
    /// What one body may cost.
    pub limits: BodyLimits,
    /// What all of them may hold together.
    pub budget: BodyBudget,
}

impl BodyReader {
    /// The `body` that follows a head with these `headers`.
    #[must_use]
    pub fn body(&self, body: Body, headers: &HeaderMap) -> RequestBody {
        RequestBody::new(body, headers, self.limits, self.budget.clone())
    }
}

/// A request's body, not read yet.
///
/// Whoever holds it may refuse the request from its head alone: [`RequestBody::discard`] and
/// answer. Dropping it unread is legal, but may close an HTTP/1.1 connection after the answer.
#[derive(Debug)]
pub struct RequestBody {
    body: Body,
    limits: BodyLimits,
    budget: BodyBudget,
    declared_bytes: Option<u64>,
    /// The client holds its body back until we ask for it.
    awaits_continue: bool,
}

impl RequestBody {
    /// Wraps the `body` that follows a head with these `headers`.
    #[must_use]
    pub fn new(body: Body, headers: &HeaderMap, limits: BodyLimits, budget: BodyBudget) -> Self {
        let declared_bytes = body.size_hint().exact();
        let awaits_continue = headers.contains_key(header::EXPECT);
        Self { body, limits, budget, declared_bytes, awaits_continue }
    }

    /// Bytes of the body, where the head says so.
    #[must_use]
    pub fn declared_bytes(&self) -> Option<u64> {
        self.declared_bytes
    }

    /// Reads the whole body into one slice. A body that came as one frame is not copied.
    ///
    /// The bytes hold their room in the budget until the last slice of them is dropped: keep one
    /// until the request has been answered.
    ///
    /// # Errors
    /// [`BodyRefused`], which is also the answer to give.
    pub async fn collect(mut self) -> Result<Bytes, BodyRefused> {
        let body_bytes_max = self.limits.body_bytes_max;
        if self.declared_bytes.is_some_and(|declared| declared > body_bytes_max as u64) {
            self.discard().await;
            return Err(BodyRefused::TooLarge);
        }
        let deadline = Instant::now() + self.limits.deadline;
        let mut pace = Pace::start(self.limits.grace, self.limits.bytes_per_second_min);
        let mut gathered = Gathered::default();
        loop {
            let due = deadline.min(pace.due(gathered.len() as u64));
            let Some(frame) = self.next_frame(due).await? else { break };
            if gathered.len() + frame.len() > body_bytes_max {
                self.discard().await;
                return Err(BodyRefused::TooLarge);
            }
            // Waiting for room isn't the client's fault, so only the deadline counts meanwhile.
            let asked = Instant::now();
            let room = self.budget.take(&mut gathered.room, frame.len());
            timeout_at(deadline, room).await.map_err(|_| BodyRefused::Busy)?;
            pace.excuse(asked.elapsed());
            gathered.push(frame, self.body.is_end_stream(), self.declared_bytes);
        }
        Ok(gathered.into_bytes())
    }

    /// Reads what is left and forgets it, within bounds, so that a client that sends all of its
    /// request before it reads finds the answer and not a reset connection.
    pub async fn discard(mut self) {
        let hopeless = self.declared_bytes.is_some_and(|bytes| bytes > DISCARD_BYTES_MAX);
        if self.awaits_continue || hopeless {
            return;
        }
        let due = Instant::now() + DISCARD_TIME_MAX;
        let mut discarded_bytes = 0;
        while let Ok(Some(frame)) = self.next_frame(due).await {
            discarded_bytes += frame.len() as u64;
            if discarded_bytes > DISCARD_BYTES_MAX {
                return;
            }
        }
    }

    /// The next bytes, or `None` at the end.
    async fn next_frame(&mut self, due: Instant) -> Result<Option<Bytes>, BodyRefused> {
        loop {
            let Ok(frame) = timeout_at(due, self.body.frame()).await else {
                return Err(BodyRefused::TooSlow);
            };
            self.awaits_continue = false;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(BodyRefused::Broken(error)),
                // Trailers say nothing that Kinesis knows.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

/// The body so far, and its room in the budget.
#[derive(Default)]
struct Gathered {
    /// A body that came as one frame, as it came.
    whole: Bytes,
    /// Else a copy of the frames, so that the connection can use its own buffer again.
    copied: Vec<u8>,
    room: Room,
}

impl Gathered {
    fn len(&self) -> usize {
        self.whole.len() + self.copied.len()
    }

    fn push(&mut self, frame: Bytes, is_last: bool, declared_bytes: Option<u64>) {
        if is_last && self.len() == 0 {
            self.whole = frame;
            return;
        }
        self.reserve(frame.len(), declared_bytes);
        self.copied.extend_from_slice(&frame);
    }

    /// Grows with what has come, up to what was announced, so that a false announcement costs
    /// little and a true one is copied little.
    fn reserve(&mut self, more: usize, declared_bytes: Option<u64>) {
        let needed = self.copied.len() + more;
        if needed <= self.copied.capacity() {
            return;
        }
        let ahead = needed.saturating_mul(4).max(FIRST_RESERVE_BYTES);
        let declared = declared_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let target = declared.map_or(needed * 2, |declared| ahead.min(declared)).max(needed);
        self.copied.reserve_exact(target - self.copied.len());
    }

    fn into_bytes(self) -> Bytes {
        if self.len() == 0 { Bytes::new() } else { Bytes::from_owner(self) }
    }
}

impl AsRef<[u8]> for Gathered {
    fn as_ref(&self) -> &[u8] {
        if self.copied.is_empty() { &self.whole } else { &self.copied }
    }
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub enum BodyRefused {
    /// It is longer than [`BodyLimits::body_bytes_max`].
    TooLarge,
    /// Its bytes came too slowly, or stopped.
    TooSlow,
    /// There was no room for it until its deadline.
    Busy,
    /// The client went away or broke HTTP's own rules.
    Broken(axum::Error),
}

impl BodyRefused {
    /// 413, 408, 503 or 400. The answer's body is empty, as AWS' is, unless the gateway has more
    /// to say.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for BodyRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the body is too large"),
            Self::TooSlow => f.write_str("the body came too slowly"),
            Self::Busy => f.write_str("no room for the body before its deadline"),
            Self::Broken(error) => write!(f, "the body broke off: {error}"),
        }
    }
}

impl std::error::Error for BodyRefused {}

impl IntoResponse for BodyRefused {
    fn into_response(self) -> Response {
        self.status().into_response()
    }
}

#[cfg(test)]
mod tests;
