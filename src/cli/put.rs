//! `millpond put`: records from the command line, standard input or a file.

mod calls;
mod tally;

use std::{io::Write, time::Duration};

use base64_simd::STANDARD as BASE64;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::{calls::Call, tally::Tally};
use super::{Client, Ended, Outcome, Printer, Put};

/// How long throttled records are put again without any of them being stored.
const PATIENCE: Duration = Duration::from_secs(30);

/// Before throttled records are put again.
const PAUSE: Duration = Duration::from_millis(100);

/// Puts records.
pub(super) async fn put(client: &mut Client, printer: &mut Printer, put: Put) -> Outcome {
    let mut calls = calls::source(&put)?;
    let mut session = Session { client, put: &put, tally: Tally::new(printer) };
    while let Some(call) = calls.recv().await {
        let stored = match call {
            Ok(call) => session.store(call).await,
            Err(ended) => Err(ended),
        };
        stored.map_err(|ended| session.tally.failed(ended))?;
    }
    session.tally.sum_up().map_err(|ended| session.tally.failed(ended))
}

/// Where records are put, and what came of it so far.
struct Session<'a, W: Write> {
    client: &'a mut Client,
    put: &'a Put,
    tally: Tally<'a, W>,
}

impl<W: Write> Session<'_, W> {
    /// Puts these until all of them are stored.
    async fn store(&mut self, call: Call) -> Outcome {
        let mut waiting: Vec<_> = call.into_iter().map(|data| self.entry(data)).collect();
        let path = format!("streams/{}/records", self.put.stream);
        let mut since = Instant::now();
        loop {
            let body = json!({ "records": waiting });
            let answer = self.client.send(Method::POST, &path, &[], Some(&body)).await?;
            let results = answer.get("records").and_then(Value::as_array);
            let results = results.map(Vec::as_slice).unwrap_or_default();
            let before = waiting.len();
            waiting = self.tally.outcome_of(waiting, results)?;
            if waiting.is_empty() {
                return Ok(());
            }
            if waiting.len() < before {
                since = Instant::now();
            } else if since.elapsed() > PATIENCE {
                let seconds = PATIENCE.as_secs();
                return Err(Ended::failed(format!(
                    "{before} records were throttled for {seconds} s: the stream needs more shards"
                )));
            }
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
