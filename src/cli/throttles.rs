//! `millpond throttles`.

use http::Method;
use millpond_api::types::StreamName;
use serde_json::Value;

use super::{
    Client, Outcome, Printer,
    print::harmless,
    streams::{text, time},
};

/// Keys that are told of one kind of refusals.
const KEYS_MAX: usize = 3;

/// Shows what was refused for a limit, of one stream or of all.
pub(super) async fn show(
    client: &mut Client,
    printer: &mut Printer,
    stream: Option<&StreamName>,
) -> Outcome {
    let report = client.get("throttles", &query(stream)).await?;
    if printer.is_json() {
        return printer.object(&report);
    }
    let streams = elements(&report, "streams");
    let of_streams = streams.flat_map(|stream| {
        elements(stream, "throttles").map(|throttle| row(throttle, text(stream, "stream")))
    });
    let of_accounts = elements(&report, "accounts").map(|throttle| row(throttle, String::new()));
    let rows: Vec<_> = of_streams.chain(of_accounts).collect();
    if rows.is_empty() {
        let keeps_rates = report.get("keeps_rates").is_none_or(|keeps| keeps != false);
        return printer.line(if keeps_rates {
            "nothing was refused"
        } else {
            "nothing was refused: this server keeps no rate; --quotas strict keeps those of AWS"
        });
    }
    let headings = ["STREAM", "SHARD", "OPERATION", "LIMIT", "ALLOWED", "REFUSED", "LAST", "KEYS"];
    printer.table(&headings, &rows)?;
    printer.line("")?;
    let told = elements(&report, "summary").filter_map(Value::as_str);
    told.map(harmless).try_for_each(|line| printer.line(&line))
}

/// Begins anew.
pub(super) async fn clear(client: &mut Client, stream: Option<&StreamName>) -> Outcome {
    client.send(Method::DELETE, "throttles", &query(stream), None).await.map(drop)
}

fn query(stream: Option<&StreamName>) -> Vec<(&'static str, &str)> {
    stream.map(|stream| ("stream", stream.as_str())).into_iter().collect()
}

fn elements<'a>(of: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    of.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn row(throttle: &Value, stream: String) -> Vec<String> {
    let keys = elements(throttle, "partition_keys").take(KEYS_MAX);
    let keys: Vec<_> = keys.map(|key| text(key, "key")).collect();
    vec![
        stream,
        text(throttle, "shard"),
        text(throttle, "operation"),
        text(throttle, "limit"),
        text(throttle, "allowed_per_second"),
        text(throttle, "refused"),
        time(throttle.get("last")),
        keys.join(" "),
    ]
}
