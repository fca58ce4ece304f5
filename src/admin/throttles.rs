//! What was refused for a limit, what would have sufficed, and what it would have cost.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Admin, Result,
    input::{Params, parsed},
};
use crate::throttles::{Filter, report::Report};

/// Which streams and accounts are meant: all, where the query doesn't say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    account: Option<String>,
    region: Option<String>,
    stream: Option<String>,
}

/// `GET throttles`.
pub(super) async fn show(
    State(admin): State<Admin>,
    Params(asked): Params<Asked>,
) -> Result<Json<Report>> {
    let (filter, domain) = (asked.filter()?, admin.app.domain());
    let report = admin.app.throttles().report(domain.directory(), &filter, domain.now());
    Ok(Json(report))
}

/// `DELETE throttles`: begins anew, also with what streams had to take and what that would cost.
pub(super) async fn clear(
    State(admin): State<Admin>,
    Params(asked): Params<Asked>,
) -> Result<Json<Value>> {
    let (filter, domain) = (asked.filter()?, admin.app.domain());
    admin.app.throttles().clear(domain.directory(), &filter, domain.now());
    Ok(Json(json!({})))
}

impl Asked {
    fn filter(&self) -> Result<Filter> {
        let Self { account, region, stream } = self;
        Ok(Filter {
            account: account.as_ref().map(|text| parsed("account", text)).transpose()?,
            region: region.as_ref().map(|text| parsed("region", text)).transpose()?,
            stream: stream.as_ref().map(|text| parsed("stream", text)).transpose()?,
        })
    }
}
