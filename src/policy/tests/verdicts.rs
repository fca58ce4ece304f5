//! How policies come together.

use proptest::prelude::*;

use super::*;

const NO_IDENTITY: Result<(), Denial> = Err(Denial::Implicit(Kind::Identity));
const NO_RESOURCE: Result<(), Denial> = Err(Denial::Implicit(Kind::Resource));

/// A resource policy that allows or denies everything to this principal.
fn shared(effect: &str, principal: &str) -> Policy {
    resource(&[statement(effect, &json!({"Principal": {"AWS": principal}}))])
}

fn all(effect: &str) -> Policy {
    identity(&[statement(effect, &json!({}))])
}

fn none() -> Policy {
    identity(&[statement("Allow", &json!({"Action": "s3:*"}))])
}

fn stranger() -> Request<'static> {
    Request { owner: account(STRANGER), ..question() }
}

#[test]
fn who_has_no_policies_may_do_everything_in_its_account() {
    assert_eq!(judge(&question(), None, None), Ok(()));
    assert_eq!(judge(&question(), Some(&[]), None), NO_IDENTITY, "no policy is not none at all");
    assert_eq!(judge(&stranger(), None, None), NO_RESOURCE);
}

#[test]
fn within_an_account_one_policy_has_to_allow() {
    let alice = "arn:aws:iam::111111111111:user/web/alice";
    for (identity, resource, verdict) in [
        (all("Allow"), None, Ok(())),
        (none(), None, NO_IDENTITY),
        (none(), Some(shared("Allow", alice)), Ok(())),
        (none(), Some(shared("Allow", "*")), Ok(())),
        // It leaves it to the account, whose policies don't allow it.
        (none(), Some(shared("Allow", ACCOUNT)), NO_IDENTITY),
        (none(), Some(shared("Allow", STRANGER)), NO_IDENTITY),
    ] {
        assert_eq!(judge(&question(), Some(&[identity]), resource.as_ref()), verdict);
    }
}

#[test]
fn from_another_account_both_policies_have_to_allow() {
    for (identity, resource, verdict) in [
        (None, Some(shared("Allow", ACCOUNT)), Ok(())),
        (Some(all("Allow")), Some(shared("Allow", ACCOUNT)), Ok(())),
        (Some(none()), Some(shared("Allow", ACCOUNT)), NO_IDENTITY),
        (Some(all("Allow")), None, NO_RESOURCE),
        (Some(all("Allow")), Some(shared("Allow", STRANGER)), NO_RESOURCE),
        (Some(none()), None, NO_IDENTITY),
    ] {
        let identity = identity.map(|policy| [policy]);
        let identity = identity.as_ref().map(<[Policy; 1]>::as_slice);
        assert_eq!(judge(&stranger(), identity, resource.as_ref()), verdict);
    }
}

#[test]
fn who_denies_is_told() {
    let both = [all("Allow"), all("Deny")];
    let denied = Err(Denial::Explicit(Kind::Identity));
    assert_eq!(judge(&question(), Some(&both), Some(&shared("Allow", "*"))), denied);
    let denied = Err(Denial::Explicit(Kind::Resource));
    assert_eq!(judge(&question(), None, Some(&shared("Deny", "*"))), denied);
    assert_eq!(judge(&question(), Some(&[none()]), Some(&shared("Deny", ACCOUNT))), denied);
}

/// Statements of which some apply to the question and some don't.
fn any_statement() -> impl Strategy<Value = Value> {
    let effect = prop_oneof![Just("Allow"), Just("Deny")];
    let actions = ["*", "kinesis:*", "kinesis:Put*", "kinesis:GetRecords", "kinesis:List*"];
    let stream = "arn:aws:kinesis:*:*:stream/clicks";
    let resources = ["*", STREAM, stream, "arn:aws:kinesis:*:*:stream/orders"];
    let principals = ["*", ACCOUNT, STRANGER, "arn:aws:iam::111111111111:user/web/alice"];
    let pick = |of: &'static [&'static str]| prop::sample::select(of);
    (
        effect,
        pick(Vec::leak(actions.to_vec())),
        pick(Vec::leak(resources.to_vec())),
        pick(Vec::leak(principals.to_vec())),
    )
        .prop_map(|(effect, action, resource, principal)| {
            let principal = json!({ "AWS": principal });
            let members = json!({"Action": action, "Resource": resource, "Principal": principal});
            statement(effect, &members)
        })
}

proptest! {
    #[test]
    fn an_explicit_deny_always_wins(
        mut statements in prop::collection::vec(any_statement(), 1..6),
        at in any::<prop::sample::Index>(),
        is_own in any::<bool>(),
    ) {
        let asked = if is_own { question() } else { stranger() };
        let before = judge(&asked, None, Some(&resource(&statements)));
        statements.reverse();
        let reversed = judge(&asked, None, Some(&resource(&statements)));
        prop_assert_eq!(reversed, before, "order doesn't count");
        let deny = statement("Deny", &json!({"Principal": "*"}));
        statements.insert(at.index(statements.len() + 1), deny);
        let after = judge(&asked, None, Some(&resource(&statements)));
        prop_assert_eq!(after, Err(Denial::Explicit(Kind::Resource)));
    }

    #[test]
    fn one_more_statement_that_allows_never_takes_away(
        mut statements in prop::collection::vec(any_statement(), 1..6),
        more in any_statement(),
    ) {
        prop_assume!(more["Effect"] == "Allow");
        let before = judge(&stranger(), None, Some(&resource(&statements)));
        statements.push(more);
        let after = judge(&stranger(), None, Some(&resource(&statements)));
        prop_assert!(before != Ok(()) || after == Ok(()));
        prop_assert!(before != Err(Denial::Explicit(Kind::Resource)) || after == before);
    }
}
