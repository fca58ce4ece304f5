//! Room for large answers: one number of bytes that those being made and those on their way share.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Answers up to this size need no room.
pub const SMALL_ANSWER_BYTES_MAX: usize = 16 << 10;

/// How long an answer waits for room. Room that is taken comes back as clients take their answers,
/// or lose their connection because they don't.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Bytes of memory that large answers may hold together. Cheap to clone; clones share the room.
#[derive(Clone)]
pub struct Answers {
    room: Arc<Semaphore>,
    total_bytes: usize,
}

impl Answers {
    /// Room for `total_bytes`.
    #[must_use]
    pub fn new(total_bytes: usize) -> Self {
        let total_bytes = total_bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self { room: Arc::new(Semaphore::new(total_bytes)), total_bytes }
    }

    /// Room for one answer that may become this large; `None` when none comes free in time.
    ///
    /// An answer that is larger than all the room has it all.
    pub async fn room(&self, bytes: usize) -> Option<AnswerRoom> {
        let Some(permits) = self.permits(bytes) else { return Some(AnswerRoom::default()) };
        let taken = timeout(WAIT_MAX, Arc::clone(&self.room).acquire_many_owned(permits)).await;
        Some(AnswerRoom(Some(taken.ok()?.expect("the room is never closed"))))
    }

    /// The same without waiting.
    #[must_use]
    pub fn room_now(&self, bytes: usize) -> Option<AnswerRoom> {
        let Some(permits) = self.permits(bytes) else { return Some(AnswerRoom::default()) };
        let taken = Arc::clone(&self.room).try_acquire_many_owned(permits);
        Some(AnswerRoom(Some(taken.ok()?)))
    }

    /// What an answer of this size takes; `None` for a small one.
    fn permits(&self, bytes: usize) -> Option<u32> {
        (bytes > SMALL_ANSWER_BYTES_MAX).then(|| bytes.min(self.total_bytes) as u32)
    }
}

/// What one answer holds of the room; dropping it gives the room back. By default nothing.
#[derive(Debug, Default)]
pub struct AnswerRoom(Option<OwnedSemaphorePermit>);

impl AnswerRoom {
    /// Gives back what an answer of this size doesn't need.
    #[must_use]
    pub fn shrunk_to(self, bytes: usize) -> Self {
        let needed = if bytes > SMALL_ANSWER_BYTES_MAX { bytes } else { 0 };
        let kept = self.0.and_then(|mut held| {
            let kept = needed.min(held.num_permits());
            held.split(kept)
        });
        Self(kept.filter(|kept| kept.num_permits() > 0))
    }

    /// `bytes`, which hold the room until the last slice of them is dropped.
    #[must_use]
    pub fn hold(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held { bytes, _room: Arc::clone(self) })
    }

    /// Whether an answer in this room holds none of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// Room for events of subscriptions, apart from that of answers: consumers that stall, and keep
/// what they were sent for minutes, must not be in the way of other readers. Nor of one another:
/// what many large events may take is little, and none of it is needed to go on.
#[derive(Clone)]
pub struct EventRooms {
    // Who finds none here sends the least there is to send.
    large: Answers,
    // Who finds none here waits.
    least: Answers,
}

impl EventRooms {
    /// Events of many records have one byte in so many.
    const LARGE_SHARE: usize = 32;

    /// Room for `total_bytes`, and for a 32nd part of that in large events.
    #[must_use]
    pub fn new(total_bytes: usize) -> Self {
        let large = Answers::new(total_bytes / Self::LARGE_SHARE);
        Self { large, least: Answers::new(total_bytes) }
    }

    /// The room for an event of so many records. `is_least` when it would have no fewer the next
    /// time, as one of a single record wouldn't, however large it is.
    #[must_use]
    pub fn of(&self, records: usize, is_least: bool) -> &Answers {
        if is_least || records <= 1 { &self.least } else { &self.large }
    }
}

struct Held {
    bytes: Vec<u8>,
    _room: Arc<AnswerRoom>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn large_answers_wait_for_room_and_not_for_ever() {
        let answers = Answers::new(100 << 10);
        let first = answers.room(80 << 10).now_or_never().unwrap().unwrap();
        assert!(answers.room(80 << 10).await.is_none(), "its time is over");

        assert!(answers.room_now(80 << 10).is_none(), "who doesn't wait gets none either");
        let first = first.shrunk_to(20 << 10);
        let second = answers.room(80 << 10).now_or_never().unwrap().unwrap();
        assert!(answers.room(20 << 10).await.is_none());
        drop((first, second));
        assert!(answers.room(1 << 40).now_or_never().unwrap().is_some(), "all there is");
    }

    #[test]
    fn large_events_that_stall_leave_room_for_what_cannot_be_smaller() {
        let rooms = EventRooms::new(32 * (100 << 10));
        let _stalled = rooms.of(500, false).room_now(100 << 10).unwrap();
        assert!(rooms.of(500, false).room_now(20 << 10).is_none());
        assert!(rooms.of(500, true).room_now(32 * (100 << 10)).is_some());
        assert!(rooms.of(1, false).room_now(32 * (100 << 10)).is_some(), "one large record");
    }

    #[tokio::test]
    async fn small_answers_need_no_room() {
        let answers = Answers::new(100 << 10);
        let all = answers.room(100 << 10).await.unwrap();
        assert!(answers.room(16 << 10).now_or_never().unwrap().unwrap().is_empty());
        assert!(answers.room_now(16 << 10).unwrap().is_empty());
        assert!(all.shrunk_to(16 << 10).is_empty());
        assert!(answers.room(100 << 10).now_or_never().unwrap().is_some());
    }
}
