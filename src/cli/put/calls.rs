//! The input of `millpond put`, in calls that the server takes.
//!
//! A call has the lines that have come by now, as far as they fit into it: whoever types, or
//! follows a log, waits for nobody.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
    thread,
};

use millpond_quotas::limits;
use tokio::sync::mpsc;

use crate::cli::{Ended, Outcome, Put};

/// The data of the records of a call, at least one.
pub(super) type Call = Vec<Vec<u8>>;

/// Bytes of data in a call, or one larger record.
const BYTES_MAX: usize = 4 << 20;

/// Bytes of input that are read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Calls that are read ahead.
const CALLS_AHEAD: usize = 1;

/// The calls, read by a thread of its own so that the connection is looked after meanwhile. An
/// error is the last.
pub(super) fn source(put: &Put) -> Outcome<mpsc::Receiver<Outcome<Call>>> {
    let (sender, calls) = mpsc::channel(CALLS_AHEAD);
    let reader: Box<dyn Read + Send> = match (&put.data, &put.file) {
        (Some(data), _) => Box::new(io::Cursor::new(data.clone().into_bytes())),
        (None, Some(path)) => Box::new(File::open(path).map_err(|error| {
            Ended::failed(format!("--file {} can't be read: {error}", path.display()))
        })?),
        (None, None) => Box::new(io::stdin()),
    };
    let is_one = put.whole || put.data.is_some();
    // Records of one key must not overtake each other: the next one waits until the one before is
    // stored.
    let records_max = if put.key.is_some() { 1 } else { limits::PUT_RECORDS_RECORDS_MAX };
    thread::spawn(move || {
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        if is_one {
            sender.blocking_send(record(&mut reader, Extent::All).map(|data| vec![data])).ok();
            return;
        }
        for call in (Calls { reader, records_max, bytes_max: BYTES_MAX }) {
            let is_last = call.is_err();
            if sender.blocking_send(call).is_err() || is_last {
                break;
            }
        }
    });
    Ok(calls)
}

/// The lines that aren't empty, in calls.
struct Calls<R> {
    reader: BufReader<R>,
    records_max: usize,
    bytes_max: usize,
}

impl<R: Read> Calls<R> {
    /// Whether a line of at most so many bytes can be read at once.
    fn has_line(&self, bytes_max: usize) -> bool {
        let end = self.reader.buffer().iter().position(|byte| *byte == b'\n');
        end.is_some_and(|bytes| bytes <= bytes_max)
    }
}

impl<R: Read> Iterator for Calls<R> {
    type Item = Outcome<Call>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut call, mut bytes) = (Call::new(), 0);
        // Only the first line is waited for, and only that one can be a bad one.
        while call.is_empty()
            || call.len() < self.records_max && self.has_line(self.bytes_max.saturating_sub(bytes))
        {
            let mut data = match record(&mut self.reader, Extent::Line) {
                Ok(data) if data.is_empty() => break,
                Ok(data) => data,
                Err(ended) => return Some(Err(ended)),
            };
            if data.pop_if(|byte| *byte == b'\n').is_some() {
                data.pop_if(|byte| *byte == b'\r');
            }
            if !data.is_empty() {
                bytes += data.len();
                call.push(data);
            }
        }
        (!call.is_empty()).then_some(Ok(call))
    }
}

/// What of the input is one record.
#[derive(Debug, Clone, Copy)]
enum Extent {
    /// A line, with its end.
    Line,
    /// All of it.
    All,
}

/// The data of the next record; empty at the end of the input.
fn record(reader: &mut BufReader<impl Read>, extent: Extent) -> Outcome<Vec<u8>> {
    let bytes_max = limits::record_bytes_max(limits::RECORD_SIZE_MAX_KIB);
    let mut data = Vec::new();
    let mut bounded = reader.take(bytes_max + 1);
    let read = match extent {
        Extent::Line => bounded.read_until(b'\n', &mut data),
        Extent::All => bounded.read_to_end(&mut data),
    };
    read.map_err(|error| Ended::failed(format!("the input can't be read: {error}")))?;
    if data.len() as u64 > bytes_max {
        return Err(Ended::failed(format!("a record has at most {} MiB", bytes_max >> 20)));
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn calls<R: Read>(reader: BufReader<R>, records_max: usize, bytes_max: usize) -> Calls<R> {
        Calls { reader, records_max, bytes_max }
    }

    #[test]
    fn a_line_is_a_record_without_its_end() {
        let read = |text: &'static [u8]| -> Vec<Call> {
            calls(BufReader::new(text), 500, BYTES_MAX).map(Result::unwrap).collect()
        };
        assert_eq!(read(b"a\r\n\nb\xff").concat(), [&b"a"[..], b"b\xff"]);
        assert_eq!(read(b"a\r\r\n\r\n\r").concat(), [&b"a\r"[..], b"\r"]);
        assert!(read(b"\n\n").is_empty() && read(b"").is_empty());
        let whole = record(&mut BufReader::new(&b"a\nb\n"[..]), Extent::All);
        assert_eq!(whole.unwrap(), b"a\nb\n");
    }

    proptest! {
        #[test]
        fn calls_have_all_lines_in_order_and_no_more_than_fits(
            lines in vec("[a-c]{0,12}", 0..40), buffer in 1..64_usize,
        ) {
            let text = lines.join("\n");
            let reader = BufReader::with_capacity(buffer, text.as_bytes());
            let read: Vec<_> = calls(reader, 5, 20).map(Result::unwrap).collect();
            for call in &read {
                let bytes: usize = call.iter().map(Vec::len).sum();
                prop_assert!(call.len() <= 5 && (bytes <= 20 || call.len() == 1), "{:?}", call);
            }
            let expected: Vec<_> = lines.iter().filter(|line| !line.is_empty()).collect();
            let read = read.concat();
            prop_assert!(read.iter().eq(expected.iter().map(|line| line.as_bytes())));
        }
    }

    #[test]
    fn a_call_is_as_full_as_what_has_come_allows() {
        let read = calls(BufReader::new(&b"1\n22\n333\n4444\n5\n"[..]), 500, 6);
        let sizes: Vec<_> = read.map(|call| call.unwrap().len()).collect();
        assert_eq!(sizes, [3, 2], "the line that doesn't fit is the next call's first");
    }

    #[test]
    fn what_no_stream_takes_is_not_read_to_its_end_and_takes_nothing_with_it() {
        let endless = (&b"good\n"[..]).chain(io::repeat(b'x'));
        let mut read = calls(BufReader::new(endless), 500, BYTES_MAX);
        assert_eq!(read.next(), Some(Ok(vec![b"good".to_vec()])));
        let Some(Err(Ended::Failed(sentence))) = read.next() else { panic!("it is too long") };
        assert_eq!(sentence, "a record has at most 10 MiB");
    }
}
