//! The tables `[[streams]]` and `[[streams.consumers]]` of the configuration file. What the API
//! would refuse is refused here, with the file, the stream and the field in the sentence.

use std::{collections::BTreeMap, fs, path::Path};

use millpond_api::{
    Codec,
    operations::{CreateStream, RegisterStreamConsumer, StartStreamEncryption},
    types::{AccountId, Region, StreamName},
};
use millpond_quotas::limits;
use millpond_shards::stream::Namespace;
use serde_json::json;

use super::{
    Refused,
    streams::{Declaration, DeclaredConsumer, DeclaredMode},
    table::Fields,
};
use crate::{
    ops::is_legal_in_tags,
    policy::{Kind, Policy},
};

/// The array of tables in the file.
pub(super) const KEY: &str = "streams";

const STREAM_FIELDS: [&str; 12] = [
    "name",
    "account",
    "region",
    "mode",
    "shards",
    "retention-hours",
    "max-record-kib",
    "tags",
    "encryption-key",
    "policy",
    "policy-file",
    "consumers",
];

const CONSUMER_FIELDS: [&str; 4] = ["name", "tags", "policy", "policy-file"];

/// Reads the streams that `file` declares. What they don't say of account and region is as in
/// `namespace`.
pub(super) fn read(
    file: &Path,
    value: &toml::Value,
    namespace: &Namespace,
) -> Result<Vec<Declaration>, Refused> {
    let mut streams: Vec<Declaration> = Vec::new();
    for fields in Fields::all(file, KEY, value).map_err(Refused)? {
        let stream = stream(file, fields, namespace).map_err(Refused)?;
        if streams.iter().any(|other| other.arn == stream.arn) {
            let name = &stream.arn.name;
            return Err(Refused(format!(
                "{}: stream {name} is declared twice in {} of account {}: leave one out",
                file.display(),
                stream.arn.region,
                stream.arn.account
            )));
        }
        streams.push(stream);
    }
    Ok(streams)
}

fn stream(file: &Path, mut fields: Fields, namespace: &Namespace) -> Result<Declaration, String> {
    let name: StreamName = fields.named("stream")?;
    fields.check_known(&STREAM_FIELDS)?;
    let account = fields.parsed::<AccountId>("account")?.unwrap_or(namespace.account);
    let region = fields.parsed::<Region>("region")?.unwrap_or_else(|| namespace.region.clone());
    let arn = Namespace { account, region }.arn(name);
    let hours = limits::RETENTION_MIN_HOURS..=limits::RETENTION_MAX_HOURS;
    let sizes = limits::RECORD_SIZE_DEFAULT_KIB as u32..=limits::RECORD_SIZE_MAX_KIB as u32;
    let stream = Declaration {
        mode: mode(&mut fields)?,
        retention_hours: fields.whole("retention-hours", hours)?,
        max_record_kib: fields.whole("max-record-kib", sizes)?,
        tags: tags(&mut fields)?,
        encryption_key: encryption_key(&mut fields)?,
        policy: policy(file, &mut fields, Some(&arn.to_string()))?,
        consumers: consumers(file, &mut fields)?,
        file: Some(file.display().to_string()),
        ..Declaration::bare(arn)
    };
    let tags = stream.tags.iter().flatten().collect::<BTreeMap<_, _>>();
    if !tags.is_empty() {
        let input = json!({ "StreamName": "a", "ShardCount": 1, "Tags": tags });
        as_the_api_takes_it::<CreateStream>(&fields, "tags", &input)?;
    }
    Ok(stream)
}

/// A number of shards makes a stream provisioned; without either, the first place that names the
/// stream says how many it has.
fn mode(fields: &mut Fields) -> Result<Option<DeclaredMode>, String> {
    let shards = fields.whole("shards", 1..=limits::SHARDS_PER_STREAM_MAX)?;
    let shards = shards.and_then(|shards| shards.try_into().ok()).map(DeclaredMode::Provisioned);
    let mode = fields.text("mode")?;
    match (mode.as_deref(), shards) {
        (None | Some("provisioned"), shards) => Ok(shards),
        (Some("on-demand"), None) => Ok(Some(DeclaredMode::OnDemand)),
        (Some("on-demand"), Some(_)) => {
            Err(fields.fault("shards", "is not for on-demand streams: leave it or mode out"))
        }
        (Some(other), _) => {
            let right = format!("is provisioned or on-demand, and not '{other}'");
            Err(fields.fault("mode", &right))
        }
    }
}

