//! Room for request bodies: one number of bytes that all bodies in flight share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of memory that request bodies may hold together. Cheap to clone; clones share the room.
///
/// Room is taken as bytes arrive, not as they are announced, so a client cannot reserve what it
/// doesn't send. Bodies that each hold a part and wait for more could then block one another for
/// good; hence room for one whole body is set aside, and one waiting body at a time finishes in it.
#[derive(Debug, Clone)]
pub struct BodyBudget {
    shared: Arc<Semaphore>,
    /// One permit: the right to finish a body in the room set aside.
    aside: Arc<Semaphore>,
}

impl BodyBudget {
    /// A budget of `total_bytes`, of which `body_bytes_max` are set aside for one whole body.
    #[must_use]
    pub fn new(total_bytes: usize, body_bytes_max: usize) -> Self {
        let shared_bytes = total_bytes.saturating_sub(body_bytes_max).min(Semaphore::MAX_PERMITS);
        Self { shared: Arc::new(Semaphore::new(shared_bytes)), aside: Arc::new(Semaphore::new(1)) }
    }

    /// Bytes that could be taken now without waiting, the room set aside not counted.
    #[cfg(test)]
    pub(super) fn available_bytes(&self) -> usize {
        self.shared.available_permits()
    }

    /// Adds room for `bytes` to what a body holds; waits while there is none.
    pub(crate) async fn take(&self, room: &mut Room, bytes: usize) {
        if room.aside.is_some() {
            return;
        }
        let permits = u32::try_from(bytes).expect("one body is far below 4 GiB");
        if let Ok(taken) = Arc::clone(&self.shared).try_acquire_many_owned(permits) {
            return room.add(taken);
        }
        tokio::select! {
            biased;
            taken = Arc::clone(&self.shared).acquire_many_owned(permits) => {
                room.add(taken.expect("the budget is never closed"));
            }
            aside = Arc::clone(&self.aside).acquire_owned() => {
                room.aside = Some(aside.expect("the budget is never closed"));
            }
        }
    }
}

/// What one body holds of the budget; dropping it gives the room back.
#[derive(Debug, Default)]
pub(crate) struct Room {
    shared: Option<OwnedSemaphorePermit>,
    aside: Option<OwnedSemaphorePermit>,
}

impl Room {
    fn add(&mut self, taken: OwnedSemaphorePermit) {
        match &mut self.shared {
            Some(held) => held.merge(taken),
            None => self.shared = Some(taken),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn room_comes_back_when_a_body_is_dropped() {
        let budget = BodyBudget::new(100, 40);
        let mut room = Room::default();
        budget.take(&mut room, 20).now_or_never().unwrap();
        budget.take(&mut room, 30).now_or_never().unwrap();
        assert_eq!(budget.available_bytes(), 10);
        drop(room);
        assert_eq!(budget.available_bytes(), 60);
    }

    #[test]
    fn bodies_that_each_hold_a_part_finish_one_after_another() {
        let budget = BodyBudget::new(140, 100);
        let (mut first, mut second) = (Room::default(), Room::default());
        budget.take(&mut first, 20).now_or_never().unwrap();
        budget.take(&mut second, 20).now_or_never().unwrap();

        // Nothing is left: the first to ask finishes in the room set aside, the second waits.
        budget.take(&mut first, 50).now_or_never().unwrap();
        budget.take(&mut first, 30).now_or_never().unwrap();
        assert!(budget.take(&mut second, 80).now_or_never().is_none());

        drop(first);
        budget.take(&mut second, 80).now_or_never().unwrap();
        drop(second);
        assert_eq!(budget.available_bytes(), 40);
    }

    #[test]
    fn a_body_larger_than_the_shared_room_still_finishes() {
        let budget = BodyBudget::new(100, 100);
        budget.take(&mut Room::default(), 100).now_or_never().unwrap();
        assert_eq!(budget.available_bytes(), 0);
    }
}
