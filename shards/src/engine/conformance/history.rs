//! Long histories of everything at once, beside a model that is too simple to be wrong.

use std::sync::Arc;

use super::{
    Fixture, case,
    kit::{Dice, EVERYTHING, Entry, bounds, chunk, entries, open, open_in, page, seek, trim},
};
use crate::engine::{
    Engine, ReadLimit,
    RetentionTier::{Extended, LongTerm, Standard},
    ShardLog,
};

const LOGS: u64 = 3;
const STEPS: u64 = 300;

/// Runs the cases of this module.
pub async fn run(f: &mut dyn Fixture) {
    for seed in 0..8 {
        let name = format!("a history agrees with its model, seed {seed}");
        case(&name, a_history_agrees_with_its_model(f, seed)).await;
    }
}

/// Random appends, trims, placements, closings and crashes on three logs; after each step the log
/// reads as the model says.
pub async fn a_history_agrees_with_its_model(f: &mut dyn Fixture, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut engine = f.open().await;
    let mut models: Vec<_> = (0..LOGS).map(|_| Model::default()).collect();
    for _ in 0..STEPS {
        let id = dice.roll(LOGS);
        let model = models.get_mut(id as usize).expect("each log has a model");
        match dice.roll(20) {
            0 => engine = f.reopen(engine).await,
            1 => engine = f.crash_and_reopen(engine).await,
            2 => place(&engine, id, &mut dice).await,
            3..6 => model.trim(&open(&engine, id).await, &mut dice).await,
            _ => model.append(&open(&engine, id).await, &mut dice).await,
        }
        model.check(&open(&engine, id).await, &mut dice).await;
    }
}

async fn place(engine: &Arc<dyn Engine>, id: u64, dice: &mut Dice) {
    let tier = match dice.roll(3) {
        0 => Standard,
        1 => Extended,
        _ => LongTerm,
    };
    open_in(engine, id, tier).await.place(tier);
}

/// Every chunk that was ever acknowledged, as its records, and the trim point.
#[derive(Debug, Default)]
struct Model {
    chunks: Vec<Vec<Entry>>,
    trimmed: u64,
    now: u32,
}

impl Model {
    async fn append(&mut self, log: &Arc<dyn ShardLog>, dice: &mut Dice) {
        self.now += [0, 1, 999, 30_000, 100_000].get(dice.roll(5) as usize).unwrap_or(&0);
        let arrival = self.now.into();
        let texts: Vec<Vec<String>> = (0..=dice.roll(3))
            .map(|_| (0..=dice.roll(4)).map(|_| "x".repeat(dice.roll(3000) as usize)).collect())
            .collect();
        let chunks = texts.iter().map(|texts| chunk(arrival, texts)).collect();
        let first = log.append(chunks).await.expect("an append succeeds").value();
        assert!(first >= self.end(), "a position was given out twice");
        let mut offsets = first..;
        for texts in texts {
            let records = texts.into_iter().zip(&mut offsets);
            let entry = |(text, offset)| Entry { offset, arrival, text };
            self.chunks.push(records.map(entry).collect());
        }
    }

    async fn trim(&mut self, log: &Arc<dyn ShardLog>, dice: &mut Dice) {
        let before = self.trimmed.saturating_sub(3) + dice.roll(self.end() - self.trimmed + 6);
        trim(log, before).await;
        self.trimmed = self.trimmed.max(before.min(self.end()));
    }

    async fn check(&self, log: &Arc<dyn ShardLog>, dice: &mut Dice) {
        let (start, end) = bounds(log);
        let oldest = self.chunks_from(0).first().map_or(self.trimmed, |entry| entry.offset);
        // The trim point may be told as it was given, or as where the records begin.
        let (low, high) = (oldest.min(self.trimmed), oldest.max(self.trimmed));
        assert!((low..=high).contains(&start), "{start} isn't between {low} and {high}");
        assert_eq!(end, self.end());
        assert_eq!(log.last_arrival().millis(), self.last().map_or(0, |entry| entry.arrival));
        assert_eq!(entries(&page(log, 0, EVERYTHING).await), self.chunks_from(0));
        self.check_page(log, dice).await;
        self.check_seek(log, dice).await;
    }

    async fn check_page(&self, log: &Arc<dyn ShardLog>, dice: &mut Dice) {
        let from = dice.roll(self.end() + 2);
        let (records, bytes) = (dice.roll(20) as usize, dice.roll(20_000) as usize);
        let read = entries(&page(log, from, ReadLimit { records, bytes }).await);
        let expected = self.chunks_from(from);
        assert!(expected.starts_with(&read), "from {from}");
        assert_eq!(read.is_empty(), expected.is_empty(), "from {from}");
    }

    async fn check_seek(&self, log: &Arc<dyn ShardLog>, dice: &mut Dice) {
        let at = dice.roll(u64::from(self.now) + 1000).cast_signed();
        let found = seek(log, at).await;
        let stored = self.chunks_from(0);
        let earliest = stored.iter().find(|entry| entry.arrival >= at);
        let earliest = earliest.map_or(self.end(), |entry| entry.offset);
        // A chunk that straddles the trim point may be found by its first record, or by the first
        // that wasn't given up.
        assert!((earliest..=earliest.max(self.trimmed)).contains(&found), "at {at}: {found}");
    }

    /// The records of the chunks that aren't trimmed and don't end before `from`.
    fn chunks_from(&self, from: u64) -> Vec<Entry> {
        let from = from.max(self.trimmed);
        let ends_before = |chunk: &&Vec<Entry>| chunk.last().is_none_or(|e| e.offset < from);
        self.chunks.iter().skip_while(ends_before).flatten().cloned().collect()
    }

    fn last(&self) -> Option<&Entry> {
        self.chunks.last().and_then(|chunk| chunk.last())
    }

    fn end(&self) -> u64 {
        self.last().map_or(0, |last| last.offset + 1)
    }
}
