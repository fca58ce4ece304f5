//! When a server begins, and whether time passes in it: `--clock`.

use std::str::FromStr;

use millpond_quotas::{Clock, Time};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The earliest time at which a clock can stand: early enough for tests of the past, and late
/// enough for the longest retention period to lie behind it.
const START_MIN: Time = Time::from_seconds(946_684_800);

/// How a server's clock begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockStart {
    /// As the machine's.
    Running,
    /// Standing at the machine's time, or at the data's if that is later.
    Paused,
    /// Standing at this time.
    At(Time),
}

impl ClockStart {
    /// The clock.
    #[must_use]
    pub fn clock(self) -> Clock {
        match self {
            Self::Running => Clock::system(),
            Self::Paused => Clock::system_paused(None),
            Self::At(time) => Clock::system_paused(Some(time)),
        }
    }
}

impl FromStr for ClockStart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "running" => Ok(Self::Running),
            "paused" => Ok(Self::Paused),
            time => {
                let at = epoch_seconds(time).or_else(|| rfc3339(time));
                let at = at.filter(|at| (START_MIN..=Clock::END).contains(at));
                at.map(Self::At).ok_or_else(|| {
                    format!(
                        "a clock is running, paused, or stands at a time from 2000 to 2199, such \
                         as 1700000000 or 2023-11-14T22:13:20Z, which {time} is not"
                    )
                })
            }
        }
    }
}

fn epoch_seconds(text: &str) -> Option<Time> {
    let (seconds, millis) = text.split_once('.').unwrap_or((text, "0"));
    let millis = Some(format!("{millis:0<3}")).filter(|millis| millis.len() == 3)?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(seconds) || !is_number(&millis) {
        return None;
    }
    let whole: i64 = seconds.parse().ok()?;
    Some(Time::from_millis(whole.checked_mul(1_000)?.checked_add(millis.parse().ok()?)?))
}

/// In whole milliseconds, as all times are told.
fn rfc3339(text: &str) -> Option<Time> {
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    Some(Time::from_millis(i64::try_from(nanos.div_euclid(1_000_000)).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_stands_at_the_time_that_is_said() {
        let at = |text: &str| text.parse::<ClockStart>();
        let expected = ClockStart::At(Time::from_millis(1_700_000_000_500));
        assert_eq!(at("1700000000.5"), Ok(expected));
        assert_eq!(at("2023-11-14T22:13:20.5Z"), Ok(expected));
        assert_eq!(at("2023-11-15T00:13:20.5+02:00"), Ok(expected));
        assert_eq!(at("946684800"), Ok(ClockStart::At(START_MIN)));
        assert_eq!(at("2199-12-31T00:00:00Z").unwrap().clock().now().seconds(), 7_258_032_000);
        assert_eq!(
            (at("running"), at("paused")),
            (Ok(ClockStart::Running), Ok(ClockStart::Paused))
        );
    }

    #[test]
    fn anything_else_is_refused_with_what_would_be_right() {
        for text in ["", "now", "-1", "0", "1e9", "1700000000.1234", "7258118401", "2023-11-14"] {
            let refusal = text.parse::<ClockStart>().unwrap_err();
            assert!(refusal.contains("2023-11-14T22:13:20Z"), "{refusal}");
        }
    }
}