fn tags(fields: &mut Fields) -> Result<Option<BTreeMap<String, String>>, String> {
    let Some(tags) = fields.texts("tags")? else { return Ok(None) };
    let limit = limits::TAGS_PER_RESOURCE_MAX;
    if tags.len() > limit {
        return Err(fields.fault("tags", &format!("has more than the {limit} that there may be")));
    }
    let is_illegal = |text: &&String| !text.chars().all(is_legal_in_tags);
    if let Some(text) = tags.iter().flat_map(|(key, value)| [key, value]).find(is_illegal) {
        let right = "may have letters, digits, spaces and _ . : / = + - @";
        return Err(fields.fault("tags", &format!("{right}, but there is '{text}'")));
    }
    Ok(Some(tags))
}

fn encryption_key(fields: &mut Fields) -> Result<Option<String>, String> {
    let Some(key) = fields.text("encryption-key")? else { return Ok(None) };
    let input = json!({ "StreamName": "a", "EncryptionType": "KMS", "KeyId": key });
    as_the_api_takes_it::<StartStreamEncryption>(fields, "encryption-key", &input)?;
    Ok(Some(key))
}

fn policy(file: &Path, fields: &mut Fields, arn: Option<&str>) -> Result<Option<String>, String> {
    let (text, path) = (fields.text("policy")?, fields.text("policy-file")?);
    let (field, text) = match (text, path) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(fields.fault("policy", "and policy-file exclude each other: leave one out"));
        }
        (Some(text), None) => ("policy", text),
        (None, Some(path)) => {
            let path = file.parent().unwrap_or(Path::new("")).join(path);
            let unreadable = |error| format!("{} can't be read: {error}", path.display());
            let text = fs::read_to_string(&path).map_err(unreadable);
            ("policy-file", text.map_err(|fault| fields.fault("policy-file", &fault))?)
        }
    };
    let parsed = match arn {
        Some(arn) => Policy::of_resource(&text, arn),
        None => Policy::parse(&text, Kind::Resource),
    };
    parsed.map_err(|fault| fields.fault(field, &format!("is not a valid policy: {fault}")))?;
    Ok(Some(text))
}

fn consumers(file: &Path, fields: &mut Fields) -> Result<Vec<DeclaredConsumer>, String> {
    let mut consumers: Vec<DeclaredConsumer> = Vec::new();
    for mut fields in fields.tables("consumers")? {
        let name: String = fields.named("consumer")?;
        fields.check_known(&CONSUMER_FIELDS)?;
        let tags = tags(&mut fields)?.unwrap_or_default();
        let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/a";
        let input = json!({ "StreamARN": stream, "ConsumerName": name });
        as_the_api_takes_it::<RegisterStreamConsumer>(&fields, "name", &input)?;
        if !tags.is_empty() {
            let input = json!({ "StreamARN": stream, "ConsumerName": "a", "Tags": tags });
            as_the_api_takes_it::<RegisterStreamConsumer>(&fields, "tags", &input)?;
        }
        if consumers.iter().any(|other| other.name == name) {
            return Err(fields.fault("name", "is that of another consumer, too: leave one out"));
        }
        // Its ARN has the time at which it is going to be registered.
        let policy = policy(file, &mut fields, None)?;
        consumers.push(DeclaredConsumer { name, tags, policy });
    }
    Ok(consumers)
}

/// Checks what the model says of lengths and patterns; the sentence is the API's own.
fn as_the_api_takes_it<O: millpond_api::Operation>(
    fields: &Fields,
    field: &str,
    input: &serde_json::Value,
) -> Result<(), String> {
    let body = input.to_string();
    let decoded = Codec::Json.decode::<O>(body.as_bytes()).map(|_| ());
    decoded.map_err(|error| {
        let words = error.message.unwrap_or_default();
        fields.fault(field, &format!("is not what Kinesis takes: {words}"))
    })
}
