//! StopStreamEncryption.

use millpond_api::{
    operations::{StopStreamEncryption, StopStreamEncryptionInput},
    types::EncryptionType,
};
use millpond_shards::state::{Command, EncryptionCommand};

use super::{Cx, Reply, Serve};
use crate::error::{Result, invalid};

impl Serve for StopStreamEncryption {
    async fn serve<'a>(cx: &'a Cx<'a>, input: StopStreamEncryptionInput<'a>) -> Result<Reply> {
        let stream = cx.control(input.stream())?;
        if input.encryption_type != EncryptionType::Kms {
            return Err(invalid("EncryptionType must be KMS."));
        }
        let (now, due) = (cx.now(), cx.due());
        cx.submit(Command::Encryption(EncryptionCommand::Stop { stream, now, due })).await?;
        Ok(Reply::empty())
    }
}
