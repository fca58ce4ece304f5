//! DryRun: everything is checked, nothing is done.

use millpond_api::ErrorKind;

use crate::error::{Error, Result};

/// Ends a request that only wanted to be checked, as the model says: with an error that tells of
/// success.
pub(super) fn check(dry_run: Option<bool>) -> Result<()> {
    if dry_run != Some(true) {
        return Ok(());
    }
    let words = "Request would have succeeded, but DryRun flag is set.";
    Err(Error(ErrorKind::DryRunOperation.with(words)))
}
