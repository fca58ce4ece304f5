//! What was refused for a limit, what would have sufficed, and what it would have cost.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use http::StatusCode;
use millpond_api::types::{AccountId, Region, StreamName};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, Fault, Result, input::parsed};
use crate::throttles::{Filter, report::Report};

/// Which streams and accounts are meant: all, where the query doesn't say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    account: Option<String>,
    region: Option<String>,
    stream: Option<String>,
}

type Wanted = std::result::Result<Query<Asked>, QueryRejection>;

/// `GET throttles`.
pub(super) async fn show(State(admin): State<Admin>, asked: Wanted) -> Result<Json<Report>> {
    let (filter, domain) = (filter(asked)?, admin.app.domain());
    let report = admin.app.throttles().report(domain.directory(), &filter, domain.now());
    Ok(Json(report))
}

/// `DELETE throttles`: begins anew, also with what streams had to take and what that would cost.
pub(super) async fn clear(State(admin): State<Admin>, asked: Wanted) -> Result<Json<Value>> {
    let (filter, domain) = (filter(asked)?, admin.app.domain());
    admin.app.throttles().clear(domain.directory(), &filter, domain.now());
    Ok(Json(json!({})))
}

fn filter(asked: Wanted) -> Result<Filter> {
    let refused = |rejection: QueryRejection| {
        Fault::unreadable(StatusCode::BAD_REQUEST, rejection.body_text())
    };
    let Query(Asked { account, region, stream }) = asked.map_err(refused)?;
    let check = |name, text: &Option<String>, check: fn(&str, &str) -> Result<()>| {
        text.as_ref().map_or(Ok(()), |text| check(name, text))
    };
    check("account", &account, |name, text| parsed::<AccountId>(name, text).map(drop))?;
    check("region", &region, |name, text| parsed::<Region>(name, text).map(drop))?;
    check("stream", &stream, |name, text| parsed::<StreamName>(name, text).map(drop))?;
    Ok(Filter { account, region, stream })
}
