//! Any bytes as a JSON body: accepted or explained, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_api::{
    Codec, Operation,
    operations::{AddTagsToStream, CreateChannel, GetShardIterator, PutRecords, SubscribeToShard},
};

fn read<O: Operation>(body: &[u8]) {
    if let Err(error) = Codec::Json.decode::<O>(body) {
        let is_explained = error.message.is_some();
        // Half a surrogate pair is no text, which nobody notices in what is passed over.
        let may_be_no_text = !is_explained && body.windows(2).any(|pair| pair == b"\\u");
        assert!(is_explained == Codec::Json.is_map(body) || may_be_no_text, "{error}");
    }
}

fuzz_target!(|body: &[u8]| {
    read::<PutRecords>(body);
    read::<GetShardIterator>(body);
    read::<AddTagsToStream>(body);
    read::<SubscribeToShard>(body);
    read::<CreateChannel>(body);
});
