//! How JSON differs from serde_json's own: bytes are base64 text, written straight into the output.

use std::{io, mem::MaybeUninit};

use serde_json::ser::Formatter;

/// Bytes that are encoded at a time; a multiple of three, so that only the last piece is padded.
const PIECE_BYTES: usize = 3 * 1024;

/// Compact JSON with base64 for bytes.
pub(super) struct Json;

impl Formatter for Json {
    fn write_byte_array<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        value: &[u8],
    ) -> io::Result<()> {
        let mut text = [const { MaybeUninit::uninit() }; PIECE_BYTES / 3 * 4];
        writer.write_all(b"\"")?;
        for piece in value.chunks(PIECE_BYTES) {
            let out = base64_simd::Out::from_uninit_slice(&mut text);
            writer.write_all(base64_simd::STANDARD.encode(piece, out))?;
        }
        writer.write_all(b"\"")
    }
}
