//! Any bytes as a CBOR body: accepted or explained, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_api::{
    Codec, Operation,
    operations::{AddTagsToStream, CreateChannel, GetShardIterator, PutRecords, SubscribeToShard},
};

fn read<O: Operation>(body: &[u8]) {
    if let Err(error) = Codec::Cbor.decode::<O>(body) {
        assert_eq!(error.message.is_some(), Codec::Cbor.is_map(body), "{error}");
    }
}

fuzz_target!(|body: &[u8]| {
    read::<PutRecords>(body);
    read::<GetShardIterator>(body);
    read::<AddTagsToStream>(body);
    read::<SubscribeToShard>(body);
    read::<CreateChannel>(body);
});
