//! Any text as a policy: it is refused, or can be asked; and who is denied everything by one more
//! statement is denied by it.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use millpond::policy::{Kind, Policy, Principal, Request, Tagging, judge};
use millpond_api::types::Timestamp;

const DENY: &str =
    r#"{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}"#;

fuzz_target!(|text: &str| {
    let account = "111111111111".parse().expect("twelve digits");
    let arn = "arn:aws:iam::111111111111:user/alice";
    let principal = Principal::new(arn.into(), account, "AKIDEXAMPLE".into());
    let (tag, tags) = (("team".into(), "web".into()), ("team".to_owned(), "web".to_owned()));
    let (sent, stored) = (BTreeMap::from([tag]), BTreeMap::from([tags]));
    let request = Request {
        principal: &principal,
        action: "kinesis:AddTagsToStream",
        resource: "arn:aws:kinesis:us-east-1:111111111111:stream/clicks",
        owner: account,
        region: "us-east-1",
        source_ip: Some([203, 0, 113, 7].into()),
        is_secure: true,
        now: Timestamp::from_millis(1_700_000_000_000),
        resource_tags: Some(&stored),
        tagging: Tagging::Tags(&sent),
    };
    let identity = Policy::parse(text, Kind::Identity).ok();
    let resource = Policy::parse(text, Kind::Resource).ok();
    let all = identity.as_slice();
    let is_allowed = judge(&request, Some(all), resource.as_ref()).is_ok();
    assert!(!is_allowed || identity.is_some() || resource.is_some());
    let deny = Policy::parse(DENY, Kind::Resource).expect("it is one");
    assert!(judge(&request, Some(all), Some(&deny)).is_err());
});
