//! Who may use the admin API: whoever has the token, and in `dev` programs on this host.
//!
//! A credential of Kinesis opens nothing here, and a web page never gets in: not by its origin,
//! and not by a name that it makes point to this host.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, header};
use subtle::ConstantTimeEq as _;

use super::Fault;
use crate::{config::Secret, http::is_local};

/// Where browsers say whose page asks; `none` is what somebody typed.
const FETCH_SITE: &str = "sec-fetch-site";

/// What opens the admin API.
#[derive(Debug, Clone)]
pub enum Access {
    /// Nothing: it isn't served.
    Off,
    /// The token, if there is one.
    On {
        /// What `Authorization: Bearer` must bring.
        token: Option<Secret>,
        /// Whether clients on a loopback address of this host need none.
        is_open_here: bool,
    },
}

/// Lets a request through, or refuses it before its body is read.
pub(super) async fn guard(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    match access.admit(&request) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

impl Access {
    fn admit(&self, request: &Request) -> Result<(), Fault> {
        let headers = request.headers();
        if is_of_page(headers) {
            return Err(Fault::from_page());
        }
        let Self::On { token, is_open_here } = self else { return Err(Fault::off()) };
        // Who needs no token may send one all the same: a client keeps that of another server.
        if *is_open_here && is_local(request) {
            return Ok(());
        }
        match (bearer(headers), token) {
            (Some(given), Some(token)) if is_equal(given, token.expose()) => Ok(()),
            (Some(_), Some(_)) => Err(Fault::unauthorized(
                "this is not the admin token: it stands in admin.token in the data directory, or \
                 is what --admin-token says",
            )),
            (None, Some(_)) => Err(Fault::unauthorized(
                "send the admin token as Authorization: Bearer TOKEN; it stands in admin.token in \
                 the data directory, or is what --admin-token says",
            )),
            (_, None) => Err(Fault::unauthorized(
                "without a token the admin API answers clients on this host only: start millpond \
                 with --admin-token TOKEN and send it as Authorization: Bearer TOKEN",
            )),
        }
    }
}

/// Whether a browser sends this for a page. What a page only embeds or links to brings no `Origin`.
fn is_of_page(headers: &HeaderMap) -> bool {
    let site = headers.get(FETCH_SITE);
    headers.contains_key(header::ORIGIN) || site.is_some_and(|site| site != "none")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn is_equal(given: &str, token: &str) -> bool {
    given.as_bytes().ct_eq(token.as_bytes()).into()
}
