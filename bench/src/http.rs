//! An HTTP/1.1 client with nothing to spare: one connection, one request at a time, kept alive.

mod framing;

use std::future::ready;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use self::framing::Framing;
use crate::body::Body;
use crate::endpoint::{Endpoint, Stream};
use crate::sign::Signer;

/// The head of an answer; real ones are about 300 bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 32;
/// What is read at a time, which is still in the processor's caches when it is looked at.
const PIECE_BYTES: usize = 256 * 1024;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
const CLOSED: &str = "the server closed the connection";
/// How much of a refusal goes into the error message.
const EXCERPT_BYTES: usize = 300;

/// A connection to a server, and the buffers that its requests share.
pub(crate) struct Connection {
    stream: Stream,
    endpoint: Endpoint,
    head: Vec<u8>,
    answer: BytesMut,
    body_bytes: usize,
    /// Whether the server said that it closes the connection: some do after each answer.
    closes: bool,
}

impl Connection {
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self> {
        let (stream, endpoint) = (endpoint.connect().await?, endpoint.clone());
        let (head, answer, body_bytes, closes) = (Vec::new(), BytesMut::new(), 0, false);
        Ok(Self { stream, endpoint, head, answer, body_bytes, closes })
    }

    /// A signer for requests over this connection.
    pub(crate) fn signer(&self, content_type: &'static str, operation: &'static str) -> Signer {
        let now = self.endpoint.clock.epoch_seconds(Instant::now());
        Signer::new(self.endpoint.address.to_string(), content_type, operation, now)
    }

    /// Sends one signed request, waits for the whole answer and returns its body, but for what was
    /// forgotten. Any status but 200 is an error.
    ///
    /// `see` is shown the body as it comes, whenever there is more of it, and says how many of
    /// these bytes, from the first, are not needed any more: a large body that is kept to its end
    /// would push itself and all else out of the processor's caches.
    pub(crate) async fn call(
        &mut self,
        signer: &mut Signer,
        now: Instant,
        body: &Body,
        see: impl FnMut(&[u8]) -> usize,
    ) -> Result<&[u8]> {
        self.send(signer, now, body).await?;
        self.answer.clear();
        let head = self.receive(see).await?;
        self.body(head)
    }

    /// Length of the body of the last answer.
    pub(crate) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// Sends a request that needs no signature, waits for the whole answer and returns its body.
    /// `head` ends with the line before its length. Any status but 200 is an error.
    pub(crate) async fn unsigned(&mut self, head: &str, body: &str) -> Result<&[u8]> {
        let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.stream.write_all(request.as_bytes()).await.context("sending a request")?;
        self.stream.flush().await.context("sending a request")?;
        self.answer.clear();
        let head = self.receive(keep).await?;
        self.body(head)
    }

    /// Sends one signed request, and doesn't wait for its answer.
    pub(crate) async fn send(
        &mut self,
        signer: &mut Signer,
        now: Instant,
        body: &Body,
    ) -> Result<()> {
        if std::mem::take(&mut self.closes) {
            self.stream = self.endpoint.connect().await?;
        }
        signer.head(self.endpoint.clock.epoch_seconds(now), body, &mut self.head);
        let mut request = Buf::chain(self.head.as_slice(), body.bytes.as_ref());
        self.stream.write_all_buf(&mut request).await.context("sending a request")?;
        // TLS may keep the last bytes back; a plain connection has nothing to flush.
        self.stream.flush().await.context("sending a request")
    }

