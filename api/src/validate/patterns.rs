//! The model's regular expressions as hand-written matchers, each linear in the length of the text.
//! As in AWS' own language, `.` is anything but a line terminator, `\d` an ASCII digit and `\S`
//! anything but ASCII white space.

use crate::schema::Pattern;

/// Names of streams, consumers, queues and channels, and ids of shards.
pub(crate) static NAME: Pattern =
    Pattern { text: "[a-zA-Z0-9_.-]+", matches: |text| some(text, is_name) };

/// A decimal number of up to 39 digits.
pub(crate) static HASH_KEY: Pattern =
    Pattern { text: r"0|([1-9]\d{0,38})", matches: |text| is_number(text, 39) };

/// A decimal number of up to 129 digits.
pub(crate) static SEQUENCE_NUMBER: Pattern =
    Pattern { text: r"0|([1-9]\d{0,128})", matches: |text| is_number(text, 129) };

/// The reserved id of a stream.
pub(crate) static STREAM_ID: Pattern = Pattern {
    text: "[a-z0-9]{20}-[a-z0-9]{3}",
    matches: |text| match text.split_once('-') {
        Some((left, right)) => {
            (left.len(), right.len()) == (20, 3) && all(left, is_base36) && all(right, is_base36)
        }
        None => false,
    },
};

/// The ARN of a stream.
pub(crate) static STREAM_ARN: Pattern = Pattern {
    text: r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+",
    matches: |text| is_kinesis_arn(text, ":stream/"),
};

/// The ARN of a queue.
pub(crate) static QUEUE_ARN: Pattern = Pattern {
    text: r"arn:aws.*:kinesis:.*:\d{12}:queue/\S+",
    matches: |text| is_kinesis_arn(text, ":queue/"),
};

/// The ARN of a channel.
pub(crate) static CHANNEL_ARN: Pattern = Pattern {
    text: r"arn:aws.*:kinesis:.*:\d{12}:channel/\S+",
    matches: |text| is_kinesis_arn(text, ":channel/"),
};

/// The ARN of anything that has tags or a policy.
pub(crate) static RESOURCE_ARN: Pattern = Pattern {
    text: r"arn:aws.*:kinesis:.*:\d{12}:.*(stream|channel|queue)/\S+",
    matches: is_resource_arn,
};

/// The ARN of a consumer.
pub(crate) static CONSUMER_ARN: Pattern = Pattern {
    text: concat!(
        r"^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+",
        r"\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+"
    ),
    matches: |text| is_consumer_arn(text).is_some(),
};

/// The ARN of a bucket.
pub(crate) static BUCKET_ARN: Pattern = Pattern {
    text: "arn:aws[-a-z0-9]*:s3:::[a-z0-9._-]{3,63}",
    matches: |text| match parts(text) {
        Some(["s3", "", "", bucket]) => {
            (3..=63).contains(&bucket.len())
                && all(bucket, |c| is_base36(c) || matches!(c, b'.' | b'_' | b'-'))
        }
        _ => false,
    },
};

/// The ARN of a table bucket.
pub(crate) static TABLE_BUCKET_ARN: Pattern = Pattern {
    text: r"arn:aws[-a-z0-9]*:s3tables:[-a-z0-9]+:\d{12}:bucket/[a-z0-9_-]{3,63}",
    matches: |text| match parts(text) {
        Some(["s3tables", region, account, resource]) => {
            let bucket = resource.strip_prefix("bucket/").unwrap_or_default();
            some(region, is_region)
                && is_account(account)
                && (3..=63).contains(&bucket.len())
                && all(bucket, |c| is_base36(c) || matches!(c, b'_' | b'-'))
        }
        _ => false,
    },
};

/// The ARN of a role.
pub(crate) static ROLE_ARN: Pattern = Pattern {
    text: r"arn:aws[-a-z0-9]*:iam::\d{12}:role/[a-zA-Z_0-9+=,.@\-_/]+",
    matches: |text| match parts(text) {
        Some(["iam", "", account, resource]) => {
            let role = resource.strip_prefix("role/").unwrap_or_default();
            is_account(account)
                && some(role, |c| c.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&c))
        }
        _ => false,
    },
};

/// The ARN of a schema.
pub(crate) static GSR_SCHEMA_ARN: Pattern = Pattern {
    text: concat!(
        r"arn:aws[-a-z0-9]*:glue:[-a-z0-9]+:\d{12}:",
        "schema/[-a-zA-Z0-9_$#.]+/[-a-zA-Z0-9_$#.]+"
    ),
    matches: |text| match parts(text) {
        Some(["glue", region, account, resource]) => {
            let is_part = |c: u8| c.is_ascii_alphanumeric() || b"-_$#.".contains(&c);
            let names = resource.strip_prefix("schema/").and_then(|names| names.split_once('/'));
            some(region, is_region)
                && is_account(account)
                && names.is_some_and(|(a, b)| some(a, is_part) && some(b, is_part))
        }
        _ => false,
    },
};

/// An account number.
pub(crate) static ACCOUNT: Pattern = Pattern { text: r"\d{12}", matches: is_account };

