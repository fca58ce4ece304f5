//! What was refused, in a few lines: for the end of a run.

use super::report::{Report, Seen, StreamReport};

/// Streams that the summary tells of: those that were refused most.
const STREAMS_MAX: usize = 5;

/// What is worth telling; nothing when nothing was refused.
pub(super) fn lines(report: &Report) -> Vec<String> {
    if report.refused == 0 {
        return Vec::new();
    }
    let refused = report.streams.iter().filter(|stream| stream.refused > 0);
    let others = refused.clone().count().saturating_sub(STREAMS_MAX);
    let mut lines = vec![format!("{} records and calls were refused for a limit", report.refused)];
    for stream in refused.take(STREAMS_MAX) {
        lines.push(of_stream(stream));
        let advice = stream.seen.as_ref().and_then(|seen| seen.advice.as_ref());
        lines.extend(advice.into_iter().flat_map(|advice| &advice.sentences).cloned());
        lines.extend(stream.seen.as_ref().map(|seen| cost(seen, &report.cost.currency)));
    }
    if others > 0 {
        lines.push(format!("and {others} more streams"));
    }
    for throttle in report.accounts.iter().take(STREAMS_MAX) {
        let account = throttle.account.as_deref().unwrap_or_default();
        let (operation, limit, refused) = (throttle.operation, throttle.limit, throttle.refused);
        lines.push(format!("account {account}: {operation} {refused} times, for {limit}"));
    }
    let cost = &report.cost;
    lines.push(format!(
        "all streams of this run would have cost {:.6} {} on AWS, by prices of {}",
        cost.total, cost.currency, cost.as_of
    ));
    lines
}

fn of_stream(stream: &StreamReport) -> String {
    let StreamReport { stream: name, account, region, refused, throttles, .. } = stream;
    let worst = throttles.first().map(|worst| {
        let shard = worst.shard.as_deref().unwrap_or("the stream");
        format!(": most by {} at {shard}, {} times", worst.limit, worst.refused)
    });
    format!("stream {name} ({account}, {region}): {refused} refused{}", worst.unwrap_or_default())
}

fn cost(seen: &Seen, currency: &str) -> String {
    let cost = &seen.cost;
    format!(
        "it would have cost {:.6} {currency}; {:.6} with enough shards, {:.6} on-demand",
        cost.total, cost.provisioned, cost.on_demand
    )
}
