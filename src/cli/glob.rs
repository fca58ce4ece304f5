//! Texts with wildcards, as flags have them: `*` stands for any text, `?` for one letter.

use std::{convert::Infallible, str::FromStr};

/// A pattern that whole texts are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<char>);

impl FromStr for Glob {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.chars().collect()))
    }
}

impl Glob {
    /// Whether it stands for the text. Takes no more than its length times that of the text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        // Whether the pattern up to each place stands for what was read.
        let mut reached = vec![false; self.0.len() + 1];
        let skip_stars = |reached: &mut Vec<bool>| {
            for (place, letter) in self.0.iter().enumerate() {
                if *letter == '*' && reached.get(place) == Some(&true) {
                    set(reached, place + 1);
                }
            }
        };
        set(&mut reached, 0);
        skip_stars(&mut reached);
        for read in text.chars() {
            let mut next = vec![false; self.0.len() + 1];
            for (place, letter) in self.0.iter().enumerate() {
                if reached.get(place) == Some(&true) {
                    match letter {
                        '*' => set(&mut next, place),
                        '?' => set(&mut next, place + 1),
                        letter if *letter == read => set(&mut next, place + 1),
                        _ => {}
                    }
                }
            }
            skip_stars(&mut next);
            reached = next;
        }
        reached.last() == Some(&true)
    }
}

fn set(places: &mut [bool], place: usize) {
    if let Some(is_reached) = places.get_mut(place) {
        *is_reached = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_a_regular_expression_says(glob in "[ab*?]{0,8}", text in "[abä]{0,8}") {
            let expression = regex::escape(&glob).replace("\\*", ".*").replace("\\?", ".");
            let expression = Regex::new(&format!("(?s)^{expression}$")).unwrap();
            let glob: Glob = glob.parse().unwrap();
            prop_assert_eq!(glob.matches(&text), expression.is_match(&text));
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let glob: Glob = "*a".repeat(100).parse().unwrap();
        assert!(!glob.matches(&"b".repeat(256)));
    }
}
