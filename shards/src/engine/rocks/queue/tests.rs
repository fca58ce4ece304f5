//! The queue keeps its bound and its order, and lets everyone go when it closes.

use std::thread;

use tokio::sync::oneshot;

use super::*;

const MIB: usize = 1024 * 1024;

fn metadata(id: u8, bytes: usize) -> Change {
    let (reply, _) = oneshot::channel();
    let put = MetadataChange::Put { key: vec![id], value: vec![0; bytes] };
    Change::Metadata { changes: vec![put], reply }
}

fn id(change: &Change) -> u8 {
    let Change::Metadata { changes, .. } = change else { panic!("only metadata is pushed here") };
    let MetadataChange::Put { key, .. } = &changes[0] else { panic!("only puts are pushed here") };
    key[0]
}

#[test]
fn pushing_waits_for_room_and_keeps_order() {
    let queue = Queue::default();
    thread::scope(|scope| {
        for pusher in 0..4 {
            let queue = &queue;
            scope.spawn(move || {
                for i in 0..40 {
                    queue.push(metadata(pusher * 40 + i, MIB)).unwrap();
                }
            });
        }
        let mut next = [0; 4];
        while next.iter().sum::<u8>() < 160 {
            assert!(queue.bytes() <= QUEUE_BYTES_MAX);
            let taken = queue.take(8 * MIB, Patience::NONE).unwrap();
            assert!(taken.iter().map(Change::bytes).sum::<usize>() <= 8 * MIB);
            for change in &taken {
                let (pusher, i) = (id(change) / 40, id(change) % 40);
                assert_eq!(next[usize::from(pusher)], i);
                next[usize::from(pusher)] += 1;
            }
        }
    });
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn one_change_may_be_larger_than_all_bounds() {
    let queue = Queue::default();
    queue.push(metadata(1, QUEUE_BYTES_MAX + 1)).unwrap();
    assert_eq!(queue.take(1, Patience::NONE).unwrap().len(), 1);
}

#[test]
fn a_closed_queue_gives_what_it_has_and_takes_no_more() {
    let queue = Queue::default();
    queue.push(metadata(1, QUEUE_BYTES_MAX)).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.push(metadata(2, MIB)));
        queue.close();
        assert_eq!(waiting.join().unwrap(), Err(EngineError::Closed));
    });
    assert_eq!(queue.take(MIB, Patience::NONE).unwrap().len(), 1);
    assert!(queue.take(MIB, Patience::NONE).is_none());
}

#[test]
fn nobody_waits_for_an_abandoned_queue() {
    let queue = Queue::default();
    let (reply, outcome) = oneshot::channel();
    queue.push(Change::Metadata { changes: Vec::new(), reply }).unwrap();
    queue.abandon();
    assert!(outcome.blocking_recv().is_err());
    assert_eq!(queue.push(metadata(1, 1)), Err(EngineError::Closed));
}

#[test]
fn a_patient_taker_waits_for_as_many_as_it_was_told() {
    let queue = Queue::default();
    let patience = Patience { changes: 3, limit: Duration::MAX };
    queue.push(metadata(0, 1)).unwrap();
    thread::scope(|scope| {
        let taker = scope.spawn(|| queue.take(MIB, patience).unwrap().len());
        queue.push(metadata(1, 1)).unwrap();
        queue.push(metadata(2, 1)).unwrap();
        assert_eq!(taker.join().unwrap(), 3);
    });
}

#[test]
fn who_is_alone_never_waits() {
    let queue = Queue::default();
    queue.push(metadata(0, 1)).unwrap();
    let patience = Patience { changes: 1, limit: Duration::MAX };
    assert_eq!(queue.take(MIB, patience).unwrap().len(), 1);
}

#[test]
fn patience_ends_with_time_with_enough_bytes_and_with_the_queue() {
    let queue = Queue::default();
    let take = |limit| queue.take(MIB, Patience { changes: 2, limit }).unwrap().len();
    queue.push(metadata(0, 1)).unwrap();
    assert_eq!(take(Duration::from_millis(1)), 1);
    queue.push(metadata(0, MIB)).unwrap();
    assert_eq!(take(Duration::MAX), 1);
    queue.push(metadata(0, 1)).unwrap();
    thread::scope(|scope| {
        let taker = scope.spawn(|| take(Duration::MAX));
        queue.close();
        assert_eq!(taker.join().unwrap(), 1);
    });
}
