//! The cases that a run measures: one row each, and what each may be varied by.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::Codec;

/// One kind of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    /// Data of one record, bytes.
    pub(crate) data_bytes: usize,
    /// Data in each shard that is read, in MiB.
    pub(crate) fill_mib: u16,
    pub(crate) codec: Codec,
    /// Connections that each have one request under way.
    pub(crate) connections: usize,
    pub(crate) setting: Setting,
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
    /// Readers that go once over a stream of which nothing is in memory.
    GetRecordsCold,
    /// A record at a time, until a reader who polls at the tail has seen it.
    PutToRead,
    /// Records one by one, until the subscription to their shard has pushed them.
    PutToSubscribe,
}

impl Load {
    /// Whether all that is done is to put records.
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::PutRecords { .. } | Self::PutRecord)
    }
}

/// How the server runs and how it is driven: what a case may be varied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// Shards of the stream.
    pub(crate) shards: u16,
    pub(crate) durability: Durability,
    pub(crate) tls: bool,
    /// Whether rates are counted and compared, with limits that nothing reaches.
    pub(crate) quotas: bool,
    /// Requests due each second, at fixed times; without it each caller sends when it is answered.
    pub(crate) per_second: Option<u32>,
}

/// When a record counts as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    /// On disk.
    Fsync,
    /// With the operating system.
    Os,
    /// In memory only.
    Memory,
}

impl Setting {
    pub(crate) const DEFAULT: Self = Self {
        shards: 4,
        durability: Durability::Fsync,
        tls: false,
        quotas: false,
        per_second: None,
    };
}

/// What differs from the default, as words behind the name of a case.
impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shards, durability, tls, quotas, per_second } = *self;
        match durability {
            Durability::Fsync => {}
            Durability::Os => formatter.write_str(" os")?,
            Durability::Memory => formatter.write_str(" memory")?,
        }
        if shards != Self::DEFAULT.shards {
            write!(formatter, " {shards} shard{}", if shards == 1 { "" } else { "s" })?;
        }
        if tls {
            formatter.write_str(" TLS")?;
        }
        if quotas {
            formatter.write_str(" quotas")?;
        }
        per_second.map_or(Ok(()), |rate| write!(formatter, " {rate}/s"))
    }
}

use Codec::{Cbor, Json};
use Load::{GetRecords, GetRecordsCold, PutRecord, PutRecords, PutToRead, PutToSubscribe};

/// All cases, in the order they are run.
pub(crate) const CASES: [Case; 28] = [
    case("put-records-500x100B", PutRecords { entries: 500 }, 100, Json, 8),
    case("put-records-500x1KiB", PutRecords { entries: 500 }, 1024, Json, 8),
    case("put-records-100x1KiB", PutRecords { entries: 100 }, 1024, Json, 8),
    case("put-records-10x50KiB", PutRecords { entries: 10 }, 50 * 1024, Json, 8),
    case("put-records-1x10MiB", PutRecords { entries: 1 }, TEN_MIB, Json, 2),
    case("put-records-500x100B-cbor", PutRecords { entries: 500 }, 100, Cbor, 8),
    case("put-records-500x1KiB-cbor", PutRecords { entries: 500 }, 1024, Cbor, 8),
    case("put-record-100B-c1", PutRecord, 100, Json, 1),
    case("put-record-100B-c16", PutRecord, 100, Json, 16),
    case("put-record-100B-c64", PutRecord, 100, Json, 64),
    case("put-record-100B-c256", PutRecord, 100, Json, 256),
    case("put-record-1KiB-c1", PutRecord, 1024, Json, 1),
    case("put-record-1KiB-c16", PutRecord, 1024, Json, 16),
    case("put-record-1KiB-c64", PutRecord, 1024, Json, 64),
    case("put-record-1KiB-c256", PutRecord, 1024, Json, 256),
    case("put-record-1KiB-c64-cbor", PutRecord, 1024, Cbor, 64),
    case("get-records-100B", GetRecords, 100, Json, 4),
    case("get-records-1KiB", GetRecords, 1024, Json, 4),
    case("get-records-100B-cbor", GetRecords, 100, Cbor, 4),
    case("get-records-1KiB-cbor", GetRecords, 1024, Cbor, 4),
    case("get-records-older-100B", GetRecords, 100, Json, 4).filled(OLDER_MIB),
    case("get-records-older-1KiB", GetRecords, 1024, Json, 4).filled(OLDER_MIB),
    case("get-records-cold-100B", GetRecordsCold, 100, Json, 4).filled(COLD_MIB),
    case("get-records-cold-1KiB", GetRecordsCold, 1024, Json, 4).filled(COLD_MIB),
    case("put-to-read-100B", PutToRead, 100, Json, 2).of_shards(1),
    case("put-to-read-1KiB", PutToRead, 1024, Json, 2).of_shards(1),
    case("put-to-read-100B-cbor", PutToRead, 100, Cbor, 2).of_shards(1),
    case("put-to-subscribe-100B", PutToSubscribe, 100, Json, 64).at(5_000),
];

/// The most that a record's data and its key of 17 digits may be together.
const TEN_MIB: usize = 10 * 1024 * 1024 - crate::workload::PARTITION_KEY_CHARS;

/// Half of what the server's memory of the newest records holds of a shard.
const NEWEST_MIB: u16 = 1;
/// Most of it is in files that were written just before.
const OLDER_MIB: u16 = 8;
/// Enough to take some time.
const COLD_MIB: u16 = 128;
/// However many shards there are.
const FILL_MIB_MAX: usize = 4096;

const fn case(
    name: &'static str,
    load: Load,
    data_bytes: usize,
    codec: Codec,
    connections: usize,
) -> Case {
    let (fill_mib, setting) = (NEWEST_MIB, Setting::DEFAULT);
    Case { name, load, data_bytes, fill_mib, codec, connections, setting }
}

impl Case {
    const fn of_shards(mut self, shards: u16) -> Self {
        self.setting.shards = shards;
        self
    }

    const fn filled(mut self, mib: u16) -> Self {
        self.fill_mib = mib;
        self
    }

    const fn at(mut self, per_second: u32) -> Self {
        self.setting.per_second = Some(per_second);
        self
    }

    /// Data in the stream that is read.
    pub(crate) fn fill_bytes(&self) -> usize {
        let mib = usize::from(self.fill_mib) * usize::from(self.setting.shards);
        mib.min(FILL_MIB_MAX) << 20
    }

    /// Records of one request, on their way in.
    pub(crate) const fn entries(&self) -> usize {
        match self.load {
            PutRecords { entries } => entries,
            PutRecord | PutToRead | PutToSubscribe | GetRecords | GetRecordsCold => 1,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.name, self.setting)
    }
}

/// Finds a case by its name, for the command line.
pub(crate) fn parse(name: &str) -> Result<Case, String> {
    CASES.into_iter().find(|case| case.name == name).ok_or_else(|| {
        let names = CASES.map(|case| case.name).join(", ");
        format!("there is no such case; there are {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_cases_have_one_name() {
        let names: std::collections::BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), CASES.len());
        assert!(parse("put-records-500x100B").is_ok());
        assert!(parse("put").unwrap_err().contains("put-to-read-100B"));
    }

    #[test]
    fn a_name_says_what_isnt_usual() {
        assert_eq!(CASES[0].to_string(), "put-records-500x100B");
        let setting = Setting {
            shards: 1,
            durability: Durability::Memory,
            tls: true,
            quotas: true,
            per_second: Some(5_000),
        };
        assert_eq!(setting.to_string(), " memory 1 shard TLS quotas 5000/s");
    }
}
