//! DescribeAccountSettings.

use millpond_api::operations::{
    DescribeAccountSettings, DescribeAccountSettingsInput, DescribeAccountSettingsOutput,
};

use super::{Cx, Reply, Serve, account_settings};
use crate::error::Result;

impl Serve for DescribeAccountSettings {
    async fn serve<'a>(cx: &'a Cx<'a>, _: DescribeAccountSettingsInput) -> Result<Reply> {
        cx.control_account()?;
        let commitment = account_settings::commitment(cx);
        Ok(cx.reply(&DescribeAccountSettingsOutput {
            minimum_throughput_billing_commitment: Some(commitment),
        }))
    }
}
