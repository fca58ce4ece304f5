//! Whether a client on this host asks, and nobody through it.

use axum::extract::Request;
use http::{header, uri::Authority};

use super::connection::Peer;

/// What proxies say for whom they speak with.
const FORWARDED: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// Whether nobody else asks than a client on this host, as far as proxies say whom they speak for
/// and browsers say what a page asked for.
pub(crate) fn is_local(request: &Request) -> bool {
    let peer = request.extensions().get::<Peer>();
    peer.is_some_and(|peer| peer.address.ip().to_canonical().is_loopback())
        && !FORWARDED.iter().any(|name| request.headers().contains_key(*name))
        && is_addressed_here(request)
}

/// Whether the request names this host by an address or as localhost. A page that makes a name of
/// its own point to a loopback address is told apart by that name.
fn is_addressed_here(request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    host.as_ref().or(request.uri().authority()).is_some_and(|authority| {
        let host = authority.host();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || address.parse::<std::net::IpAddr>().is_ok()
    })
}
