//! `millpond streams`, `describe` and `shards`.

use std::fmt::Write as _;

use millpond_api::types::{StreamName, Timestamp};
use serde_json::Value;

use super::{Client, Outcome, Printer, print::harmless};

/// Lists streams.
pub(super) async fn list(client: &mut Client, printer: &mut Printer) -> Outcome {
    let streams = all(client, "streams", "streams").await?;
    if printer.is_json() {
        return streams.iter().try_for_each(|stream| printer.object(stream));
    }
    let rows: Vec<_> = streams
        .iter()
        .map(|stream| {
            ["name", "status", "mode", "open_shards", "retention_hours", "region", "account"]
                .map(|field| text(stream, field))
                .to_vec()
        })
        .collect();
    let headings = ["NAME", "STATUS", "MODE", "SHARDS", "HOURS", "REGION", "ACCOUNT"];
    printer.table(&headings, &rows)
}

/// Shows one stream.
pub(super) async fn describe(
    client: &mut Client,
    printer: &mut Printer,
    stream: &StreamName,
) -> Outcome {
    let stream = client.get(&format!("streams/{stream}"), &[]).await?;
    if printer.is_json() {
        return printer.object(&stream);
    }
    let fields = [
        ("name", "name"),
        ("arn", "arn"),
        ("status", "status"),
        ("mode", "mode"),
        ("open shards", "open_shards"),
        ("retention hours", "retention_hours"),
        ("largest record, KiB", "max_record_kib"),
        ("encryption key", "encryption_key"),
        ("policy", "policy"),
    ];
    let mut facts: Vec<_> =
        fields.into_iter().map(|(name, field)| (name, text(&stream, field))).collect();
    facts.push(("created", time(stream.get("created"))));
    facts.push(("tags", tags(stream.get("tags"))));
    facts.retain(|(_, value)| !value.is_empty());
    printer.facts(&facts)?;
    let consumers = stream.get("consumers").and_then(Value::as_array);
    let rows: Vec<_> = consumers
        .into_iter()
        .flatten()
        .map(|consumer| {
            let created = time(consumer.get("created"));
            vec![
                text(consumer, "name"),
                text(consumer, "status"),
                created,
                tags(consumer.get("tags")),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    printer.line("")?;
    printer.table(&["CONSUMER", "STATUS", "CREATED", "TAGS"], &rows)
}

/// Shows the shards of a stream.
pub(super) async fn shards(
    client: &mut Client,
    printer: &mut Printer,
    stream: &StreamName,
) -> Outcome {
    let shards = all(client, &format!("streams/{stream}/shards"), "shards").await?;
    if printer.is_json() {
        return shards.iter().try_for_each(|shard| printer.object(shard));
    }
    let rows: Vec<_> = shards
        .iter()
        .map(|shard| {
            let parents = [text(shard, "parent"), text(shard, "adjacent_parent")];
            let parents = parents.into_iter().filter(|id| !id.is_empty());
            vec![
                text(shard, "shard"),
                text(shard, "state"),
                text(shard, "records"),
                parents.collect::<Vec<_>>().join(" "),
                text(shard, "starting_hash_key"),
                text(shard, "ending_hash_key"),
            ]
        })
        .collect();
    let headings = ["SHARD", "STATE", "RECORDS", "PARENTS", "FROM HASH KEY", "TO HASH KEY"];
    printer.table(&headings, &rows)
}

/// All elements of a list that comes in pages.
async fn all(client: &mut Client, path: &str, field: &str) -> Outcome<Vec<Value>> {
    let mut found = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let query: Vec<_> = next.iter().map(|next| ("next", next.as_str())).collect();
        let mut page = client.get(path, &query).await?;
        if let Some(Value::Array(elements)) = page.get_mut(field).map(Value::take) {
            found.extend(elements);
        }
        next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// A field as people read it; empty where there is nothing.
pub(super) fn text(object: &Value, field: &str) -> String {
    match object.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => harmless(text),
        Some(other) => other.to_string(),
    }
}

/// Epoch seconds as people read them.
pub(super) fn time(seconds: Option<&Value>) -> String {
    let Some(seconds) = seconds.and_then(Value::as_f64) else { return String::new() };
    let at = Timestamp::from_millis((seconds * 1000.0).round() as i64);
    let date = time::OffsetDateTime::from_unix_timestamp(at.seconds());
    let Ok(date) = date else { return seconds.to_string() };
    let (hour, minute, second) = date.to_hms();
    let millis = at.millis().rem_euclid(1000);
    let date = date.date();
    format!("{date}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

fn tags(tags: Option<&Value>) -> String {
    let mut told = String::new();
    for (key, value) in tags.and_then(Value::as_object).into_iter().flatten() {
        let space = if told.is_empty() { "" } else { " " };
        let value = value.as_str().unwrap_or_default();
        // Writing to a text doesn't fail.
        write!(told, "{space}{}={}", harmless(key), harmless(value)).ok();
    }
    told
}
