//! A request body with its SHA-256, so that signing it again costs no second pass over it.

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Lower-case hexadecimal text of 32 bytes.
pub(crate) type Hex = [u8; 64];

/// Bytes to send, and their hash as a signature needs it.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) sha256: Hex,
}

impl Body {
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let sha256 = hex(&Sha256::digest(&bytes).into());
        Self { bytes, sha256 }
    }
}

/// Writes 32 bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8; 32]) -> Hex {
    const fn digit(nibble: u8) -> u8 {
        nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
    }
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_nothing_is_the_well_known_one() {
        let expected = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(&Body::new(Bytes::new()).sha256, expected);
    }
}
