//! Durations on the command line: `5s`, `500ms`.

use std::time::Duration;

/// The longest that anything may be measured; a run over all cases then ends within the hour.
const DURATION_MAX: Duration = Duration::from_mins(1);

/// Reads a whole number of seconds or milliseconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let (number, unit): (_, fn(u64) -> Duration) = match text.strip_suffix("ms") {
        Some(number) => (number, Duration::from_millis),
        None => {
            (text.strip_suffix('s').ok_or("give a unit, as in 5s or 500ms")?, Duration::from_secs)
        }
    };
    let duration = unit(number.parse().map_err(|_| "give a whole number, as in 5s")?);
    let allowed = Duration::from_millis(1)..=DURATION_MAX;
    if allowed.contains(&duration) { Ok(duration) } else { Err("give 1ms to 60s".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_a_bound() {
        assert_eq!(parse("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["5", "0s", "61s", "-1s", "1.5s", "s", "999999999999999999999s"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
