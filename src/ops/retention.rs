//! Which retention periods there are.

use millpond_quotas::limits::{RETENTION_MAX_HOURS, RETENTION_MIN_HOURS};

use crate::error::{Result, invalid};

/// The retention period that a request asks for, if a stream could have it.
pub(super) fn check(hours: i32) -> Result<u32> {
    let asked = u32::try_from(hours).unwrap_or_default();
    if asked < RETENTION_MIN_HOURS {
        return Err(invalid(format!(
            "Minimum allowed retention period is {RETENTION_MIN_HOURS} hours. Requested retention \
             period ({hours} hours) is too short."
        )));
    }
    if asked > RETENTION_MAX_HOURS {
        return Err(invalid(format!(
            "Maximum allowed retention period is {RETENTION_MAX_HOURS} hours. Requested retention \
             period ({hours} hours) is too long."
        )));
    }
    Ok(asked)
}
