//! Whether an answer says what it must: a cheap look at each, a full decode of some.
//!
//! A look finds members by their encoded names without decoding what lies between. The bench sends
//! only data in which those names cannot occur, and the full decodes prove the looks right.

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use serde::Deserialize;

use crate::codec::Codec;

/// One answer in so many is decoded in full: the first, and then each of this distance.
pub(crate) const FULL_CHECK_EVERY: u64 = 256;

/// Where what stands behind the records of a page is looked for first.
pub(crate) const TAIL_BYTES: usize = 4096;

/// A page of GetRecords, as far as a look tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<'a> {
    pub(crate) records: u64,
    pub(crate) next: &'a str,
    /// Whether the page reaches the tail of its shard.
    pub(crate) at_tail: bool,
}

/// Counts the records of a page as it comes, by their sequence numbers.
#[derive(Debug)]
pub(crate) struct Counter {
    name: memmem::Finder<'static>,
    /// Bytes of the page, as far as it is kept, that need no further look.
    seen: usize,
    records: u64,
}

impl Counter {
    /// Looks at what is new of a page.
    pub(crate) fn see(&mut self, coming: &[u8]) {
        let (begun, name_bytes) = (self.seen, self.name.needle().len());
        for at in self.name.find_iter(coming.get(begun..).unwrap_or_default()) {
            self.records += 1;
            self.seen = begun + at + name_bytes;
        }
        // The start of a name may be there already.
        self.seen = self.seen.max((coming.len() + 1).saturating_sub(name_bytes));
    }

    /// Counts on in a page without its first bytes.
    pub(crate) fn forget(&mut self, bytes: usize) {
        self.seen = self.seen.saturating_sub(bytes);
    }

    /// How many records the page had that is now whole. The next one begins.
    pub(crate) fn end(&mut self, answer: &[u8]) -> u64 {
        self.see(answer);
        self.seen = 0;
        std::mem::take(&mut self.records)
    }
}

impl Codec {
    /// Looks at a PutRecords answer: no entry failed.
    pub(crate) fn look_put_records(self, answer: &[u8]) -> Result<()> {
        let failed = self.member(answer, "FailedRecordCount")?;
        ensure!(self.is_zero(failed), "some entries failed: {}", excerpt(answer));
        Ok(())
    }

    /// What counts the records of pages.
    pub(crate) fn counter(self) -> Counter {
        let name = memmem::Finder::new(&self.name("SequenceNumber")).into_owned();
        Counter { name, seen: 0, records: 0 }
    }

