//! What commands print: lines and tables for people, or one JSON object a line for machines.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

use serde_json::Value;

use super::Outcome;

/// Between two columns.
const GAP: &str = "  ";

/// Standard output. What is printed goes out when it is flushed, or when there is much of it.
pub struct Printer<W: Write = BufWriter<StdoutLock<'static>>> {
    out: W,
    is_json: bool,
    columns: Option<usize>,
}

impl Printer {
    /// Prints to standard output. Lines are cut to the width of a terminal.
    #[must_use]
    pub fn new(is_json: bool) -> Self {
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        let columns = width.filter(|_| io::stdout().is_terminal());
        Self::over(BufWriter::new(io::stdout().lock()), is_json, columns)
    }
}

impl<W: Write> Printer<W> {
    /// Prints to `out`, in lines of so many columns at most.
    pub(super) fn over(out: W, is_json: bool, columns: Option<usize>) -> Self {
        Self { out, is_json, columns }
    }

    /// Whether machines read it.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// One object on one line.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn object(&mut self, object: &Value) -> Outcome {
        Ok(writeln!(self.out, "{object}")?)
    }

    /// One line of text, as long as the terminal is wide.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn line(&mut self, text: &str) -> Outcome {
        Ok(writeln!(self.out, "{}", cut(text, self.columns))?)
    }

    /// Rows under headings, each column as wide as its widest cell.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) -> Outcome {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widths = cells.map(|cell| cell.chars().count());
            widths.chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..headings.len()).map(width).collect();
        let mut print = |cells: &mut dyn Iterator<Item = &str>| {
            let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let line = padded.collect::<Vec<_>>().join(GAP);
            self.line(line.trim_end())
        };
        print(&mut headings.iter().copied())?;
        rows.iter().try_for_each(|row| print(&mut row.iter().map(String::as_str)))
    }

    /// Names and values, a line each.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn facts(&mut self, facts: &[(&str, String)]) -> Outcome {
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        facts.iter().try_for_each(|(name, value)| self.line(&format!("{name:<width$}{GAP}{value}")))
    }

    /// Lets go what was printed.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn flush(&mut self) -> Outcome {
        Ok(self.out.flush()?)
    }
}

/// The text in so many columns at most.
fn cut(text: &str, columns: Option<usize>) -> String {
    match columns {
        Some(columns) if text.chars().count() > columns => {
            let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
            format!("{kept}…")
        }
        _ => text.to_owned(),
    }
}

/// A text on one line, without anything that a terminal would act on.
#[must_use]
pub(super) fn harmless(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' | '\t' => line.extend(letter.escape_default()),
            // What turns the direction of the text round could make it read as something else.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                line.extend(letter.escape_unicode());
            }
            letter if letter.is_control() => line.extend(letter.escape_unicode()),
            letter => line.push(letter),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(columns: Option<usize>, print: impl FnOnce(&mut Printer<Vec<u8>>)) -> String {
        let mut printer = Printer::over(Vec::new(), false, columns);
        print(&mut printer);
        String::from_utf8(printer.out).unwrap()
    }

    #[test]
    fn a_table_has_columns_as_wide_as_what_is_in_them() {
        let rows = [vec!["orders".to_owned(), "4".to_owned()], vec!["a".to_owned(), String::new()]];
        let table = |columns| printed(columns, |p| p.table(&["NAME", "SHARDS"], &rows).unwrap());
        assert_eq!(table(None), "NAME    SHARDS\norders  4\na\n");
        assert_eq!(table(Some(8)), "NAME   …\norders …\na\n");
    }

    #[test]
    fn a_line_fits_the_terminal_and_nothing_else_is_cut() {
        assert_eq!(printed(Some(4), |p| p.line("größer").unwrap()), "grö…\n");
        assert_eq!(printed(Some(6), |p| p.line("größer").unwrap()), "größer\n");
        assert_eq!(printed(None, |p| p.line("größer").unwrap()), "größer\n");
    }

    #[test]
    fn data_can_not_act_on_a_terminal() {
        assert_eq!(harmless("a\nb\tc\u{1b}[2J"), "a\\nb\\tc\\u{1b}[2J");
        assert_eq!(harmless("\u{202e}x\u{9b}ü"), "\\u{202e}x\\u{9b}ü");
    }
}
