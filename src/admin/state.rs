//! State for each test: forks, truncation, reset, and snapshots of everything.

use std::path::{Path, PathBuf};

use axum::{
    Json,
    extract::{Path as OfPath, State},
};
use millpond_api::types::{AccountId, Region, StreamArn, StreamName};
use millpond_shards::{
    snapshot::{Contents, SnapshotError},
    stream::Namespace,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Admin, Fault, Input, Result, Scope,
    input::{Nothing, Params, parsed},
};

/// `POST streams/{name}/truncate`.
pub(super) async fn truncate(
    State(admin): State<Admin>,
    Scope(namespace): Scope,
    OfPath(name): OfPath<String>,
    _: Input<Nothing>,
) -> Result<Json<Value>> {
    let arn = stream(&namespace, &name)?;
    admin.app.domain().truncate(&arn).await?;
    tracing::info!(stream = %arn, "truncated");
    Ok(Json(json!({ "stream": arn.to_string() })))
}

/// Where a fork of a stream goes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamFork {
    to: String,
    account: Option<String>,
    region: Option<String>,
}

/// `POST streams/{name}/fork`.
pub(super) async fn fork(
    State(admin): State<Admin>,
    Scope(namespace): Scope,
    OfPath(name): OfPath<String>,
    Input(StreamFork { to, account, region }): Input<StreamFork>,
) -> Result<Json<Value>> {
    let from = stream(&namespace, &name)?;
    let account = account.map_or(Ok(namespace.account), |text| parsed("account", &text))?;
    let region = region.map_or(Ok(namespace.region), |text| parsed("region", &text))?;
    let to = Namespace { account, region }.arn(parsed::<StreamName>("to", &to)?);
    admin.app.domain().fork(&from, &to).await?;
    tracing::info!(stream = %from, %to, "forked");
    Ok(Json(json!({ "stream": to.to_string() })))
}

/// Whose streams are forked, and to whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountFork {
    account: String,
    to: String,
    region: Option<String>,
}

/// `POST fork`.
pub(super) async fn fork_account(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    Input(AccountFork { account, to, region }): Input<AccountFork>,
) -> Result<Json<Value>> {
    let from: AccountId = parsed("account", &account)?;
    let to: AccountId = parsed("to", &to)?;
    let region: Option<Region> = region.map(|text| parsed("region", &text)).transpose()?;
    let forks = admin.app.domain().fork_account(from, to, region.as_ref()).await?;
    if forks.is_empty() {
        let place = region.map(|region| format!(" in {region}")).unwrap_or_default();
        return Err(Fault::not_found(format!("account: {from} has no streams{place}")));
    }
    tracing::info!(account = %from, %to, streams = forks.len(), "forked");
    let forks: Vec<_> = forks.iter().map(ToString::to_string).collect();
    Ok(Json(json!({ "streams": forks })))
}

/// `POST reset`.
pub(super) async fn reset(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    _: Input<Nothing>,
) -> Result<Json<Value>> {
    admin.app.reset().await.map_err(|error| Fault::failed(error.to_string()))?;
    Ok(Json(json!({})))
}

/// Where a snapshot goes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct To {
    to: PathBuf,
}

/// `POST snapshot`. The path is the server's: absolute, or from its working directory.
pub(super) async fn snapshot(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    Input(To { to }): Input<To>,
) -> Result<Json<Value>> {
    let contents = admin.app.domain().snapshot(named("to", &to)?).await;
    let contents = contents.map_err(|error| refused("to", error))?;
    let Contents { streams, records, bytes } = contents;
    tracing::info!(to = %to.display(), streams, records, bytes, "a snapshot was made");
    Ok(told(&to, contents))
}

/// Where a snapshot is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    from: PathBuf,
}

/// `POST restore`.
pub(super) async fn restore(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    Input(From { from }): Input<From>,
) -> Result<Json<Value>> {
    let contents = admin.app.restore(named("from", &from)?.to_owned()).await;
    Ok(told(&from, contents.map_err(|error| refused("from", error))?))
}

fn named<'a>(field: &str, path: &'a Path) -> Result<&'a Path> {
    if path.as_os_str().is_empty() {
        return Err(Fault::invalid(format!(
            "{field}: name a directory, or an archive that ends in .tar"
        )));
    }
    Ok(path)
}

fn told(path: &Path, Contents { streams, records, bytes }: Contents) -> Json<Value> {
    Json(json!({ "path": path, "streams": streams, "records": records, "bytes": bytes }))
}

fn refused(field: &str, error: SnapshotError) -> Fault {
    let message = format!("{field}: {error}");
    match error {
        SnapshotError::Exists(_) | SnapshotError::Begun(_) => Fault::conflict(message),
        SnapshotError::NotOne { .. }
        | SnapshotError::Newer { .. }
        | SnapshotError::Damaged { .. }
        | SnapshotError::Io { .. } => Fault::invalid(message),
        SnapshotError::Server(error) => error.into(),
    }
}

/// The stream of this name, whether or not it is there.
fn stream(namespace: &Namespace, name: &str) -> Result<StreamArn> {
    Ok(namespace.arn(parsed::<StreamName>("the stream's name", name)?))
}
