//! Records put by who looks into a stream, through PutRecords itself: they spend its quotas, are
//! counted like everybody's, and are refused for the same reasons.

use std::{borrow::Cow, fmt};

use axum::{
    Json,
    body::to_bytes,
    extract::{Path, Request, State},
};
use millpond_api::{
    Codec, OperationId,
    operations::{PutRecordsInput, PutRecordsRequestEntry},
    types::{Blob, StreamName},
};
use millpond_quotas::limits::{PUT_RECORDS_RECORDS_MAX, REQUEST_BODY_BYTES_MAX};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{Value, json};

use crate::{
    admin::{
        Admin, Fault, Result, Scope,
        input::{self, parsed},
    },
    auth::Caller,
    ops::{self, Cx, Reply},
    traces::Span,
};

/// What a caller is called that has no access key.
const CALLER: &str = "admin";

/// Bytes of PutRecords' answer: 500 results, each of a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Put {
    #[serde(deserialize_with = "records_of_a_call")]
    records: Vec<PutRecord>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutRecord {
    partition_key: Option<String>,
    explicit_hash_key: Option<String>,
    data: String,
    #[serde(default)]
    encoding: Encoding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Text,
    Base64,
}

/// `POST streams/{name}/records`.
pub(in crate::admin) async fn put(
    State(admin): State<Admin>,
    Scope(namespace): Scope,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<Value>> {
    let name: StreamName = parsed("stream", &name)?;
    // Held until its records are stored, as its room is all that bounds how many are on their way.
    let body = input::body(request, REQUEST_BODY_BYTES_MAX).await?;
    let input = put_records_input(&name, &body)?;
    let (account, region) = (namespace.account, namespace.region);
    let caller = Caller { account, region, access_key_id: CALLER.into(), identity: None };
    let span = Span::default();
    let cx = Cx::new(&admin.app, OperationId::PutRecords, Codec::Json, caller, None, &span);
    let cx = cx.without_faults();
    let unserved = || ops::unserved(OperationId::PutRecords);
    let serve = ops::entrypoint(OperationId::PutRecords).ok_or_else(unserved)?;
    let Reply::Whole { body: output, room } = serve(&cx, &input).await? else {
        return Err(Fault::failed("PutRecords answers with a stream"));
    };
    drop(body);
    let output = to_bytes(output.into_body(room), ANSWER_BYTES_MAX).await;
    let output = output.map_err(|error| Fault::failed(error.to_string()))?;
    let output: Value =
        serde_json::from_slice(&output).map_err(|error| Fault::failed(error.to_string()))?;
    let results = output.get("Records").and_then(Value::as_array);
    let results: Vec<_> = results.into_iter().flatten().map(result).collect();
    Ok(Json(json!({ "failed": output.get("FailedRecordCount"), "records": results })))
}

/// PutRecords' own input for this body, as it travels.
fn put_records_input(name: &StreamName, body: &[u8]) -> Result<Vec<u8>> {
    let Put { records } = input::parse(body)?;
    let records = records.into_iter().enumerate().map(|(index, record)| entry(index, record));
    let input = PutRecordsInput {
        records: records.collect::<Result<_>>()?,
        stream_name: Some(name.as_str().into()),
        stream_arn: None,
        stream_id: None,
        dry_run: None,
    };
    Ok(Codec::Json.encode(&input))
}

fn entry(index: usize, record: PutRecord) -> Result<PutRecordsRequestEntry<'static>> {
    let PutRecord { partition_key, explicit_hash_key, data, encoding } = record;
    let data = match encoding {
        Encoding::Text => Ok(Blob::Bytes(Cow::Owned(data.into_bytes()))),
        Encoding::Base64 => Blob::from_base64(data.into()),
    };
    // What isn't base64 has a better place here than in PutRecords' words.
    let data = data.map_err(|_| {
        Fault::invalid(format!("records[{index}].data: it is not base64, standard and padded"))
    })?;
    Ok(PutRecordsRequestEntry {
        data,
        explicit_hash_key: explicit_hash_key.map(Cow::Owned),
        partition_key: partition_key.map(Cow::Owned),
    })
}

/// Records, unless they are more than a call takes: the first of those is skipped, and what stands
/// behind it isn't read.
fn records_of_a_call<'de, D: Deserializer<'de>>(
    from: D,
) -> std::result::Result<Vec<PutRecord>, D::Error> {
    from.deserialize_seq(UpToACall)
}

struct UpToACall;

impl<'de> Visitor<'de> for UpToACall {
    type Value = Vec<PutRecord>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut from: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut records = Vec::new();
        while records.len() < PUT_RECORDS_RECORDS_MAX {
            let Some(record) = from.next_element()? else { return Ok(records) };
            records.push(record);
        }
        if from.next_element::<IgnoredAny>()?.is_some() {
            let words = format!("at most {PUT_RECORDS_RECORDS_MAX} fit a call");
            return Err(de::Error::custom(words));
        }
        Ok(records)
    }
}

fn result(result: &Value) -> Value {
    let member = |name: &str| result.get(name).cloned().unwrap_or_default();
    match result.get("ErrorCode") {
        Some(code) if !code.is_null() => {
            json!({ "error": code, "message": member("ErrorMessage") })
        }
        _ => json!({ "shard": member("ShardId"), "sequence_number": member("SequenceNumber") }),
    }
}
