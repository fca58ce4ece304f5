//! What faults do to a call or a delivery: a pure function of the rules, what they have done
//! already, and what is at hand.

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use millpond_api::Error;

use super::{
    call::{Call, RecordFace},
    fields::Names,
    rule::{Act, Delay, Rule, Scope, When, is_write},
};

/// What a rule has done so far.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    /// Calls or deliveries that it is about.
    pub(super) matched: u64,
    /// Those that it did something to.
    pub(super) acted: u64,
    /// Records that it had throttled or fail.
    pub(super) records: u64,
    // Each rule has its own, so that one more rule changes nothing for those before it.
    chance: Rng,
}

/// What happens to a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Before anything is done for it.
    pub before: Step,
    /// When everything is done for it.
    pub after: Step,
    /// To records that it brings, by index.
    pub records: BTreeMap<usize, RecordFault>,
    /// To the iterator that it brings.
    pub expires_iterator: bool,
    /// To the subscription that it begins: how many events come first, and then.
    pub events: Option<(u64, Ending)>,
}

/// What happens at a point of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// The call takes so much longer.
    pub delay: Duration,
    /// This is what is answered.
    pub ending: Option<Ending>,
}

/// How a call or a subscription ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// There is no room for it.
    Throttle,
    /// It fails on the server's side.
    Fail,
    /// With this error.
    Error(Error),
    /// The connection is cut.
    Cut,
    /// The connection is cut when half of the answer is sent.
    CutHalfway,
    /// As if its time were over.
    End,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFault {
    /// Its shard has no room for it.
    Throttled,
    /// It is not stored, for no fault of its own.
    Failed,
    /// It is stored, and said not to be.
    FailedAfterwards,
}

/// What becomes of records that are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// None is told now; the next delivery begins with them.
    Empty,
    /// They are told, and the next delivery begins with them once more.
    Duplicate,
}

