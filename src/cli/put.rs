//! `millpond put`: records from the command line, standard input or a file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    thread,
    time::Duration,
};

use base64_simd::STANDARD as BASE64;
use http::Method;
use millpond_quotas::limits;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{Client, Ended, Outcome, Printer, Put};

/// Records in a call.
const CALL_RECORDS_MAX: usize = 500;

/// Bytes of data in a call, or one larger record.
const CALL_BYTES_MAX: usize = 4 << 20;

/// Lines that are read ahead.
const LINES_AHEAD: usize = 1_000;

/// The error of an entry that a quota refuses.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// How long throttled records are put again without any of them being stored.
const PATIENCE: Duration = Duration::from_secs(30);

/// Before throttled records are put again.
const PAUSE: Duration = Duration::from_millis(100);

/// Puts records.
pub(super) async fn put(client: &mut Client, printer: &mut Printer, put: Put) -> Outcome {
    let mut lines = source(&put)?;
    let mut session = Session { client, printer, put: &put, shards: BTreeMap::new(), last: None };
    // With a key of their own, records must not overtake each other: the next one waits until
    // the one before is stored.
    let records_max = if put.key.is_some() { 1 } else { CALL_RECORDS_MAX };
    while let Some(line) = lines.recv().await {
        let mut bytes = 0;
        let mut call = Vec::new();
        let mut next = Some(line);
        while let Some(line) = next.take() {
            let line = line?;
            bytes += line.len();
            call.push(line);
            if call.len() < records_max && bytes < CALL_BYTES_MAX {
                next = lines.try_recv().ok();
            }
        }
        session.store(call).await?;
    }
    session.sum_up()
}

/// What has been put so far.
struct Session<'a> {
    client: &'a mut Client,
    printer: &'a mut Printer,
    put: &'a Put,
    shards: BTreeMap<String, u64>,
    last: Option<Value>,
}

impl Session<'_> {
    async fn store(&mut self, call: Vec<Vec<u8>>) -> Outcome {
        let mut waiting: Vec<_> = call.into_iter().map(|data| self.entry(data)).collect();
        let mut since = Instant::now();
        loop {
            let path = format!("streams/{}/records", self.put.stream);
            let body = json!({ "records": waiting });
            let answer = self.client.send(Method::POST, &path, &[], Some(&body)).await?;
            let results = answer.get("records").and_then(Value::as_array);
            let results = results.map(Vec::as_slice).unwrap_or_default();
            let before = waiting.len();
            let mut throttled = Vec::new();
            for (entry, result) in waiting.into_iter().zip(results) {
                match result.get("error").and_then(Value::as_str) {
                    None => self.note(result)?,
                    Some(THROTTLED) => throttled.push(entry),
                    Some(error) => {
                        let words = result.get("message").and_then(Value::as_str);
                        let words = words.unwrap_or_default();
                        return Err(Ended::failed(format!(
                            "a record was refused: {error} {words}"
                        )));
                    }
                }
            }
            self.printer.flush()?;
            if throttled.is_empty() {
                return Ok(());
            }
            if throttled.len() < before {
                since = Instant::now();
            } else if since.elapsed() > PATIENCE {
                let seconds = PATIENCE.as_secs();
                return Err(Ended::failed(format!(
                    "{before} records were throttled for {seconds} s: the stream needs more shards"
                )));
            }
            waiting = throttled;
            sleep(PAUSE).await;
        }
    }

    fn entry(&self, data: Vec<u8>) -> Value {
        let (encoding, data) = match String::from_utf8(data) {
            Ok(text) => ("text", text),
            Err(error) => ("base64", BASE64.encode_to_string(error.as_bytes())),
        };
        let own = || format!("{:016x}", fastrand::u64(..));
        let key = self.put.key.clone().unwrap_or_else(own);
        let hash_key = self.put.hash_key.map(|key| key.to_string());
        json!({
            "partition_key": key,
            "explicit_hash_key": hash_key,
            "data": data,
            "encoding": encoding,
        })
    }

    fn note(&mut self, result: &Value) -> Outcome {
        let shard = result.get("shard").and_then(Value::as_str).unwrap_or_default();
        *self.shards.entry(shard.to_owned()).or_default() += 1;
        if self.printer.is_json() {
            self.printer.object(result)?;
        }
        self.last = Some(result.clone());
        Ok(())
    }

    fn sum_up(self) -> Outcome {
        if self.printer.is_json() {
            return Ok(());
        }
        let records: u64 = self.shards.values().sum();
        if let Some(last) = self.last.filter(|_| records == 1) {
            let member = |name| last.get(name).and_then(Value::as_str).unwrap_or_default();
            let (shard, number) = (member("shard"), member("sequence_number"));
            return self.printer.line(&format!("{shard}  {number}"));
        }
        let shards = self.shards.iter().map(|(shard, records)| format!("{records} to {shard}"));
        let shards = shards.collect::<Vec<_>>().join(", ");
        let colon = if shards.is_empty() { "" } else { ": " };
        self.printer.line(&format!("{records} records put{colon}{shards}"))
    }
}

