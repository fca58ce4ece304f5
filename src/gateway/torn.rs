//! An answer that begins as it would, and of which half arrives.

use axum::{
    body::{Body, HttpBody as _},
    response::{IntoResponse as _, Response},
};
use futures::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, header};

use crate::{
    answers::AnswerRoom,
    blocks::Blocks,
    faults::{Cut, Handover},
};

/// The first half of `body`, and then a cut. The head announces the whole.
pub(super) fn reply(
    content_type: [(HeaderName, HeaderValue); 1],
    body: Blocks,
    room: AnswerRoom,
) -> Response {
    let body = body.into_body(room);
    let whole = body.size_hint().lower();
    let begin = (body.into_data_stream(), whole / 2, None::<Handover>);
    let halves = stream::unfold(begin, async |(mut rest, left, last)| {
        if left == 0 {
            if let Some(last) = &last {
                last.done().await;
            }
            return Some((Err(Cut), (rest, left, last)));
        }
        let mut bytes = rest.next().await?.ok()?;
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - bytes.len() as u64;
        let (bytes, last) = Handover::of(bytes);
        Some((Ok(bytes), (rest, left, Some(last))))
    });
    let length = [(header::CONTENT_LENGTH, HeaderValue::from(whole))];
    (content_type, length, Body::from_stream(halves)).into_response()
}
