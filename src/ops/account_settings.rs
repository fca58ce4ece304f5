//! The settings of an account as DescribeAccountSettings and UpdateAccountSettings tell them.

use millpond_api::{
    shapes::MinimumThroughputBillingCommitmentOutput,
    types::MinimumThroughputBillingCommitmentOutputStatus as Status,
};

use super::Cx;

/// The commitment of the caller's account in its region, as it is now.
pub(super) fn commitment(cx: &Cx<'_>) -> MinimumThroughputBillingCommitmentOutput {
    let (snapshot, now) = (cx.domain().directory().snapshot(), cx.now());
    let known = snapshot.commitments().get(cx.namespace());
    let in_force = known.filter(|commitment| commitment.in_force(now));
    let ends = known.and_then(|commitment| commitment.ends);
    MinimumThroughputBillingCommitmentOutput {
        status: match (in_force, ends) {
            (None, _) => Status::Disabled,
            (Some(_), None) => Status::Enabled,
            (Some(_), Some(_)) => Status::EnabledUntilEarliestAllowedEnd,
        },
        started_at: known.map(|commitment| commitment.started),
        ended_at: ends.filter(|_| in_force.is_none()),
        earliest_allowed_end_at: in_force.map(|commitment| commitment.earliest_end()),
    }
}
