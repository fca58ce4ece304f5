//! Which characters tags may have.

use millpond_api::types::StreamArn;

use crate::error::{Result, invalid};

/// Checks keys and values of tags where AWS's two steps were never recorded: what the model allows.
pub(super) fn check_model_characters(
    texts: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<()> {
    if texts.into_iter().all(|text| text.as_ref().chars().all(is_legal)) {
        return Ok(());
    }
    Err(invalid(
        "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white \
         space, _ . : / = + - @.",
    ))
}

/// Whether keys and values of tags may have this character.
pub(crate) fn is_legal(c: char) -> bool {
    c.is_alphabetic() || c.is_numeric() || " _./=+-@:".contains(c)
}

/// What is being done with the tags.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// They are added.
    Add,
    /// They are removed.
    Remove,
}

/// Checks keys and values of tags, in the two steps that AWS was seen to take: the second refuses
/// the percent sign, which the first names as allowed.
pub(super) fn check_characters(
    stream: &StreamArn,
    act: Act,
    texts: impl Iterator<Item = impl AsRef<str>>,
) -> Result<()> {
    let texts = texts.collect::<Vec<_>>();
    let all = |legal: fn(char) -> bool| texts.iter().all(|text| text.as_ref().chars().all(legal));
    if !all(|c| c.is_alphabetic() || c.is_numeric() || " _./=+-%@:".contains(c)) {
        return Err(invalid(
            "Some tags contain invalid characters. Valid characters: Unicode letters, digits, \
             white space, _ . / = + - % @.",
        ));
    }
    if !all(|c| c != '%') {
        let StreamArn { name, account, .. } = stream;
        let act = match act {
            Act::Add => "add tags to",
            Act::Remove => "remove tags from",
        };
        return Err(invalid(format!(
            "Failed to {act} stream {name} under account {account} because some tags \
             contained illegal characters. The allowed characters are Unicode letters, \
             white-spaces, '_',',','/','=','+','-','@'."
        )));
    }
    Ok(())
}
