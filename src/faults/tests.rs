//! Scripts and what is decided by them.

use std::time::Duration;

use millpond_api::{ErrorKind, OperationId, types::ShardId};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A call by account 000000000000 in us-east-1 that brings records with these keys, each for shard
/// 0.
fn call(operation: OperationId, stream: &str, keys: &[&str]) -> Call {
    let record = |key: &&str| RecordFace {
        partition_key: Some((*key).to_owned()),
        shard: Some(ShardId::new(0)),
    };
    Call {
        operation,
        account: "000000000000".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        stream: Some(stream.parse().unwrap()),
        shard: None,
        consumer: None,
        records: keys.iter().map(record).collect(),
    }
}

fn put(keys: &[&str]) -> Call {
    call(OperationId::PutRecords, "orders", keys)
}

fn get() -> Call {
    Call { shard: Some(ShardId::new(1)), ..call(OperationId::GetRecords, "orders", &[]) }
}

fn injector(faults: &Value) -> Injector {
    let script = json!({"seed": 7, "faults": faults}).to_string();
    let script = Script::read(&script, Format::Json).unwrap_or_else(|error| panic!("{error}"));
    let labels = prometheus::Opts::new("injected", "help");
    Injector::new(script, 0, IntCounterVec::new(labels, &["effect"]).unwrap())
}

fn acts(injector: &Injector, call: &Call) -> bool {
    injector.on_call(call) != Verdict::default()
}

/// The sentence for which a script of this one fault is refused.
fn refusal(fault: &Value) -> String {
    let script = json!({ "faults": [fault] }).to_string();
    Script::read(&script, Format::Json).unwrap_err().to_string()
}

#[test]
fn toml_and_json_say_the_same() {
    let toml = r#"
        seed = 3
        [[faults]]
        name = "hot keys"
        operation = ["PutRecords", "Get*"]
        partition-key = "hot-*"
        calls = "2..5"
        probability = 0.5
        then = { error = "InternalFailure", delay = "250ms" }
    "#;
    let json = json!({"seed": 3, "faults": [{
        "name": "hot keys",
        "operation": ["PutRecords", "Get*"],
        "partition_key": "hot-*",
        "calls": "2..5",
        "probability": 0.5,
        "then": {"error": "InternalFailure", "delay": "250ms"}
    }]});
    let toml = Script::read(toml, Format::Toml).unwrap();
    let json = Script::read(&json.to_string(), Format::Json).unwrap();
    let shown = |script: &Script| {
        let Script { seed, rules } = script;
        let rule = rules.first().unwrap();
        format!("{seed:?} {:?} {:?} {:?}", rule.scope, rule.calls, rule.then)
    };
    assert_eq!(shown(&toml), shown(&json));
}

