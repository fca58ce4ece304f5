//! What the service is to reach, and `bench check`, which holds a report against it.

use std::path::PathBuf;

use anyhow::Result;

use crate::report::table::aligned;
use crate::report::{self, Report, Row};

/// One thing to reach.
struct Target {
    name: &'static str,
    bound: Bound,
    unit: &'static str,
    measured: Measured,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// Where a target's figure stands.
enum Measured {
    /// In the row of a case, which is named with what differs from the default.
    Case(&'static str, fn(&Row) -> f64),
    /// Processor time of one case over another's.
    CpuOver(&'static str, &'static str),
    Figure(&'static str),
}

use Bound::{AtLeast, AtMost};
use Measured::{Case, CpuOver, Figure};

const TARGETS: [Target; 26] = [
    cpu("put-records-500x100B", 1.0),
    cpu("put-records-500x1KiB", 5.2),
    cpu("put-record-1KiB-c64", 20.0),
    cpu("put-record-1KiB-c256", 20.0),
    at_most("put-record-1KiB-c1: p50 over fdatasync", 300.0, "µs", over("put-record-1KiB-c1")),
    cpu("get-records-100B", 0.25),
    cpu("get-records-1KiB", 0.8),
    cold("get-records-cold-100B"),
    cold("get-records-cold-1KiB"),
    at_most("put to event: p50 over fdatasync", 1_000.0, "µs", over(PUSH)),
    at_most(
        "put to event: p99 over fdatasync",
        5_000.0,
        "µs",
        Case(PUSH, |row| less(row.p99_us, row.fdatasync_us)),
    ),
    at_most("start of dev", 30.0, "ms", Figure("until the first answer, dev: median")),
    at_most(
        "start of serve, CPU",
        20.0,
        "ms",
        Figure("until the first answer, serve, fresh directory: CPU"),
    ),
    at_most(
        "start with 10 GB and 2,000 shards",
        200.0,
        "ms",
        Figure("growth, 10 GB stored: start"),
    ),
    // 20, 300, 200 and 30 MB, in the unit that memory is told in.
    at_most("idle memory", 19.07, "MiB", Figure("idle, no stream: RSS")),
    at_most("10,000 open shards", 286.1, "MiB", Figure("idle, 10000 more shards: RSS")),
    at_most("1,000 slow readers", 190.7, "MiB", Figure("slow readers, 1000: most RSS")),
    at_most("binary", 28.6, "MiB", Figure("binary, as it was given: size")),
    written("put-records-500x100B", 2.7),
    written("put-records-500x1KiB", 2.2),
    at_most("trimming half of 10 GB: CPU", 1.0, "s", Figure("trimming, half of 10 GB: CPU")),
    at_most(
        "trimming half of 10 GB: written for each byte trimmed",
        0.02,
        "",
        Figure("trimming, half of 10 GB: written for each byte trimmed"),
    ),
    at_most(
        "trimming: p99 of puts over what it was",
        10.0,
        "ms",
        Figure("trimming, half of 10 GB: p99 over before"),
    ),
    tls("put-records-500x100B TLS", "put-records-500x100B"),
    tls("put-records-500x1KiB TLS", "put-records-500x1KiB"),
    at_most(
        "10,000 open shards, each written to",
        286.1,
        "MiB",
        Figure("idle, 10000 more shards, each written to: RSS"),
    ),
];

const PUSH: &str = "put-to-subscribe-100B 5000/s";

const fn at_most(name: &'static str, most: f64, unit: &'static str, measured: Measured) -> Target {
    Target { name, bound: AtMost(most), unit, measured }
}

/// Processor time a record.
const fn cpu(case: &'static str, most: f64) -> Target {
    at_most(case, most, "µs CPU", Case(case, |row| row.server_cpu_us_per_record))
}

/// The median, less what the disk takes.
const fn over(case: &'static str) -> Measured {
    Case(case, |row| less(row.p50_us, row.fdatasync_us))
}

/// A latency without the disk's part; no number if the disk was slower when it was looked at.
fn less(latency_us: f64, fdatasync_us: f64) -> f64 {
    if latency_us < fdatasync_us { f64::NAN } else { latency_us - fdatasync_us }
}

const fn cold(case: &'static str) -> Target {
    let share: fn(&Row) -> f64 =
        |row| row.mb_per_second / row.sequential_mb_per_second.unwrap_or(f64::NAN);
    Target { name: case, bound: AtLeast(0.5), unit: "of sequential", measured: Case(case, share) }
}

const fn written(case: &'static str, most: f64) -> Target {
    let ratio: fn(&Row) -> f64 = |row| row.to_disk_per_byte.unwrap_or(f64::NAN);
    at_most(case, most, "to disk per byte", Case(case, ratio))
}

const fn tls(with: &'static str, without: &'static str) -> Target {
    at_most(with, 1.25, "of plain", CpuOver(with, without))
}

impl Target {
    /// What the report has of it; no number if nothing.
    fn measured(&self, report: &Report) -> f64 {
        let of = |case: &str, figure: fn(&Row) -> f64| report.of(case).map_or(f64::NAN, figure);
        match &self.measured {
            Case(case, figure) => of(case, *figure),
            CpuOver(case, other) => {
                let cpu: fn(&Row) -> f64 = |row| row.server_cpu_us_per_record;
                of(case, cpu) / of(other, cpu)
            }
            Figure(name) => report.find(name).unwrap_or(f64::NAN),
        }
    }

    const fn verdict(&self, measured: f64) -> &'static str {
        if measured.is_nan() {
            return "not measured";
        }
        let met = match self.bound {
            AtMost(most) => measured <= most,
            AtLeast(least) => measured >= least,
        };
        if met { "met" } else { "not met" }
    }
}

/// The lines of all targets: name, bound, measured, verdict.
pub(crate) fn verdicts(report: &Report) -> Vec<Vec<String>> {
    let line = |target: &Target| {
        let measured = target.measured(report);
        let bound = match target.bound {
            AtMost(most) => format!("≤ {most}"),
            AtLeast(least) => format!("≥ {least}"),
        };
        let shown = if measured.is_nan() { String::new() } else { format!("{measured:.2}") };
        let verdict = target.verdict(measured).to_owned();
        vec![target.name.to_owned(), format!("{bound} {}", target.unit), shown, verdict]
    };
    TARGETS.iter().map(line).collect()
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The report to hold against the targets
    report: PathBuf,
}

impl Check {
    pub(crate) fn run(&self) -> Result<()> {
        let report = report::read(&self.report)?;
        let headings = ["target", "bound", "measured", ""].map(str::to_owned).to_vec();
        let lines = [vec![headings], verdicts(&report)].concat();
        print!("{}", aligned(&lines));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::row::tests::row;
    use crate::suites::Suite;

    #[test]
    fn a_target_is_met_by_the_services_own_row_only() {
        let mut report = Report::default();
        let verdict = |report: &Report| verdicts(report)[0][3].clone();
        report.row(row("bare", 1));
        assert_eq!(verdict(&report), "not measured");
        report.row(row("millpond", 10));
        assert_eq!(verdict(&report), "not met", "2 µs");
        report.row(row("millpond", 4));
        assert_eq!(verdict(&report), "met", "0.8 µs");
    }

    #[test]
    fn a_disk_that_was_slower_when_it_was_looked_at_tells_nothing() {
        assert!((less(500.0, 200.0) - 300.0).abs() < 0.1);
        assert!(less(500.0, 3_000.0).is_nan());
    }

    #[test]
    fn the_suite_of_the_table_measures_every_case_that_has_a_target() {
        let cases: Vec<String> = Suite::Table.cases().iter().map(ToString::to_string).collect();
        for target in &TARGETS {
            let named = match &target.measured {
                Case(case, _) => vec![*case],
                CpuOver(case, other) => vec![*case, *other],
                Figure(_) => vec![],
            };
            for case in named {
                assert!(cases.iter().any(|at| at == case), "{case}");
            }
        }
    }
}
