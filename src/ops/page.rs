//! NextTokens: where a listing goes on, for five minutes.

use millpond_api::{ErrorKind, types::Timestamp};
use millpond_shards::token::Purpose;

use super::Cx;
use crate::error::{Error, Result, invalid};

/// A token that carries `position`, for the caller's account and region.
pub(super) fn seal(cx: &Cx<'_>, purpose: Purpose, position: &str) -> String {
    let owner = owner(cx);
    let payload = format!("{}\n{owner}\n{position}", cx.now().millis());
    cx.domain().tokens().seal(purpose, payload.as_bytes())
}

/// The position that `token` carries.
pub(super) fn open(cx: &Cx<'_>, purpose: Purpose, token: &str) -> Result<String> {
    let opened = cx.domain().tokens().open(purpose, token);
    let payload = opened.and_then(|payload| String::from_utf8(payload).ok());
    let (issued, position) = payload
        .as_deref()
        .and_then(|payload| parse(cx, payload))
        .ok_or_else(|| invalid("NextToken is not one that was given out by this operation."))?;
    let life = cx.quotas().lives.next_token.as_millis() as i64;
    if cx.now().millis() - issued.millis() > life {
        let words = format!("NextToken is older than {life} milliseconds.");
        return Err(Error(ErrorKind::ExpiredNextToken.with(words)));
    }
    Ok(position.to_owned())
}

fn parse<'a>(cx: &Cx<'_>, payload: &'a str) -> Option<(Timestamp, &'a str)> {
    let (issued, rest) = payload.split_once('\n')?;
    let (named, position) = rest.split_once('\n')?;
    (named == owner(cx)).then_some((Timestamp::from_millis(issued.parse().ok()?), position))
}

fn owner(cx: &Cx<'_>) -> String {
    format!("{}/{}", cx.namespace().account, cx.namespace().region)
}
