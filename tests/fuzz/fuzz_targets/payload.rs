//! Any bytes as a record's data, as they are and as what an aggregate has within: what comes out is
//! within bounds, and what is nothing of what we know is left alone.

#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use md5::{Digest as _, Md5};
use millpond::payload::{UNPACKED_BYTES_MAX, Unpacking, unpack};

/// What an aggregate begins with.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

fuzz_target!(|data: &[u8]| {
    let body = data.strip_prefix(&MAGIC).unwrap_or(data);
    let aggregate = [&MAGIC[..], body, &Md5::digest(body)].concat();
    for data in [data, &aggregate] {
        let all = Unpacking { deaggregate: true, gunzip: true };
        let records = unpack(Some("k"), Cow::Borrowed(data), all);
        let bytes: usize = records.iter().map(|record| record.data.len()).sum();
        assert!(bytes <= data.len() + 2 * UNPACKED_BYTES_MAX, "{bytes} bytes");
        if let [alone] = records.as_slice()
            && alone.sub_sequence_number.is_none()
            && !alone.was_gzip
        {
            assert_eq!(alone.data, data, "it is left as it was");
        }
    }
});
