//! Placement is a hint: it never shows.

use super::{
    Fixture, case,
    kit::{EVERYTHING, bounds, entries, open, open_in, page, put, seek, trim},
};
use crate::engine::RetentionTier::{self, Extended, LongTerm, Standard};

/// Runs the cases of this module.
pub async fn run(f: &mut dyn Fixture) {
    case("placement never shows", placement_never_shows(f)).await;
    case("placed data is trimmed and dropped", placed_data_is_trimmed_and_dropped(f)).await;
    case("the tier may change when opening", the_tier_may_change_when_opening(f)).await;
}

const TIERS: [RetentionTier; 8] =
    [Standard, LongTerm, LongTerm, Extended, Standard, Standard, LongTerm, Extended];

/// Data placed in several tiers is read, searched and reopened as one log.
pub async fn placement_never_shows(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    for (i, tier) in (0..).zip(TIERS) {
        log.place(tier);
        put(&log, i * 50_000, &[i.to_string(), "x".into()]).await;
    }
    let stored = entries(&page(&log, 0, EVERYTHING).await);
    let texts: String = stored.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!(texts, "0x1x2x3x4x5x6x7x");
    let bounds_before = bounds(&log);
    drop(log);
    let engine = f.reopen(engine).await;
    let engine = f.crash_and_reopen(engine).await;
    let log = open(&engine, 7).await;
    assert_eq!(bounds(&log), bounds_before);
    assert_eq!(entries(&page(&log, 0, EVERYTHING).await), stored);
    for (i, entry) in stored.iter().enumerate() {
        let rest = entries(&page(&log, entry.offset, EVERYTHING).await);
        // A chunk holds two records.
        assert_eq!(Some(rest.as_slice()), stored.get(i / 2 * 2..));
        let first_of_chunk = stored.get(i / 2 * 2).expect("chunks are whole");
        assert_eq!(seek(&log, entry.arrival).await, first_of_chunk.offset);
    }
}

/// Trimming goes through all tiers, and nothing is left in any when the log is dropped.
pub async fn placed_data_is_trimmed_and_dropped(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    let log = open(&engine, 7).await;
    let mut firsts = Vec::new();
    for (i, tier) in (0..).zip(TIERS) {
        log.place(tier);
        firsts.push(put(&log, i, &["a", "b"]).await);
    }
    drop(log);
    for (i, first) in firsts.iter().enumerate() {
        let log = open(&engine, 7).await;
        trim(&log, *first).await;
        assert_eq!(entries(&page(&log, 0, EVERYTHING).await).len(), (TIERS.len() - i) * 2);
        drop(log);
        engine = f.reopen(engine).await;
    }
    engine.drop_logs(vec![crate::engine::LogId::new(7)]).await.expect("a log can be dropped");
    let engine = f.reopen(engine).await;
    let log = open(&engine, 7).await;
    assert_eq!(page(&log, 0, EVERYTHING).await, []);
}

/// A log is opened with the tier that its stream has now, whatever it had before.
pub async fn the_tier_may_change_when_opening(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    let mut expected = Vec::new();
    for (i, tier) in (0..).zip(TIERS) {
        let log = open_in(&engine, 7, tier).await;
        put(&log, i, &[i.to_string()]).await;
        expected.push(i.to_string());
        let stored = entries(&page(&log, 0, EVERYTHING).await);
        assert!(stored.iter().map(|entry| &entry.text).eq(&expected));
        assert!(stored.is_sorted_by_key(|entry| entry.offset));
        drop(log);
        engine = if i % 2 == 0 { f.crash_and_reopen(engine).await } else { f.reopen(engine).await };
    }
}
