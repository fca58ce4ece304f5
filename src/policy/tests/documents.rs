//! What is a policy, and what is told of what isn't.

use proptest::prelude::*;

use super::*;

#[test]
fn a_policy_may_have_one_statement_or_many_and_names() {
    let one = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    for statements in [one.clone(), json!([one]), json!([one, one])] {
        let document = json!({"Version": "2012-10-17", "Id": "p", "Statement": statements});
        Policy::parse(&document.to_string(), Kind::Identity).unwrap();
    }
}

/// Two statements, the second with this member.
fn with(member: &str, value: &Value) -> String {
    let mut members = json!({"Principal": "*"});
    members[member] = value.clone();
    document(&[statement("Allow", &json!({"Principal": "*"})), statement("Allow", &members)])
}

fn with_condition(operator: &str, key: &str, value: &Value) -> String {
    with("Condition", &json!({operator: {key: value}}))
}

#[test]
fn what_is_no_policy_is_told() {
    for (document, sentence) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{}", "it has no Statement"),
        ("[]", "expected an object"),
        ("{\"Version\": 1}", "Version: expected a text"),
        ("{\"Version\": \"2012\"}", "Version: expected 2012-10-17"),
        ("{\"Statement\": []}", "Statement: the list is empty"),
        ("{\"Statements\": {}}", "Statements: it is none of Version, Id, Statement"),
        ("{\"Statement\": {}}", "Statement: it has no Effect"),
        ("{\"Id\": 1, \"Id\": 2}", "Id stands twice at line 1"),
    ] {
        let told = fault(document, Kind::Resource);
        assert!(told.starts_with(sentence), "{document}: {told}");
    }
}

#[test]
fn each_fault_has_its_place() {
    for (member, value, sentence) in [
        ("Effect", json!("allow"), ".Effect: expected Allow or Deny"),
        ("Effects", json!("Allow"), ".Effects: it is none of Sid"),
        ("NotPrincipal", json!("*"), ": it needs Principal or NotPrincipal, not both"),
        ("Action", json!([]), ".Action: the list is empty"),
        ("Action", json!(["kinesis:*", "PutRecord"]), ".Action[1]: an action is * or reads"),
        ("Action", json!("*:*"), ".Action: an action is * or reads service:Name"),
        ("Action", json!("kinesis:PutRecrod"), ".Action: no operation of Kinesis is called so"),
        ("Action", json!(["*", "s3:*"]), ".Action[1]: the policy of a stream or a consumer"),
        ("Action", json!({}), ".Action: expected a text"),
        ("Resource", json!("clicks"), ".Resource: clicks is not an ARN"),
        ("Resource", json!("arn:aws:kinesis:*"), ".Resource: arn:aws:kinesis:* is not an ARN"),
        ("Resource", json!("arn:aws:kinesis:*:*:${x}"), ".Resource: ${x} is no variable"),
        ("Resource", json!("arn:aws:kinesis:*:*:${x"), ".Resource: a variable that begins with"),
        ("Principal", json!(ACCOUNT), ".Principal: expected * or an object"),
        ("Principal", json!({"AWS": "bob"}), ".Principal.AWS: bob is not a principal"),
        ("Principal", json!({"AWS": []}), ".Principal.AWS: the list is empty"),
        ("Principal", json!({"User": "b"}), ".Principal.User: expected AWS"),
        ("Principal", json!({}), ".Principal: it names nobody"),
        ("Condition", json!([]), ".Condition: expected an object"),
    ] {
        let told = fault(&with(member, &value), Kind::Resource);
        assert!(told.starts_with(&format!("Statement[1]{sentence}")), "{member} {value}: {told}");
    }
}

#[test]
fn conditions_that_cannot_be_looked_at_are_refused() {
    let (user, tag_keys) = ("aws:username", "aws:TagKeys");
    for (operator, key, value, sentence) in [
        ("Equals", user, json!("a"), "millpond doesn't know this operator"),
        ("NullIfExists", user, json!("true"), "millpond doesn't know this operator"),
        ("ForAllValues:Null", tag_keys, json!("true"), "millpond doesn't know this operator"),
        ("ForEach:StringEquals", tag_keys, json!("a"), "millpond doesn't know this operator"),
        ("StringEquals", "aws:Referer", json!("a"), "millpond doesn't know this key"),
        ("StringEquals", "aws:RequestTag/", json!("a"), "millpond doesn't know this key"),
        ("StringEquals", tag_keys, json!("a"), "this key takes ForAnyValue: or ForAllValues:"),
        ("Bool", "aws:SecureTransport", json!("yes"), "yes is neither true nor false"),
        ("Bool", user, json!("true"), "this operator doesn't compare values of this key"),
        ("IpAddress", "aws:SourceIp", json!("10.0.0.0/33"), "10.0.0.0/33 is not an address"),
        ("IpAddress", "aws:SourceIp", json!("10.0.0.0/+8"), "10.0.0.0/+8 is not an address"),
        ("NumericEquals", "aws:EpochTime", json!("NaN"), "NaN is not a number"),
        ("DateEquals", "aws:CurrentTime", json!("soon"), "soon is not a date such as"),
        ("StringEquals", "aws:CurrentTime", json!("a"), "this operator doesn't compare"),
        ("ArnLike", "aws:PrincipalArn", json!("*"), "* is not an ARN"),
        ("Null", user, json!(["true", "false"]), "Null takes one value, true or false"),
        ("StringEquals", user, json!(null), "expected a text"),
    ] {
        let told = fault(&with_condition(operator, key, &value), Kind::Resource);
        let place = format!("Statement[1].Condition.{operator}");
        assert!(told.starts_with(&place), "{operator} {key}: {told}");
        assert!(told.contains(&format!(": {sentence}")), "{operator} {key}: {told}");
    }
}

