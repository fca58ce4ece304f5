//! What a reader asks for, checked.

use std::time::Duration;

use millpond_api::types::{SequenceNumber, ShardId, Timestamp};
use millpond_quotas::limits;
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Fault, Result, page::PAGE_BYTES_MAX};
use crate::{
    admin::input::parsed,
    payload::{UNPACKED_BYTES_MAX, Unpacking, WORKING_BYTES_MAX},
};

/// Records in an answer unless it is asked for others.
const LIMIT: usize = 100;

/// The most that can be asked for.
const LIMIT_MAX: usize = 1_000;

/// How long an answer can be waited for.
const WAIT_SECONDS_MAX: f64 = 20.0;

/// How many records before the tip of a shard can be asked for.
const LAST_MAX: u64 = 10_000;

/// A number with more digits than this is a sequence number, and no time.
const TIME_DIGITS_MAX: usize = 20;

/// Bytes of data and partition key of the largest record that any stream takes.
pub(super) const RECORD_BYTES_MAX: usize =
    limits::record_bytes_max(limits::RECORD_SIZE_MAX_KIB) as usize;

/// The parameters as they come.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Query {
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
    shard: Option<String>,
    from: Option<String>,
    since_seconds: Option<f64>,
    last: Option<u64>,
    pub(super) next: Option<String>,
    limit: Option<usize>,
    wait_seconds: Option<f64>,
    #[serde(default)]
    deaggregate: bool,
    #[serde(default)]
    gunzip: bool,
}

/// What they mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) shard: Option<ShardId>,
    pub(super) start: Start,
    pub(super) limit: usize,
    pub(super) wait: Duration,
    pub(super) unpacking: Unpacking,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Oldest,
    Newest,
    At(SequenceNumber),
    Time(Timestamp),
    /// What arrived in so many milliseconds.
    Since(i64),
    /// So many records of each shard.
    Last(u64),
}

impl Wanted {
    pub(super) fn of(query: &Query) -> Result<Self> {
        let shard = query.shard.as_deref().map(|text| parsed("shard", text)).transpose()?;
        let start = start(query)?;
        let limit = query.limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let words = format!("limit: it is from 1 to {LIMIT_MAX}, and not {limit}");
            return Err(Fault::invalid(words));
        }
        let wait = query.wait_seconds.unwrap_or(0.0);
        if !(0.0..=WAIT_SECONDS_MAX).contains(&wait) {
            let words = format!("wait_seconds: it is from 0 to {WAIT_SECONDS_MAX}, and not {wait}");
            return Err(Fault::invalid(words));
        }
        let unpacking = Unpacking { deaggregate: query.deaggregate, gunzip: query.gunzip };
        Ok(Self { shard, start, limit, wait: Duration::from_secs_f64(wait), unpacking })
    }

    /// What the largest answer takes as it is made, beside what is read: its text, which is twice
    /// as long as what it tells where that is quotes and line ends, and its last record, opened and
    /// unpacked.
    pub(super) fn answer_bytes_max(&self) -> usize {
        let unpacks = self.unpacking != Unpacking::default();
        let (told, work) =
            if unpacks { (UNPACKED_BYTES_MAX, WORKING_BYTES_MAX) } else { (RECORD_BYTES_MAX, 0) };
        PAGE_BYTES_MAX + 2 * told + RECORD_BYTES_MAX + work
    }
}

fn start(query: &Query) -> Result<Start> {
    let Query { from, since_seconds, last, next, .. } = query;
    let given = [from.is_some(), since_seconds.is_some(), last.is_some(), next.is_some()];
    if given.into_iter().filter(|is_given| *is_given).count() > 1 {
        let words = "from, since_seconds, last and next exclude each other: leave all but one out";
        return Err(Fault::invalid(words));
    }
    if next.is_some() && query.shard.is_some() {
        return Err(Fault::invalid("next knows its shard: leave shard out"));
    }
    if let Some(last) = last {
        let words = || format!("last: it is from 1 to {LAST_MAX}, and not {last}");
        let last = Some(*last).filter(|last| (1..=LAST_MAX).contains(last));
        return last.map(Start::Last).ok_or_else(|| Fault::invalid(words()));
    }
    if let Some(seconds) = since_seconds {
        let words = || format!("since_seconds: it is a number of seconds, and not {seconds}");
        let millis = millis(*seconds).filter(|millis| *millis >= 0);
        return millis.map(Start::Since).ok_or_else(|| Fault::invalid(words()));
    }
    from.as_deref().map_or(Ok(Start::Oldest), from_text)
}

fn from_text(text: &str) -> Result<Start> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && text.len() > TIME_DIGITS_MAX {
        return parsed("from", text).map(Start::At);
    }
    let at = |millis| Start::Time(Timestamp::from_millis(millis));
    let seconds = || text.parse::<f64>().ok().and_then(millis);
    let date = || {
        let date = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(date.unix_timestamp_nanos() / 1_000_000).ok()
    };
    match text {
        "TRIM_HORIZON" => Ok(Start::Oldest),
        "LATEST" => Ok(Start::Newest),
        _ => seconds().or_else(date).map(at).ok_or_else(|| {
            Fault::invalid(format!(
                "from: it is TRIM_HORIZON, LATEST, a sequence number, epoch seconds or a date such \
                 as 2026-01-31T12:00:00Z, and not '{text}'"
            ))
        }),
    }
}

/// Seconds as milliseconds, if they are a time that there can be.
fn millis(seconds: f64) -> Option<i64> {
    let millis = (seconds * 1000.0).round();
    // A million years, which leaves room to count with.
    (millis.abs() < 3.2e16).then_some(millis as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_has_many_names() {
        let millis = |millis| Start::Time(Timestamp::from_millis(millis));
        let number = "49545115243490985018280067714973144582180062593244200961";
        for (text, start) in [
            ("TRIM_HORIZON", Start::Oldest),
            ("LATEST", Start::Newest),
            ("1700000000", millis(1_700_000_000_000)),
            ("1700000000.25", millis(1_700_000_000_250)),
            ("2023-11-14T22:13:20Z", millis(1_700_000_000_000)),
            ("2023-11-14T23:13:20.5+01:00", millis(1_700_000_000_500)),
            (number, Start::At(number.parse().unwrap())),
        ] {
            assert_eq!(from_text(text), Ok(start), "{text}");
        }
        for text in ["", "latest", "yesterday", "NaN", "inf", "1e300", &"9".repeat(56)] {
            assert!(from_text(text).is_err(), "{text}");
        }
    }
}
