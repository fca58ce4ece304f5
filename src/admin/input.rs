//! What a request to the admin API brings: a body in JSON, and the account and region it means.

use std::{fmt::Display, str::FromStr};

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Query, Request, rejection::QueryRejection},
};
use bytes::Bytes;
use http::request::Parts;
use millpond_shards::stream::Namespace;
use serde::{Deserialize, de::DeserializeOwned};

use super::{Admin, Fault};
use crate::http::{BodyReader, BodyRefused};

/// Bytes of a body that says what to do, and brings no data: names and paths.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// A small body in JSON, whatever its media type is said to be. No body is an empty object. Every
/// route takes one, unless it reads the body itself, so that nothing that is said goes unheard.
pub struct Input<T>(pub T);

/// What has no members: the parameters or the body of a route that takes none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl<T: DeserializeOwned> FromRequest<Admin> for Input<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &Admin) -> Result<Self, Fault> {
        let body = body(request, INPUT_BYTES_MAX).await?;
        parse(if body.is_empty() { b"{}" } else { &body }).map(Self)
    }
}

/// The body of a request, of so many bytes at most and within the bounds that all bodies have. Its
/// room is given back when it is dropped: hold it for as long as anything of its size is held.
///
/// # Errors
/// When it is too large, too slow, or there is no room for it.
pub(super) async fn body(request: Request, bytes_max: usize) -> Result<Bytes, Fault> {
    let (mut head, body) = request.into_parts();
    let reader = head.extensions.remove::<BodyReader>();
    let mut reader = reader.ok_or_else(|| Fault::failed("the body can't be read"))?;
    let body_bytes_max = reader.limits.body_bytes_max.min(bytes_max);
    reader.limits.body_bytes_max = body_bytes_max;
    let body = reader.body(body, &head.headers).collect().await;
    body.map_err(|refused| match refused {
        BodyRefused::TooLarge => {
            let words = format!("the body has more than {body_bytes_max} bytes, the most here");
            Fault::unreadable(refused.status(), words)
        }
        refused => Fault::unreadable(refused.status(), refused.to_string()),
    })
}

/// A body as what it should be.
///
/// # Errors
/// A sentence that says where it isn't.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    // What reads objects would read lists of their members, too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Fault::invalid("the body is no JSON object"));
    }
    match Json::from_bytes(body) {
        Ok(Json(input)) => Ok(input),
        Err(rejection) => Err(Fault::invalid(rejection.body_text())),
    }
}

/// The account and region that a request means by `?account=…&region=…`, its only parameters;
/// those of `--account` and `--region` where it doesn't say.
pub struct Scope(pub Namespace);

/// The parameters of a request. Every route takes these or [`Scope`], as it does [`Input`].
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Admin> for Params<T> {
    type Rejection = Fault;

    async fn from_request_parts(head: &mut Parts, _: &Admin) -> Result<Self, Fault> {
        query(head).map(Self)
    }
}

fn query<T: DeserializeOwned>(head: &Parts) -> Result<T, Fault> {
    let Query(parameters) = Query::try_from_uri(&head.uri)
        .map_err(|rejection: QueryRejection| Fault::invalid(rejection.body_text()))?;
    Ok(parameters)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    account: Option<String>,
    region: Option<String>,
}

impl FromRequestParts<Admin> for Scope {
    type Rejection = Fault;

    async fn from_request_parts(head: &mut Parts, admin: &Admin) -> Result<Self, Fault> {
        let Named { account, region } = query(head)?;
        admin.scope(account.as_deref(), region.as_deref()).map(Self)
    }
}

impl Admin {
    /// What [`Scope`] is, of a request that takes other parameters beside these.
    pub(super) fn scope(
        &self,
        account: Option<&str>,
        region: Option<&str>,
    ) -> Result<Namespace, Fault> {
        let home = self.home.clone();
        let account = account.map_or(Ok(home.account), |text| parsed("account", text))?;
        let region = region.map_or(Ok(home.region), |text| parsed("region", text))?;
        Ok(Namespace { account, region })
    }
}

/// A parameter or field as what it should be.
///
/// # Errors
/// A sentence that names it.
pub(super) fn parsed<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, Fault> {
    text.parse().map_err(|error| Fault::invalid(format!("{name}: {error}, here '{text}'")))
}
