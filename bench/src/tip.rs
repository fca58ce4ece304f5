//! From put to read: how long a record takes to reach a reader who polls at the tail.

use anyhow::{Result, ensure};
use tokio::time::{Instant, timeout_at};

use crate::clock::Window;
use crate::codec::Codec;
use crate::load::{Answered, Caller, DRAIN_MAX, Tally};

/// A writer and a reader of the same shard.
pub(crate) struct Tip {
    pub(crate) writer: Caller,
    pub(crate) reader: Caller,
    /// How to read the sequence numbers that must be equal; the bare server has none.
    pub(crate) numbers: Option<Codec>,
}

impl Tip {
    /// Puts a record, waits until the reader has it, and so on until the window ends.
    /// A latency runs from the start of the put to the end of the read that brought it.
    pub(crate) async fn run(mut self, window: Window) -> Result<Tally> {
        let mut tally = Tally::new();
        loop {
            let begun = Instant::now();
            if begun >= window.end {
                return Ok(tally);
            }
            let round = timeout_at(window.end + DRAIN_MAX, self.round(begun));
            tally.count(window, begun, round.await??);
        }
    }

    async fn round(&mut self, begun: Instant) -> Result<Answered> {
        let Self { writer, reader, numbers } = self;
        let (_, seen) = tokio::try_join!(writer.call(begun), poll(reader))?;
        ensure!(seen.records == 1, "one record was put, {} were read", seen.records);
        if let Some(codec) = numbers {
            let put = codec.sequence_number(writer.connection.answer())?;
            let read = codec.sequence_number(reader.connection.answer())?;
            ensure!(put == read, "{put} was put, {read} was read");
        }
        Ok(seen)
    }
}

/// Reads until something comes.
async fn poll(reader: &mut Caller) -> Result<Answered> {
    loop {
        let answered = reader.call(Instant::now()).await?;
        if answered.records > 0 {
            return Ok(answered);
        }
    }
}