#[test]
fn a_wrong_script_is_told_what_is_wrong_and_what_would_be_right() {
    let then = json!({"throttle": true});
    for (fault, words) in [
        (json!(3), "fault 1: it is a table"),
        (json!({}), "fault 1: then: it says what happens"),
        (json!({"then": then, "strem": "a"}), "fault 1: strem is not known here; known are name,"),
        (json!({"name": "n", "then": then, "times": 0}), "fault 1 \"n\": times: it is a whole"),
        (json!({"then": then, "calls": "often"}), "fault 1: calls: it is a number from 1, a range"),
        (json!({"then": then, "probability": 1.5}), "fault 1: probability: it is a number above"),
        (json!({"then": then, "operation": "PutRecordz"}), "fault 1: operation: no operation"),
        (json!({"then": then, "stream": 7}), "fault 1: stream: it is a text"),
        (json!({"then": then, "stream": []}), "fault 1: stream: a list has from 1 to 64"),
        (json!({"then": {"cut": "no"}}), "fault 1: then: cut: it is true, or left out"),
        (json!({"then": {"error": "Oops"}}), "fault 1: then: error: Kinesis has no Oops; it has"),
        (json!({"then": {"message": "m", "cut": true}}), "message: it goes with error"),
        (json!({"then": {"delay": "2h"}}), "fault 1: then: delay: it is a number and a unit"),
        (json!({"then": {"delay": "2s..1s"}}), "fault 1: then: delay: it is a number and a unit"),
        (json!({"then": {"cut": true, "when": "later"}}), "when: it is before-commit, after"),
        (json!({"then": {"throttle": true, "when": "after-commit"}}), "what is refused is refused"),
        (json!({"then": {"fail": true, "when": "mid-answer"}}), "mid-answer goes with cut only"),
        (json!({"then": {"end": true}}), "end: it needs after-events"),
        (json!({"then": {"fail": true, "after_events": 1}}), "after-events: it goes with cut"),
        (
            json!({"operation": "PutRecord", "then": {"cut": true, "after-events": 1}}),
            "operation: what happens then can happen to SubscribeToShard only",
        ),
        (
            json!({"operation": "ListShards", "then": {"expire-iterator": true}}),
            "operation: what happens then can happen to GetRecords only",
        ),
        (
            json!({"operation": "GetRecords", "records": 0, "then": then}),
            "records: only PutRecord and PutRecords bring records",
        ),
        (
            json!({"operation": "GetRecords", "partition-key": "a", "then": then}),
            "partition-key: only PutRecord and PutRecords bring partition keys",
        ),
        (json!({"a-b": 1, "a_b": 1, "then": then}), "fault 1: a-b stands there twice"),
    ] {
        let told = refusal(&fault);
        assert!(told.contains(words), "{fault}: {told}");
    }
    for (text, format, words) in [
        ("[]", Format::Json, "the script: it is a table"),
        ("{", Format::Json, "it is no JSON: "),
        ("seed = 1\nfaults = [", Format::Toml, "it is no TOML: line 2: "),
        ("fault = []", Format::Toml, "the script: fault is not known here; known are seed, faults"),
        ("seed = -1", Format::Toml, "the script: seed: it is a whole number from 0"),
        ("faults = {}", Format::Toml, "the script: faults: it is a list of at most 256"),
    ] {
        let told = Script::read(text, format).unwrap_err().to_string();
        assert!(told.contains(words), "{text}: {told}");
    }
}

#[test]
fn what_cannot_happen_is_told_once_and_at_its_place() {
    for (then, words) in [
        (json!({}), "it says nothing that could happen; that is one of throttle, fail,"),
        (json!({"throtle": true}), "throtle is not known here; known are throttle, fail,"),
        (json!({"throtle": true, "cut": true}), "throtle is not known here; known are throttle,"),
        (json!({"cut": true, "fail": true}), "fail and cut can't both happen; write two faults"),
        (json!({"empty": true, "delay": "1s"}), "empty and duplicate go with neither delay nor"),
    ] {
        let told = refusal(&json!({ "then": then }));
        assert!(told.starts_with(&format!("fault 1: then: {words}")), "{then}: {told}");
    }
}

#[test]
fn what_no_call_can_fit_is_refused_and_told_what_would_be_right() {
    let refused = |operation: &str, member: &str, name: &str, words: &str| {
        let fault = json!({"operation": operation, member: name, "then": {"cut": true}});
        let (told, place) = (refusal(&fault), format!("fault 1: {member}: "));
        assert!(told.starts_with(&place) && told.contains(words), "{fault}: {told}");
    };
    for (member, name, right) in [
        ("account", "17", "nothing can be called '17': an account id is twelve digits"),
        ("region", "EU West", "a region is 1 to 32 lower-case letters"),
        ("stream", "arn:aws:kinesis:us-east-1:0:stream/a", "a stream name is 1 to 128 letters"),
        ("shard", "shard", "a shard id reads shardId-000000000000"),
        ("shard", "shard-x", "a shard id reads shardId-000000000000"),
    ] {
        refused("*", member, name, right);
    }
    for operation in ["PutRecord", "GetRecords", "*Shards"] {
        refused(operation, "consumer", "app", "only SubscribeToShard and what makes");
    }
    for operation in ["ListStreams", "*Tags*", "DescribeStream"] {
        refused(operation, "shard", "1", "only PutRecord, PutRecords, GetRecords,");
    }
    for fault in [
        json!({"shard": ["shardId-*1", "2"], "account": "0000*", "then": {"cut": true}}),
        json!({"region": "eu-*", "stream": ["orders", "*[1]"], "then": {"cut": true}}),
        json!({"operation": "Put*", "shard": "?", "then": {"cut": true}}),
        json!({"operation": ["PutRecord", "Subscribe*"], "consumer": "app", "then": {"cut": true}}),
    ] {
        let script = json!({ "faults": [fault] }).to_string();
        Script::read(&script, Format::Json).unwrap_or_else(|error| panic!("{fault}: {error}"));
    }
}

