//! Every matcher against a regular expression engine.

use std::sync::LazyLock;

use proptest::prelude::*;
use regex::Regex;

use super::*;

const ALL: [&Pattern; 20] = [
    &NAME,
    &HASH_KEY,
    &SEQUENCE_NUMBER,
    &STREAM_ID,
    &STREAM_ARN,
    &QUEUE_ARN,
    &CHANNEL_ARN,
    &RESOURCE_ARN,
    &CONSUMER_ARN,
    &BUCKET_ARN,
    &TABLE_BUCKET_ARN,
    &ROLE_ARN,
    &GSR_SCHEMA_ARN,
    &ACCOUNT,
    &LOG_GROUP,
    &LOG_STREAM,
    &PARTITION_SOURCE,
    &S3_PREFIX,
    &S3_KEY_TEMPLATE,
    &TABLE_NAME,
];

/// What ARNs and other texts are made of, and what they mustn't have.
const PIECES: [&str; 42] = [
    "arn:aws",
    "-cn",
    ":kinesis:",
    "us-east-1",
    ":",
    "123456789012",
    ":123456789012:",
    "stream/",
    ":stream/",
    "queue/",
    ":queue/",
    "channel/",
    ":channel/",
    "/consumer/",
    "name",
    "/",
    ":1",
    "0",
    "12",
    " ",
    "\n",
    "\r",
    "\u{85}",
    "\u{2028}",
    "\t",
    "\u{a0}",
    "é",
    ":s3:::",
    ":s3tables:",
    "bucket/",
    ":glue:",
    ":schema/",
    ":iam::",
    ":role/",
    "$#",
    "A",
    "_",
    "-",
    ".",
    "*",
    "abcdefghij",
    "(x)=",
];

/// The model's expression in this engine's language, for the whole of a text.
fn regex(pattern: &Pattern) -> Regex {
    let any = r"[^\n\r\x{85}\x{2028}\x{2029}]*";
    let mut text = pattern.text.replace(r"\d", "[0-9]").replace(r"\S", r"[^ \t\n\x0b\x0c\r]");
    // Elsewhere, `.*` are two characters of a class.
    if text.contains(":kinesis:") {
        text = text.replace(".*", any);
    }
    Regex::new(&format!(r"\A(?:{})\z", text.trim_start_matches('^'))).unwrap()
}

/// What is put into a text that matches.
const CHANGES: [&str; 10] = ["", " ", "\n", "\u{85}", ":", "/", "0", "x", "Z", "é"];

/// The expressions of `ALL`.
static REGEXES: LazyLock<Vec<Regex>> =
    LazyLock::new(|| ALL.iter().map(|pattern| regex(pattern)).collect());

fn agree(which: usize, text: &str) -> Result<(), TestCaseError> {
    let (pattern, expected) = (ALL[which], REGEXES[which].is_match(text));
    prop_assert_eq!((pattern.matches)(text), expected, "{} on {:?}", pattern.text, text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_matcher_agrees_on_texts_of_likely_pieces(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..12),
        which in 0..ALL.len(),
    ) {
        agree(which, &pieces.concat())?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_matcher_agrees_on_texts_that_match_or_nearly_do(
        which in 0..ALL.len(),
        seed: u64,
        at: prop::sample::Index,
        change in prop::sample::select(&CHANGES[..]),
        length in 0_usize..3,
    ) {
        let text = example(&REGEXES[which], seed);
        prop_assert!(REGEXES[which].is_match(&text), "{text}");
        agree(which, &text)?;
        let mut changed: Vec<char> = text.chars().collect();
        let from = at.index(changed.len() + 1);
        let to = (from + length).min(changed.len());
        changed.splice(from..to, change.chars());
        agree(which, &changed.into_iter().collect::<String>())?;
    }
}

/// A text that the pattern accepts.
fn example(regex: &Regex, seed: u64) -> String {
    use proptest::{
        strategy::ValueTree,
        test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
    };
    let bytes = seed.to_le_bytes().repeat(4);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let bare = regex.as_str().replace(r"\A", "").replace(r"\z", "");
    let strategy = proptest::string::string_regex(&bare).unwrap();
    strategy.new_tree(&mut runner).unwrap().current()
}

#[test]
fn the_texts_are_the_models() {
    let model = include_str!("../../../model/kinesis-2013-12-02.json");
    let model: serde_json::Value = serde_json::from_str(model).unwrap();
    let shapes = model["shapes"].as_object().unwrap().values();
    let texts: Vec<&str> = shapes.filter_map(|shape| shape["pattern"].as_str()).collect();
    for pattern in ALL {
        let anchored = format!("^({})$", pattern.text);
        let known = texts.iter().any(|text| *text == pattern.text || *text == anchored);
        assert!(known, "{}", pattern.text);
    }
}

#[test]
fn long_texts_are_judged_in_linear_time() {
    // A matcher that isn't linear would need minutes for these.
    for text in [
        format!("arn:aws{}", ":kinesis:".repeat(20_000)),
        format!("arn:aws:kinesis:{}", ":123456789012:stream/".repeat(10_000)),
        format!("arn:aws:kinesis:{}\n", ":123456789012:stream/".repeat(10_000)),
        format!("arn:aws:kinesis::123456789012:{} ", "stream/".repeat(30_000)),
        format!("arn:aws:kinesis::123456789012:{}", "stream/x/consumer/y:1".repeat(10_000)),
    ] {
        for which in 0..ALL.len() {
            agree(which, &text).unwrap();
        }
    }
}
