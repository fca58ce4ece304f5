//! State for each test: forks, truncation, reset, and snapshots of everything.

use axum::{
    Json,
    extract::{Path, State},
};
use millpond_api::types::{AccountId, Region, StreamArn, StreamName};
use millpond_shards::stream::Namespace;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, Fault, Input, Result, Scope, input::parsed};

/// `POST streams/{name}/truncate`.
pub(super) async fn truncate(
    State(admin): State<Admin>,
    Scope(namespace): Scope,
    Path(name): Path<String>,
) -> Result<Json<Value>> {
    let arn = stream(&namespace, &name)?;
    admin.app.domain().truncate(&arn).await?;
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
    Path(name): Path<String>,
    Input(StreamFork { to, account, region }): Input<StreamFork>,
) -> Result<Json<Value>> {
    let from = stream(&namespace, &name)?;
    let account = account.map_or(Ok(namespace.account), |text| parsed("account", &text))?;
    let region = region.map_or(Ok(namespace.region), |text| parsed("region", &text))?;
    let to = Namespace { account, region }.arn(parsed::<StreamName>("to", &to)?);
    admin.app.domain().fork(&from, &to).await?;
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
    let forks: Vec<_> = forks.iter().map(ToString::to_string).collect();
    Ok(Json(json!({ "streams": forks })))
}

/// `POST reset`.
pub(super) async fn reset(State(admin): State<Admin>) -> Result<Json<Value>> {
    admin.app.reset().await.map_err(|error| Fault::failed(error.to_string()))?;
    Ok(Json(json!({})))
}

/// The stream of this name, whether or not it is there.
fn stream(namespace: &Namespace, name: &str) -> Result<StreamArn> {
    Ok(namespace.arn(parsed::<StreamName>("the stream's name", name)?))
}
