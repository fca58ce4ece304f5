//! Any bytes as a frame: what can be read can be written again, and is the same. The bytes are read
//! as they come, and once more with the lengths and checksums of a frame around them, which no
//! fuzzer guesses.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_api::event_stream::Message;

fn read(bytes: &[u8]) {
    if let Ok((message, length)) = Message::decode(bytes) {
        let mut written = Vec::new();
        message.encode(&mut written).expect("what was read is within bounds");
        assert_eq!(bytes.get(..length), Some(written.as_slice()));
    }
}

/// A frame whose headers are the first bytes of `rest`, as many as its own first two bytes say.
fn framed(rest: &[u8]) -> Option<Vec<u8>> {
    let (headers_bytes, rest) = rest.split_first_chunk::<2>()?;
    let headers_bytes = u32::from(u16::from_be_bytes(*headers_bytes));
    let mut frame = (rest.len() as u32 + 16).to_be_bytes().to_vec();
    frame.extend(headers_bytes.to_be_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(rest);
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    Some(frame)
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if let Some(frame) = framed(bytes) {
        read(&frame);
    }
});
