//! Rows as lines of text under each other, for people at a terminal.

use std::fmt::Write;

use super::Row;

/// Beyond this the client's one thread has no time left and holds the server back.
const CLIENT_CPUS_MAX: f64 = 0.9;
/// The share of a wanted rate below which it was missed.
const RATE_KEPT_MIN: f64 = 0.98;

/// Heading, decimals, figure; what is no number is left empty.
pub(super) type Column = (&'static str, usize, fn(&Row) -> f64);

/// The columns of the table after the server's name.
const COLUMNS: [Column; 15] = [
    ("records/s", 0, |row| row.records_per_second),
    ("MB/s", 1, |row| row.mb_per_second),
    ("requests/s", 0, |row| row.requests_per_second),
    ("p50 µs", 0, |row| row.p50_us),
    ("p99 µs", 0, |row| row.p99_us),
    ("p99.9 µs", 0, |row| row.p999_us),
    ("CPU µs/record", 2, |row| row.server_cpu_us_per_record),
    ("CPU µs/request", 1, |row| row.server_cpu_us_per_request),
    ("kernel %", 0, kernel),
    ("CPUs", 2, |row| row.server_cpus),
    ("client CPUs", 2, |row| row.client_cpus),
    ("RSS MiB", 1, |row| row.rss_mib),
    ("anon MiB", 1, |row| row.rss_anonymous_mib),
    ("written", 2, |row| row.written_per_byte.unwrap_or(f64::NAN)),
    ("to disk", 2, |row| row.to_disk_per_byte.unwrap_or(f64::NAN)),
];

/// The kernel's share of the time of the threads that were there throughout, in per cent.
pub(super) fn kernel(row: &Row) -> f64 {
    let splits = || row.threads_cpu_per_record.values();
    let kernel: f64 = splits().map(|split| split.kernel_us).sum();
    let user: f64 = splits().map(|split| split.user_us).sum();
    kernel / (kernel + user).max(f64::MIN_POSITIVE) * 100.0
}

/// The lines of one case: each server, how the first compares with the second, where its time goes.
pub(crate) fn of_case(case: &str, rows: &[Row]) -> String {
    let mut lines = vec![line("server", |(heading, ..)| heading.to_owned())];
    lines.extend(
        rows.iter()
            .map(|row| line(&row.server, |(_, decimals, figure)| number(figure(row), decimals))),
    );
    if let [first, second, ..] = rows {
        lines.push(line("ratio", |(.., figure)| number(figure(first) / figure(second), 2)));
    }
    let mut text = format!("{case}\n{}", aligned(&lines));
    if let Some(first) = rows.first() {
        text.push_str(&notes(first));
    }
    text
}

/// What is told of a row below its table.
fn notes(row: &Row) -> String {
    let mut text = String::new();
    for (name, split) in &row.threads_cpu_per_record {
        let (user, kernel) = (split.user_us, split.kernel_us);
        if (user + kernel) * 100.0 > row.server_cpu_us_per_record {
            let line =
                writeln!(text, "  {name}: {user:.2} µs/record, and {kernel:.2} in the kernel");
            line.expect("a string takes all that is written");
        }
    }
    if let Some(sequential) = row.sequential_mb_per_second {
        let line =
            writeln!(text, "  a sequential read of the same files brings {sequential:.1} MB/s");
        line.expect("a string takes all that is written");
    }
    if let Some(rate) = row.setting.per_second.map(f64::from)
        && row.requests_per_second < RATE_KEPT_MIN * rate
    {
        let line = writeln!(text, "  {rate} requests a second are more than the connections bring");
        line.expect("a string takes all that is written");
    }
    if row.client_cpus > CLIENT_CPUS_MAX {
        text.push_str("  the client was the limit: rates are too low, costs hold\n");
    }
    text
}

fn line(name: &str, cell: impl Fn(Column) -> String) -> Vec<String> {
    [name.to_owned()].into_iter().chain(COLUMNS.into_iter().map(cell)).collect()
}

pub(super) fn number(figure: f64, decimals: usize) -> String {
    if figure.is_finite() { format!("{figure:.decimals$}") } else { String::new() }
}

/// Lines of cells under each other: the first column to the left, all others to the right.
pub(crate) fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let written = match column {
                0 => write!(text, "  {cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
            written.expect("a string takes all that is written");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::row::tests::row;

    #[test]
    fn a_table_sets_the_service_against_the_bare_server() {
        let text = of_case("case", &[row("millpond", 10), row("bare", 5)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert!(lines[4].contains("ratio") && lines[4].contains("2.00"), "{text}");
        assert_eq!(lines[5], "  worker: 1.60 µs/record, and 0.40 in the kernel");
        let widths = lines[1..5].iter().map(|line| line.chars().count());
        assert!(widths.clone().all(|width| Some(width) == widths.clone().next()), "{text}");
    }

    #[test]
    fn a_rate_that_was_missed_is_told() {
        let told = |per_second| {
            let mut row = row("millpond", 10);
            row.setting.per_second = Some(per_second);
            of_case("case", &[row]).contains("more than the connections bring")
        };
        assert!(told(6), "5 a second came in");
        assert!(!told(5));
    }

    #[test]
    fn a_busy_client_is_told() {
        let warned = |cpu_ms| of_case("case", &[row("millpond", cpu_ms)]).contains("the limit");
        assert!(warned(1_900), "0.95 of the client's thread");
        assert!(!warned(1_000), "half of it");
    }
}
