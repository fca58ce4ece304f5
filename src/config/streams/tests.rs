//! Which streams are made at start, and what is refused.

use std::{collections::HashMap, ffi::OsString, fs};

use crate::config::{Config, Declaration, Refused, Request, read};

/// What is read of these flags, these variables and this file.
fn outcome(
    flags: &str,
    variables: &[(&str, &str)],
    file: &str,
) -> Result<Vec<Declaration>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("millpond.toml");
    fs::write(&path, file).unwrap();
    fs::write(folder.path().join("policy.json"), POLICY).unwrap();
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let mode = if flags.starts_with("serve") { "" } else { "dev " };
    let arguments = format!("millpond {mode}{flags} --config {}", path.display());
    let arguments = arguments.split_whitespace().map(OsString::from);
    let folder = format!("{}/", folder.path().display());
    match read(arguments, |name| variables.get(name).map(OsString::from)) {
        Ok(Request::Run(config)) => Ok(Config::clone(&config).streams),
        Ok(other) => panic!("not a configuration: {other:?}"),
        Err(Refused(sentence)) => Err(sentence.replace(&folder, "")),
    }
}

fn streams(flags: &str, variables: &[(&str, &str)], file: &str) -> Vec<Declaration> {
    outcome(flags, variables, file).unwrap()
}

/// Region, name and shards of each.
fn told(streams: &[Declaration]) -> Vec<String> {
    let told = streams.iter().map(|stream| {
        let (arn, unsaid) = (&stream.arn, stream.shards_unsaid);
        format!("{}/{} {:?} or {unsaid}", arn.region, arn.name, stream.mode)
    });
    told.map(|text| text.replace("Some(Provisioned(", "").replace("))", "")).collect()
}

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Principal":{"AWS":"111122223333"},"Action":"kinesis:GetRecords","Resource":"*"}]}"#;

#[test]
fn other_tools_variables_are_understood_as_they_understand_them() {
    let variables = [("INITIALIZE_STREAMS", "a:3:us-west-2,b::eu-west-2,c:1, d ,e::")];
    let expected = [
        "us-west-2/a 3 or 4",
        "eu-west-2/b None or 4",
        "us-east-1/c 1 or 4",
        "us-east-1/d None or 4",
        "us-east-1/e None or 4",
    ];
    assert_eq!(told(&streams("", &variables, "")), expected);
    let both = [("INITIALIZE_STREAMS", "a:1,b:1"), ("KINESIS_INITIALIZE_STREAMS", "a:2,c,")];
    let expected = ["us-east-1/a 2 or 4", "us-east-1/c None or 4", "us-east-1/b 1 or 4"];
    assert_eq!(told(&streams("", &both, "")), expected);
    assert_eq!(streams("", &[("INITIALIZE_STREAMS", "")], ""), []);
    for (text, words) in [
        ("a,,b", "INITIALIZE_STREAMS cannot have ''"),
        ("a:x", "INITIALIZE_STREAMS cannot have 'a:x': after the name comes the number of shards"),
        ("a:1:Frankfurt", "'a:1:Frankfurt': a region"),
        ("a b", "several with commas between them, such as clicks:3:us-west-2,orders"),
    ] {
        let refusal = outcome("", &[("INITIALIZE_STREAMS", text)], "").unwrap_err();
        assert!(refusal.contains(words), "{text}: {refusal}");
    }
}

#[test]
fn what_stands_in_several_places_is_one_stream() {
    let file = "[[streams]]\nname = \"orders\"\nshards = 2\nretention-hours = 48\n\
                [[streams]]\nname = \"clicks\"\nmode = \"on-demand\"\n";
    let variables = [("INITIALIZE_STREAMS", "orders:5,clicks,other")];
    let found = streams("--stream orders:8 --stream orders:9", &variables, file);
    let expected = [
        "us-east-1/orders 8 or 1",
        "us-east-1/clicks Some(OnDemand) or 4",
        "us-east-1/other None or 4",
    ];
    assert_eq!(told(&found), expected);
    assert_eq!(found[0].retention_hours, Some(48));
    let elsewhere = streams("--stream orders:8:eu-west-1", &[], file);
    assert_eq!(elsewhere.len(), 3, "another region has another stream");
}

