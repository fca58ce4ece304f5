//! What is known better than the model tells it: recordings of AWS, and choices of ours. One table
//! each.

use crate::{Result, model::Model};

/// Least values that AWS enforces although the model has none: recorded messages name them.
const MINIMA: [(&str, i64); 1] = [("RetentionPeriodHours", 1)];

/// Greatest values likewise. `PositiveIntegerObject` is the count of shards in CreateStream and
/// UpdateShardCount.
const MAXIMA: [(&str, i64); 1] = [("PositiveIntegerObject", 100_000)];

/// Enumerations whose values AWS prints in an order of its own.
const PRINTED_ORDERS: [(&str, &[&str]); 1] = [(
    "ShardIteratorType",
    &["AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"],
)];

/// Members that aren't always there although the model requires them: the last event of a shard
/// names no continuation.
const OPTIONAL: [(&str, &str); 1] = [("SubscribeToShardEvent", "ContinuationSequenceNumber")];

/// Text that answers carry in a form of its own, of the same name in `api/src/types`. Requests may
/// carry any text there.
const FORMS: [&str; 2] = ["SequenceNumber", "ShardId"];

/// The matcher of each pattern of the model, in `api/src/validate/patterns.rs`. Its text there is
/// what AWS prints.
const MATCHERS: [(&str, &str); 20] = [
    (r"[a-zA-Z0-9_.-]+", "NAME"),
    (r"^(0|([1-9]\d{0,38}))$", "HASH_KEY"),
    (r"^(0|([1-9]\d{0,128}))$", "SEQUENCE_NUMBER"),
    (r"[a-z0-9]{20}-[a-z0-9]{3}", "STREAM_ID"),
    (r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+", "STREAM_ARN"),
    (r"arn:aws.*:kinesis:.*:\d{12}:queue/\S+", "QUEUE_ARN"),
    (r"arn:aws.*:kinesis:.*:\d{12}:channel/\S+", "CHANNEL_ARN"),
    (r"arn:aws.*:kinesis:.*:\d{12}:.*(stream|channel|queue)/\S+", "RESOURCE_ARN"),
    (
        concat!(
            r"^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+",
            r"\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+"
        ),
        "CONSUMER_ARN",
    ),
    (r"arn:aws[-a-z0-9]*:s3:::[a-z0-9._-]{3,63}", "BUCKET_ARN"),
    (r"arn:aws[-a-z0-9]*:s3tables:[-a-z0-9]+:\d{12}:bucket/[a-z0-9_-]{3,63}", "TABLE_BUCKET_ARN"),
    (r"arn:aws[-a-z0-9]*:iam::\d{12}:role/[a-zA-Z_0-9+=,.@\-_/]+", "ROLE_ARN"),
    (
        concat!(
            r"arn:aws[-a-z0-9]*:glue:[-a-z0-9]+:\d{12}:",
            r"schema/[-a-zA-Z0-9_$#.]+/[-a-zA-Z0-9_$#.]+"
        ),
        "GSR_SCHEMA_ARN",
    ),
    (r"\d{12}", "ACCOUNT"),
    (r"[\.\-_/#A-Za-z0-9]+", "LOG_GROUP"),
    (r"[^:*]*", "LOG_STREAM"),
    (r"[a-zA-Z0-9\.\_]+", "PARTITION_SOURCE"),
    (r"[0-9A-Za-z!\-_'.*()\/]+", "S3_PREFIX"),
    (r"[0-9A-Za-z!\-_'.*()\/=:{}]+", "S3_KEY_TEMPLATE"),
    (r"[0-9a-z_]+", "TABLE_NAME"),
];

/// Errors that every AWS service knows and the model doesn't list: wire name, status, and when they
/// are given.
pub(crate) const COMMON_ERRORS: [(&str, u16, &str); 9] = [
    ("ExpiredTokenException", 400, "The security token is too old"),
    ("IncompleteSignatureException", 400, "The signature lacks a part"),
    ("InternalFailure", 500, "Something failed on the server's side"),
    ("InvalidSignatureException", 400, "The signature isn't the one that the request should have"),
    ("MissingAuthenticationTokenException", 400, "The request isn't signed"),
    ("SerializationException", 400, "The body can't be read as the operation's input"),
    ("ServiceUnavailable", 503, "The server can't answer now"),
    ("UnknownOperationException", 400, "There is no such operation"),
    ("UnrecognizedClientException", 400, "The access key or the token is unknown"),
];

/// Applies the tables to the model, each row of which must still be about something.
pub(crate) fn apply(model: &mut Model) -> Result<()> {
    let missing = |name: &str| format!("facts.rs speaks of {name}, which the model doesn't have");
    for (name, min) in MINIMA {
        model.shapes.get_mut(name).ok_or_else(|| missing(name))?.min = Some(min);
    }
    for (name, max) in MAXIMA {
        model.shapes.get_mut(name).ok_or_else(|| missing(name))?.max = Some(max);
    }
    for name in FORMS {
        model.shapes.get(name).ok_or_else(|| missing(name))?;
    }
    for (name, member) in OPTIONAL {
        let shape = model.shapes.get_mut(name).ok_or_else(|| missing(name))?;
        if !shape.requires(member) {
            return Err(missing(member).into());
        }
        shape.required.retain(|required| required != member);
    }
    Ok(())
}

/// Whether text of this shape has a form of its own in answers.
pub(crate) fn has_form(shape: &str) -> bool {
    FORMS.contains(&shape)
}

/// The values of an enumeration in the order in which AWS prints them.
pub(crate) fn printed_order(shape: &str, values: &[String]) -> Result<Vec<String>> {
    let Some((_, order)) = PRINTED_ORDERS.iter().find(|(name, _)| *name == shape) else {
        return Ok(values.to_vec());
    };
    let order: Vec<String> = order.iter().map(ToString::to_string).collect();
    let sorted = |values: &[String]| {
        let mut values = values.to_vec();
        values.sort();
        values
    };
    if sorted(&order) != sorted(values) {
        return Err(format!("facts.rs and the model disagree on the values of {shape}").into());
    }
    Ok(order)
}

/// The name of the matcher of a pattern.
pub(crate) fn matcher(pattern: &str) -> Result<&'static str> {
    let row = MATCHERS.iter().find(|(text, _)| *text == pattern);
    Ok(row.ok_or_else(|| format!("facts.rs knows no matcher for the pattern {pattern}"))?.1)
}
