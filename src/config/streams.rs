//! Streams to make at start, as flags, variables of other tools and the file's `[[streams]]` say.
//!
//! They add up. A stream that stands in several places has the number of shards that the first of
//! them names, and everything else from the file.

use std::{collections::BTreeMap, ffi::OsString, num::NonZeroU32};

use millpond_api::types::StreamArn;
use millpond_shards::stream::Namespace;

use super::{Keys, Refused, flags::Flags, values::StreamSpec};

/// What LocalStack and kinesis-mock read, in the order in which they are heard.
const FOREIGN: [&str; 2] = ["KINESIS_INITIALIZE_STREAMS", "INITIALIZE_STREAMS"];

/// Shards of a stream that these tools are told of without a number.
const FOREIGN_SHARDS: u32 = 4;

/// A stream that is there when the server has started, if it wasn't there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// Account, region and name.
    pub arn: StreamArn,
    /// Who decides about its shards, if that is said.
    pub mode: Option<DeclaredMode>,
    /// Its shards where nothing is said of them.
    pub shards_unsaid: u32,
    /// The retention period.
    pub retention_hours: Option<u32>,
    /// The largest record that it accepts, in KiB.
    pub max_record_kib: Option<u32>,
    /// Tags by key.
    pub tags: Option<BTreeMap<String, String>>,
    /// The master key that its records are sealed under.
    pub encryption_key: Option<String>,
    /// Its resource policy.
    pub policy: Option<String>,
    /// The consumers that are registered with it.
    pub consumers: Vec<DeclaredConsumer>,
    /// The file that says more of it than its shards.
    pub file: Option<String>,
}

/// How many shards a declared stream begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclaredMode {
    /// This many, until somebody changes it.
    Provisioned(NonZeroU32),
    /// As many as its traffic asks for.
    OnDemand,
}

/// A consumer that is registered when the server has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredConsumer {
    /// Its name within the stream.
    pub name: String,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// Its resource policy.
    pub policy: Option<String>,
}

impl Declaration {
    /// A stream of which nothing is known but its name.
    pub(super) fn bare(arn: StreamArn) -> Self {
        Self {
            arn,
            mode: None,
            shards_unsaid: 1,
            retention_hours: None,
            max_record_kib: None,
            tags: None,
            encryption_key: None,
            policy: None,
            consumers: Vec::new(),
            file: None,
        }
    }

    fn of_spec(spec: &StreamSpec, flags: &Flags, shards_unsaid: u32) -> Self {
        let region = spec.region.as_ref().unwrap_or(&flags.region).clone();
        let arn = Namespace { account: flags.account, region }.arn(spec.name.clone());
        let mode = spec.shards.map(DeclaredMode::Provisioned);
        Self { mode, shards_unsaid, ..Self::bare(arn) }
    }
}

/// All streams to make, each once.
pub(super) fn all(
    flags: &Flags,
    declared: Vec<Declaration>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<Declaration>, Refused> {
    let own = flags.stream.iter().map(|spec| Declaration::of_spec(spec, flags, 1));
    let mut streams = own.collect::<Vec<_>>();
    for name in FOREIGN {
        let specs = said_to_others(name, variable)?;
        streams.extend(specs.iter().map(|spec| Declaration::of_spec(spec, flags, FOREIGN_SHARDS)));
    }
    Ok(merged(streams.into_iter().chain(declared)))
}

/// Refuses streams that are to be encrypted where there are no master keys.
pub(super) fn check_keys(streams: &[Declaration], keys: &Keys) -> Result<(), Refused> {
    let sealed = streams.iter().find(|stream| stream.encryption_key.is_some());
    match sealed {
        Some(stream) if *keys == Keys::None => Err(Refused(format!(
            "{}: stream {}: encryption-key needs master keys: add --keyring FILE or --kms-endpoint \
             URL",
            stream.file.as_deref().unwrap_or_default(),
            stream.arn.name
        ))),
        _ => Ok(()),
    }
}

/// `NAME[:[SHARDS][:[REGION]]],…`, as those tools take it.
fn said_to_others(
    name: &str,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<StreamSpec>, Refused> {
    let text = variable(name).unwrap_or_default();
    let refused = |stream: &str, reason: &str| {
        Refused(format!(
            "{name} cannot have '{stream}': {reason}; it is NAME[:[SHARDS][:[REGION]]], several \
             with commas between them, such as clicks:3:us-west-2,orders"
        ))
    };
    let text = text.to_str().ok_or_else(|| refused("", "it is not UTF-8"))?;
    let text = text.trim().trim_end_matches(',');
    let specs = text.split(',').map(str::trim).filter(|_| !text.is_empty());
    let read = |spec| StreamSpec::with_empty_parts(spec).map_err(|reason| refused(spec, &reason));
    specs.map(read).collect()
}

fn merged(all: impl Iterator<Item = Declaration>) -> Vec<Declaration> {
    let mut streams: Vec<Declaration> = Vec::new();
    for later in all {
        match streams.iter_mut().find(|stream| stream.arn == later.arn) {
            None => streams.push(later),
            Some(first) => {
                let mode = first.mode.or(later.mode);
                let shards_unsaid = first.shards_unsaid;
                // Only one of them can be the file's: two tables of one stream are refused.
                if later.file.is_some() {
                    *first = later;
                }
                (first.mode, first.shards_unsaid) = (mode, shards_unsaid);
            }
        }
    }
    streams
}

#[cfg(test)]
mod tests;
