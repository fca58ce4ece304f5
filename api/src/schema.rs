//! What the model says about the values of a request: types, lengths, ranges, patterns,
//! enumerations.

/// The type of a value, with its constraints.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// True or false.
    Boolean,
    /// A point in time.
    Timestamp,
    /// A 32-bit integer.
    Integer(&'static Range),
    /// Bytes.
    Blob(&'static Length),
    /// Text, which may be one of an enumeration.
    Text(&'static Text),
    /// Values of one shape.
    List(&'static List),
    /// Texts by name.
    Map(&'static Map),
    /// Named members.
    Structure(&'static Structure),
}

/// The least and the greatest length, both included: characters of text, bytes of a blob, items of
/// a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// The least.
    pub min: usize,
    /// The greatest; `usize::MAX` where there is none.
    pub max: usize,
}

impl Length {
    /// Whether `length` lies within.
    #[must_use]
    pub const fn contains(&self, length: usize) -> bool {
        self.min <= length && length <= self.max
    }
}

/// The least and the greatest integer, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub min: i32,
    /// The greatest.
    pub max: i32,
}

impl Range {
    /// Whether `value` lies within.
    #[must_use]
    pub const fn contains(&self, value: i32) -> bool {
        self.min <= value && value <= self.max
    }
}

/// A regular expression that the whole of a text must match.
#[derive(Debug, Clone, Copy)]
pub struct Pattern {
    /// The expression as AWS prints it.
    pub text: &'static str,
    /// Its hand-written equivalent: linear in the length of the text.
    pub matches: fn(&str) -> bool,
}

/// The constraints of a text.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// Its length in Unicode code points.
    pub length: Length,
    /// What it must look like.
    pub pattern: Option<&'static Pattern>,
    /// The values of an enumeration in the order in which AWS prints them; empty where any text
    /// goes.
    pub values: &'static [&'static str],
}

impl Text {
    /// Text without constraints.
    pub const ANY: Self =
        Self { length: Length { min: 0, max: usize::MAX }, pattern: None, values: &[] };

    /// Whether the text keeps to all constraints.
    #[must_use]
    pub fn accepts(&self, text: &str) -> bool {
        self.length_ok(text)
            && self.pattern.is_none_or(|pattern| (pattern.matches)(text))
            && (self.values.is_empty() || self.values.contains(&text))
    }

    /// Whether the text is as long as it may be. Counts code points only where the bytes leave it
    /// open.
    fn length_ok(&self, text: &str) -> bool {
        let Length { min, max } = self.length;
        let sure = text.len() <= max && (text.len() >= min * 4 || (min <= 1 && text.len() >= min));
        sure || self.length.contains(text.chars().count())
    }
}

/// The constraints of a list.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// How many items.
    pub length: Length,
    /// The shape of each.
    pub item: Shape,
}

/// The constraints of a map from text to text.
#[derive(Debug, Clone, Copy)]
pub struct Map {
    /// How many entries.
    pub length: Length,
    /// Constraints of each name.
    pub key: &'static Text,
    /// Constraints of each value.
    pub value: &'static Text,
}

/// A structure: what it is called and what it has.
#[derive(Debug, Clone, Copy)]
pub struct Structure {
    /// The shape's name in the model.
    pub name: &'static str,
    /// Its members, in the model's order.
    pub members: &'static [Member],
}

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Its name on the wire.
    pub name: &'static str,
    /// Whether it has to be there.
    pub required: bool,
    /// What it holds.
    pub shape: Shape,
}

impl Member {
    /// A member that has to be there.
    #[must_use]
    pub const fn required(name: &'static str, shape: Shape) -> Self {
        Self { name, required: true, shape }
    }

    /// A member that may be absent or null.
    #[must_use]
    pub const fn optional(name: &'static str, shape: Shape) -> Self {
        Self { name, required: false, shape }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_text_count_code_points() {
        let text = Text { length: Length { min: 2, max: 3 }, ..Text::ANY };
        for (value, ok) in [
            ("", false),
            ("é", false),
            ("éé", true),
            ("🦀🦀🦀", true),
            ("abcd", false),
            ("🦀🦀🦀🦀", false),
        ] {
            assert_eq!(text.accepts(value), ok, "{value}");
        }
    }
}