#[test]
fn scripts_have_bounds() {
    let many = json!({"faults": vec![json!({"then": {"cut": true}}); 257]}).to_string();
    assert!(Script::read(&many, Format::Json).is_err());
    let long = format!("{}{{}}", " ".repeat(SCRIPT_BYTES_MAX));
    assert_eq!(
        Script::read(&long, Format::Json).unwrap_err().to_string(),
        "a script has at most 262144 bytes"
    );
    let text = "x".repeat(1025);
    assert!(refusal(&json!({"name": text, "then": {"cut": true}})).contains("more than 1024"));
    assert!(refusal(&json!({"stream": vec!["a"; 65], "then": {"cut": true}})).contains("64 texts"));
}

#[test]
fn a_fault_is_about_what_all_its_members_say() {
    let faults = json!([{
        "operation": "Put*", "stream": ["orders", "clicks-*"], "account": "000000000000",
        "region": "us-*", "then": {"cut": true}
    }]);
    let injector = injector(&faults);
    assert!(acts(&injector, &put(&["a"])));
    assert!(acts(&injector, &call(OperationId::PutRecord, "clicks-7", &["a"])));
    assert!(!acts(&injector, &call(OperationId::PutRecord, "clicks", &["a"])));
    assert!(!acts(&injector, &get()));
    let elsewhere = Call { region: "eu-west-1".parse().unwrap(), ..put(&["a"]) };
    assert!(!acts(&injector, &elsewhere));
    let stranger = Call { account: "111122223333".parse().unwrap(), ..put(&["a"]) };
    assert!(!acts(&injector, &stranger));
    assert!(!acts(&injector, &Call { stream: None, ..put(&["a"]) }));
}

#[test]
fn a_shard_is_that_of_the_call_or_of_its_records() {
    let of = |shard: &str| injector(&json!([{"shard": shard, "then": {"delay": "1s"}}]));
    assert!(acts(&of("shardId-000000000000"), &put(&["a"])));
    assert!(acts(&of("0"), &put(&["a"])), "as short as clients may write it");
    assert!(!acts(&of("1"), &put(&["a"])));
    assert!(acts(&of("1"), &get()));
    assert!(acts(&of("shardId-*1"), &get()));
    assert!(!acts(&of("2"), &get()));
    assert!(!acts(&of("2"), &Call { shard: None, ..get() }));
}

#[test]
fn calls_are_counted_when_all_else_fits() {
    let faults = json!([
        {"stream": "orders", "calls": ["2", "every 5"], "times": 2, "then": {"cut": true}}
    ]);
    let injector = injector(&faults);
    let mut acted = Vec::new();
    for number in 1..=20 {
        assert!(!acts(&injector, &call(OperationId::PutRecord, "other", &["a"])));
        if acts(&injector, &put(&["a"])) {
            acted.push(number);
        }
    }
    assert_eq!(acted, [2, 5]);
    let counts = injector.report();
    assert_eq!(counts["faults"][0]["matched"], 20);
    assert_eq!(counts["faults"][0]["acted"], 2);
    assert_eq!(counts["faults"][0]["stream"], "orders", "as it was given");
    assert_eq!(counts["seed"], 7);
}

#[test]
fn records_are_picked_by_key_index_and_chance() {
    let throttled = |fault: Value, keys: &[&str]| {
        let verdict = injector(&json!([fault])).on_call(&put(keys));
        assert!(verdict.before.ending.is_none(), "the call itself goes on");
        verdict.records.into_keys().collect::<Vec<_>>()
    };
    let then = json!({"throttle": true});
    let keys = ["hot-1", "cold", "hot-2", "hot-3"];
    assert_eq!(throttled(json!({ "then": then }), &keys), [0, 1, 2, 3]);
    assert_eq!(throttled(json!({"partition-key": "hot-*", "then": then}), &keys), [0, 2, 3]);
    assert_eq!(throttled(json!({"records": "1..2", "then": then}), &keys), [1, 2]);
    let both = json!({"records": "1..2", "partition-key": "hot-*", "then": then});
    assert_eq!(throttled(both, &keys), [2]);
    let many = vec!["k"; 500];
    let chosen = throttled(json!({"probability": 0.1, "then": then}), &many).len();
    assert!((25..=80).contains(&chosen), "{chosen} of 500");
}

