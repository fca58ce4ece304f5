//! What was measured, as one file that measurements add to: the tables, plots and checks are made
//! of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

pub(crate) use self::lines::{Heading, Lines};
pub(crate) use self::row::Row;
use crate::cases::Setting;

mod lines;
mod markdown;
pub(crate) mod plot;
pub(crate) mod row;
pub(crate) mod table;

/// The name of the service itself among servers.
pub(crate) const SERVICE: &str = "millpond";

/// Everything that is known, of one machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) unable: Vec<Unable>,
    pub(crate) figures: Vec<Figure>,
}

/// A case that a server can't run, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unable {
    pub(crate) case: String,
    #[serde(flatten)]
    pub(crate) setting: Setting,
    pub(crate) server: String,
    pub(crate) why: String,
}

/// One number that no case stands for, such as the time that a start takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
}

impl Report {
    /// Adds a row, in the place of what was known of the same server under the same case.
    pub(crate) fn row(&mut self, row: Row) {
        self.forget(&row.case, row.setting, &row.server);
        self.rows.push(row);
    }

    /// Adds that a server can't run a case, in the place of what was known of it.
    pub(crate) fn unable(&mut self, unable: Unable) {
        self.forget(&unable.case, unable.setting, &unable.server);
        self.unable.push(unable);
    }

    fn forget(&mut self, case: &str, setting: Setting, server: &str) {
        let key = (case, setting, server);
        self.rows.retain(|row| (row.case.as_str(), row.setting, row.server.as_str()) != key);
        self.unable.retain(|at| (at.case.as_str(), at.setting, at.server.as_str()) != key);
    }

    /// The service's own row of a case, which is named with what differs from the default.
    pub(crate) fn of(&self, case: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.server == SERVICE && row.title() == case)
    }

    /// The figure of this name.
    pub(crate) fn find(&self, figure: &str) -> Option<f64> {
        self.figures.iter().find(|at| at.name == figure).map(|at| at.value)
    }

    /// Adds a figure, in the place of an earlier one of the same name.
    pub(crate) fn figure(&mut self, figure: Figure) {
        match self.figures.iter_mut().find(|at| at.name == figure.name) {
            Some(at) => *at = figure,
            None => self.figures.push(figure),
        }
    }
}

/// The file of a report, for measurements that add to it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Destination {
    /// Add what is measured to this report, in JSON; a file that isn't there is made
    #[arg(long, value_name = "FILE", value_parser = usable)]
    report: Option<PathBuf>,
}

impl Destination {
    /// Changes the report in the file, if one is wanted.
    ///
    /// # Errors
    ///
    /// If the file is there and is no report, or can't be written.
    pub(crate) fn add(&self, add: impl FnOnce(&mut Report)) -> Result<()> {
        let Some(file) = &self.report else { return Ok(()) };
        let mut report = so_far(file)?;
        add(&mut report);
        let json = serde_json::to_vec_pretty(&report)?;
        fs::write(file, json).with_context(|| format!("writing {}", file.display()))
    }
}

/// A file to add to, looked at before hours are spent on what goes into it.
fn usable(path: &str) -> Result<PathBuf> {
    let file = PathBuf::from(path);
    so_far(&file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    ensure!(folder.is_none_or(Path::is_dir), "its folder isn't there");
    Ok(file)
}

/// The report in `file`, one without anything if there is no file.
fn so_far(file: &Path) -> Result<Report> {
    if fs::exists(file)? { read(file) } else { Ok(Report::default()) }
}

/// Reads the report in `file`.
///
/// # Errors
///
/// If the file isn't there, or is no report.
pub(crate) fn read(file: &Path) -> Result<Report> {
    let json = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_slice(&json).with_context(|| format!("{} is no report", file.display()))
}

/// A count as a number to divide.
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Microseconds.
pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Bytes in units of 1,048,576.
pub(crate) fn mib(bytes: u64) -> f64 {
    float(bytes) / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_cannot_be_written_is_refused_before_anything_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        usable(&file("new.json")).unwrap();
        usable("new.json").unwrap();
        assert!(usable(&file("none/new.json")).is_err());
        fs::write(file("other"), "notes").unwrap();
        let error = usable(&file("other")).unwrap_err().to_string();
        assert!(error.ends_with("other is no report"), "{error}");
        fs::write(file("old.json"), "{}").unwrap();
        usable(&file("old.json")).unwrap();
    }

    fn unable(server: &str, why: &str) -> Unable {
        let (case, setting) = ("put-record-100B-c1".to_owned(), Setting::DEFAULT);
        Unable { case, setting, server: server.into(), why: why.into() }
    }

    #[test]
    fn a_later_figure_takes_the_place_of_an_earlier_one() {
        let mut report = Report::default();
        for (name, value) in [("start", 2.0), ("other", 3.0), ("start", 1.0)] {
            report.figure(Figure { name: name.into(), value, unit: "ms".into() });
        }
        let values: Vec<f64> = report.figures.iter().map(|figure| figure.value).collect();
        assert_eq!(values, [1.0, 3.0]);
    }

    #[test]
    fn a_row_and_that_it_cant_be_are_never_both_known() {
        let mut report = Report::default();
        let row = row::tests::row("peer", 5);
        report.unable(Unable { case: row.case.clone(), ..unable("peer", "no such operation") });
        report.row(row.clone());
        assert!(report.unable.is_empty() && report.rows.len() == 1);
        report.unable(Unable { case: row.case, ..unable("peer", "it fell over") });
        assert!(report.rows.is_empty() && report.unable.len() == 1);
    }

    #[test]
    fn a_file_keeps_what_other_measurements_added() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("report.json");
        let destination = Destination { report: Some(file.clone()) };
        destination.add(|report| report.unable(unable("peer", "no"))).unwrap();
        destination.add(|report| report.row(row::tests::row("millpond", 5))).unwrap();
        let report = read(&file).unwrap();
        assert_eq!((report.unable.len(), report.rows.len()), (1, 1));
        fs::write(&file, "[").unwrap();
        let error = destination.add(|_| ()).unwrap_err().to_string();
        assert!(error.ends_with("report.json is no report"), "{error}");
    }
}
