//! Which of many: the third, the second to the fifth, every tenth.

use serde_json::Value;

/// Parts of one pick.
const PARTS_MAX: usize = 64;

/// Some of what is counted: calls from 1, records from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pick(Vec<Part>);

/// Counted from 0 here, whatever it is that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Range { first: u64, last: u64 },
    Every { step: u64 },
}

impl Pick {
    /// Reads a number, a text such as `2..5`, `7..` or `every 10`, or a list of these. `first` is
    /// the number of the first that is counted. `None` for everything else.
    pub(super) fn parse(value: &Value, first: u64) -> Option<Self> {
        let parts = match value {
            Value::Array(items) if items.len() <= PARTS_MAX => {
                items.iter().map(|item| Part::parse(item, first)).collect::<Option<Vec<_>>>()?
            }
            item => vec![Part::parse(item, first)?],
        };
        (!parts.is_empty()).then_some(Self(parts))
    }

    /// What `parse` takes, for those whose text it didn't.
    pub(super) fn words(first: u64) -> String {
        format!(
            "it is a number from {first}, a range such as \"2..5\" or \"7..\", \"every 10\", or a \
             list of these"
        )
    }

    /// Whether that of this index, counted from 0, is among them.
    pub(super) fn has(&self, index: u64) -> bool {
        self.0.iter().any(|part| match part {
            Part::Range { first, last } => (*first..=*last).contains(&index),
            Part::Every { step } => index % step == step - 1,
        })
    }
}

impl Part {
    fn parse(value: &Value, first: u64) -> Option<Self> {
        let index = |number: u64| number.checked_sub(first);
        let number = |text: &str| text.parse::<u64>().ok().and_then(index);
        if let Some(number) = value.as_u64() {
            let index = index(number)?;
            return Some(Self::Range { first: index, last: index });
        }
        let text = value.as_str()?.trim();
        if let Some(step) = text.strip_prefix("every ") {
            let step = step.trim().parse().ok().filter(|step| *step > 0)?;
            return Some(Self::Every { step });
        }
        let (first, last) = match text.split_once("..") {
            None => (number(text)?, number(text)?),
            Some((first, "")) => (number(first)?, u64::MAX),
            Some((first, last)) => (number(first)?, number(last)?),
        };
        (first <= last).then_some(Self::Range { first, last })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn calls(value: &Value) -> Option<Vec<u64>> {
        let pick = Pick::parse(value, 1)?;
        Some((1..=10).filter(|call| pick.has(call - 1)).collect())
    }

    #[test]
    fn calls_are_counted_from_one_and_both_ends_of_a_range_belong_to_it() {
        for (value, expected) in [
            (json!(3), vec![3]),
            (json!("3"), vec![3]),
            (json!("2..4"), vec![2, 3, 4]),
            (json!("8.."), vec![8, 9, 10]),
            (json!("every 4"), vec![4, 8]),
            (json!([1, "3..4", "every 5"]), vec![1, 3, 4, 5, 10]),
        ] {
            assert_eq!(calls(&value), Some(expected), "{value}");
        }
    }

    #[test]
    fn records_are_counted_from_zero_and_every_second_is_the_second() {
        let records = |value| {
            let pick = Pick::parse(&value, 0).unwrap();
            (0..6).filter(|index| pick.has(*index)).collect::<Vec<_>>()
        };
        assert_eq!(records(json!(0)), [0]);
        assert_eq!(records(json!("0..1")), [0, 1]);
        assert_eq!(records(json!("every 2")), [1, 3, 5]);
    }

    #[test]
    fn what_picks_nothing_is_refused() {
        for value in [
            json!(0),
            json!("0"),
            json!(-1),
            json!(1.5),
            json!(""),
            json!("4..2"),
            json!("..3"),
            json!("every 0"),
            json!("every"),
            json!("99999999999999999999"),
            json!([]),
            json!([1, "x"]),
            json!(true),
            json!(null),
            json!({}),
            json!(vec![1; 65]),
        ] {
            assert_eq!(calls(&value), None, "{value}");
        }
    }
}
