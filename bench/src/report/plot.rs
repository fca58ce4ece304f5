//! `bench plot`: a report as pictures, and as tables in Markdown beside them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Report, Row, markdown};
use crate::svg::{self, Group};

#[derive(Debug, clap::Args)]
pub(crate) struct Plot {
    /// The report to show
    report: PathBuf,
    /// Where the pictures and the tables go; made if it isn't there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Plot {
    pub(crate) fn run(&self) -> Result<()> {
        let report = super::read(&self.report)?;
        fs::create_dir_all(&self.out).context("making the folder")?;
        let write = |file: &str, text: &str| {
            let path = self.out.join(file);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
        };
        let mut shown = Vec::new();
        for (title, file, svg) in pictures(&report) {
            write(file, &svg)?;
            shown.push((title, file));
        }
        write("README.md", &markdown::of(&report, &shown))
    }
}

/// Title, file and picture of all that the report has something of.
fn pictures(report: &Report) -> Vec<(&'static str, &'static str, String)> {
    let cost = "Processor time of the server, µs a record (logarithmic)";
    let rate = "Records a second (logarithmic)";
    let latency = "Latency, µs (logarithmic)";
    let growth = "Processor time, µs a record (logarithmic), by what is stored";
    let servers = servers(report);
    let bars = |title, figure| svg::bars(title, &servers, &by_server(report, &servers, figure));
    let mut pictures = vec![
        (cost, "cost.svg", bars(cost, |row| row.server_cpu_us_per_record)),
        (rate, "rate.svg", bars(rate, |row| row.records_per_second)),
        (
            latency,
            "latency.svg",
            svg::ranges(latency, &["p50", "p99", "p99.9"], &latencies(report)),
        ),
    ];
    let (points, groups) = grown(report);
    if !groups.is_empty() {
        let points: Vec<&str> = points.iter().map(String::as_str).collect();
        pictures.push((growth, "growth.svg", svg::lines(growth, &points, &groups)));
    }
    pictures
}

/// All servers, the service first.
fn servers(report: &Report) -> Vec<&str> {
    let mut servers = vec![super::SERVICE];
    for row in &report.rows {
        if !servers.contains(&row.server.as_str()) {
            servers.push(&row.server);
        }
    }
    servers
}

/// One figure of each case in its usual setting, by server.
fn by_server(report: &Report, servers: &[&str], figure: fn(&Row) -> f64) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for row in markdown::sorted(report).filter(|row| row.is_usual()) {
        let series = servers.iter().position(|server| *server == row.server).unwrap_or_default();
        let value = (series, figure(row));
        match groups.iter_mut().find(|group| group.label == row.case) {
            Some(group) => group.values.push(value),
            None => groups.push(Group { label: row.case.clone(), values: vec![value] }),
        }
    }
    groups
}

fn latencies(report: &Report) -> Vec<Group> {
    let own = markdown::sorted(report).filter(|row| row.server == super::SERVICE);
    let group = |row: &Row| {
        let values = [row.p50_us, row.p99_us, row.p999_us];
        Group { label: row.title(), values: values.into_iter().enumerate().collect() }
    };
    own.map(group).collect()
}

/// What `bench growth` found: the sizes, and a line of costs for each case.
fn grown(report: &Report) -> (Vec<String>, Vec<Group>) {
    let (mut points, mut groups): (Vec<String>, Vec<Group>) = (Vec::new(), Vec::new());
    for figure in report.figures.iter().filter(|figure| figure.unit == "µs/record") {
        let Some(rest) = figure.name.strip_prefix("growth, ") else { continue };
        let Some((point, case)) = rest.split_once(": ") else { continue };
        let at = points.iter().position(|at| at == point).unwrap_or_else(|| {
            points.push(point.to_owned());
            points.len() - 1
        });
        match groups.iter_mut().find(|group| group.label == case) {
            Some(group) => group.values.push((at, figure.value)),
            None => groups.push(Group { label: case.to_owned(), values: vec![(at, figure.value)] }),
        }
    }
    (points, groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Figure;
    use crate::report::row::tests::row;

    #[test]
    fn a_folder_gets_tables_and_pictures() {
        let mut report = Report::default();
        for row in [row("bare", 1), row("millpond", 5)] {
            report.row(row);
        }
        for (name, value) in [("1 GB stored", 1.0), ("10 GB stored", 1.1)] {
            let name = format!("growth, {name}: put-records-500x100B");
            report.figure(Figure { name, value, unit: "µs/record".into() });
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        fs::write(&file, serde_json::to_vec(&report).unwrap()).unwrap();
        let out = folder.path().join("out");
        Plot { report: file, out: out.clone() }.run().unwrap();
        for (name, word) in [
            ("README.md", "(growth.svg)"),
            ("cost.svg", "bare"),
            ("rate.svg", "put-records-500x100B"),
            ("latency.svg", "p99.9"),
            ("growth.svg", "10 GB stored"),
        ] {
            let text = fs::read_to_string(out.join(name)).unwrap();
            assert!(text.contains(word), "{name}: {text}");
        }
    }
}
