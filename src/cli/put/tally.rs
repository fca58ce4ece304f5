//! What has been put, counted and told.

use std::{collections::BTreeMap, io::Write};

use serde_json::Value;

use crate::cli::{Ended, Outcome, Printer};

/// The error of an entry that a quota refuses.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// What has been put so far, and where that is told.
pub(super) struct Tally<'a, W: Write> {
    printer: &'a mut Printer<W>,
    /// Whether somebody reads what is printed, as far as is known.
    is_heard: bool,
    shards: BTreeMap<String, u64>,
    last: Option<Value>,
}

impl<'a, W: Write> Tally<'a, W> {
    /// Nothing yet.
    pub(super) fn new(printer: &'a mut Printer<W>) -> Self {
        Self { printer, is_heard: true, shards: BTreeMap::new(), last: None }
    }

    /// Counts and tells what came of a call; its entries that were throttled.
    ///
    /// # Errors
    /// When entries were refused, or it can't be told. What was stored is counted all the same.
    pub(super) fn outcome_of(
        &mut self,
        entries: Vec<Value>,
        results: &[Value],
    ) -> Outcome<Vec<Value>> {
        let records = entries.len();
        let (mut stored, mut throttled, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (entry, result) in entries.into_iter().zip(results) {
            match result.get("error").and_then(Value::as_str) {
                None => stored.push(result),
                Some(THROTTLED) => throttled.push(entry),
                Some(_) => refused.push(result),
            }
        }
        for result in &stored {
            self.count(result);
        }
        match self.tell_of(&stored) {
            Ok(()) if refused.is_empty() => Ok(throttled),
            told => {
                let untold = told.err().into_iter().filter_map(Ended::sentence);
                let sentences = untold.chain(left_out(records, &refused, throttled.len()));
                Err(Ended::Failed(sentences.collect::<Vec<_>>().join("; ")))
            }
        }
    }

    fn count(&mut self, result: &Value) {
        let shard = result.get("shard").and_then(Value::as_str).unwrap_or_default();
        *self.shards.entry(shard.to_owned()).or_default() += 1;
        self.last = Some(result.clone());
    }

    /// Prints results for machines as long as somebody reads. What is put doesn't depend on it.
    fn tell_of(&mut self, stored: &[&Value]) -> Outcome {
        if !self.is_heard || !self.printer.is_json() {
            return Ok(());
        }
        let mut printed = stored.iter().try_for_each(|result| self.printer.object(result));
        printed = printed.and_then(|()| self.printer.flush());
        self.is_heard = printed != Err(Ended::Enough);
        if self.is_heard { printed } else { Ok(()) }
    }

    fn records(&self) -> u64 {
        self.shards.values().sum()
    }

    /// The same with what was done before.
    pub(super) fn failed(&self, ended: Ended) -> Ended {
        match (ended, self.records()) {
            (Ended::Failed(sentence), records @ 1..) => {
                Ended::Failed(format!("{sentence}; records put before: {records}"))
            }
            (ended, _) => ended,
        }
    }

    /// Tells people what was put in all.
    ///
    /// # Errors
    /// When it can't be told.
    pub(super) fn sum_up(&mut self) -> Outcome {
        if self.printer.is_json() {
            return Ok(());
        }
        self.printer.line(&self.summary())?;
        self.printer.flush()
    }

    fn summary(&self) -> String {
        let records = self.records();
        if let Some(last) = self.last.as_ref().filter(|_| records == 1) {
            let member = |name| last.get(name).and_then(Value::as_str).unwrap_or_default();
            return format!("{}  {}", member("shard"), member("sequence_number"));
        }
        let shards = self.shards.iter().map(|(shard, records)| format!("{records} to {shard}"));
        let shards = shards.collect::<Vec<_>>().join(", ");
        let colon = if shards.is_empty() { "" } else { ": " };
        format!("{records} records put{colon}{shards}")
    }
}

/// What is said of those of a call that weren't stored, where there are any.
fn left_out(records: usize, refused: &[&Value], throttled: usize) -> Option<String> {
    let what = match (refused.len(), throttled) {
        (0, 0) => return None,
        (0, _) if records == 1 => "the record was throttled".to_owned(),
        (0, _) => format!("of {records} records, {throttled} were throttled"),
        (_, 0) if records == 1 => "the record was refused".to_owned(),
        (refused, _) => {
            format!("of {records} records, {refused} were refused and {throttled} throttled")
        }
    };
    let Some(first) = refused.first() else { return Some(what) };
    let member = |name| first.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(format!("{what}: {} {}", member("error"), member("message")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// How a run ends whose output takes so many bytes.
    fn end(room: usize, is_json: bool, results: &[Value]) -> Ended {
        let mut room = vec![0; room];
        let mut printer = Printer::over(&mut room[..], is_json, None);
        let mut tally = Tally::new(&mut printer);
        let outcome = tally.outcome_of(vec![json!({}); results.len()], results);
        let ended = outcome.and_then(|_| tally.sum_up()).unwrap_err();
        tally.failed(ended)
    }

    #[test]
    fn all_of_a_call_is_counted_and_told_although_nothing_can_be_printed() {
        let stored = json!({ "shard": "a" });
        let throttled = json!({ "error": THROTTLED, "message": "" });
        let refused = json!({ "error": "InternalFailure", "message": "Something went wrong." });
        let full = "the output can't be written: failed to write whole buffer";
        let one = stored.to_string().len() + 1;
        for room in [0, one, 2 * one] {
            let results = [&stored, &throttled, &stored, &refused, &stored].map(Value::clone);
            let sentence = format!(
                "{full}; of 5 records, 1 were refused and 1 throttled: InternalFailure Something \
                 went wrong.; records put before: 3"
            );
            assert_eq!(end(room, true, &results), Ended::Failed(sentence));
            let results = [&stored, &stored, &stored, &throttled].map(Value::clone);
            let sentence = format!("{full}; of 4 records, 1 were throttled; records put before: 3");
            assert_eq!(end(room, true, &results), Ended::Failed(sentence));
        }
        let sentence = format!("{full}; records put before: 2");
        assert_eq!(end(0, false, &[stored.clone(), stored]), Ended::Failed(sentence));
    }
}