    /// Reads the head of an answer that has no end; what follows it is [`Self::here`].
    /// Any status but 200 is an error.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        self.receive_until(END_OF_HEAD).await?;
        let end = memchr::memmem::find(&self.answer, END_OF_HEAD).unwrap_or_default();
        self.answer.advance(end + END_OF_HEAD.len());
        Ok(())
    }

    /// What has come of such an answer and wasn't taken yet.
    pub(crate) fn here(&mut self) -> &mut BytesMut {
        &mut self.answer
    }

    /// Waits for more of such an answer.
    pub(crate) async fn more(&mut self) -> Result<()> {
        self.read().await
    }

    /// Reads an answer that has no end until these bytes are in it.
    /// Any status but 200 is an error.
    pub(crate) async fn receive_until(&mut self, bytes: &[u8]) -> Result<()> {
        self.answer.clear();
        let status = loop {
            if let Some(status) = status(&self.answer)? {
                break status;
            }
            self.read().await?;
        };
        if status != 200 {
            let head = self.receive(keep).await?;
            self.body(head)?;
        }
        self.read_until(bytes).await
    }

    /// Reads on in such an answer until these bytes are in what comes from now on.
    pub(crate) async fn receive_next(&mut self, bytes: &[u8]) -> Result<()> {
        // What lies ready is of the past.
        loop {
            self.answer.clear();
            tokio::select! {
                biased;
                count = self.stream.read_buf(&mut self.answer) => ensure!(count? > 0, CLOSED),
                () = ready(()) => break,
            }
        }
        self.read_until(bytes).await
    }

    async fn read_until(&mut self, bytes: &[u8]) -> Result<()> {
        while memchr::memmem::find(&self.answer, bytes).is_none() {
            ensure!(self.answer.len() < HEAD_BYTES_MAX, "the answer is another one");
            self.read().await?;
        }
        Ok(())
    }

    /// What the last call answered, head and body, but for what was forgotten.
    pub(crate) fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// Reads what the buffer lacks of one answer, head and body.
    async fn receive(&mut self, mut see: impl FnMut(&[u8]) -> usize) -> Result<Head> {
        let head = loop {
            if let Some(head) = Head::parse(&self.answer)? {
                break head;
            }
            self.read().await?;
        };
        let mut framing = Framing::new(head.body_bytes)?;
        let mut end = head.bytes;
        loop {
            end = framing.take(&mut self.answer, end)?;
            // A refusal is quoted.
            if head.status == 200 {
                let coming = self.answer.get(head.bytes..end).unwrap_or_default();
                let forgotten = see(coming).min(coming.len());
                self.answer.copy_within(head.bytes + forgotten.., head.bytes);
                self.answer.truncate(self.answer.len() - forgotten);
                end -= forgotten;
            }
            if framing.is_done() {
                break;
            }
            self.answer.reserve(framing.left().min(PIECE_BYTES));
            self.read().await?;
        }
        self.body_bytes = framing.body_bytes();
        self.closes = head.closes;
        Ok(head)
    }

    /// The body of the answer in the buffer.
    fn body(&self, head: Head) -> Result<&[u8]> {
        let answer = self.answer.get(head.bytes..).unwrap_or_default();
        if head.status != 200 {
            let excerpt = answer.get(..EXCERPT_BYTES).unwrap_or(answer);
            bail!("status {}: {}", head.status, String::from_utf8_lossy(excerpt));
        }
        Ok(answer)
    }

    async fn read(&mut self) -> Result<()> {
        let mut piece = (&mut self.answer).limit(PIECE_BYTES);
        let count = self.stream.read_buf(&mut piece).await.context("reading an answer")?;
        ensure!(count > 0, CLOSED);
        Ok(())
    }
}

/// What sees an answer that is to be kept.
pub(crate) const fn keep(_coming: &[u8]) -> usize {
    0
}

/// The status of an answer that begins with `buffer`; `None` while it isn't there.
fn status(buffer: &[u8]) -> Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(buffer)?;
    Ok(response.code)
}

/// What the client needs of an answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Length of the head itself, with its empty line.
    bytes: usize,
    /// `None` where it comes in chunks.
    body_bytes: Option<usize>,
    /// Whether the server closes the connection behind it.
    closes: bool,
}

impl Head {
    /// Reads a head from the start of `buffer`; `None` while it is incomplete.
    fn parse(buffer: &[u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(bytes) = response.parse(buffer)? else {
            ensure!(buffer.len() < HEAD_BYTES_MAX, "the head of the answer is too long");
            return Ok(None);
        };
        let (mut length, mut is_chunked, mut closes) = (None, false, false);
        for header in response.headers.iter() {
            if header.name.eq_ignore_ascii_case("transfer-encoding") {
                ensure!(header.value == b"chunked", "the answer has a transfer encoding");
                is_chunked = true;
            }
            if header.name.eq_ignore_ascii_case("connection") {
                closes |= header.value.eq_ignore_ascii_case(b"close");
            }
            if header.name.eq_ignore_ascii_case("content-length") {
                ensure!(length.is_none(), "the answer has two lengths");
                length = Some(std::str::from_utf8(header.value)?.parse::<usize>()?);
            }
        }
        ensure!(length.is_some() != is_chunked, "the answer has no length, or two");
        let body_bytes = length;
        let status = response.code.context("the answer has no status")?;
        Ok(Some(Self { status, bytes, body_bytes, closes }))
    }
}

#[cfg(test)]
mod tests;
