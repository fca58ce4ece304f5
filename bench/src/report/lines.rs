//! Figures that no case stands for, one line each: printed under each other, and added to a report.

use super::table::{aligned, number};
use super::{Destination, Figure};

/// A column: what it is called, the unit, and the decimals that are printed.
pub(crate) type Heading = (&'static str, &'static str, usize);

/// What one measurement found.
#[derive(Debug)]
pub(crate) struct Lines<const N: usize> {
    title: &'static str,
    headings: [Heading; N],
    figures: Vec<(String, [f64; N])>,
}

impl<const N: usize> Lines<N> {
    pub(crate) const fn new(title: &'static str, headings: [Heading; N]) -> Self {
        Self { title, headings, figures: Vec::new() }
    }

    /// Adds a line; a figure that is no number is left out.
    pub(crate) fn push(&mut self, name: impl Into<String>, figures: [f64; N]) {
        self.figures.push((name.into(), figures));
    }

    /// Prints all lines and adds their figures to the report, as `TITLE, LINE: HEADING`.
    ///
    /// # Errors
    ///
    /// If the report can't be read or written.
    pub(crate) fn tell(&self, destination: &Destination) -> anyhow::Result<()> {
        println!("{}", self.text());
        destination.add(|report| {
            for (line, figures) in &self.figures {
                for (figure, (heading, unit, _)) in figures.iter().zip(self.headings) {
                    if figure.is_finite() {
                        report.figure(Figure {
                            name: format!("{}, {line}: {heading}", self.title),
                            value: *figure,
                            unit: unit.into(),
                        });
                    }
                }
            }
        })
    }

    fn text(&self) -> String {
        let heading = |(heading, unit, _)| format!("{heading} {unit}").trim_end().to_owned();
        let headings = self.headings.map(heading);
        let mut cells = vec![[vec![self.title.to_owned()], headings.to_vec()].concat()];
        for (line, figures) in &self.figures {
            let figures = figures.iter().zip(self.headings);
            let figures = figures.map(|(figure, (.., decimals))| number(*figure, decimals));
            cells.push([line.clone()].into_iter().chain(figures).collect());
        }
        aligned(&cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_under_their_headings() {
        let mut lines = Lines::new("start", [("after", "ms", 1), ("memory", "MiB", 0)]);
        lines.push("dev", [10.04, 22.0]);
        lines.push("serve", [9.0, f64::NAN]);
        let expected = "  start  after ms  memory MiB\n  dev        10.0          22\n  \
                        serve       9.0            \n";
        assert_eq!(lines.text(), expected);
    }
}
