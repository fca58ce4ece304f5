//! What has tags, and which characters they may have.

use millpond_api::types::{ConsumerArn, StreamArn};

use super::{Cx, address, consumers};
use crate::error::{Result, invalid};

/// What has tags.
pub(super) enum Resource {
    Stream(StreamArn),
    Consumer(ConsumerArn),
}

/// The resource that a ResourceARN means, which exists, once the operation's call rate allows the
/// call.
pub(super) fn resource(cx: &Cx<'_>, text: &str) -> Result<Resource> {
    if let Ok(stream) = text.parse() {
        let stream = address::own_stream(cx, stream)?;
        cx.admit(Some(&stream))?;
        cx.find(&stream)?;
        return Ok(Resource::Stream(stream));
    }
    let consumer: Result<ConsumerArn, _> = text.parse();
    let consumer = consumer
        .map_err(|_| invalid(format!("ResourceARN {text} is not of a stream or a consumer.")))?;
    let consumer = address::own_consumer(cx, consumer)?;
    cx.admit(Some(&consumer.stream))?;
    consumers::find(cx, &consumer)?;
    Ok(Resource::Consumer(consumer))
}

/// Checks keys and values of tags where AWS's two steps were never recorded: what the model allows.
pub(super) fn check_model_characters(
    texts: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<()> {
    let legal = |c: char| c.is_alphabetic() || c.is_numeric() || " _./=+-@:".contains(c);
    if texts.into_iter().all(|text| text.as_ref().chars().all(legal)) {
        return Ok(());
    }
    Err(invalid(
        "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white \
         space, _ . : / = + - @.",
    ))
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
