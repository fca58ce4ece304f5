//! Sequence numbers in AWS's own layout: 186 bits, written as 56 decimal digits.
//!
//! | bits | field |
//! |---|---|
//! | 184–187 | the constant 2 |
//! | 148–183 | the shard's creation, epoch seconds |
//! | 144–147 | lowest hex digit of the shard's index |
//! | 80–143 | sequence index; the top bit is 0 |
//! | 72–79 | 0 |
//! | 36–71 | the record's arrival, epoch seconds |
//! | 4–35 | the shard's index, signed |
//! | 0–3 | the layout's version, 2 |

use std::{fmt, str::FromStr};

use super::{
    ShardId,
    digits::{EIGHT, eight_digits},
};

/// A record's position in its stream. Numbers ascend within a shard, and those of a child shard lie
/// above all of its parents', because the shard's creation stands in the high bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceNumber {
    /// The shard's creation, epoch seconds; under 2³⁶.
    pub shard_created: u64,
    /// Ascends with each record of the shard; 0 in a shard's StartingSequenceNumber, `INDEX_MAX` in
    /// its ending one.
    pub index: u64,
    /// The record's arrival, epoch seconds; under 2³⁶.
    pub arrival: u64,
    /// The shard that the record is in.
    pub shard: ShardId,
}

impl SequenceNumber {
    /// The index in every EndingSequenceNumber: above that of any record.
    pub const INDEX_MAX: u64 = i64::MAX as u64;

    /// Bytes of the decimal text.
    pub const TEXT_BYTES: usize = 56;

    const SECONDS_BITS: u32 = 36;
    const SECONDS_MASK: u64 = (1 << Self::SECONDS_BITS) - 1;
    /// First creation second that AWS refuses to decode.
    const CREATED_END: u64 = 16_025_175_000;

    /// The decimal text: always as many digits, as the highest bits are the constant.
    #[must_use]
    pub fn to_text(self) -> [u8; Self::TEXT_BYTES] {
        let mut text = [0; Self::TEXT_BYTES];
        let eights = text.as_chunks_mut().0.iter_mut().zip(self.to_limbs().to_decimal());
        eights.for_each(|(eight, number)| *eight = eight_digits(number));
        text
    }

    fn to_limbs(self) -> Limbs {
        let Self { shard_created, index, arrival, shard } = self;
        debug_assert!(shard_created >> Self::SECONDS_BITS == 0, "a creation second has 36 bits");
        debug_assert!(arrival >> Self::SECONDS_BITS == 0, "an arrival second has 36 bits");
        let shard = shard.index().cast_unsigned();
        let low = u128::from(index & 0xffff_ffff_ffff) << 80
            | u128::from(arrival) << 36
            | u128::from(shard) << 4
            | 2;
        let created = shard_created & Self::SECONDS_MASK;
        let high = 2 << 56 | created << 20 | u64::from(shard & 0xf) << 16 | index >> 48;
        Limbs { high, low }
    }

    fn from_limbs(n: Limbs) -> Result<Self, InvalidSequenceNumber> {
        let Limbs { high, low } = n;
        if high <= 1 {
            return Self::from_version_0(high, low);
        }
        if high >> 56 != 2 || !matches!(low & 0xf, 1 | 2) {
            return Err(InvalidSequenceNumber);
        }
        Self {
            shard_created: (high >> 20) & Self::SECONDS_MASK,
            index: (high & 0xffff) << 48 | truncate(low >> 80),
            arrival: truncate(low >> 36) & Self::SECONDS_MASK,
            shard: ShardId::new((truncate(low >> 4) as u32).cast_signed()),
        }
        .checked()
    }

    /// The oldest layout: under 2¹²⁹, with a leading digit that numbers under 2¹²⁴ have lost. Only
    /// the creation and the shard are known of it.
    fn from_version_0(high: u64, low: u128) -> Result<Self, InvalidSequenceNumber> {
        let low = if high == 0 && low >> 124 == 0 { low | 1 << 124 } else { low };
        let digits_dropped = if high == 1 { low >> 4 | 1 << 124 } else { low };
        Self {
            shard_created: truncate(digits_dropped >> 88) & Self::SECONDS_MASK,
            index: 0,
            arrival: 0,
            shard: ShardId::new((truncate(digits_dropped) & 0xffff) as i32),
        }
        .checked()
    }

