//! A report as Markdown: what was reached, every row, every figure.

use super::table::{self, Column, number};
use super::{Report, Row};
use crate::cases::CASES;
use crate::targets;

/// The columns of rows after the case and the server.
const COLUMNS: [Column; 12] = [
    ("records/s", 0, |row| row.records_per_second),
    ("MB/s", 1, |row| row.mb_per_second),
    ("p50 µs", 0, |row| row.p50_us),
    ("p99 µs", 0, |row| row.p99_us),
    ("p99.9 µs", 0, |row| row.p999_us),
    ("fdatasync µs", 0, |row| row.fdatasync_us),
    ("CPU µs a record", 2, |row| row.server_cpu_us_per_record),
    ("of it kernel %", 0, table::kernel),
    ("RSS MiB", 1, |row| row.rss_mib),
    ("written per byte", 2, |row| row.written_per_byte.unwrap_or(f64::NAN)),
    ("to disk per byte", 2, |row| row.to_disk_per_byte.unwrap_or(f64::NAN)),
    ("sequential MB/s", 0, |row| row.sequential_mb_per_second.unwrap_or(f64::NAN)),
];

/// The whole report; `plots` are pictures to show, by title and file.
pub(super) fn of(report: &Report, plots: &[(&str, &str)]) -> String {
    let mut text =
        "# Figures\n\nWritten by `bench plot`; [performance.md](../performance.md) tells \
                    what they mean and how to make them again.\n"
            .to_owned();
    for (title, file) in plots {
        text.extend(["\n![", title, "](", file, ")\n"]);
    }
    text.push_str("\n## What is to be reached\n\n");
    text.push_str(&lines(&["target", "bound", "measured", ""], targets::verdicts(report)));
    text.push_str("\n## Cases\n\n");
    let headings = ["case", "server"].into_iter().chain(COLUMNS.map(|(heading, ..)| heading));
    text.push_str(&lines(&headings.collect::<Vec<_>>(), sorted(report).map(cells).collect()));
    if !report.unable.is_empty() {
        text.push_str("\n## What a server can't do\n\n");
        let rows = report.unable.iter().map(|unable| {
            let case = format!("{}{}", unable.case, unable.setting);
            vec![case, unable.server.clone(), unable.why.clone()]
        });
        text.push_str(&lines(&["case", "server", "why"], rows.collect()));
    }
    text.push_str("\n## Single figures\n\n");
    let rows = report
        .figures
        .iter()
        .map(|figure| vec![figure.name.clone(), format!("{:.2} {}", figure.value, figure.unit)]);
    text.push_str(&lines(&["figure", ""], rows.collect()));
    text
}

/// Rows in the order of the cases; what belongs together stands together.
pub(super) fn sorted(report: &Report) -> impl Iterator<Item = &Row> {
    let place = |row: &Row| CASES.iter().position(|case| case.name == row.case);
    let mut rows: Vec<&Row> = report.rows.iter().collect();
    rows.sort_by_key(|row| (place(row).unwrap_or(CASES.len()), row.title()));
    rows.into_iter()
}

fn cells(row: &Row) -> Vec<String> {
    let figures = COLUMNS.iter().map(|(_, decimals, figure)| number(figure(row), *decimals));
    [row.title(), row.server.clone()].into_iter().chain(figures).collect()
}

fn lines(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let line = |cells: Vec<String>| {
        let cells = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = vec!["---".to_owned(); headings.len()];
    let head = [headings.iter().map(|&heading| heading.to_owned()).collect(), rule];
    head.into_iter().chain(rows).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Setting;
    use crate::report::{Figure, Unable, row::tests::row};

    #[test]
    fn all_that_is_known_is_written() {
        let mut report = Report::default();
        let mut later = row("millpond", 10);
        later.case = "put-to-read-100B".into();
        report.row(later);
        report.row(row("millpond", 10));
        report.figure(Figure { name: "start".into(), value: 1.5, unit: "ms".into() });
        let (case, setting) = ("put-record-100B-c1".to_owned(), Setting::DEFAULT);
        let why = "it said a|b".to_owned();
        report.unable(Unable { case, setting, server: "peer".into(), why });
        let text = of(&report, &[("Cost", "cost.svg")]);
        assert!(text.contains("![Cost](cost.svg)"), "{text}");
        assert!(text.contains("| start | 1.50 ms |"), "{text}");
        assert!(text.contains("| put-record-100B-c1 | peer | it said a\\|b |"), "{text}");
        let first = text.find("| put-records-500x100B | millpond | 2500 | 0.2").unwrap();
        assert!(first < text.find("| put-to-read-100B | millpond").unwrap(), "in order");
    }
}
