//! `millpond peek` and `millpond tail`: records of a stream, for people or for machines.

use std::{collections::VecDeque, time::Duration};

use millpond_shards::tasks::Tasks;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    Client, Outcome, Peek, Printer, Selection, Tail,
    print::harmless,
    streams::{text, time},
};

/// Records in an answer.
const LIMIT: usize = 1_000;

/// The most records before the tip that a server begins with.
const LAST_MAX: usize = 10_000;

/// How long an answer is waited for that has nothing yet.
const WAIT: Duration = Duration::from_secs(20);

/// Where a command reads on.
struct Reader<'a> {
    selection: &'a Selection,
    path: String,
    /// How the first request begins, and each one after it goes on.
    start: Option<(&'static str, String)>,
    /// Nothing more is to come, of a shard that is closed.
    is_over: bool,
}

/// What came.
struct Page {
    records: Vec<Value>,
    is_behind: bool,
}

impl<'a> Reader<'a> {
    fn new(selection: &'a Selection, otherwise: (&'static str, String)) -> Self {
        let from = selection.from.as_ref().map(|from| ("from", from.clone()));
        let since = selection.since.map(|time| ("since_seconds", time.as_secs_f64().to_string()));
        let path = format!("streams/{}/records", selection.stream);
        Self { selection, path, start: Some(from.or(since).unwrap_or(otherwise)), is_over: false }
    }

    /// What there is, or comes within `wait`; none of other keys.
    async fn next(&mut self, client: &mut Client, limit: usize, wait: Duration) -> Outcome<Page> {
        let query = self.query(limit, wait);
        let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut page = client.wait(&self.path, &query, wait).await?;
        let next = page.get("next").and_then(Value::as_str);
        self.is_over = next.is_none();
        self.start = next.map(|next| ("next", next.to_owned()));
        let is_behind = page.get("millis_behind_latest").and_then(Value::as_i64) != Some(0);
        let records = page.get_mut("records").map(Value::take);
        let records = match records {
            Some(Value::Array(records)) => records,
            _ => Vec::new(),
        };
        let is_wanted = |record: &Value| {
            let key = record.get("partition_key").and_then(Value::as_str).unwrap_or_default();
            self.selection.key.as_ref().is_none_or(|wanted| wanted.is_of(key))
        };
        Ok(Page { records: records.into_iter().filter(is_wanted).collect(), is_behind })
    }

    fn query(&self, limit: usize, wait: Duration) -> Vec<(&'static str, String)> {
        // There may be many records of other keys before the next one that is wanted.
        let limit = if self.selection.key.is_some() { LIMIT } else { limit.min(LIMIT) };
        let unpack = !self.selection.raw;
        let mut query = vec![
            ("limit", limit.to_string()),
            ("deaggregate", unpack.to_string()),
            ("gunzip", unpack.to_string()),
        ];
        if !wait.is_zero() {
            query.push(("wait_seconds", wait.as_secs_f64().to_string()));
        }
        query.extend(self.start.clone());
        let is_begun = self.start.as_ref().is_some_and(|(name, _)| *name == "next");
        let shard = self.selection.shard.filter(|_| !is_begun);
        query.extend(shard.map(|shard| ("shard", shard.to_string())));
        query
    }
}

/// Shows the first or the last records.
pub(super) async fn peek(client: &mut Client, printer: &mut Printer, peek: &Peek) -> Outcome {
    let Peek { selection, count, last } = peek;
    if *last {
        return peek_last(client, printer, selection, *count).await;
    }
    let mut reader = Reader::new(selection, ("from", "TRIM_HORIZON".to_owned()));
    let mut left = *count;
    while left > 0 && !reader.is_over {
        let Page { mut records, is_behind } = reader.next(client, left, Duration::ZERO).await?;
        records.truncate(left);
        left -= records.len();
        print(printer, &records)?;
        if !is_behind {
            break;
        }
    }
    Ok(())
}