    fn checked(self) -> Result<Self, InvalidSequenceNumber> {
        let valid = self.shard_created < Self::CREATED_END && self.index <= Self::INDEX_MAX;
        if valid { Ok(self) } else { Err(InvalidSequenceNumber) }
    }
}

/// The low 64 bits.
const fn truncate(n: u128) -> u64 {
    (n & u64::MAX as u128) as u64
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SequenceNumber {
    /// The order of the numbers as clients compare them.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_limbs().cmp(&other.to_limbs())
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_text();
        f.write_str(std::str::from_utf8(&text).expect("decimal digits are ASCII"))
    }
}

impl FromStr for SequenceNumber {
    type Err = InvalidSequenceNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_limbs(Limbs::from_decimal(text).ok_or(InvalidSequenceNumber)?)
    }
}

/// A number of up to 192 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Limbs {
    high: u64,
    low: u128,
}

impl Limbs {
    /// `None` for anything but digits, and for numbers over 192 bits.
    fn from_decimal(text: &str) -> Option<Self> {
        let mut limbs = [0_u64; 3];
        if text.is_empty() {
            return None;
        }
        for digit in text.bytes() {
            let mut carry = u64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
            for limb in &mut limbs {
                let wide = u128::from(*limb) * 10 + u128::from(carry);
                (*limb, carry) = (truncate(wide), truncate(wide >> 64));
            }
            if carry > 0 {
                return None;
            }
        }
        let [low, middle, high] = limbs;
        Some(Self { high, low: u128::from(middle) << 64 | u128::from(low) })
    }

    /// The decimal digits, eight to a number, of a number under 10⁵⁶.
    fn to_decimal(self) -> [u64; SequenceNumber::TEXT_BYTES / 8] {
        let (high, rest) = split(self.high, truncate(self.low >> 64));
        let (low, last) = split(rest, truncate(self.low));
        let (first, middle) = split(high, low);
        // 18, 19 and 19 digits.
        let (e2, e3, e5, e6, e8, e13, e16) =
            (100, 1000, 100_000, 1_000_000, EIGHT, EIGHT * 100_000, EIGHT * EIGHT);
        [
            first / e2 / e8,
            first / e2 % e8,
            first % e2 * e6 + middle / e13,
            middle % e13 / e5,
            middle % e5 * e3 + last / e16,
            last % e16 / e8,
            last % e8,
        ]
    }
}

/// 10¹⁹: as many digits as 64 bits always hold.
const UNIT: u64 = 10_u64.pow(19);

/// `high · 2⁶⁴ + low` divided by `UNIT`, and the remainder. `high` is under `UNIT`.
///
/// Möller and Granlund, "Improved division by invariant integers": two multiplications by what is
/// known of the divisor beforehand, where dividing 128 bits takes a loop.
const fn split(high: u64, low: u64) -> (u64, u64) {
    const RECIPROCAL: u64 = truncate(u128::MAX / UNIT as u128 - (1 << 64));
    debug_assert!(high < UNIT, "the quotient has 64 bits");
    let number = (high as u128) << 64 | low as u128;
    let estimate = (RECIPROCAL as u128 * high as u128).wrapping_add(number);
    let mut quotient = truncate(estimate >> 64).wrapping_add(1);
    let mut remainder = low.wrapping_sub(quotient.wrapping_mul(UNIT));
    if remainder > truncate(estimate) {
        quotient = quotient.wrapping_sub(1);
        remainder = remainder.wrapping_add(UNIT);
    }
    if remainder >= UNIT { (quotient + 1, remainder - UNIT) } else { (quotient, remainder) }
}

/// The text is not a sequence number that any stream could have given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSequenceNumber;

impl fmt::Display for InvalidSequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a sequence number of Kinesis")
    }
}

impl std::error::Error for InvalidSequenceNumber {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(shard: i32, index: u64, arrival: u64) -> SequenceNumber {
        SequenceNumber { shard_created: 1_700_000_000, index, arrival, shard: ShardId::new(shard) }
    }

