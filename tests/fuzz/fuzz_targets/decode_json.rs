//! Any bytes as a JSON body: accepted or explained, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_api::{
    Codec, Operation,
    operations::{AddTagsToStream, CreateChannel, GetShardIterator, PutRecords, SubscribeToShard},
};

fn read<O: Operation>(body: &[u8]) {
    if let Err(error) = Codec::Json.decode::<O>(body) {
        // Not the other way round: half a surrogate pair and a number beyond all bounds can't be
        // read, but are noticed only in members that are.
        assert!(error.message.is_none() || Codec::Json.is_map(body), "{error}");
    }
}

fuzz_target!(|body: &[u8]| {
    read::<PutRecords>(body);
    read::<GetShardIterator>(body);
    read::<AddTagsToStream>(body);
    read::<SubscribeToShard>(body);
    read::<CreateChannel>(body);
});