#[test]
fn each_action_is_of_an_operation() {
    for action in ["kinesis:PutRecrod", "Kinesis:Put?", "kinesis:*Streem*"] {
        for member in ["Action", "NotAction"] {
            let named = statement("Deny", &json!({ member: action }));
            let told = fault(&document(&[named]), Kind::Identity);
            let place = format!("Statement[0].{member}");
            assert_eq!(told, format!("{place}: no operation of Kinesis is called so"), "{action}");
        }
    }
    // Users have policies for all of AWS.
    identity(&[statement("Deny", &json!({"Action": ["s3:PutRecrod", "kinesis:putrecord*"]}))]);
}

#[test]
fn a_policy_is_about_what_it_is_of() {
    let on = |member: &str, value: &str| {
        let members = json!({"Principal": "*", member: value});
        Policy::of_resource(&document(&[statement("Deny", &members)]), STREAM)
    };
    for value in [
        "*",
        STREAM,
        "arn:aws:kinesis:*:*:stream/cl?cks",
        "arn:aws:kinesis:${aws:RequestedRegion}:*:stream/${aws:username}*s",
    ] {
        on("Resource", value).unwrap();
        on("NotResource", value).unwrap();
    }
    for value in [
        "arn:aws:kinesis:us-east-1:111111111111:stream/clikcs",
        "arn:aws:kinesis:us-east-1:111111111111:stream/clicks/consumer/*",
        "arn:aws:kinesis:us-east-1:222222222222:stream/*",
        "arn:aws:kinesis:*:*:stream/${aws:username}x",
    ] {
        let told = on("Resource", value).unwrap_err().to_string();
        let words = format!("Statement[0].Resource: {value} is never {STREAM}, whose policy it is");
        assert_eq!(told, words);
        on("NotResource", value).unwrap_err();
    }
}

#[test]
fn a_sid_stands_once() {
    let named = statement("Allow", &json!({"Sid": "a"}));
    let told = fault(&document(&[named.clone(), named]), Kind::Identity);
    assert_eq!(told, "Statement[1].Sid: another statement has this Sid");
}

#[test]
fn principals_are_for_resource_policies() {
    let shared = statement("Allow", &json!({"Principal": "*"}));
    let told = fault(&document(&[shared]), Kind::Identity);
    assert!(told.starts_with("Statement[0].Principal: the policy of a credential"), "{told}");
    let own = document(&[statement("Allow", &json!({}))]);
    let told = fault(&own, Kind::Resource);
    assert_eq!(told, "Statement[0]: it needs Principal or NotPrincipal, not both");
    let all_but = document(&[statement("Allow", &json!({"NotPrincipal": "*"}))]);
    let told = fault(&all_but, Kind::Resource);
    assert!(told.starts_with("Statement[0].NotPrincipal: only a statement that denies"), "{told}");
}

#[test]
fn a_document_is_bounded_in_size_and_depth() {
    let allow = statement("Allow", &json!({}));
    let mut large = document(std::slice::from_ref(&allow));
    let room = millpond_quotas::limits::POLICY_BYTES_MAX - large.len();
    large += &" ".repeat(room);
    Policy::parse(&large, Kind::Identity).unwrap();
    large.push(' ');
    assert_eq!(fault(&large, Kind::Identity), "it has more than 20480 bytes");
    let deep = "[".repeat(10_000);
    assert!(fault(&deep, Kind::Identity).contains("recursion limit exceeded"));
}

#[test]
fn a_text_is_read_once() {
    let readings = Readings::default();
    let text = document(&[statement("Allow", &json!({"Principal": "*"}))]);
    let shared: Arc<str> = text.as_str().into();
    let first = readings.read(&shared).unwrap();
    assert!(Arc::ptr_eq(&first, &readings.read(&shared).unwrap()));
    for _ in 0..1_000 {
        let other: Arc<str> = text.as_str().into();
        readings.read(&other).unwrap();
    }
    assert!(Arc::ptr_eq(&first, &readings.read(&shared).unwrap()), "what stands is kept");
    assert!(readings.len() < 200, "what is gone is forgotten");
    assert!(readings.read(&"{}".into()).is_err());
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "[\\[\\]{}\":,0-9a-zA-Z *?$]{0,60}") {
        let _ = Policy::parse(&text, Kind::Resource);
    }

    #[test]
    fn no_value_is_too_strange(
        member in "Version|Id|Sid|Effect|(Not)?(Principal|Action|Resource)|Condition",
        text in "(\\PC){0,20}",
        shape in 0..4_u8,
    ) {
        let value = match shape {
            0 => json!(text),
            1 => json!([text]),
            2 => json!({"AWS": text}),
            _ => json!({"StringLike": {"aws:username": text}}),
        };
        let mut members = json!({"Principal": "*"});
        members[member] = value;
        let document = document(&[statement("Allow", &members)]);
        if let Ok(policy) = Policy::parse(&document, Kind::Resource) {
            let _ = judge(&question(), None, Some(&policy));
        }
    }
}
