//! Where the body of an answer ends, and what of the bytes that come is of it.

use anyhow::{Result, ensure};
use bytes::BytesMut;

/// GetRecords returns up to 10 MiB of data, which base64 and JSON make larger.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What stands behind each chunk.
const END_OF_CHUNK: &[u8] = b"\r\n";

/// How far a body has come.
#[derive(Debug)]
pub(super) struct Framing {
    body_bytes: usize,
    next: Next,
}

/// What comes next of a body.
#[derive(Debug)]
enum Next {
    /// So many bytes, and nothing more.
    Last(usize),
    /// The size of a chunk, or the end.
    Size,
    /// So many bytes of a chunk, and its end.
    Chunk(usize),
    /// What stands behind a chunk, or behind all.
    End { is_last: bool },
}

impl Framing {
    /// Of a body whose head tells its length, or that it comes in chunks.
    pub(super) fn new(length: Option<usize>) -> Result<Self> {
        let framing = Self { body_bytes: 0, next: length.map_or(Next::Size, Next::Last) };
        ensure_length(length.unwrap_or_default())?;
        Ok(framing)
    }

    /// Bytes of the body that have come.
    pub(super) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.next, Next::Last(0))
    }

    /// Bytes that may still come, as far as that is known.
    pub(super) fn left(&self) -> usize {
        match self.next {
            Next::Last(bytes) => bytes,
            Next::Size | Next::Chunk(_) | Next::End { .. } => usize::MAX,
        }
    }

    /// Takes what stands in `buffer` from `at` on: moves what is of the body there, and says where
    /// it ends. What follows that is not complete.
    pub(super) fn take(&mut self, buffer: &mut BytesMut, at: usize) -> Result<usize> {
        let (mut from, mut to) = (at, at);
        loop {
            let here = buffer.len() - from;
            match &mut self.next {
                Next::Last(left) => {
                    ensure!(here <= *left, "the server sent more than it announced");
                    *left -= here;
                    buffer.copy_within(from.., to);
                    (from, to) = (from + here, to + here);
                    self.body_bytes += here;
                    break;
                }
                Next::Size => {
                    let rest = buffer.get(from..).unwrap_or_default();
                    let size = httparse::parse_chunk_size(rest);
                    let size = size.map_err(|_| anyhow::anyhow!("not the size of a chunk"))?;
                    let httparse::Status::Complete((bytes, size)) = size else { break };
                    let size = usize::try_from(size)?;
                    ensure_length(self.body_bytes.saturating_add(size))?;
                    from += bytes;
                    self.next = match size {
                        0 => Next::End { is_last: true },
                        size => Next::Chunk(size),
                    };
                }
                Next::Chunk(left) => {
                    let bytes = here.min(*left);
                    *left -= bytes;
                    let is_over = *left == 0;
                    buffer.copy_within(from..from + bytes, to);
                    (from, to) = (from + bytes, to + bytes);
                    self.body_bytes += bytes;
                    if !is_over {
                        break;
                    }
                    self.next = Next::End { is_last: false };
                }
                Next::End { is_last } => {
                    let end = buffer.get(from..).unwrap_or_default();
                    let end = end.get(..END_OF_CHUNK.len()).unwrap_or(end);
                    ensure!(END_OF_CHUNK.starts_with(end), "a chunk has another length");
                    if end.len() < END_OF_CHUNK.len() {
                        break;
                    }
                    from += end.len();
                    self.next = if *is_last { Next::Last(0) } else { Next::Size };
                }
            }
        }
        // What is not complete follows the body.
        let rest = buffer.len() - from;
        buffer.copy_within(from.., to);
        buffer.truncate(to + rest);
        Ok(to)
    }
}

fn ensure_length(bytes: usize) -> Result<()> {
    ensure!(bytes <= BODY_BYTES_MAX, "the answer is too long: {bytes} bytes");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body that comes in pieces of `each` bytes.
    fn body(length: Option<usize>, sent: &str, each: usize) -> Result<String> {
        let mut framing = Framing::new(length)?;
        let (mut buffer, mut end) = (BytesMut::new(), 0);
        for piece in sent.as_bytes().chunks(each) {
            buffer.extend_from_slice(piece);
            end = framing.take(&mut buffer, end)?;
        }
        ensure!(framing.is_done(), "unfinished");
        ensure!(framing.body_bytes() == end && buffer.len() == end, "more than the body is left");
        Ok(String::from_utf8(buffer.to_vec())?)
    }

    #[test]
    fn a_body_is_the_same_however_it_is_framed_and_cut() {
        let chunked = "5\r\nhello\r\n11;x=y\r\n, out there: here\r\n0\r\n\r\n";
        for each in 1..=chunked.len() {
            assert_eq!(body(None, chunked, each).unwrap(), "hello, out there: here");
            assert_eq!(body(Some(5), "hello", each).unwrap(), "hello");
        }
    }

    #[test]
    fn what_is_no_body_is_refused() {
        for (length, sent, why) in [
            (Some(4), "hello", "more than it announced"),
            (Some(6), "hello", "unfinished"),
            (None, "5\r\nhello\r\n", "unfinished"),
            (None, "0\r\n\r\nmore", "more than it announced"),
            (None, "what\r\n", "not the size"),
            (None, "5\r\nhello there\r\n0\r\n\r\n", "another length"),
            (None, "ffffffff\r\n", "too long"),
            (Some(99_999_999), "", "too long"),
        ] {
            let error = body(length, sent, 100).unwrap_err().to_string();
            assert!(error.contains(why), "{error} for {sent}");
        }
    }
}
