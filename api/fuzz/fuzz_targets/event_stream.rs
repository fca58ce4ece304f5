//! Any bytes as a frame: what can be read can be written again, and is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_api::event_stream::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((message, length)) = Message::decode(bytes) {
        let mut written = Vec::new();
        message.encode(&mut written).expect("what was read is within bounds");
        assert_eq!(written, bytes[..length]);
    }
});
