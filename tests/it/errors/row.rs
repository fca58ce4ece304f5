//! A row of the table of errors, and what an answer must be to agree with it.

use crate::{server::ACCOUNT, wire::Refusal};

const TABLE: &str = include_str!("../errors.csv");

/// An error that is known of Kinesis.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) operation: String,
    pub(super) condition: String,
    status: u16,
    code: String,
    message: String,
    source: String,
}

/// How much of a row is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// Recorded from AWS, or quoted.
    Message,
    /// Presumed, or of AWS' services in general.
    Code,
    /// Not even that.
    Nothing,
}

/// All rows of the table.
pub(super) fn rows() -> Vec<Row> {
    let row = |fields: Vec<String>| -> Row {
        let fields: [String; 6] = fields.try_into().expect("a row has six fields");
        let [operation, condition, status, code, message, source] = fields;
        Row { operation, condition, status: status.parse().unwrap(), code, message, source }
    };
    TABLE.lines().skip(1).map(|line| row(fields(line))).collect()
}

/// The fields of a line; those with commas stand in quotes, in which a quote is doubled.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = fields.last_mut().unwrap();
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => last.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => last.push(letter),
        }
    }
    fields
}

impl Row {
    pub(super) fn name(&self) -> super::Key {
        super::key(&self.operation, &self.condition, &self.code)
    }

    fn strictness(&self) -> Strictness {
        let recorded =
            ["kinesalite tests", "kinesalite fork test", "LocalStack AWS snapshot", "issue"];
        let recorded = recorded.iter().any(|start| self.source.starts_with(start))
            || self.source.contains("quoting AWS");
        if self.code.contains("unsure") || self.source.contains("(unsure)") {
            Strictness::Nothing
        } else if recorded && !self.message.contains("unsure") {
            Strictness::Message
        } else {
            Strictness::Code
        }
    }

    /// How an answer departs from this row, in which `fill` stands for names in braces.
    pub(super) fn fault(&self, seen: &Refusal, fill: &[(&str, String)]) -> Option<String> {
        let strictness = self.strictness();
        if strictness == Strictness::Nothing {
            return None;
        }
        if (seen.status, &seen.code) != (self.status, &self.code) {
            return Some(format!("{seen}, not {} {}", self.status, self.code));
        }
        if strictness == Strictness::Code {
            return None;
        }
        let pieces = self.pieces(fill);
        (!agrees(without_count(&seen.message), &pieces))
            .then(|| format!("said\n    {}\n  and not\n    {}", seen.message, pieces.join("…")))
    }

    /// What must stand in the message, in this order: the template without what may be anything.
    fn pieces(&self, fill: &[(&str, String)]) -> Vec<String> {
        // Some rows describe the body instead of quoting a message.
        if self.message.starts_with('(') || self.message.starts_with("{\"Output\"") {
            return vec![String::new()];
        }
        let mut text = without_count(&self.message).to_owned();
        for (name, value) in fill {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        let known = [
            ("stream", "clicks"),
            ("acct", ACCOUNT),
            ("shard", "shardId-000000000000"),
            ("region", "us-east-1"),
        ];
        for (name, value) in known {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text.split('…').map(str::to_owned).collect()
    }
}

/// A message without the count of violations that AWS puts in front, which older notes leave out.
fn without_count(message: &str) -> &str {
    match message.split_once(" detected: ") {
        Some((count, rest)) if count.contains("validation error") => rest,
        _ => message,
    }
}

/// Whether the pieces stand in the text, the first at its start and the last at its end.
fn agrees(text: &str, pieces: &[String]) -> bool {
    let [first, between @ .., last] = pieces else {
        return pieces.first().is_some_and(|piece| piece == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for piece in between {
        let Some((_, after)) = rest.split_once(piece.as_str()) else { return false };
        rest = after;
    }
    rest.ends_with(last.as_str())
}

pub(super) fn differs(seen: &str, expected: &str) -> Option<String> {
    (seen != expected).then(|| format!("said\n    {seen}\n  and not\n    {expected}"))
}

#[test]
fn fields_are_parted_as_in_any_csv() {
    let found = fields(r#"a,"b, ""c""",,d"#);
    assert_eq!(found, ["a", "b, \"c\"", "", "d"]);
}

#[test]
fn pieces_agree_in_their_order_only() {
    let pieces = |text: &str| text.split('…').map(str::to_owned).collect::<Vec<_>>();
    assert!(agrees("abc", &pieces("abc")));
    assert!(!agrees("abcd", &pieces("abc")));
    assert!(agrees("a1b2c", &pieces("a…b…c")));
    assert!(!agrees("a1c2b", &pieces("a…b…c")));
    assert!(agrees("1c", &pieces("…c")) && !agrees("1cd", &pieces("…c")));
}