    /// Looks at a page of GetRecords, of which the records are counted.
    pub(crate) fn look_get_records(self, answer: &[u8], records: u64) -> Result<Page<'_>> {
        // Most servers tell the records first.
        let member = |name| self.member(tail(answer), name).or_else(|_| self.member(answer, name));
        let next = self.text(member("NextShardIterator")?)?;
        let at_tail = self.is_zero(member("MillisBehindLatest")?);
        Ok(Page { records, next, at_tail })
    }

    /// The first sequence number in an answer.
    pub(crate) fn sequence_number(self, answer: &[u8]) -> Result<&str> {
        self.text(self.member(answer, "SequenceNumber")?)
    }

    /// Decodes a PutRecords answer: one good result for each entry.
    pub(crate) fn check_put_records(self, answer: &[u8], entries: usize) -> Result<()> {
        let answer: PutRecords<'_> = match self {
            Self::Json => serde_json::from_slice(answer)?,
            Self::Cbor => minicbor_serde::from_slice(answer)?,
        };
        ensure!(answer.failed_record_count == 0, "some entries failed");
        let results = answer.records.len();
        ensure!(results == entries, "{results} results for {entries} entries");
        answer.records.iter().try_for_each(PutRecord::check)
    }

    /// Decodes a PutRecord answer.
    pub(crate) fn check_put_record(self, answer: &[u8]) -> Result<()> {
        let answer: PutRecord<'_> = match self {
            Self::Json => serde_json::from_slice(answer)?,
            Self::Cbor => minicbor_serde::from_slice(answer)?,
        };
        answer.check()
    }

    /// Decodes a page of GetRecords: as many records as counted, in order, of the right size.
    pub(crate) fn check_get_records(
        self,
        answer: &[u8],
        page: &Page<'_>,
        data_bytes: usize,
    ) -> Result<()> {
        match self {
            Self::Json => {
                let decoded: GetRecords<'_, &str> = serde_json::from_slice(answer)?;
                decoded.check(page, data_bytes.div_ceil(3) * 4)
            }
            Self::Cbor => {
                let decoded: GetRecords<'_, &[u8]> = minicbor_serde::from_slice(answer)?;
                decoded.check(page, data_bytes)
            }
        }
    }

    /// How a member's name is encoded, up to its value.
    fn name(self, member: &str) -> Vec<u8> {
        match self {
            Self::Json => format!("\"{member}\":").into_bytes(),
            Self::Cbor => {
                let length = u8::try_from(member.len()).expect("a short name");
                assert!(length < 24, "the length of a short text stands in its first byte");
                [&[0x60 | length], member.as_bytes()].concat()
            }
        }
    }

    /// What follows a member's name.
    fn member<'a>(self, answer: &'a [u8], member: &str) -> Result<&'a [u8]> {
        let name = self.name(member);
        let at = memmem::find(answer, &name)
            .with_context(|| format!("no {member} in {}", excerpt(answer)))?;
        let value = answer.get(at + name.len()..).unwrap_or_default();
        Ok(if self == Self::Json { value.trim_ascii_start() } else { value })
    }

    fn is_zero(self, value: &[u8]) -> bool {
        match self {
            Self::Json => matches!(value, [b'0', b',' | b'}', ..]),
            Self::Cbor => value.first() == Some(&0),
        }
    }

    fn text(self, value: &[u8]) -> Result<&str> {
        match self {
            Self::Json => {
                let text = value.strip_prefix(b"\"").context("a member is not text")?;
                let end = memchr::memchr(b'"', text).context("a text does not end")?;
                Ok(std::str::from_utf8(text.get(..end).unwrap_or_default())?)
            }
            Self::Cbor => Ok(minicbor::Decoder::new(value).str()?),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecords<'a> {
    failed_record_count: u32,
    #[serde(borrow)]
    records: Vec<PutRecord<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecord<'a> {
    sequence_number: &'a str,
    shard_id: &'a str,
}

impl PutRecord<'_> {
    fn check(&self) -> Result<()> {
        let digits = !self.sequence_number.is_empty()
            && self.sequence_number.bytes().all(|byte| byte.is_ascii_digit());
        ensure!(digits && self.shard_id.starts_with("shardId-"), "not a good result: {self:?}");
        Ok(())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRecords<'a, D> {
    #[serde(borrow)]
    records: Vec<Record<'a, D>>,
    next_shard_iterator: &'a str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a, D> {
    sequence_number: &'a str,
    partition_key: &'a str,
    data: D,
}

impl<D> Record<'_, D> {
    /// What orders records: of two numbers the longer is the larger, as not every server keeps to
    /// one length.
    fn number(&self) -> (usize, &str) {
        (self.sequence_number.len(), self.sequence_number)
    }
}

/// Data as it stands in an answer: base64 in JSON, bytes in CBOR.
trait Encoded {
    fn encoded_bytes(&self) -> usize;
}

impl Encoded for &str {
    fn encoded_bytes(&self) -> usize {
        self.len()
    }
}

impl Encoded for &[u8] {
    fn encoded_bytes(&self) -> usize {
        self.len()
    }
}

impl<D: Encoded> GetRecords<'_, D> {
    fn check(&self, page: &Page<'_>, encoded_bytes: usize) -> Result<()> {
        let (counted, decoded) = (page.records, self.records.len() as u64);
        ensure!(counted == decoded, "a look counted {counted} records, there are {decoded}");
        ensure!(self.next_shard_iterator == page.next, "a look found another iterator");
        let ordered = self.records.is_sorted_by(|one, next| one.number() < next.number());
        ensure!(ordered, "records are not in order");
        let whole = |record: &Record<'_, D>| {
            record.data.encoded_bytes() == encoded_bytes && !record.partition_key.is_empty()
        };
        ensure!(self.records.iter().all(whole), "a record is not as it was put");
        Ok(())
    }
}

/// What stands behind the records of a page, and the end of these.
pub(crate) fn tail(answer: &[u8]) -> &[u8] {
    answer.get(answer.len().saturating_sub(TAIL_BYTES)..).unwrap_or(answer)
}

/// The start of an answer, for error messages.
fn excerpt(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer.get(..300).unwrap_or(answer)).into_owned()
}

#[cfg(test)]
mod tests;
