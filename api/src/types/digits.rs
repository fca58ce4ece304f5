//! Decimal digits, eight at a time.

/// Numbers that have eight digits end here.
pub(crate) const EIGHT: u64 = 100_000_000;

/// The digits of a number under [`EIGHT`], with zeros in front.
///
/// Halves, quarters and digits are divided beside one another in the lanes of one word.
#[inline]
pub(crate) const fn eight_digits(number: u64) -> [u8; 8] {
    debug_assert!(number < EIGHT, "more than eight digits");
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    // 5243 / 2^19 is a hundredth for all that four digits tell, 103 / 2^10 a tenth of two digits.
    let hundreds = ((fours * 5243) >> 19) & 0x7f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0xf_000f_000f_000f;
    let ones = tens | ((twos - tens * 10) << 8);
    (ones | 0x3030_3030_3030_3030).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_number() {
        let assert_digits = |number: u64| {
            assert_eq!(eight_digits(number), *format!("{number:08}").as_bytes());
        };
        // Each half goes through all its values, beside different ones in the other.
        (0..10_000).for_each(|half| assert_digits(half * 10_000 + (half * 7919 + 1) % 10_000));
        (0..10_000).for_each(|half| assert_digits((half * 7919 + 1) % 10_000 * 10_000 + half));
        assert_digits(EIGHT - 1);
    }
}
