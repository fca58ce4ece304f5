//! Where a text is not the TOML that it should be.

use toml::de::Error;

/// The line in which the error is, from 1 on. For texts with secrets: the error's own words quote
/// them.
#[must_use]
pub fn line(text: &str, error: &Error) -> usize {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// Line and reason, in one line: `line 2: …`. Names of keys may be in it, but no values.
#[must_use]
pub fn fault(text: &str, error: &Error) -> String {
    format!("line {}: {}", line(text, error), error.message().replace('\n', ", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_found_in_its_line() {
        for (text, expected) in [("a = ", 1), ("a = 1\n\nb = 'x\n", 3), ("[a]\nb = 1\nb = 2", 3)] {
            let error = text.parse::<toml::Table>().unwrap_err();
            assert_eq!(line(text, &error), expected, "{error}");
            let told = fault(text, &error);
            assert!(told.starts_with(&format!("line {expected}: ")), "{told}");
            assert!(!told.contains('\n'), "{told}");
        }
    }
}
