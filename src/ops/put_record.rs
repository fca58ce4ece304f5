//! PutRecord.

use millpond_api::{
    operations::{PutRecord, PutRecordInput, PutRecordOutput},
    types::{SequenceNumber, StreamArn},
};

use super::{Cx, Reply, Serve, write};
use crate::error::{Result, invalid};

impl Serve for PutRecord {
    async fn serve<'a>(cx: &'a Cx<'a>, input: PutRecordInput<'a>) -> Result<Reply> {
        let stream = write::target(cx, input.stream())?;
        let (key, explicit) = (input.partition_key.as_deref(), input.explicit_hash_key.as_deref());
        let entry = write::entry(&stream, str::to_owned, key, explicit, &input.data)?;
        if let Some(after) = &input.sequence_number_for_ordering {
            check_ordering(cx, &stream.state().arn, after)?;
        }
        write::check_dry_run(cx, &stream, input.dry_run).await?;
        let mut outcomes = write::write(cx, stream, &[entry]).await?;
        let written = outcomes.entries.pop().expect("one entry has one outcome")?;
        let output = PutRecordOutput {
            shard_id: written.shard,
            sequence_number: written.number,
            encryption_type: outcomes.encryption_type,
        };
        Ok(cx.reply(&output))
    }
}

/// Numbers only ever ascend in a shard, so any number that could have been given before will do.
fn check_ordering(cx: &Cx<'_>, stream: &StreamArn, after: &str) -> Result<()> {
    let number = after.parse::<SequenceNumber>();
    let now = cx.now().seconds().unsigned_abs();
    if number.is_ok_and(|number| number.arrival <= now) {
        return Ok(());
    }
    let StreamArn { name, account, .. } = stream;
    Err(invalid(format!(
        "ExclusiveMinimumSequenceNumber {after} used in PutRecord on stream {name} under account \
         {account} is invalid."
    )))
}
