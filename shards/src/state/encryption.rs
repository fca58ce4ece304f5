//! What can be asked of a stream's encryption, and what becomes of it: `apply` for this part of a
//! stream.

use std::fmt;

use millpond_api::types::{StreamArn, Timestamp};
use millpond_quotas::Counts;

use super::{
    State,
    apply::{same_stream, updating},
};
use crate::{
    Error,
    stream::{
        DAY_MILLIS, Intent, StreamNumber, StreamState,
        encryption::{DataKey, DataKeyNumber, LEASES_MAX},
    },
};

/// A change of a stream's encryption.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are Kinesis' own request members, or explained above")]
pub enum EncryptionCommand {
    /// StartStreamEncryption with a new data key in its wrapped form: effective at once, UPDATING
    /// until `due`. Nothing happens when the stream is encrypted under this key, unless that is
    /// named by an alias, which may mean another one by now.
    Start { stream: StreamArn, key_id: String, wrapped: Vec<u8>, now: Timestamp, due: Timestamp },
    /// StopStreamEncryption, likewise. Nothing happens when the stream isn't encrypted.
    Stop { stream: StreamArn, now: Timestamp, due: Timestamp },
    /// The data key in use has no nonces left: another one, under the same master key.
    Rotate {
        stream: StreamArn,
        log_number: StreamNumber,
        data_key: DataKeyNumber,
        wrapped: Vec<u8>,
        now: Timestamp,
    },
    /// One process takes this lease of the nonces of the data key in use.
    Lease { stream: StreamArn, log_number: StreamNumber, data_key: DataKeyNumber, lease: u8 },
    /// Forget data keys under which every record has expired.
    ForgetKeys { stream: StreamArn, log_number: StreamNumber, now: Timestamp },
}

impl fmt::Debug for EncryptionCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { stream, key_id, .. } => write!(f, "Start({}, {key_id})", stream.name),
            Self::Stop { stream, .. } => write!(f, "Stop({})", stream.name),
            Self::Rotate { stream, data_key, .. } => {
                write!(f, "Rotate({}, {data_key:?})", stream.name)
            }
            Self::Lease { stream, data_key, lease, .. } => {
                write!(f, "Lease({}, {data_key:?}, {lease})", stream.name)
            }
            Self::ForgetKeys { stream, .. } => write!(f, "ForgetKeys({})", stream.name),
        }
    }
}

pub(super) fn apply(next: &mut State, command: &EncryptionCommand) -> Result<(), Error> {
    match command {
        EncryptionCommand::Start { stream, key_id, wrapped, now, due } => {
            let mut stream = next.active_stream(stream)?;
            let is_same = stream.encryption.key_id.as_ref() == Some(key_id);
            if is_same && !is_alias(key_id) {
                return Ok(());
            }
            count(next.counts, &mut stream.encryption.starts, &stream.arn, *now)?;
            stream.encryption.begin(key_id.clone(), wrapped.clone(), *now);
            next.put(updating(stream, *due, Intent::Settle));
        }
        EncryptionCommand::Stop { stream, now, due } => {
            let mut stream = next.active_stream(stream)?;
            if stream.encryption.key_id.is_none() {
                return Ok(());
            }
            count(next.counts, &mut stream.encryption.stops, &stream.arn, *now)?;
            stream.encryption.retire(*now);
            next.put(updating(stream, *due, Intent::Settle));
        }
        EncryptionCommand::Rotate { stream, log_number, data_key, wrapped, now } => {
            let (mut stream, key) = in_use(next, stream, *log_number, *data_key)?;
            if key.leases < LEASES_MAX {
                return Err(Error::DataKeyChanged { stream: stream.arn });
            }
            stream.encryption.begin(key.key_id, wrapped.clone(), *now);
            next.put(stream);
        }
        EncryptionCommand::Lease { stream, log_number, data_key, lease } => {
            let (mut stream, key) = in_use(next, stream, *log_number, *data_key)?;
            if key.leases != u16::from(*lease) {
                return Err(Error::DataKeyChanged { stream: stream.arn });
            }
            let leased = DataKey { leases: key.leases + 1, ..key };
            stream.encryption.data_keys.insert(*data_key, leased);
            next.put(stream);
        }
        EncryptionCommand::ForgetKeys { stream, log_number, now } => {
            if let Some(mut stream) = same_stream(next, stream, *log_number) {
                let horizon = stream.horizon(*now);
                stream.encryption.data_keys.retain(|_, key| !key.is_expired(horizon));
                next.put(stream);
            }
        }
    }
    Ok(())
}

fn is_alias(key_id: &str) -> bool {
    key_id.starts_with("alias/") || key_id.contains(":alias/")
}

/// The stream and its data key, if that is the one in use.
fn in_use(
    state: &State,
    arn: &StreamArn,
    log_number: StreamNumber,
    data_key: DataKeyNumber,
) -> Result<(StreamState, DataKey), Error> {
    let gone = || Error::StreamNotFound { stream: arn.clone() };
    let stream = same_stream(state, arn, log_number).ok_or_else(gone)?;
    let current = stream.encryption.current().filter(|(current, _)| *current == data_key);
    let key = current.map(|(_, key)| key.clone());
    let changed = || Error::DataKeyChanged { stream: arn.clone() };
    Ok((stream, key.ok_or_else(changed)?))
}

/// Notes a change at `now`, if there weren't too many in the day before.
fn count(
    counts: Counts,
    changes: &mut Vec<Timestamp>,
    stream: &StreamArn,
    now: Timestamp,
) -> Result<(), Error> {
    changes.retain(|at| now.millis() - at.millis() < DAY_MILLIS);
    let limit = counts.encryption_changes;
    if changes.len() >= limit {
        return Err(Error::EncryptionChangedTooOften { stream: stream.clone(), limit });
    }
    changes.push(now);
    Ok(())
}

#[cfg(test)]
mod tests;
