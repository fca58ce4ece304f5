//! What faults do to a subscription: deliveries that come twice, and an end after so many events.

use std::sync::Arc;

use bytes::Bytes;
use millpond_shards::shard::Reading;

use super::{Injected, delivery};
use crate::{
    error::Error,
    faults::{Call, Delivery, Ending, Handover, Injector},
};

/// The faults of one subscription.
pub(in crate::ops) struct OnFeed {
    injector: Arc<Injector>,
    call: Arc<Call>,
    ending: Option<(u64, Ending)>,
    events: u64,
    again: Option<Bytes>,
    /// Whether the client has the last frame before the end.
    last: Option<Handover>,
    is_over: bool,
}

/// What a consumer is told next in place of an event.
pub(in crate::ops) enum Told {
    /// The event before once more.
    Again(Bytes),
    /// The exception that ends the stream.
    Exception(Error),
    /// Nothing: the connection is cut.
    Cut,
    /// Nothing: the stream ends.
    End,
}

impl Injected {
    /// The faults of the subscription that this call begins.
    pub(in crate::ops) fn on_feed(&self) -> OnFeed {
        OnFeed {
            injector: Arc::clone(&self.injector),
            call: Arc::clone(&self.call),
            ending: self.verdict.events.clone(),
            events: 0,
            again: None,
            last: None,
            is_over: false,
        }
    }
}

impl OnFeed {
    /// What comes next, unless that is for the subscription to say.
    pub(in crate::ops) async fn next(&mut self) -> Option<Told> {
        if self.is_over {
            return Some(Told::End);
        }
        if let Some(ending) = self.due() {
            if let Some(last) = &self.last {
                last.done().await;
            }
            self.is_over = true;
            return Some(match ending {
                Ending::Cut => Told::Cut,
                Ending::Error(error) => Told::Exception(Error(error)),
                Ending::End | Ending::Throttle | Ending::Fail | Ending::CutHalfway => Told::End,
            });
        }
        self.again.take().map(|frame| Told::Again(self.counted(frame)))
    }

    /// The ending, if the events that come before it are told.
    fn due(&self) -> Option<Ending> {
        let (events, ending) = self.ending.as_ref()?;
        (*events == self.events && !self.injector.is_over()).then(|| ending.clone())
    }

    /// The frame that opens the stream.
    pub(in crate::ops) fn opening(&mut self, frame: Bytes) -> Bytes {
        self.watched(frame)
    }

    /// The frame of an event of these records.
    pub(in crate::ops) fn event(&mut self, frame: Bytes, reading: &Reading) -> Bytes {
        if delivery(&self.injector, &self.call, reading) == Some(Delivery::Duplicate) {
            self.again = Some(frame.clone());
        }
        self.counted(frame)
    }

    fn counted(&mut self, frame: Bytes) -> Bytes {
        self.events += 1;
        self.watched(frame)
    }

    fn watched(&mut self, frame: Bytes) -> Bytes {
        if self.due().is_none() {
            return frame;
        }
        let (frame, last) = Handover::of(frame);
        self.last = Some(last);
        frame
    }
}
