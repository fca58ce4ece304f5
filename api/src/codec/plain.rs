//! How far text goes that stands in a string of JSON as it is.

use wide::u8x16;

/// Bytes before the first that ends a string, escapes, or may not stand in one; all, if there is
/// none.
pub(super) fn plain_bytes(bytes: &[u8]) -> usize {
    let (quote, escape) = (u8x16::splat(b'"'), u8x16::splat(b'\\'));
    let last_control = u8x16::splat(b' ' - 1);
    let (blocks, rest) = bytes.as_chunks();
    for (index, bytes) in blocks.iter().enumerate() {
        let block = u8x16::new(*bytes);
        let is_control = block.min(last_control).simd_eq(block);
        let special = block.simd_eq(quote) | block.simd_eq(escape) | is_control;
        let special = special.to_bitmask();
        if special != 0 {
            return index * bytes.len() + special.trailing_zeros() as usize;
        }
    }
    let first = rest.iter().position(|byte| is_special(*byte));
    bytes.len() - rest.len() + first.unwrap_or(rest.len())
}

/// Whether this byte ends a string, escapes, or may not stand in one.
const fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..b' ')
}
