//! Records for who looks into a stream: read without a shard iterator, without a quota, and without
//! counting for anybody; and put like everybody's.

mod cursor;
mod merge;
mod put;
mod readings;
mod told;
mod wanted;

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use futures::future::{join_all, select_all};
use http::{HeaderValue, header};
use millpond_shards::{directory::Stream, engine::Offset, shard::Shard};
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use self::{
    cursor::Cursor,
    merge::{Merged, Source},
    told::Told,
    wanted::{Query, Wanted},
};
use super::{Admin, Fault, Result, Scope, input::Params};
use crate::{blocks::Blocks, payload};

pub(super) use put::put;

/// Bytes of data in an answer, as it is told; its last record may lie beyond.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Shards that are read together.
const SHARDS_MAX: usize = 1_000;

/// An answer.
#[derive(Serialize)]
struct Answer<'a> {
    records: Vec<Told<'a>>,
    /// Where to read on; `None` at the end of a closed shard that was read alone.
    next: Option<String>,
    millis_behind_latest: i64,
    /// The shards that took over from that shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    child_shards: Option<Vec<String>>,
}

/// `GET streams/{name}/records`.
pub(super) async fn read(
    State(admin): State<Admin>,
    Scope(namespace): Scope,
    Path(name): Path<String>,
    Params(query): Params<Query>,
) -> Result<Response> {
    let found = admin.stream(&namespace, &name)?;
    let wanted = Wanted::of(&query)?;
    let now = admin.app.domain().now();
    let mut cursor = match &query.next {
        Some(next) => Cursor::parse(next)?,
        None => Cursor::begin(&found, wanted.shard, &wanted.start, now).await?,
    };
    let number = found.state().number;
    let until = Instant::now() + wanted.wait;
    loop {
        let gone =
            || Fault::not_found(format!("stream {name} was deleted, or made anew, meanwhile"));
        let snapshot = admin.app.domain().directory().snapshot();
        let stream = snapshot.stream_of_number(number).cloned().ok_or_else(gone)?;
        cursor.follow(&stream).ok_or_else(gone)?;
        if cursor.places().count() > SHARDS_MAX {
            let right = "more than that are read one by one, with shard=SHARD";
            return Err(Fault::invalid(format!("{name} has over {SHARDS_MAX} shards: {right}")));
        }
        let before = cursor.clone();
        let is_last = Instant::now() >= until || admin.app.stopping().is_cancelled();
        // Asked for before reading: what is published in between wakes us, too.
        let shards = handles(&stream, &cursor);
        let published = join_all(shards.iter().map(|(shard, _)| shard.published())).await;
        if let Some(response) =
            answer(&admin, &stream, &shards, &mut cursor, &wanted, is_last).await?
        {
            return Ok(response);
        }
        // What is to be read lies beyond a gap.
        if cursor != before {
            continue;
        }
        let published: Vec<_> = published.into_iter().flatten().map(Box::pin).collect();
        let some = async {
            if published.is_empty() {
                std::future::pending::<()>().await;
            } else {
                drop(select_all(published).await);
            }
        };
        tokio::select! {
            () = some => {}
            () = admin.app.domain().directory().changed(&stream) => {}
            () = admin.app.stopping().cancelled() => {}
            () = sleep_until(until) => {}
        }
    }
}

/// The shards that are read, and where.
fn handles(stream: &Stream, cursor: &Cursor) -> Vec<(Arc<Shard>, Offset)> {
    let handle = |(id, from)| Some((Arc::clone(stream.shard(id)?), from));
    cursor.places().filter_map(handle).collect()
}

/// What there is to tell; `None` where that is nothing and it isn't the last chance.
async fn answer(
    admin: &Admin,
    stream: &Stream,
    shards: &[(Arc<Shard>, Offset)],
    cursor: &mut Cursor,
    wanted: &Wanted,
    is_last: bool,
) -> Result<Option<Response>> {
    let (readings, room) = readings::read(admin, stream, shards, wanted).await?;
    let sources = readings.parts.iter().map(|(shard, reading)| Source { shard, reading });
    let mut merged = Merged::new(sources, readings.until);
    let mut records = Vec::new();
    let mut bytes = 0;
    let mut newest = None;
    while let Some((source, view)) = merged.next()
        && bytes < ANSWER_BYTES_MAX
        && merged.taken() <= wanted.limit
    {
        newest = Some(view.arrival);
        let data = source.reading.data(&view);
        let arn = &stream.state().arn;
        let id = source.shard.id();
        let data = data.map_err(|error| crate::error::unreadable(error, arn, id))?;
        for record in payload::unpack(view.partition_key, data, wanted.unpacking) {
            bytes += record.data.len();
            records.push(Told::of(source.shard, &view, record));
        }
        merged.accept();
    }
    merged.places(|shard, next| cursor.reach(shard, next));
    let is_behind = merged.is_behind();
    cursor.forget_ended(stream);
    if records.is_empty() && !is_last && cursor.is_open() {
        return Ok(None);
    }
    let now = admin.app.domain().now();
    let behind = newest.filter(|_| is_behind).map_or(0, |newest| now.millis() - newest.millis());
    let ended = cursor.ended();
    let children = ended.map(|id| stream.state().children(id).map(|c| c.id.to_string()).collect());
    let answer = Answer {
        records,
        next: ended.is_none().then(|| cursor.text()),
        millis_behind_latest: behind.max(i64::from(is_behind)),
        child_shards: children,
    };
    let mut body = Blocks::with_capacity(bytes);
    serde_json::to_writer(&mut body, &answer).map_err(|error| Fault::failed(error.to_string()))?;
    let room = room.shrunk_to(body.capacity());
    let mut response = body.into_body(room).into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(Some(response))
}
