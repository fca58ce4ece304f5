//! A subscription of SubscribeToShard: reads a shard from a position on, and waits at its tip.
//!
//! No task pushes. Whoever sends the events asks for the next one when the last one is sent, so a
//! slow consumer holds up only itself.

mod places;

use std::sync::Arc;

use millpond_api::types::Timestamp;
use millpond_quotas::{Attendant, Time, limits};

pub use places::{Key, Subscriptions};

use crate::{
    Error,
    crypt::Crypt,
    directory::{Directory, Stream},
    engine::Offset,
    services::Services,
    shard::{Limit, Reading, Shard},
    stream::StreamNumber,
    subscription::places::Place,
};

/// What a consumer is told next: records, or that there is none for now.
pub struct Event {
    /// The records.
    pub reading: Reading,
    /// The shard that they are of.
    pub shard: Arc<Shard>,
    /// Its stream, as it was when they were read.
    pub stream: Arc<Stream>,
    /// Whether the shard is closed and these are its last records. No event follows then.
    pub is_last: bool,
}

/// A live subscription.
pub struct Subscription {
    directory: Arc<Directory>,
    services: Services,
    attendant: Attendant,
    crypt: Crypt,
    stream: StreamNumber,
    next: Offset,
    expires: Time,
    place: Place,
    is_over: bool,
}

impl Subscription {
    /// A subscription that holds `place` and begins at `from`.
    pub(crate) fn new(
        directory: Arc<Directory>,
        services: Services,
        crypt: Crypt,
        stream: StreamNumber,
        from: Offset,
        place: Place,
    ) -> Self {
        let expires = services.clock.now() + place.life();
        let attendant = services.clock.teller("a subscription");
        let (next, is_over) = (from, false);
        Self { directory, services, attendant, crypt, stream, next, expires, place, is_over }
    }

    /// The next event, of up to `limit`, or why there is none any more; `None` when the
    /// subscription's time is over, its last event was told, or the server is about to stop.
    ///
    /// An event that isn't [`told`](Self::told) comes again.
    ///
    /// # Errors
    /// `Kms` when records are sealed under a key that can't be used, `Superseded` when a newer
    /// subscription took this one's place, `ConsumerNotFound`, `StreamNotFound` or `ShardNotFound`
    /// when something is gone, and faults of storage.
    pub async fn next(&mut self, limit: Limit) -> Option<Result<Event, Error>> {
        if self.is_over {
            return None;
        }
        let next = self.attendant.work(self.event_or_end(limit)).await;
        self.is_over = !matches!(&next, Some(Ok(_)));
        next
    }

    /// The consumer is told this event, and goes on behind it.
    pub fn told(&mut self, event: &Event) {
        self.is_over = event.is_last;
        self.next = event.reading.next();
        let (now, bytes) = (self.services.clock.now(), event.reading.payload_bytes());
        self.place.quota().charge(now, bytes);
        if let Some(meters) = event.stream.meters() {
            meters.note_pushed(bytes);
        }
    }

    /// Service time in the resolution that clients see.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.services.now()
    }

    async fn event_or_end(&self, limit: Limit) -> Option<Result<Event, Error>> {
        tokio::select! {
            biased;
            superseded = self.place.ended() => superseded.then(|| Err(self.superseded())),
            () = self.attendant.sleep_until(self.expires) => None,
            event = self.event(limit) => Some(event),
        }
    }

    async fn event(&self, limit: Limit) -> Result<Event, Error> {
        let (clock, attendant) = (&self.services.clock, &self.attendant);
        let now = clock.now();
        let paid = attendant.sleep_until(now + self.place.quota().wait(now));
        attendant.rest(paid).await;
        let heartbeat = clock.now() + limits::SUBSCRIPTION_HEARTBEAT;
        loop {
            let (stream, shard) = self.find()?;
            // Asked for before reading: what is published in between wakes us too.
            let published = shard.published().await?;
            let state = stream.state();
            let horizon = state.horizon(self.services.now());
            let mut reading = shard.read(self.next, horizon, limit).await?;
            self.crypt.unlock(&stream, &mut reading).await?;
            let closing = state.shard(shard.id())?.closed;
            let is_last = closing.is_some_and(|closing| reading.next() >= closing.end);
            if is_last || !reading.is_empty() || clock.now() >= heartbeat {
                drop(published);
                return Ok(Event { reading, shard, stream, is_last });
            }
            let something_new = async {
                tokio::select! {
                    () = published => {}
                    () = self.directory.changed(&stream) => {}
                    () = attendant.sleep_until(heartbeat) => {}
                }
            };
            attendant.rest(something_new).await;
        }
    }

    fn find(&self) -> Result<(Arc<Stream>, Arc<Shard>), Error> {
        let Key { consumer, shard, log_number } = self.place.key();
        let arn = || consumer.stream.clone();
        let snapshot = self.directory.snapshot();
        let stream = snapshot.same_stream(self.stream, *log_number).cloned();
        let stream = stream.ok_or_else(|| Error::StreamNotFound { stream: arn() })?;
        stream.state().consumer(consumer)?;
        let handle = stream.shard(*shard).cloned();
        let handle = handle.ok_or_else(|| Error::ShardNotFound { stream: arn(), shard: *shard })?;
        Ok((stream, handle))
    }

    fn superseded(&self) -> Error {
        let Key { consumer, shard, .. } = self.place.key().clone();
        Error::Superseded { consumer, shard }
    }
}

#[cfg(test)]
mod tests;
