//! The time of a request: `20150830T123600Z` in `X-Amz-Date`, or an HTTP date in `Date`.

use std::fmt;

use millpond_api::types::Timestamp;
use time::{Date, Month, OffsetDateTime, Time};

/// A second between the years 1970 and 9999, with its text in ISO 8601's basic format.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AmzDate {
    seconds: i64,
    text: [u8; Self::LENGTH],
}

impl AmzDate {
    const LENGTH: usize = "20150830T123600Z".len();
    const DAY_LENGTH: usize = "20150830".len();
    const SECONDS_MAX: i64 = 253_402_300_799;
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

    /// The second that holds `timestamp`; times outside 1970 to 9999 become the nearer end.
    #[must_use]
    pub fn at(timestamp: Timestamp) -> Self {
        Self::from_seconds(timestamp.seconds())
    }

    fn from_seconds(seconds: i64) -> Self {
        let seconds = seconds.clamp(0, Self::SECONDS_MAX);
        let at = OffsetDateTime::from_unix_timestamp(seconds).expect("the year is 1970 to 9999");
        let (hour, minute, second) = at.to_hms();
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let text = format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z");
        let text = text.as_bytes().try_into().expect("a four-digit year makes 16 characters");
        Self { seconds, text }
    }

    /// Reads `20150830T123600Z`, or the form of an HTTP date in UTC (`Sun, 30 Aug 2015 12:36:00
    /// GMT`), where some signers write `-0000` for the zone.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_basic(text).or_else(|| Self::parse_basic(&basic_of_http(text)?))
    }

    /// Reads ISO 8601's extended format, `2015-08-30T12:36:00Z` or with `+00:00` at the end.
    #[must_use]
    pub fn parse_extended(text: &str) -> Option<Self> {
        let local = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?;
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        let shaped = local.len() == 19
            && marks.iter().all(|(at, mark)| local.as_bytes().get(*at) == Some(mark));
        shaped.then(|| Self::parse_basic(&format!("{}Z", local.replace(['-', ':'], ""))))?
    }

    fn parse_basic(text: &str) -> Option<Self> {
        let bytes: [u8; Self::LENGTH] = text.as_bytes().try_into().ok()?;
        let [y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'] = bytes else {
            return None;
        };
        let year = i32::from(two(y1, y2)?) * 100 + i32::from(two(y3, y4)?);
        let month = Month::try_from(two(m1, m2)?).ok()?;
        let date = Date::from_calendar_date(year, month, two(d1, d2)?).ok()?;
        let time = Time::from_hms(two(h1, h2)?, two(n1, n2)?, two(s1, s2)?).ok()?;
        let seconds = date.with_time(time).assume_utc().unix_timestamp();
        (seconds >= 0).then_some(Self { seconds, text: bytes })
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// The same time, `seconds` later, or earlier if negative.
    #[must_use]
    pub fn plus_seconds(&self, seconds: i64) -> Self {
        Self::from_seconds(self.seconds.saturating_add(seconds))
    }

    /// `20150830T123600Z`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).expect("digits and the letters T and Z are ASCII")
    }

    /// `20150830`, the first part of a credential's scope.
    #[must_use]
    pub fn day(&self) -> &str {
        self.as_str().get(..Self::DAY_LENGTH).expect("the text is longer than a day")
    }
}

fn two(tens: u8, ones: u8) -> Option<u8> {
    let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    digits.then(|| (tens - b'0') * 10 + (ones - b'0'))
}

fn basic_of_http(text: &str) -> Option<String> {
    let mut words = text.split([',', ' ']).filter(|word| !word.is_empty()).skip(1);
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let (time, zone) = (words.next()?, words.next()?);
    let month = AmzDate::MONTHS.iter().position(|name| *name == month)? + 1;
    let utc = matches!(zone, "GMT" | "UTC" | "-0000" | "+0000") && words.next().is_none();
    utc.then(|| format!("{year}{month:02}{day:0>2}T{}Z", time.replace(':', "")))
}

impl fmt::Display for AmzDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AmzDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE_SECONDS: i64 = 1_440_938_160;

    #[test]
    fn all_forms_of_one_second_are_equal() {
        let expected = AmzDate::from_seconds(EXAMPLE_SECONDS);
        assert_eq!(expected.as_str(), "20150830T123600Z");
        assert_eq!(expected.day(), "20150830");
        for text in
            ["20150830T123600Z", "Sun, 30 Aug 2015 12:36:00 GMT", "Sun, 30 Aug 2015 12:36:00 -0000"]
        {
            assert_eq!(AmzDate::parse(text), Some(expected), "{text}");
        }
        for text in ["2015-08-30T12:36:00Z", "2015-08-30T12:36:00+00:00"] {
            assert_eq!(AmzDate::parse_extended(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_second_of_the_calendar_is_refused() {
        for text in [
            "",
            "201",
            "20150830",
            "20150229T123600Z",
            "20151330T123600Z",
            "20150830T243600Z",
            "20150830T126000Z",
            "20150830T123660Z",
            "20150830T123600z",
            "20150830X123600Z",
            "2015083/T123600Z",
            "19691231T235959Z",
            "2015-08-30T12:36:00Z",
            "Sun, 30 Agt 2015 12:36:00 GMT",
            "Sun, 30 Aug 2015 12:36:00 CET",
            "Sun, 30 Aug 2015 12:36:00 GMT again",
            "Sun, 30 Aug 2015",
        ] {
            assert_eq!(AmzDate::parse(text), None, "{text}");
        }
        for text in ["2015-08-30T12:36:00", "2015-08-30 12:36:00Z", "20150830T123600Z", "Z", ""] {
            assert_eq!(AmzDate::parse_extended(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_second_survives_its_text(seconds in 0..=AmzDate::SECONDS_MAX) {
            let date = AmzDate::from_seconds(seconds);
            prop_assert_eq!(AmzDate::parse(date.as_str()), Some(date));
            prop_assert_eq!(date.seconds(), seconds);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = (AmzDate::parse(&text), AmzDate::parse_extended(&text));
        }
    }
}
