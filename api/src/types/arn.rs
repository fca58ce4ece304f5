//! Amazon Resource Names of streams.

use std::{fmt, str::FromStr};

use super::{AccountId, Region, StreamName};

/// The ARN of a stream: `arn:aws:kinesis:{region}:{account}:stream/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamArn {
    /// Region that the stream lives in.
    pub region: Region,
    /// Account that owns the stream.
    pub account: AccountId,
    /// The stream's name.
    pub name: StreamName,
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, account, name } = self;
        write!(f, "arn:{}:kinesis:{region}:{account}:stream/{name}", region.partition())
    }
}

impl FromStr for StreamArn {
    type Err = InvalidArn;

    /// Any partition that starts with `aws` is accepted, as the model's pattern does.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().ok_or(InvalidArn);
        let (arn, partition, service) = (next()?, next()?, next()?);
        if arn != "arn" || !partition.starts_with("aws") || service != "kinesis" {
            return Err(InvalidArn);
        }
        let region = next()?.parse().map_err(|_| InvalidArn)?;
        let account = next()?.parse().map_err(|_| InvalidArn)?;
        let name = next()?.strip_prefix("stream/").ok_or(InvalidArn)?;
        Ok(Self { region, account, name: name.parse().map_err(|_| InvalidArn)? })
    }
}

/// The text is not the ARN of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidArn;

impl fmt::Display for InvalidArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stream ARN reads arn:aws:kinesis:{region}:{account}:stream/{name}")
    }
}

impl std::error::Error for InvalidArn {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_reads_back_as_it_was_written() {
        let text = "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/clicks";
        assert_eq!(text.parse::<StreamArn>().unwrap().to_string(), text);
    }

    #[test]
    fn arns_of_other_things_are_refused() {
        for text in [
            "",
            "clicks",
            "arn:aws:sqs:us-east-1:123456789012:stream/clicks",
            "arn:aws:kinesis:us-east-1:12345678901:stream/clicks",
            "arn:aws:kinesis:us-east-1:123456789012:stream/clicks/consumer/a:1",
            "arn:aws:kinesis:us-east-1:123456789012:queue/clicks",
        ] {
            assert_eq!(text.parse::<StreamArn>(), Err(InvalidArn), "{text}");
        }
    }
}
