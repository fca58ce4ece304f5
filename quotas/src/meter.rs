//! What went through a shard: the counters behind its metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts what one shard takes in, gives out and refuses. Lock-free; counts only grow.
#[derive(Debug, Default)]
pub struct Meter {
    incoming_records: AtomicU64,
    incoming_bytes: AtomicU64,
    outgoing_records: AtomicU64,
    outgoing_bytes: AtomicU64,
    write_throttles: AtomicU64,
    read_throttles: AtomicU64,
}

/// The counts of a [`Meter`] since it was made. Each is right by itself; one write may be counted
/// in one and not yet in the next. The names are those of Kinesis' shard-level metrics.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Records stored: `IncomingRecords`.
    pub incoming_records: u64,
    /// Data and partition keys stored: `IncomingBytes`.
    pub incoming_bytes: u64,
    /// Records answered: `OutgoingRecords`.
    pub outgoing_records: u64,
    /// Data answered: `OutgoingBytes`.
    pub outgoing_bytes: u64,
    /// Records refused: `WriteProvisionedThroughputExceeded`.
    pub write_throttles: u64,
    /// Calls of GetRecords refused: `ReadProvisionedThroughputExceeded`.
    pub read_throttles: u64,
}

impl Meter {
    /// Records were stored.
    pub fn count_incoming(&self, records: u64, bytes: u64) {
        self.incoming_records.fetch_add(records, Relaxed);
        self.incoming_bytes.fetch_add(bytes, Relaxed);
    }

    /// Records were answered.
    pub fn count_outgoing(&self, records: u64, bytes: u64) {
        self.outgoing_records.fetch_add(records, Relaxed);
        self.outgoing_bytes.fetch_add(bytes, Relaxed);
    }

    /// Records were refused for the quota.
    pub fn count_write_throttles(&self, records: u64) {
        self.write_throttles.fetch_add(records, Relaxed);
    }

    /// A read was refused for the quota.
    pub fn count_read_throttle(&self) {
        self.read_throttles.fetch_add(1, Relaxed);
    }

    /// The counts now.
    #[must_use]
    pub fn snapshot(&self) -> Usage {
        Usage {
            incoming_records: self.incoming_records.load(Relaxed),
            incoming_bytes: self.incoming_bytes.load(Relaxed),
            outgoing_records: self.outgoing_records.load(Relaxed),
            outgoing_bytes: self.outgoing_bytes.load(Relaxed),
            write_throttles: self.write_throttles.load(Relaxed),
            read_throttles: self.read_throttles.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_what_is_shown() {
        let meter = Meter::default();
        meter.count_incoming(3, 30);
        meter.count_incoming(1, 12);
        meter.count_outgoing(2, 20);
        meter.count_write_throttles(5);
        meter.count_read_throttle();
        let expected = Usage {
            incoming_records: 4,
            incoming_bytes: 42,
            outgoing_records: 2,
            outgoing_bytes: 20,
            write_throttles: 5,
            read_throttles: 1,
        };
        assert_eq!(meter.snapshot(), expected);
    }
}
