//! Service time, as a test owns it: stopped, started, set and advanced.

use std::time::Duration;

use axum::{Json, extract::State};
use millpond_quotas::{Clock, MoveError, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Admin, Fault, Input, Result,
    input::{Nothing, Params},
};

/// `POST clock/advance`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Advance {
    seconds: f64,
}

/// `POST clock/set`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Set {
    epoch_seconds: f64,
}

/// `GET clock`.
pub(super) async fn show(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    _: Input<Nothing>,
) -> Json<Value> {
    let clock = admin.app.clock();
    seen(clock, clock.now())
}

/// `POST clock/pause`: time stands from now on.
pub(super) async fn pause(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    _: Input<Nothing>,
) -> Json<Value> {
    let clock = admin.app.clock();
    let now = clock.pause().await;
    seen(clock, now)
}

/// `POST clock/resume`: time passes again, from where it stands.
pub(super) async fn resume(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    _: Input<Nothing>,
) -> Json<Value> {
    let clock = admin.app.clock();
    let now = clock.resume().await;
    seen(clock, now)
}

/// `POST clock/advance`: moves time by so many seconds.
pub(super) async fn advance(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    Input(Advance { seconds }): Input<Advance>,
) -> Result<Json<Value>> {
    let by = length("seconds", seconds)?;
    let clock = admin.app.clock();
    let moved = clock.step_by(by).await;
    Ok(seen(clock, moved.map_err(fault)?))
}

/// `POST clock/set`: moves time to this one.
pub(super) async fn set(
    State(admin): State<Admin>,
    _: Params<Nothing>,
    Input(Set { epoch_seconds }): Input<Set>,
) -> Result<Json<Value>> {
    let at = Time::EPOCH + length("epoch_seconds", epoch_seconds)?;
    let clock = admin.app.clock();
    let moved = clock.step_to(at).await;
    Ok(seen(clock, moved.map_err(fault)?))
}

fn fault(error: MoveError) -> Fault {
    match error {
        MoveError::Backwards { .. } | MoveError::BeyondEnd => Fault::invalid(error.to_string()),
        MoveError::AtWork { .. } | MoveError::NotDone { .. } | MoveError::TooLong { .. } => {
            Fault::unavailable(error.to_string())
        }
    }
}

fn seen(clock: &Clock, now: Time) -> Json<Value> {
    Json(json!({
        "epoch_seconds": seconds(now),
        "paused": clock.is_paused(),
        "next_due_epoch_seconds": clock.next_due().map(seconds),
    }))
}

/// A time in seconds, rounded down to microseconds: what such a number can tell in these centuries.
fn seconds(time: Time) -> f64 {
    let micros = Duration::from_micros(time.nanos() / 1_000);
    micros.as_secs_f64()
}

/// A length of time, rounded to microseconds.
fn length(field: &str, seconds: f64) -> Result<Duration> {
    let end = Clock::END.seconds();
    let length = Duration::try_from_secs_f64(seconds).ok().filter(|length| length.as_secs() <= end);
    let length = length.ok_or_else(|| {
        Fault::invalid(format!("{field}: a number of seconds from 0 to {end}, here {seconds}"))
    })?;
    let micros = (length + Duration::from_nanos(500)).as_micros();
    Ok(Duration::from_micros(micros.try_into().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_was_said() {
        for said in [0.0, 0.5, 0.000_001, 0.1 + 0.2, 1_700_000_000.25, 1_700_000_000.123_456] {
            let time = Time::EPOCH + length("seconds", said).unwrap();
            assert!((seconds(time) - said).abs() < 1e-6, "{said}");
            assert_eq!(Time::EPOCH + length("seconds", seconds(time)).unwrap(), time);
        }
        assert_eq!(length("seconds", 0.1 + 0.2).unwrap(), Duration::from_millis(300));
    }

    #[test]
    fn what_is_no_length_of_time_is_refused() {
        for said in [-1.0, -0.5, 1e30, f64::NAN, f64::INFINITY] {
            let fault = length("seconds", said).unwrap_err();
            let expected = "seconds: a number of seconds from 0 to 7258118400, here ";
            assert_eq!(fault, Fault::invalid(format!("{expected}{said}")));
        }
    }
}
