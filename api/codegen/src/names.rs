//! Names of the model as names of Rust.

/// Words whose capitals don't tell where they end.
const WORDS: [(&str, &str); 2] = [("MiBps", "Mibps"), ("KiB", "Kib")];

/// The words of a name, each with its first letter in upper case: `StreamARN` is `Stream`, `Arn`.
fn words(name: &str) -> Vec<String> {
    if name.contains('_') {
        return name.split('_').map(title).collect();
    }
    let mut name = name.to_owned();
    for (odd, plain) in WORDS {
        name = name.replace(odd, plain);
    }
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let after = letters.get(at + 1);
        let starts = letter.is_uppercase()
            && (before.is_none_or(|c| c.is_lowercase() || c.is_numeric())
                || after.is_some_and(|c| c.is_lowercase()));
        match words.last_mut() {
            Some(word) if !starts => word.push(*letter),
            _ => words.push(letter.to_string()),
        }
    }
    words.iter().map(|word| title(word)).collect()
}

fn title(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters.map(|c| c.to_ascii_lowercase())).collect()
}

/// `StreamARN` as `stream_arn`.
pub(crate) fn snake(name: &str) -> String {
    words(name).join("_").to_ascii_lowercase()
}

/// `StreamARN` as `STREAM_ARN`.
pub(crate) fn screaming(name: &str) -> String {
    snake(name).to_ascii_uppercase()
}

/// `AT_SEQUENCE_NUMBER` as `AtSequenceNumber`, `KMSNotFound` as `KmsNotFound`.
pub(crate) fn pascal(name: &str) -> String {
    words(name).concat()
}

/// A member's field.
pub(crate) fn field(member: &str) -> String {
    let name = snake(member);
    if name == "type" { format!("r#{name}") } else { name }
}

/// The name that serde's `PascalCase` makes of a field.
pub(crate) fn serde_pascal(field: &str) -> String {
    field.trim_start_matches("r#").split('_').map(title).collect()
}

/// Text as doc comments that keep to the line length.
pub(crate) fn doc(prefix: &str, indent: usize, text: &str) -> String {
    let mut lines = Vec::new();
    let mut line = String::from(prefix);
    for word in text.split(' ') {
        if indent + line.len() + 1 + word.len() > 100 && line != prefix {
            lines.push(std::mem::replace(&mut line, String::from(prefix)));
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snakes() {
        for (name, expected) in [
            ("StreamARN", "stream_arn"),
            ("GSRSchemaARN", "gsr_schema_arn"),
            ("S3TablesConfigurationList", "s3_tables_configuration_list"),
            ("WarmThroughputMiBps", "warm_throughput_mibps"),
            ("MaxRecordSizeInKiB", "max_record_size_in_kib"),
            ("KeyId", "key_id"),
        ] {
            assert_eq!(snake(name), expected);
        }
        assert_eq!(pascal("KMSOptInRequired"), "KmsOptInRequired");
        assert_eq!(pascal("IncomingBytes"), "IncomingBytes");
        assert_eq!(pascal("GSR_JSON"), "GsrJson");
    }
}
