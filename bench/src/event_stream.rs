//! Events of SubscribeToShard as they come over HTTP/1.1: chunks, in them frames, in them JSON.

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;
use serde::Deserialize;

/// Total length, length of the headers, checksum of both.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// An event holds up to 2 MiB of data, which base64 and JSON make larger.
const FRAME_BYTES_MAX: usize = 8 << 20;

/// Takes the body of an answer in pieces and gives the frames that are whole.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    body: BytesMut,
}

/// One event, as far as the bench needs it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Event {
    pub(crate) records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Record {
    pub(crate) partition_key: String,
    pub(crate) sequence_number: String,
    /// Base64.
    pub(crate) data: String,
}

impl Frames {
    /// Takes whole chunks off the front of what came.
    pub(crate) fn take(&mut self, came: &mut BytesMut) -> Result<()> {
        loop {
            let size = httparse::parse_chunk_size(came);
            let httparse::Status::Complete((head, size)) =
                size.ok().context("not a chunk of an answer")?
            else {
                return Ok(());
            };
            let size = usize::try_from(size)?;
            ensure!(size > 0, "the subscription ended");
            ensure!(size <= FRAME_BYTES_MAX, "a chunk of {size} bytes");
            if came.len() < head + size + 2 {
                return Ok(());
            }
            came.advance(head);
            self.body.extend_from_slice(&came.split_to(size));
            came.advance(2);
        }
    }

    /// The next event; `None` until a whole one is there.
    pub(crate) fn next(&mut self) -> Result<Option<Event>> {
        while let Some((headers, payload)) = self.frame()? {
            if memmem::find(&headers, b"SubscribeToShardEvent").is_some() {
                return serde_json::from_slice(&payload).context("decoding an event").map(Some);
            }
            if memmem::find(&headers, b"initial-response").is_none() {
                bail!("the subscription ended: {}", String::from_utf8_lossy(&payload));
            }
        }
        Ok(None)
    }

    /// Headers and payload of the next frame.
    fn frame(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        let mut prelude = self.body.get(..PRELUDE_BYTES).unwrap_or_default();
        if prelude.is_empty() {
            return Ok(None);
        }
        let (total, headers) = (prelude.get_u32() as usize, prelude.get_u32() as usize);
        ensure!(
            total <= FRAME_BYTES_MAX && PRELUDE_BYTES + headers + CHECKSUM_BYTES <= total,
            "a frame of {total} bytes with headers of {headers}"
        );
        if self.body.len() < total {
            return Ok(None);
        }
        let mut frame = self.body.split_to(total).freeze();
        let mut checksum = frame.split_off(total - CHECKSUM_BYTES);
        ensure!(crc32fast::hash(&frame) == checksum.get_u32(), "a frame is not as it was sent");
        frame.advance(PRELUDE_BYTES);
        Ok(Some((frame.split_to(headers), frame)))
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;

    /// A frame in a chunk.
    fn chunk(headers: &str, payload: &str) -> Vec<u8> {
        let mut frame = Vec::new();
        let total = PRELUDE_BYTES + headers.len() + payload.len() + CHECKSUM_BYTES;
        frame.put_u32(total as u32);
        frame.put_u32(headers.len() as u32);
        frame.put_u32(crc32fast::hash(&frame));
        frame.put_slice(headers.as_bytes());
        frame.put_slice(payload.as_bytes());
        frame.put_u32(crc32fast::hash(&frame));
        [format!("{:x}\r\n", frame.len()).as_bytes(), &frame, b"\r\n"].concat()
    }

    const EVENT: &str =
        r#"{"Records":[{"PartitionKey":"7","SequenceNumber":"1","Data":"aGk="}],"Other":0}"#;

    fn came(bytes: &[u8], pieces: usize) -> Result<Vec<Event>> {
        let (mut frames, mut buffer, mut events) = (Frames::default(), BytesMut::new(), Vec::new());
        for piece in bytes.chunks(pieces) {
            buffer.extend_from_slice(piece);
            frames.take(&mut buffer)?;
            while let Some(event) = frames.next()? {
                events.push(event);
            }
        }
        Ok(events)
    }

    #[test]
    fn events_are_whole_however_they_come() {
        let bytes = [
            chunk("initial-response", "{}"),
            chunk("SubscribeToShardEvent", EVENT),
            chunk("SubscribeToShardEvent", EVENT),
        ]
        .concat();
        for pieces in [1, 7, bytes.len()] {
            let events = came(&bytes, pieces).unwrap();
            let keys: Vec<&str> =
                events.iter().map(|event| event.records[0].partition_key.as_str()).collect();
            assert_eq!(keys, ["7", "7"]);
        }
    }

    #[test]
    fn what_is_no_event_is_told() {
        let refusal = chunk("ResourceInUseException", "somebody else");
        let mut wrong = chunk("SubscribeToShardEvent", EVENT);
        wrong[40] ^= 1;
        for (bytes, why) in [
            (refusal.as_slice(), "somebody else"),
            (&wrong, "not as it was sent"),
            (b"0\r\n\r\n", "ended"),
            (b"xyz\r\n", "not a chunk"),
        ] {
            let error = came(bytes, bytes.len()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
