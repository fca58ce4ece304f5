//! `millpond put`: records from the command line, standard input or a file.

mod calls;

use std::{collections::BTreeMap, time::Duration};

use base64_simd::STANDARD as BASE64;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::calls::Call;
use super::{Client, Ended, Outcome, Printer, Put};

/// The error of an entry that a quota refuses.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// How long throttled records are put again without any of them being stored.
const PATIENCE: Duration = Duration::from_secs(30);

/// Before throttled records are put again.
const PAUSE: Duration = Duration::from_millis(100);

/// Puts records.
pub(super) async fn put(client: &mut Client, printer: &mut Printer, put: Put) -> Outcome {
    let mut calls = calls::source(&put)?;
    let mut session =
        Session { client, printer, put: &put, is_heard: true, shards: BTreeMap::new(), last: None };
    while let Some(call) = calls.recv().await {
        let stored = match call {
            Ok(call) => session.store(call).await,
            Err(ended) => Err(ended),
        };
        stored.map_err(|ended| session.failed(ended))?;
    }
    session.sum_up()
}

/// What has been put so far.
struct Session<'a> {
    client: &'a mut Client,
    printer: &'a mut Printer,
    put: &'a Put,
    /// Whether somebody reads what is printed, as far as is known.
    is_heard: bool,
    shards: BTreeMap<String, u64>,
    last: Option<Value>,
}

impl Session<'_> {
    async fn store(&mut self, call: Call) -> Outcome {
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
            let mut refused = Vec::new();
            for (entry, result) in waiting.into_iter().zip(results) {
                match result.get("error").and_then(Value::as_str) {
                    None => self.note(result)?,
                    Some(THROTTLED) => throttled.push(entry),
                    Some(_) => refused.push(result),
                }
            }
            self.tell(Printer::flush)?;
            if let Some(first) = refused.first() {
                return Err(refusal(first, before, refused.len(), throttled.len()));
            }
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
        let (encoding, data) = encoded(data);
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
        self.last = Some(result.clone());
        if self.printer.is_json() { self.tell(|printer| printer.object(result)) } else { Ok(()) }
    }

    /// Prints as long as somebody reads. What is put doesn't depend on it.
    fn tell(&mut self, print: impl FnOnce(&mut Printer) -> Outcome) -> Outcome {
        if !self.is_heard {
            return Ok(());
        }
        match print(self.printer) {
            Err(Ended::Enough) => self.is_heard = false,
            ended => return ended,
        }
        Ok(())
    }

    fn records(&self) -> u64 {
        self.shards.values().sum()
    }

    /// The same with what was done before.
    fn failed(&self, ended: Ended) -> Ended {
        match (ended, self.records()) {
            (Ended::Failed(sentence), records @ 1..) => {
                Ended::Failed(format!("{sentence}; records put before: {records}"))
            }
            (ended, _) => ended,
        }
    }

    fn sum_up(self) -> Outcome {
        if self.printer.is_json() {
            return Ok(());
        }
        let records = self.records();
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

/// What is said of a call, when there is another reason than a quota.
fn refusal(first: &Value, records: usize, refused: usize, throttled: usize) -> Ended {
    let member = |name| first.get(name).and_then(Value::as_str).unwrap_or_default();
    let (error, words) = (member("error"), member("message"));
    let what = if records == 1 {
        "the record was refused".to_owned()
    } else {
        format!("of {records} records, {refused} were refused and {throttled} throttled")
    };
    Ended::failed(format!("{what}: {error} {words}"))
}

/// The data as the shorter of two texts in JSON, and what it is called: there, most control
/// characters take six bytes.
fn encoded(data: Vec<u8>) -> (&'static str, String) {
    let base64_bytes = 2 + BASE64.encoded_length(data.len());
    match String::from_utf8(data) {
        Ok(text) if Value::from(text.as_str()).to_string().len() <= base64_bytes => ("text", text),
        Ok(text) => ("base64", BASE64.encode_to_string(text)),
        Err(error) => ("base64", BASE64.encode_to_string(error.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn data_takes_no_more_of_a_body_than_base64_would(
            data in prop_oneof![
                any::<Vec<u8>>(),
                any::<String>().prop_map(String::into_bytes),
                "[\\x00-\\x7f]*".prop_map(String::into_bytes),
            ],
        ) {
            let (encoding, text) = encoded(data.clone());
            let in_json = Value::from(text.as_str()).to_string().len();
            prop_assert!(in_json <= 2 + BASE64.encoded_length(data.len()));
            let back = match encoding {
                "text" => text.into_bytes(),
                _ => BASE64.decode_to_vec(text).unwrap(),
            };
            prop_assert_eq!(back, data);
        }
    }

    #[test]
    fn text_is_sent_as_text() {
        for text in ["", "a line", "{\"id\": 7}", "größer\t✓\n"] {
            assert_eq!(encoded(text.into()), ("text", text.to_owned()));
        }
        assert_eq!(encoded(vec![0; 3]), ("base64", "AAAA".to_owned()));
        assert_eq!(encoded(vec![0xff]), ("base64", "/w==".to_owned()));
    }
}
