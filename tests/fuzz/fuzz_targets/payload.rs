//! Any bytes as a record's data, as they are and as what an aggregate has within: what comes out is
//! within bounds, and what is nothing of what we know is left alone.

#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use md5::{Digest as _, Md5};
use millpond::payload::{Payload, UNPACKED_BYTES_MAX, Unpacking};

/// What an aggregate begins with.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

fuzz_target!(|data: &[u8]| {
    let body = data.strip_prefix(&MAGIC).unwrap_or(data);
    let aggregate = [&MAGIC[..], body, &Md5::digest(body)].concat();
    for data in [data, &aggregate] {
        let all = Unpacking { deaggregate: true, gunzip: true };
        let payload = Payload::of(Some("k"), Cow::Borrowed(data), all);
        let mut records = payload.records();
        let mut left = UNPACKED_BYTES_MAX + data.len() + 1;
        for record in records.by_ref() {
            let keys = [record.partition_key, record.explicit_hash_key];
            let key_bytes: usize = keys.into_iter().flatten().map(str::len).sum();
            let is_within = left.checked_sub(key_bytes + record.data.len());
            left = is_within.expect("keys and data are within the bound together");
        }
        assert!(records.inflated_bytes() <= UNPACKED_BYTES_MAX + 1, "so is what is thrown away");
        let records: Vec<_> = payload.records().take(2).collect();
        if let [alone] = records.as_slice()
            && alone.sub_sequence_number.is_none()
            && !alone.was_gzip
        {
            assert_eq!(alone.data, data, "it is left as it was");
        }
    }
});
