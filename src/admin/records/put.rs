//! Records put by who looks into a stream, through PutRecords itself: they spend its quotas, are
//! counted like everybody's, and are refused for the same reasons.

use axum::{
    Json,
    body::to_bytes,
    extract::{Path, State},
};
use base64_simd::STANDARD as BASE64;
use millpond_api::{Codec, OperationId, types::StreamName};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    admin::{Admin, Fault, Input, Result, Scope, input::parsed},
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
pub(in crate::admin) struct Put {
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
    Input(Put { records }): Input<Put>,
) -> Result<Json<Value>> {
    let name: StreamName = parsed("stream", &name)?;
    let entries = records.into_iter().enumerate().map(|(index, record)| entry(index, record));
    let entries = entries.collect::<Result<Vec<_>>>()?;
    let input = json!({ "StreamName": name.as_str(), "Records": entries }).to_string();
    let (account, region) = (namespace.account, namespace.region);
    let caller = Caller { account, region, access_key_id: CALLER.into(), identity: None };
    let span = Span::default();
    let cx = Cx::new(&admin.app, OperationId::PutRecords, Codec::Json, caller, None, &span);
    let cx = cx.without_faults();
    let unserved = || ops::unserved(OperationId::PutRecords);
    let serve = ops::entrypoint(OperationId::PutRecords).ok_or_else(unserved)?;
    let Reply::Whole { body, room } = serve(&cx, input.as_bytes()).await? else {
        return Err(Fault::failed("PutRecords answers with a stream"));
    };
    let output = to_bytes(body.into_body(room), ANSWER_BYTES_MAX).await;
    let output = output.map_err(|error| Fault::failed(error.to_string()))?;
    let output: Value =
        serde_json::from_slice(&output).map_err(|error| Fault::failed(error.to_string()))?;
    let results = output.get("Records").and_then(Value::as_array);
    let results: Vec<_> = results.into_iter().flatten().map(result).collect();
    Ok(Json(json!({ "failed": output.get("FailedRecordCount"), "records": results })))
}

fn entry(index: usize, record: PutRecord) -> Result<Value> {
    let PutRecord { partition_key, explicit_hash_key, data, encoding } = record;
    let data = match encoding {
        Encoding::Text => BASE64.encode_to_string(data),
        // What isn't base64 has a better place here than in PutRecords' words.
        Encoding::Base64 if BASE64.check(data.as_bytes()).is_ok() => data,
        Encoding::Base64 => {
            return Err(Fault::invalid(format!("records[{index}].data: it is not base64")));
        }
    };
    let mut entry = json!({ "Data": data });
    if let Some(entry) = entry.as_object_mut() {
        let members = [("PartitionKey", partition_key), ("ExplicitHashKey", explicit_hash_key)];
        let given = members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?)));
        entry.extend(given.map(|(name, text)| (name, Value::String(text))));
    }
    Ok(entry)
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