#[test]
fn the_same_seed_makes_the_same_choices_whatever_follows() {
    let choices = |seed: u64, rules: usize| {
        let fault = json!({"probability": 0.5, "then": {"delay": "1ms..900ms"}});
        let script = json!({"seed": seed, "faults": vec![fault; rules]}).to_string();
        let script = Script::read(&script, Format::Json).unwrap();
        let labels = prometheus::Opts::new("injected", "help");
        let counter = IntCounterVec::new(labels, &["effect"]).unwrap();
        let mut tallies: Vec<_> = (0..rules).map(|place| Tally::new(seed, place)).collect();
        let injector = Injector::new(script, 0, counter);
        // Only what the first rule chose.
        let first = std::slice::from_mut(tallies.first_mut().unwrap());
        (0..64).map(|_| decision::on_call(&injector.rules, first, &get()).0).collect::<Vec<_>>()
    };
    assert_eq!(choices(7, 1), choices(7, 1));
    assert_eq!(choices(7, 1), choices(7, 3));
    assert_ne!(choices(7, 1), choices(8, 1));
}

#[test]
fn the_first_that_ends_a_call_is_the_last_that_acts_and_delays_add_up() {
    let injector = injector(&json!([
        {"then": {"delay": "1s"}},
        {"then": {"delay": "2s", "error": "LimitExceededException"}},
        {"then": {"delay": "4s", "cut": true}}
    ]));
    let verdict = injector.on_call(&get());
    assert_eq!(verdict.before.delay, Duration::from_secs(3));
    let Some(Ending::Error(error)) = verdict.before.ending else { panic!("no error") };
    assert_eq!(error.kind, ErrorKind::LimitExceeded);
    let counts = injector.report();
    let acted = |index: usize| counts["faults"][index]["acted"].as_u64();
    assert_eq!([acted(0), acted(1), acted(2)], [Some(1), Some(1), Some(0)]);
    assert_eq!(counts["faults"][2]["matched"], 1);
}

#[test]
fn deliveries_are_counted_apart_from_calls() {
    let injector = injector(&json!([
        {"partition-key": "hot", "calls": 2, "then": {"duplicate": true}},
        {"operation": "GetRecords", "calls": 1, "then": {"empty": true}}
    ]));
    assert!(!acts(&injector, &get()));
    assert_eq!(injector.on_delivery(&get(), &[Some("cold")]), Some(Delivery::Empty));
    assert_eq!(injector.on_delivery(&get(), &[None, Some("hot")]), None);
    assert_eq!(injector.on_delivery(&get(), &[Some("hot")]), Some(Delivery::Duplicate));
    assert_eq!(injector.on_delivery(&put(&["hot"]), &[Some("hot")]), None);
    assert_eq!(injector.report()["faults"][0]["matched"], 2);
}

#[test]
fn an_iterator_that_a_fault_expired_stays_so() {
    let injector = injector(&json!([{"then": {"expire-iterator": true}}]));
    assert!(!injector.has_expired("AAAA"));
    injector.expire("AAAA");
    assert!(injector.has_expired("AAAA"));
    for other in 0..EXPIRED_MAX {
        injector.expire(&other.to_string());
    }
    assert!(!injector.has_expired("AAAA"), "the oldest is forgotten");
    for _ in 0..EXPIRED_MAX {
        injector.expire("AAAA");
    }
    assert!(injector.has_expired("2"), "who tries again and again makes no other forgotten");
    assert_eq!(injector.progress().expired.len(), EXPIRED_MAX);
}

/// Values of every kind, with the words of scripts among their names.
fn value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "seed",
        "faults",
        "name",
        "then",
        "calls",
        "records",
        "delay",
        "error",
        "cut",
        "when",
        "after-events",
        "operation",
        "1s..2s",
        "every 0",
        "Put*",
        "*",
        "0",
        "",
        "é",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..4).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_script_does_harm(value in value(), text in ".{0,64}") {
        for format in [Format::Json, Format::Toml] {
            let _ = Script::read(&text, format);
        }
        let effect = json!({"faults": [{"then": value}]});
        let fault = json!({"faults": [value]});
        for script in [value, fault, effect] {
            if let Ok(script) = Script::read(&script.to_string(), Format::Json) {
                let labels = prometheus::Opts::new("injected", "help");
                let counter = IntCounterVec::new(labels, &["effect"]).unwrap();
                Injector::new(script, 0, counter).on_call(&put(&["a"]));
            }
        }
    }
}