// What else a file declares, and that it comes about: tests/it/start.rs.
#[test]
fn what_a_table_leaves_unsaid_is_as_elsewhere_and_a_policy_may_be_a_file() {
    let file = r#"
        region = "eu-west-1"
        [[streams]]
        name = "orders"
        account = "111122223333"
        policy-file = "policy.json"
        [[streams.consumers]]
        name = "audit"
        policy-file = "policy.json"
        [[streams]]
        name = "orders"
    "#;
    let found = streams("", &[], file);
    let [orders, plain] = found.as_slice() else { panic!("{found:?}") };
    let arn = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders";
    assert_eq!(orders.arn.to_string(), arn);
    assert_eq!(orders.policy.as_deref(), Some(POLICY));
    assert_eq!(orders.consumers[0].policy.as_deref(), Some(POLICY));
    assert_eq!(plain.arn.account.as_str(), "000000000000");
}

#[test]
fn what_is_declared_wrong_is_named() {
    let long = "x".repeat(200);
    for (table, sentence) in [
        ("", "millpond.toml: streams[0]: name of the stream is missing"),
        ("name = 5", "millpond.toml: streams[0]: name is a text, and not a number"),
        ("name = \"a b\"", "streams[0]: name cannot be 'a b': a stream name"),
        ("name = \"a\"\nshrads = 2", "stream a: shrads is no field; the fields are name, account"),
        (
            "name = \"a\"\nshards = 0",
            "stream a: shards is a whole number from 1 to 10000, and not 0",
        ),
        ("name = \"a\"\nshards = \"2\"", "from 1 to 10000, and not \"2\""),
        ("name = \"a\"\nmode = \"x\"", "stream a: mode is provisioned or on-demand, and not 'x'"),
        ("name = \"a\"\nmode = \"on-demand\"\nshards = 1", "stream a: shards is not for on-demand"),
        ("name = \"a\"\nregion = \"EU\"", "stream a: region cannot be 'EU': a region"),
        (
            "name = \"a\"\naccount = \"1\"",
            "stream a: account cannot be '1': an account id is twelve",
        ),
        (
            "name = \"a\"\nretention-hours = 5",
            "stream a: retention-hours is a whole number from 24",
        ),
        (
            "name = \"a\"\nmax-record-kib = 1",
            "stream a: max-record-kib is a whole number from 1024",
        ),
        ("name = \"a\"\ntags = \"x\"", "stream a: tags is a table of texts, such as { team"),
        ("name = \"a\"\ntags = { a = 1 }", "stream a: tags is a table of texts"),
        ("name = \"a\"\ntags = { a = \"%\" }", "stream a: tags may have letters, digits"),
        (
            &format!("name = \"a\"\ntags = {{ {long} = \"v\" }}"),
            "stream a: tags is not what Kinesis",
        ),
        (
            "name = \"a\"\nencryption-key = \"\"",
            "stream a: encryption-key is not what Kinesis takes",
        ),
        ("name = \"a\"\npolicy = \"x\"", "stream a: policy is not a valid policy: "),
        ("name = \"a\"\npolicy-file = \"none\"", "stream a: policy-file none can't be read: "),
        ("name = \"a\"\npolicy = \"x\"\npolicy-file = \"y\"", "exclude each other"),
        ("name = \"a\"\nconsumers = 1", "stream a: consumers is an array of tables"),
        ("name = \"a\"\n[[streams.consumers]]", "stream a: consumers[0]: name of the consumer is"),
        ("name = \"a\"\n[[streams.consumers]]\nname = \"c d\"", "consumer c d: name is not what"),
        (
            "name = \"a\"\n[[streams.consumers]]\nname = \"c\"\nx = 1",
            "stream a: consumer c: x is no",
        ),
        (
            "name = \"a\"\nconsumers = [{ name = \"c\" }, { name = \"c\" }]",
            "consumer c: name is that of another consumer",
        ),
        ("name = \"a\"\n[[streams]]\nname = \"a\"", "stream a is declared twice in us-east-1"),
    ] {
        let refusal = outcome("", &[], &format!("[[streams]]\n{table}")).unwrap_err();
        assert!(refusal.contains(sentence), "{table}: {refusal}");
        assert!(refusal.starts_with("millpond.toml: "), "{refusal}");
    }
    let refusal = outcome("", &[], "streams = \"a\"").unwrap_err();
    assert!(refusal.contains("streams is an array of tables, each begun with [[streams]]"));
}

#[test]
fn streams_are_encrypted_only_where_there_are_keys() {
    let sealed = "[[streams]]\nname = \"a\"\nencryption-key = \"alias/k\"";
    let refusal = outcome("serve", &[], sealed).unwrap_err();
    assert!(refusal.contains("stream a: encryption-key needs master keys"), "{refusal}");
    assert_eq!(outcome("serve --keyring k", &[], sealed).unwrap().len(), 1);
}
