//! MD5 of several short texts at once. Each step of MD5 waits for the one before; meanwhile the
//! processor can do the same step of the others, which makes them cost a third.

use wide::u32x8;

/// Texts that are digested together.
pub(super) const LANES: usize = 8;

/// Bytes of the longest text that fits into one block.
pub(super) const SHORT_BYTES_MAX: usize = LENGTH_AT - 1;

const BLOCK_BYTES: usize = 64;
const LENGTH_AT: usize = BLOCK_BYTES - 8;
const WORDS: usize = BLOCK_BYTES / 4;

/// What stands behind a text.
const END_MARK: u8 = 0x80;

/// The state of RFC 1321 before the first block.
const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Sixteen steps of RFC 1321.
struct Round {
    /// The word of the block that the first step takes, and how many further on the next one is.
    word: usize,
    stride: usize,
    /// By how many bits the steps rotate, in turn.
    bits: [u32; 4],
    constants: [u32; WORDS],
}

const ROUNDS: [Round; 4] = [
    Round {
        word: 0,
        stride: 1,
        bits: [7, 12, 17, 22],
        constants: [
            0xd76a_a478,
            0xe8c7_b756,
            0x2420_70db,
            0xc1bd_ceee,
            0xf57c_0faf,
            0x4787_c62a,
            0xa830_4613,
            0xfd46_9501,
            0x6980_98d8,
            0x8b44_f7af,
            0xffff_5bb1,
            0x895c_d7be,
            0x6b90_1122,
            0xfd98_7193,
            0xa679_438e,
            0x49b4_0821,
        ],
    },
    Round {
        word: 1,
        stride: 5,
        bits: [5, 9, 14, 20],
        constants: [
            0xf61e_2562,
            0xc040_b340,
            0x265e_5a51,
            0xe9b6_c7aa,
            0xd62f_105d,
            0x0244_1453,
            0xd8a1_e681,
            0xe7d3_fbc8,
            0x21e1_cde6,
            0xc337_07d6,
            0xf4d5_0d87,
            0x455a_14ed,
            0xa9e3_e905,
            0xfcef_a3f8,
            0x676f_02d9,
            0x8d2a_4c8a,
        ],
    },
    Round {
        word: 5,
        stride: 3,
        bits: [4, 11, 16, 23],
        constants: [
            0xfffa_3942,
            0x8771_f681,
            0x6d9d_6122,
            0xfde5_380c,
            0xa4be_ea44,
            0x4bde_cfa9,
            0xf6bb_4b60,
            0xbebf_bc70,
            0x289b_7ec6,
            0xeaa1_27fa,
            0xd4ef_3085,
            0x0488_1d05,
            0xd9d4_d039,
            0xe6db_99e5,
            0x1fa2_7cf8,
            0xc4ac_5665,
        ],
    },
    Round {
        word: 0,
        stride: 7,
        bits: [6, 10, 15, 21],
        constants: [
            0xf429_2244,
            0x432a_ff97,
            0xab94_23a7,
            0xfc93_a039,
            0x655b_59c3,
            0x8f0c_cc92,
            0xffef_f47d,
            0x8584_5dd1,
            0x6fa8_7e4f,
            0xfe2c_e6e0,
            0xa301_4314,
            0x4e08_11a1,
            0xf753_7e82,
            0xbd3a_f235,
            0x2ad7_d2bb,
            0xeb86_d391,
        ],
    },
];

/// The digests of texts of up to [`SHORT_BYTES_MAX`] bytes, each read as a big-endian number.
///
/// # Panics
/// When a text is longer.
pub(super) fn digests(texts: [&str; LANES]) -> [u128; LANES] {
    let blocks = texts.map(block);
    let mut rows = blocks.each_ref().map(|block| block.as_chunks().0.iter());
    let mut words = [u32x8::ZERO; WORDS];
    for word in &mut words {
        let row = rows.each_mut().map(|row| row.next().copied().map_or(0, u32::from_le_bytes));
        *word = u32x8::new(row);
    }
    let mut digests = [0; LANES];
    for word in compress(&words) {
        for (digest, word) in digests.iter_mut().zip(word.to_array()) {
            *digest = *digest << u32::BITS | u128::from(word.swap_bytes());
        }
    }
    digests
}

/// A short text as the one block that MD5 makes of it.
fn block(text: &str) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let bits = text.len() as u64 * 8;
    let (before_length, length) = block.split_at_mut(LENGTH_AT);
    length.copy_from_slice(&bits.to_le_bytes());
    let (written, rest) = before_length.split_at_mut(text.len());
    written.copy_from_slice(text.as_bytes());
    *rest.first_mut().expect("a short text leaves room for its end") = END_MARK;
    block
}

fn compress(words: &[u32x8; WORDS]) -> [u32x8; 4] {
    let initial = INITIAL.map(u32x8::splat);
    let [first, second, third, fourth] = &ROUNDS;
    let state = first.steps(words, initial, |b, c, d| d ^ (b & (c ^ d)));
    let state = second.steps(words, state, |b, c, d| (d & b) + (!d & c));
    let state = third.steps(words, state, |b, c, d| b ^ c ^ d);
    let [a, b, c, d] = fourth.steps(words, state, |b, c, d| c ^ (b | !d));
    let [a0, b0, c0, d0] = initial;
    [a0 + a, b0 + b, c0 + c, d0 + d]
}

impl Round {
    #[inline]
    fn steps(
        &self,
        words: &[u32x8; WORDS],
        [mut a, mut b, mut c, mut d]: [u32x8; 4],
        mix: impl Fn(u32x8, u32x8, u32x8) -> u32x8,
    ) -> [u32x8; 4] {
        let mut at = self.word;
        for (constant, bits) in self.constants.iter().zip(self.bits.iter().cycle()) {
            let word = words.get(at % WORDS).copied().unwrap_or_default();
            at += self.stride;
            let sum = a + mix(b, c, d) + word + u32x8::splat(*constant);
            let turned = (sum << *bits) | (sum >> (u32::BITS - *bits));
            (a, b, c, d) = (d, b + turned, b, c);
        }
        [a, b, c, d]
    }
}
