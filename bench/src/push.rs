//! From put to event: how long a record takes to be pushed to who has subscribed to its shard.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::body::Body;
use crate::clock::Window;
use crate::codec::Codec;
use crate::endpoint::Endpoint;
use crate::event_stream::{Event, Frames};
use crate::http::Connection;
use crate::load::{Answered, Caller, DRAIN_MAX, Dues, Tally, total};

/// Events that wait to be counted; beyond that their connections wait.
const EVENTS_MAX: usize = 1_024;

/// Writers who put records at a rate, and a subscription to each shard.
pub(crate) struct Push {
    /// Each puts every so manieth number, in its turn.
    pub(crate) writers: Vec<Caller>,
    pub(crate) subscriptions: Vec<Connection>,
    pub(crate) per_second: u32,
    pub(crate) data_bytes: usize,
}

/// An event that came.
struct Pushed {
    at: Instant,
    event: Event,
}

impl Push {
    /// Puts until the window ends, and waits for the last event. A latency runs from when the put
    /// was due to the arrival of the event that holds its record.
    ///
    /// # Errors
    ///
    /// If a put fails, or any record comes twice, never, or not as it was put.
    pub(crate) async fn run(self, window: Window) -> Result<Tally> {
        let (sender, mut pushed) = mpsc::channel(EVENTS_MAX);
        let mut listening = JoinSet::new();
        for subscription in self.subscriptions {
            listening.spawn(listen(subscription, sender.clone()));
        }
        let (mut writing, writers) = (JoinSet::new(), self.writers.len());
        for (index, writer) in self.writers.into_iter().enumerate() {
            let dues = Dues::of(window.begin, self.per_second, index, writers);
            writing.spawn(writer.run_when_due(window, dues));
        }
        let written = total(writing);
        tokio::pin!(written);
        let (mut tally, mut seen) = (Tally::new(), Seen::default());
        let mut put = None;
        let all = async {
            while put.is_none_or(|put| tally.all_records < put) {
                tokio::select! {
                    one = pushed.recv() => {
                        let Pushed { at, event } = one.context("no subscription is open")?;
                        for number in seen.numbers(&event, self.data_bytes)? {
                            let due = Dues::nth(window.begin, self.per_second, number);
                            tally.count(window, due, Answered { at, records: 1, bytes: 0 });
                        }
                    }
                    done = &mut written, if put.is_none() => put = Some(done?.all_records),
                    ended = listening.join_next() => {
                        ended.context("no subscription is open")?.context("a reader panicked")??;
                    }
                }
            }
            Ok(())
        };
        let waited = timeout_at(window.end + DRAIN_MAX, all).await;
        waited.context("some records were never pushed")?.map(|()| tally)
    }
}

/// Asks for a subscription from the tip on; what is answered has to be read yet.
pub(crate) async fn subscribe(
    endpoint: &Endpoint,
    consumer: &str,
    shard: &str,
) -> Result<Connection> {
    let mut connection = Connection::open(endpoint).await?;
    let mut signer = connection.signer(Codec::Json.content_type(), "SubscribeToShard");
    let body = Body::new(request(consumer, shard, "LATEST"));
    connection.send(&mut signer, Instant::now(), &body).await?;
    Ok(connection)
}

/// The body of a request to subscribe from a position that needs no more than its name.
pub(crate) fn request(consumer: &str, shard: &str, position: &str) -> String {
    let position = json!({"Type": position});
    json!({"ConsumerARN": consumer, "ShardId": shard, "StartingPosition": position}).to_string()
}

/// Passes on events until nobody wants them any more.
async fn listen(mut subscription: Connection, events: mpsc::Sender<Pushed>) -> Result<()> {
    let mut frames = Frames::default();
    loop {
        frames.take(subscription.here())?;
        let at = Instant::now();
        while let Some(event) = frames.next()? {
            if events.send(Pushed { at, event }).await.is_err() {
                return Ok(());
            }
        }
        subscription.more().await?;
    }
}

/// Which numbers have come.
#[derive(Debug, Default)]
struct Seen {
    numbers: Vec<bool>,
}

impl Seen {
    /// The numbers of the records in an event, none of which has come before.
    fn numbers(&mut self, event: &Event, data_bytes: usize) -> Result<Vec<u32>> {
        let encoded = data_bytes.div_ceil(3) * 4;
        let mut numbers = Vec::with_capacity(event.records.len());
        for record in &event.records {
            let whole = record.data.len() == encoded && !record.sequence_number.is_empty();
            ensure!(whole, "a record is not as it was put: {record:?}");
            let number: u32 = record.partition_key.parse().context("another's record")?;
            let at = number as usize;
            if self.numbers.len() <= at {
                self.numbers.resize(at + 1, false);
            }
            let seen = self.numbers.get_mut(at).context("just made")?;
            ensure!(!std::mem::replace(seen, true), "the record {number} was pushed twice");
            numbers.push(number);
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_stream::Record;

    fn event(keys: &[&str]) -> Event {
        let record = |key: &&str| Record {
            partition_key: (*key).into(),
            sequence_number: "1".into(),
            data: "aGk=".into(),
        };
        Event { records: keys.iter().map(record).collect() }
    }

    #[test]
    fn each_record_is_pushed_once_and_whole() {
        let mut seen = Seen::default();
        assert_eq!(seen.numbers(&event(&["0007", "0001"]), 2).unwrap(), [7, 1]);
        assert!(seen.numbers(&event(&["0001"]), 2).unwrap_err().to_string().contains("twice"));
        assert!(seen.numbers(&event(&["0002"]), 9).is_err(), "data is short");
        assert!(seen.numbers(&event(&["key"]), 2).is_err(), "somebody else's");
    }
}