/// The name of a log group.
pub(crate) static LOG_GROUP: Pattern = Pattern {
    text: r"[\.\-_/#A-Za-z0-9]+",
    matches: |text| some(text, |c| c.is_ascii_alphanumeric() || b".-_/#".contains(&c)),
};

/// The name of a log stream.
pub(crate) static LOG_STREAM: Pattern =
    Pattern { text: "[^:*]*", matches: |text| !text.contains([':', '*']) };

/// The name of a field to partition by.
pub(crate) static PARTITION_SOURCE: Pattern = Pattern {
    text: r"[a-zA-Z0-9\.\_]+",
    matches: |text| some(text, |c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_')),
};

/// A prefix of object keys.
pub(crate) static S3_PREFIX: Pattern = Pattern {
    text: r"[0-9A-Za-z!\-_'.*()\/]+",
    matches: |text| some(text, |c| c.is_ascii_alphanumeric() || b"!-_'.*()/".contains(&c)),
};

/// A template of object keys.
pub(crate) static S3_KEY_TEMPLATE: Pattern = Pattern {
    text: r"[0-9A-Za-z!\-_'.*()\/=:{}]+",
    matches: |text| some(text, |c| c.is_ascii_alphanumeric() || b"!-_'.*()/=:{}".contains(&c)),
};

/// The name of a table or of its namespace.
pub(crate) static TABLE_NAME: Pattern =
    Pattern { text: "[0-9a-z_]+", matches: |text| some(text, |c| is_base36(c) || c == b'_') };

fn all(text: &str, accepts: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(accepts)
}

fn some(text: &str, accepts: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && all(text, accepts)
}

fn is_name(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-')
}

fn is_base36(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_region(c: u8) -> bool {
    is_base36(c) || c == b'-'
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && all(text, |c| c.is_ascii_digit())
}

fn is_number(text: &str, digits_max: usize) -> bool {
    text == "0"
        || (text.len() <= digits_max
            && !text.starts_with('0')
            && some(text, |c| c.is_ascii_digit()))
}

/// Service, region, account and resource of an ARN whose partition is written out in full.
fn parts(arn: &str) -> Option<[&str; 4]> {
    let mut parts = arn.strip_prefix("arn:aws")?.splitn(5, ':');
    let mut next = || parts.next();
    all(next()?, is_region).then_some(())?;
    Some([next()?, next()?, next()?, next()?])
}

/// What follows the first `:kinesis:`, provided that `arn:aws.*` comes before it.
fn after_service(arn: &str) -> Option<&str> {
    let (partition, rest) = arn.strip_prefix("arn:aws")?.split_once(":kinesis:")?;
    is_line(partition).then_some(rest)
}

fn is_line(text: &str) -> bool {
    line_length(text) == text.len()
}

/// Bytes before the first line terminator.
fn line_length(text: &str) -> usize {
    text.find(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).unwrap_or(text.len())
}

/// Bytes up to the last ASCII white space, which is where `\S+` may start at the earliest.
fn solid_from(text: &str) -> usize {
    text.rfind([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']).map_or(0, |at| at + 1)
}

/// Twelve digits at the end of the text, after a colon.
fn ends_with_account(text: &str) -> bool {
    text.len()
        .checked_sub(13)
        .and_then(|at| text.get(at..))
        .is_some_and(|end| end.strip_prefix(':').is_some_and(is_account))
}

/// `arn:aws.*:kinesis:.*:\d{12}` with `kind` and `\S+` behind it.
fn is_kinesis_arn(arn: &str, kind: &str) -> bool {
    after_service(arn).is_some_and(|rest| {
        let (line, solid) = (line_length(rest), solid_from(rest));
        rest.match_indices(kind).any(|(at, _)| {
            let tail = at + kind.len();
            at <= line
                && (solid..rest.len()).contains(&tail)
                && rest.get(..at).is_some_and(ends_with_account)
        })
    })
}

/// What follows the first account number in `.*:\d{12}:`.
fn after_account(rest: &str) -> Option<&str> {
    let line = rest.get(..line_length(rest))?;
    let colons = line.match_indices(':').map(|(at, _)| at);
    let mut ends = colons.filter(|at| line.get(..*at).is_some_and(ends_with_account));
    ends.next().and_then(|at| rest.get(at + 1..))
}

fn is_resource_arn(arn: &str) -> bool {
    after_service(arn).and_then(after_account).is_some_and(|rest| {
        let (line, solid) = (line_length(rest), solid_from(rest));
        ["stream/", "channel/", "queue/"].iter().any(|kind| {
            rest.match_indices(kind)
                .any(|(at, _)| at <= line && (solid..rest.len()).contains(&(at + kind.len())))
        })
    })
}

fn is_consumer_arn(arn: &str) -> Option<()> {
    let (rest, created) = arn.rsplit_once(':')?;
    let (rest, consumer) = rest.rsplit_once("/consumer/")?;
    let (rest, stream) = rest.rsplit_once('/')?;
    let resource = after_account(after_service(rest)?)?;
    let named =
        some(created, |c| c.is_ascii_digit()) && some(consumer, is_name) && some(stream, is_name);
    (named && is_line(resource) && resource.ends_with("stream")).then_some(())
}

#[cfg(test)]
mod tests;
