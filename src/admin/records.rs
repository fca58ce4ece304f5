//! Records for who looks into a stream: read without a shard iterator, without a quota, and without
//! counting for anybody; and put like everybody's.

mod cursor;
mod merge;
mod page;
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
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

use self::{
    cursor::Cursor,
    page::Page,
    wanted::{Query, Wanted},
};
use super::{
    Admin, Fault, Input, Result,
    input::{Nothing, Params},
};

pub(super) use put::put;

/// `GET streams/{name}/records`.
pub(super) async fn read(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Params(query): Params<Query>,
    _: Input<Nothing>,
) -> Result<Response> {
    let namespace = admin.scope(query.account.as_deref(), query.region.as_deref())?;
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
        cursor.follow(&stream)?.ok_or_else(gone)?;
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
    stream: &Arc<Stream>,
    shards: &[(Arc<Shard>, Offset)],
    cursor: &mut Cursor,
    wanted: &Wanted,
    is_last: bool,
) -> Result<Option<Response>> {
    let (readings, room) = readings::read(admin, stream, shards, wanted).await?;
    let now = admin.app.domain().now();
    let (mut reached, wanted, of) = (cursor.clone(), *wanted, Arc::clone(stream));
    // Who goes away meanwhile leaves the room to the work, which goes on.
    let work = spawn_blocking(move || {
        let page = Page::of(&of, &readings, &wanted, &mut reached, now);
        page.map(|page| (page, reached, room))
    });
    let done = work.await.map_err(|error| Fault::failed(error.to_string()))?;
    let (page, reached, room) = done?;
    *cursor = reached;
    cursor.forget_ended(stream);
    if page.is_empty() && !is_last && cursor.is_open() {
        return Ok(None);
    }
    let body = page.end(stream, cursor);
    let room = room.shrunk_to(body.capacity());
    let mut response = body.into_body(room).into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(Some(response))
}