async fn peek_last(
    client: &mut Client,
    printer: &mut Printer,
    selection: &Selection,
    count: usize,
) -> Outcome {
    let start = match (count, &selection.key) {
        (..=LAST_MAX, None) => ("last", count.to_string()),
        // Those of a key may lie anywhere.
        _ => ("from", "TRIM_HORIZON".to_owned()),
    };
    let mut reader = Reader::new(selection, start);
    let mut kept = VecDeque::new();
    while !reader.is_over {
        let page = reader.next(client, LIMIT, Duration::ZERO).await?;
        kept.extend(page.records);
        kept.drain(..kept.len().saturating_sub(count));
        if !page.is_behind {
            break;
        }
    }
    print(printer, kept.make_contiguous())
}

/// Follows a stream until it is told to stop, nobody reads any more, or there were enough.
pub(super) async fn tail(client: &mut Client, printer: &mut Printer, tail: &Tail) -> Outcome {
    let mut reader = Reader::new(&tail.selection, ("from", "LATEST".to_owned()));
    let mut left = tail.count;
    let stop = told_to_stop()?;
    while left != Some(0) && !reader.is_over {
        let limit = left.unwrap_or(LIMIT);
        let page = stop.run_until_cancelled(reader.next(client, limit, WAIT)).await;
        let Some(page) = page else { return Ok(()) };
        let mut records = page?.records;
        if let Some(left) = &mut left {
            records.truncate(*left);
            *left -= records.len();
        }
        print(printer, &records)?;
    }
    Ok(())
}

/// Told by the signals that end a command.
fn told_to_stop() -> Outcome<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let (mut signal, told) = (signal(kind)?, stop.clone());
        Tasks::default().spawn("signals", async move {
            signal.recv().await;
            told.cancel();
        });
    }
    Ok(stop)
}

fn print(printer: &mut Printer, records: &[Value]) -> Outcome {
    for record in records {
        if printer.is_json() {
            printer.object(record)?;
        } else {
            printer.line(&line(record))?;
        }
    }
    printer.flush()
}

/// A record as people read it: when it arrived, the number of its shard, its key, its data.
fn line(record: &Value) -> String {
    let arrival = time(record.get("arrival"));
    let shard = text(record, "shard");
    let shard = shard.trim_start_matches("shardId-").trim_start_matches('0');
    let shard = if shard.is_empty() { "0" } else { shard };
    let key = match record.get("partition_key").and_then(Value::as_str) {
        Some(key) => harmless(key),
        None => "-".to_owned(),
    };
    let encoding = match record.get("encoding").and_then(Value::as_str) {
        Some("base64") => "base64:",
        _ => "",
    };
    format!("{arrival}  {shard}  {key}  {encoding}{}", text(record, "data"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::Wildcards;

    #[test]
    fn who_looks_for_a_key_asks_for_as_many_records_as_come_at_once() {
        let mut selection = Selection {
            stream: "clicks".parse().unwrap(),
            from: None,
            since: None,
            shard: None,
            key: None,
            raw: false,
        };
        for (key, limit) in [(None, "3"), (Some("rare"), "1000")] {
            selection.key = key.map(Wildcards::of);
            let reader = Reader::new(&selection, ("from", "LATEST".to_owned()));
            let query = reader.query(3, Duration::ZERO);
            assert_eq!(query[0], ("limit", limit.to_owned()));
        }
    }

    #[test]
    fn a_record_is_one_line() {
        let record = json!({"shard": "shardId-000000000010", "arrival": 1_700_000_000.25,
            "partition_key": "k\n", "encoding": "text", "data": "{\"a\": \"ä\"}\n"});
        assert_eq!(line(&record), "2023-11-14T22:13:20.250Z  10  k\\n  {\"a\": \"ä\"}\\n");
        let record = json!({"shard": "shardId-000000000000", "arrival": 1_700_000_000,
            "partition_key": null, "encoding": "base64", "data": "AAE="});
        assert_eq!(line(&record), "2023-11-14T22:13:20.000Z  0  -  base64:AAE=");
    }
}
