//! What was refused for a limit, what would have sufficed, and what it would have cost.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Admin, Fault, Input, Result,
    input::{Nothing, Params, parsed},
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
    _: Input<Nothing>,
) -> Result<Json<Report>> {
    admin.report(&asked.filter()?).map(Json)
}

/// `DELETE throttles`: begins anew, also with what streams had to take and what that would cost.
pub(super) async fn clear(
    State(admin): State<Admin>,
    Params(asked): Params<Asked>,
    _: Input<Nothing>,
) -> Result<Json<Value>> {
    let (filter, domain) = (asked.filter()?, admin.app.domain());
    admin.report(&filter)?;
    admin.app.throttles().clear(domain.directory(), &filter, domain.now());
    Ok(Json(json!({})))
}

impl Admin {
    /// What is known. A stream that is named is there, or something is known of one that was.
    fn report(&self, filter: &Filter) -> Result<Report> {
        let domain = self.app.domain();
        let report = self.app.throttles().report(domain.directory(), filter, domain.now());
        let snapshot = domain.directory().snapshot();
        let is_there = || snapshot.streams().any(|stream| filter.has_stream(&stream.state().arn));
        match &filter.stream {
            Some(name) if report.streams.is_empty() && !is_there() => {
                let words = "is not there, and nothing was refused to one that was";
                Err(Fault::not_found(format!("stream: {name} {words}")))
            }
            _ => Ok(report),
        }
    }
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