    #[test]
    fn numbers_are_those_recorded_from_aws() {
        let cases = [
            (
                number(0, 0, 1_700_000_000),
                "49646437577108476416916876405825929425585429676275269634",
            ),
            (
                number(1, 0, 1_700_000_000),
                "49646437577130777162115407028967465143858078037781250066",
            ),
            (
                number(0, SequenceNumber::INDEX_MAX, 1_700_000_100),
                "49646437577119626789516141717395488358902146099801227266",
            ),
        ];
        for (number, text) in cases {
            assert_eq!(number.to_string(), text);
            assert_eq!(text.parse(), Ok(number));
        }
    }

    #[test]
    fn a_number_of_2026_names_its_shard() {
        let number: SequenceNumber =
            "49674026002850188218576229259473476449429298564223254594".parse().unwrap();
        assert_eq!(number.shard, ShardId::new(3076));
    }

    #[test]
    fn what_no_stream_gives_is_refused() {
        let two_185 = "49039857307708443467467104868809893875799651909875269632";
        let over_192_bits = "9".repeat(58);
        for text in [
            "",
            "-1",
            "a",
            two_185,
            &over_192_bits,
            "49646437577108476416916876405825929425585429676275269635",
        ] {
            assert_eq!(text.parse::<SequenceNumber>(), Err(InvalidSequenceNumber), "{text}");
        }
        let mut index_too_high = number(0, 0, 1_700_000_000).to_limbs();
        index_too_high.high |= 1 << 15;
        assert_eq!(SequenceNumber::from_limbs(index_too_high), Err(InvalidSequenceNumber));
        let mut negative_shard = number(0, 0, 1_700_000_000).to_limbs();
        negative_shard.low |= 1 << 35;
        let decoded = SequenceNumber::from_limbs(negative_shard).unwrap();
        assert_eq!(decoded.shard.to_string(), "shardId--02147483648");
    }

    #[test]
    fn the_oldest_layout_is_still_read() {
        assert_eq!("0".parse::<SequenceNumber>().unwrap().shard, ShardId::new(0));
        assert!("680564733841876926926749214863536422911".parse::<SequenceNumber>().is_err());
    }

    #[test]
    fn division_is_exact_at_its_edges() {
        let highs = [0, 1, UNIT / 2, UNIT - 2, UNIT - 1];
        let lows = [0, 1, UNIT - 1, UNIT, UNIT + 1, u64::MAX - 1, u64::MAX];
        for (high, low) in highs.into_iter().flat_map(|high| lows.map(|low| (high, low))) {
            let number = u128::from(high) << 64 | u128::from(low);
            let (quotient, remainder) = split(high, low);
            let product = u128::from(quotient) * u128::from(UNIT);
            assert_eq!(product + u128::from(remainder), number, "{high} {low}");
            assert!(remainder < UNIT, "{high} {low}");
        }
    }

    proptest! {
        #[test]
        fn a_number_reads_back_as_it_was_written(
            created in 0..SequenceNumber::CREATED_END,
            index in 0..=SequenceNumber::INDEX_MAX,
            arrival in 0..1_u64 << 36,
            shard: i32,
        ) {
            let shard = ShardId::new(shard);
            let number = SequenceNumber { shard_created: created, index, arrival, shard };
            let text = number.to_string();
            prop_assert_eq!(text.parse(), Ok(number));
        }

        #[test]
        fn division_is_that_of_wide_numbers(high in 0..UNIT, low: u64) {
            let number = u128::from(high) << 64 | u128::from(low);
            let (quotient, remainder) = split(high, low);
            let unit = u128::from(UNIT);
            prop_assert_eq!(u128::from(quotient), number / unit);
            prop_assert_eq!(u128::from(remainder), number % unit);
        }

        #[test]
        fn order_is_creation_then_index(a: (u32, u32, u32), b: (u32, u32, u32)) {
            let of = |(created, index, arrival): (u32, u32, u32)| SequenceNumber {
                shard_created: created.into(),
                index: index.into(),
                arrival: arrival.into(),
                shard: ShardId::new(3),
            };
            prop_assert_eq!(of(a).cmp(&of(b)), a.cmp(&b));
        }
    }
}
