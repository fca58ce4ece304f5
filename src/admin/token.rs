//! The admin token of a data directory: made at the first start, and its owner's alone.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{
    config::Secret,
    ids,
    process::StartError,
    secret_file::{self, NotRead},
};

/// The file within the data directory that holds the token.
pub const TOKEN_FILE: &str = "admin.token";

const TOKEN_BYTES_MAX: u64 = 4 << 10;

/// Why the token that is kept can't be used.
#[derive(Debug, Error)]
#[error("the admin token in {path}: {reason}")]
pub struct TokenFault {
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug, Error)]
enum Reason {
    #[error(transparent)]
    NotRead(#[from] NotRead),
    #[error("it is empty; remove the file, and the next start of the server makes one")]
    Empty,
    #[error("it can't be written: {0}")]
    NotWritten(std::io::Error),
}

/// The token that the data directory keeps, if it has one. Blocks on the disk.
///
/// # Errors
/// When its file can't be read, is empty, or is open to others.
pub fn kept_token(data: &Path) -> Result<Option<Secret>, TokenFault> {
    let path = data.join(TOKEN_FILE);
    let found = match secret_file::find(&path, TOKEN_BYTES_MAX) {
        Ok(None) => return Ok(None),
        Ok(Some(text)) if text.trim().is_empty() => Err(Reason::Empty),
        Ok(Some(text)) => Ok(Some(Secret::new(text.trim().to_owned()))),
        Err(fault) => Err(fault.into()),
    };
    found.map_err(|reason| TokenFault { path, reason })
}

/// The token of the data directory, which is made if it has none yet. Blocks on the disk.
///
/// # Errors
/// Those of [`kept_token`], and when it can't be written.
pub fn token(data: &Path) -> Result<Secret, StartError> {
    if let Some(token) = kept_token(data).map_err(StartError::new)? {
        return Ok(token);
    }
    let key = ids::secret_key().map_err(StartError::new)?;
    // Digits and letters: as the value of a flag, a token must not look like another flag.
    let token = key.map(|byte| format!("{byte:02x}")).concat();
    let path = data.join(TOKEN_FILE);
    secret_file::write(&path, &format!("{token}\n"))
        .map_err(|error| StartError::new(TokenFault { path, reason: Reason::NotWritten(error) }))?;
    Ok(Secret::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_found_by_everybody_who_may_read_it() {
        let data = tempfile::tempdir().unwrap();
        assert!(kept_token(data.path()).unwrap().is_none());
        let made = token(data.path()).unwrap();
        assert!(made.expose().chars().all(|letter| letter.is_ascii_alphanumeric()));
        assert_eq!(token(data.path()).unwrap().expose(), made.expose());
        assert_eq!(kept_token(data.path()).unwrap().unwrap().expose(), made.expose());
    }

    #[test]
    fn an_empty_file_is_no_token_for_anybody() {
        let data = tempfile::tempdir().unwrap();
        secret_file::write(&data.path().join(TOKEN_FILE), " \n").unwrap();
        let fault = kept_token(data.path()).unwrap_err().to_string();
        assert!(
            fault.ends_with(
                "admin.token: it is empty; remove the file, and the next start of \
            the server makes one"
            ),
            "{fault}"
        );
        assert_eq!(token(data.path()).unwrap_err().to_string(), fault);
    }
}