/// The data of the records, read by a thread of its own so that the connection is looked after
/// meanwhile.
fn source(put: &Put) -> Outcome<mpsc::Receiver<Outcome<Vec<u8>>>> {
    let (sender, lines) = mpsc::channel(LINES_AHEAD);
    let reader: Box<dyn Read + Send> = match (&put.data, &put.file) {
        (Some(data), _) => {
            sender.try_send(Ok(data.clone().into_bytes())).ok();
            return Ok(lines);
        }
        (None, Some(path)) => Box::new(File::open(path).map_err(|error| {
            Ended::failed(format!("--file {} can't be read: {error}", path.display()))
        })?),
        (None, None) => Box::new(io::stdin()),
    };
    let is_whole = put.whole;
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        while let Some(data) = next(&mut reader, is_whole) {
            let is_last = is_whole || data.is_err();
            if data.as_ref().is_ok_and(Vec::is_empty) && !is_whole {
                continue;
            }
            if sender.blocking_send(data).is_err() || is_last {
                break;
            }
        }
    });
    Ok(lines)
}

/// The next line without its end, or all there is; `None` at the end.
fn next(reader: &mut impl BufRead, is_whole: bool) -> Option<Outcome<Vec<u8>>> {
    let bytes_max = limits::record_bytes_max(limits::RECORD_SIZE_MAX_KIB);
    let mut data = Vec::new();
    let mut bounded = reader.take(bytes_max + 1);
    let read = if is_whole {
        bounded.read_to_end(&mut data)
    } else {
        bounded.read_until(b'\n', &mut data)
    };
    match read {
        Err(error) => return Some(Err(Ended::failed(format!("the input can't be read: {error}")))),
        Ok(0) if !is_whole => return None,
        Ok(_) => {}
    }
    if data.len() as u64 > bytes_max {
        let mib = bytes_max >> 20;
        return Some(Err(Ended::failed(format!("a record has at most {mib} MiB"))));
    }
    if !is_whole && data.last() == Some(&b'\n') {
        data.pop();
        if data.last() == Some(&b'\r') {
            data.pop();
        }
    }
    Some(Ok(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], is_whole: bool) -> Vec<Vec<u8>> {
        let mut reader = BufReader::new(text);
        let mut lines = Vec::new();
        while let Some(data) = next(&mut reader, is_whole) {
            lines.push(data.unwrap());
            if is_whole {
                break;
            }
        }
        lines
    }

    #[test]
    fn a_line_is_a_record_without_its_end() {
        assert_eq!(lines(b"a\r\n\nb\xff", false), [&b"a"[..], b"", b"b\xff"]);
        assert_eq!(lines(b"", false), [b""; 0]);
        assert_eq!(lines(b"a\nb\n", true), [b"a\nb\n"]);
        assert_eq!(lines(b"", true), [b""]);
    }

    #[test]
    fn what_no_stream_takes_is_not_read_to_its_end() {
        let mut endless = BufReader::new(io::repeat(b'x'));
        assert!(matches!(next(&mut endless, false), Some(Err(Ended::Failed(_)))));
    }
}