impl Tally {
    /// Nothing done yet. The same seed and place make the same choices.
    pub(super) fn new(seed: u64, place: usize) -> Self {
        // Any odd number would do: neighbours in a script shall not look alike.
        let seed = seed.wrapping_add((place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { matched: 0, acted: 0, records: 0, chance: Rng::with_seed(seed) }
    }

    /// Counts what the rule is about, and tells whether it may act on that.
    fn is_due(&mut self, rule: &Rule) -> bool {
        let index = self.matched;
        self.matched += 1;
        self.acted < rule.times && rule.calls.as_ref().is_none_or(|calls| calls.has(index))
    }

    fn is_chosen(&mut self, rule: &Rule) -> bool {
        rule.probability.is_none_or(|probability| self.chance.f64() < probability)
    }
}

/// What the rules do to a call, and which of them did something.
pub(super) fn on_call(
    rules: &[Rule],
    tallies: &mut [Tally],
    call: &Call,
) -> (Verdict, Vec<&'static str>) {
    let (mut verdict, mut acts) = (Verdict::default(), Vec::new());
    for (rule, tally) in rules.iter().zip(tallies) {
        if rule.then.act.is_of_delivery() || !rule.scope.is_about(call) {
            continue;
        }
        let Some(hits) = rule.scope.hits(call) else { continue };
        // The first that ends a call is the last that does something to it.
        if !tally.is_due(rule) || verdict.before.ending.is_some() {
            continue;
        }
        if verdict.take(rule, tally, call, &hits) {
            tally.acted += 1;
            acts.push(rule.then.act.name());
        }
    }
    (verdict, acts)
}

/// What the rules do to a delivery of these records, of which there is one at least, to the reader
/// that made `call`.
pub(super) fn on_delivery(
    rules: &[Rule],
    tallies: &mut [Tally],
    call: &Call,
    keys: &[Option<&str>],
) -> Option<(Delivery, &'static str)> {
    let mut taken = None;
    for (rule, tally) in rules.iter().zip(tallies) {
        let delivery = match rule.then.act {
            Act::Empty => Delivery::Empty,
            Act::Duplicate => Delivery::Duplicate,
            _ => continue,
        };
        let Scope { partition_key, shard, .. } = &rule.scope;
        let is_about = rule.scope.is_about(call)
            && fits(shard, call.shard)
            && keys.iter().any(|key| partition_key.fit(*key));
        if !is_about || !tally.is_due(rule) || taken.is_some() || !tally.is_chosen(rule) {
            continue;
        }
        tally.acted += 1;
        taken = Some((delivery, rule.then.act.name()));
    }
    taken
}

/// Whether the name of something, if that is known, is among these.
fn fits(names: &Names, thing: Option<impl ToString>) -> bool {
    names.are_any() || names.fit(thing.map(|thing| thing.to_string()).as_deref())
}

impl Scope {
    /// Whether the call is of the kind that is meant, whatever its shard and records.
    fn is_about(&self, call: &Call) -> bool {
        self.operations.contains(&call.operation)
            && fits(&self.account, Some(call.account))
            && fits(&self.region, Some(&call.region))
            && fits(&self.stream, call.stream.as_ref())
            && self.consumer.fit(call.consumer.as_deref())
    }

    /// The indices of the records that are meant, if the call brings records; `None` when the call
    /// isn't meant for the sake of its records or its shard.
    fn hits(&self, call: &Call) -> Option<Vec<usize>> {
        if !is_write(call.operation) {
            let needs_records = self.records.is_some() || !self.partition_key.are_any();
            let is_meant = !needs_records && fits(&self.shard, call.shard);
            return is_meant.then(Vec::new);
        }
        let is_meant = |index: usize, record: &RecordFace| {
            self.records.as_ref().is_none_or(|records| records.has(index as u64))
                && self.partition_key.fit(record.partition_key.as_deref())
                && fits(&self.shard, record.shard)
        };
        let records = call.records.iter().enumerate();
        let hits = records.filter(|(index, record)| is_meant(*index, record));
        let hits: Vec<_> = hits.map(|(index, _)| index).collect();
        (!hits.is_empty()).then_some(hits)
    }
}

impl Verdict {
    /// Takes what the rule wants, where no rule before it wanted something else. Tells whether
    /// there was something to take.
    fn take(&mut self, rule: &Rule, tally: &mut Tally, call: &Call, hits: &[usize]) -> bool {
        let then = &rule.then;
        let of_records = match (&then.act, then.when) {
            (Act::Throttle, _) => Some(RecordFault::Throttled),
            (Act::Fail, When::Before) => Some(RecordFault::Failed),
            (Act::Fail, When::After | When::Halfway) => Some(RecordFault::FailedAfterwards),
            _ => None,
        };
        if let Some(fault) = of_records.filter(|_| is_write(call.operation)) {
            return self.take_records(rule, tally, hits, fault);
        }
        if !tally.is_chosen(rule) {
            return false;
        }
        let ending = match &then.act {
            Act::Delay | Act::Empty | Act::Duplicate => None,
            Act::ExpireIterator => {
                self.expires_iterator = true;
                None
            }
            Act::Throttle => Some(Ending::Throttle),
            Act::Fail => Some(Ending::Fail),
            Act::Error(error) => Some(Ending::Error(error.clone())),
            Act::Cut if then.when == When::Halfway => Some(Ending::CutHalfway),
            Act::Cut => Some(Ending::Cut),
            Act::End => Some(Ending::End),
        };
        if let (Some(events), Some(ending)) = (then.after_events, ending.clone()) {
            let is_first = self.events.is_none();
            self.events.get_or_insert((events, ending));
            return is_first;
        }
        let step = match then.when {
            When::Before => &mut self.before,
            When::After | When::Halfway => &mut self.after,
        };
        if step.ending.is_some() && ending.is_some() {
            return false;
        }
        step.delay += draw(then.delay, tally);
        step.ending = step.ending.take().or(ending);
        true
    }

    fn take_records(
        &mut self,
        rule: &Rule,
        tally: &mut Tally,
        hits: &[usize],
        fault: RecordFault,
    ) -> bool {
        let mut count = 0;
        for index in hits {
            if tally.is_chosen(rule) && !self.records.contains_key(index) {
                self.records.insert(*index, fault);
                count += 1;
            }
        }
        tally.records += count;
        if count > 0 {
            let delay = draw(rule.then.delay, tally);
            match rule.then.when {
                When::Before => self.before.delay += delay,
                When::After | When::Halfway => self.after.delay += delay,
            }
        }
        count > 0
    }
}

fn draw(delay: Option<Delay>, tally: &mut Tally) -> Duration {
    let Some(Delay { least, most }) = delay else { return Duration::ZERO };
    let millis = tally.chance.u64(least.as_millis() as u64..=most.as_millis() as u64);
    Duration::from_millis(millis)
}
