//! The admin token of a data directory: made at the first start, and its owner's alone.

use std::path::Path;

use base64_simd::URL_SAFE_NO_PAD;

use crate::{config::Secret, ids, process::StartError, secret_file};

/// The file within the data directory that holds the token.
pub const TOKEN_FILE: &str = "admin.token";

const TOKEN_BYTES_MAX: u64 = 4 << 10;

/// The token of the data directory, which is made if it has none yet.
///
/// # Errors
/// When its file can't be read or written, or is open to others.
pub fn token(data: &Path) -> Result<Secret, StartError> {
    let path = data.join(TOKEN_FILE);
    let refused = |reason: &dyn std::fmt::Display| {
        StartError::new(format!("the admin token in {}: {reason}", path.display()))
    };
    if let Some(text) = secret_file::find(&path, TOKEN_BYTES_MAX).map_err(|e| refused(&e))? {
        let token = text.trim();
        if token.is_empty() {
            return Err(refused(&"it is empty; remove the file to have one made"));
        }
        return Ok(Secret::new(token.to_owned()));
    }
    let key = ids::secret_key().map_err(StartError::new)?;
    let token = URL_SAFE_NO_PAD.encode_to_string(key);
    secret_file::write(&path, &format!("{token}\n")).map_err(|error| refused(&error))?;
    Ok(Secret::new(token))
}
