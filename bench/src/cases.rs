//! The cases that a run measures: one row each.

use crate::codec::Codec;

/// One kind of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    /// Data of one record, bytes.
    pub(crate) data_bytes: usize,
    pub(crate) codec: Codec,
    /// Connections that each have one request under way.
    pub(crate) connections: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Requests of so many entries with random partition keys.
    PutRecords {
        entries: usize,
    },
    PutRecord,
    /// Readers that go over a filled stream, again and again.
    GetRecords,
    /// A record at a time, until a reader who polls at the tail has seen it.
    PutToRead,
}

use Codec::{Cbor, Json};
use Load::{GetRecords, PutRecord, PutRecords, PutToRead};

/// All cases, in the order they are run.
pub(crate) const CASES: [Case; 13] = [
    case("put-records-500x100B", PutRecords { entries: 500 }, 100, Json, 8),
    case("put-records-500x1KiB", PutRecords { entries: 500 }, 1024, Json, 8),
    case("put-records-100x1KiB", PutRecords { entries: 100 }, 1024, Json, 8),
    case("put-records-500x100B-cbor", PutRecords { entries: 500 }, 100, Cbor, 8),
    case("put-records-500x1KiB-cbor", PutRecords { entries: 500 }, 1024, Cbor, 8),
    case("put-record-100B-c1", PutRecord, 100, Json, 1),
    case("put-record-100B-c64", PutRecord, 100, Json, 64),
    case("put-record-1KiB-c64", PutRecord, 1024, Json, 64),
    case("get-records-100B", GetRecords, 100, Json, 4),
    case("get-records-1KiB", GetRecords, 1024, Json, 4),
    case("get-records-100B-cbor", GetRecords, 100, Cbor, 4),
    case("get-records-1KiB-cbor", GetRecords, 1024, Cbor, 4),
    case("put-to-read-100B", PutToRead, 100, Json, 2),
];

const fn case(
    name: &'static str,
    load: Load,
    data_bytes: usize,
    codec: Codec,
    connections: usize,
) -> Case {
    Case { name, load, data_bytes, codec, connections }
}

/// Finds a case by its name, for the command line.
pub(crate) fn parse(name: &str) -> Result<Case, String> {
    CASES.into_iter().find(|case| case.name == name).ok_or_else(|| {
        let names = CASES.map(|case| case.name).join(", ");
        format!("there is no such case; there are {names}")
    })
}
