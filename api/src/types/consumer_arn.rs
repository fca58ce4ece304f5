//! Amazon Resource Names of consumers.

use std::{fmt, str::FromStr};

use super::StreamArn;

/// The ARN of a consumer: its stream's, then `/consumer/{name}:{created}`. A consumer that is
/// registered anew under an old name has another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConsumerArn {
    /// The stream that it is registered with.
    pub stream: StreamArn,
    /// Its name, unique within the stream.
    pub name: String,
    /// When it was registered, in seconds since the epoch.
    pub created: i64,
}

impl fmt::Display for ConsumerArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, name, created } = self;
        write!(f, "{stream}/consumer/{name}:{created}")
    }
}

impl FromStr for ConsumerArn {
    type Err = InvalidConsumerArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (stream, consumer) = text.split_once("/consumer/").ok_or(InvalidConsumerArn)?;
        let (name, created) = consumer.rsplit_once(':').ok_or(InvalidConsumerArn)?;
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
        if name.is_empty() || !name.bytes().all(legal) {
            return Err(InvalidConsumerArn);
        }
        Ok(Self {
            stream: stream.parse().map_err(|_| InvalidConsumerArn)?,
            name: name.to_owned(),
            created: created.parse().map_err(|_| InvalidConsumerArn)?,
        })
    }
}

/// The text is not the ARN of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidConsumerArn;

impl fmt::Display for InvalidConsumerArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a consumer ARN reads {stream ARN}/consumer/{name}:{seconds since the epoch}")
    }
}

impl std::error::Error for InvalidConsumerArn {}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks";

    #[test]
    fn an_arn_reads_back_as_it_was_written() {
        let text = format!("{STREAM}/consumer/a.b-c_1:1700000000");
        let arn = text.parse::<ConsumerArn>().unwrap();
        assert_eq!((arn.name.as_str(), arn.created), ("a.b-c_1", 1_700_000_000));
        assert_eq!(arn.to_string(), text);
    }

    #[test]
    fn arns_of_other_things_are_refused() {
        for text in [
            "",
            STREAM,
            &format!("{STREAM}/consumer/a"),
            &format!("{STREAM}/consumer/:1"),
            &format!("{STREAM}/consumer/a b:1"),
            &format!("{STREAM}/consumer/a:b:1"),
            &format!("{STREAM}/consumer/a:"),
            &format!("{STREAM}/consumer/a:99999999999999999999"),
            "arn:aws:kinesis:us-east-1:123456789012:queue/clicks/consumer/a:1",
        ] {
            assert_eq!(text.parse::<ConsumerArn>(), Err(InvalidConsumerArn), "{text}");
        }
    }
}
