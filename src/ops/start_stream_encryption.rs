//! StartStreamEncryption.

use millpond_api::{
    operations::{StartStreamEncryption, StartStreamEncryptionInput},
    types::EncryptionType,
};

use super::{Cx, Reply, Serve};
use crate::error::{Result, invalid};

impl Serve for StartStreamEncryption {
    async fn serve<'a>(cx: &'a Cx<'a>, input: StartStreamEncryptionInput<'a>) -> Result<Reply> {
        let stream = cx.controlled(input.stream())?;
        if input.encryption_type != EncryptionType::Kms {
            return Err(invalid("EncryptionType must be KMS."));
        }
        let crypt = cx.domain().crypt();
        crypt.start(&stream, &input.key_id, cx.now(), cx.due()).await?;
        Ok(Reply::empty())
    }
}
