//! UpdateAccountSettings.

use millpond_api::{
    operations::{UpdateAccountSettings, UpdateAccountSettingsInput, UpdateAccountSettingsOutput},
    types::MinimumThroughputBillingCommitmentInputStatus as Status,
};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve, account_settings};
use crate::error::Result;

impl Serve for UpdateAccountSettings {
    async fn serve<'a>(cx: &'a Cx<'a>, input: UpdateAccountSettingsInput) -> Result<Reply> {
        cx.control_account()?;
        let enabled = input.minimum_throughput_billing_commitment.status == Status::Enabled;
        let (namespace, now) = (cx.namespace().clone(), cx.now());
        cx.submit(Command::UpdateAccountSettings { namespace, enabled, now }).await?;
        let commitment = account_settings::commitment(cx);
        Ok(cx.reply(&UpdateAccountSettingsOutput {
            minimum_throughput_billing_commitment: Some(commitment),
        }))
    }
}
