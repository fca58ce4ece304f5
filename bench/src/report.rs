//! What was measured, as a table for people and as JSON for machines.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use crate::cases::Case;
use crate::clock::Window;
use crate::load::{Cost, Tally};

/// One server under one case.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) server: &'static str,
    pub(crate) requests: u64,
    pub(crate) records: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) records_per_second: f64,
    /// Data of the records, in units of 1,000,000 bytes.
    pub(crate) mb_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) server_cpu_us_per_record: f64,
    pub(crate) server_cpu_us_per_request: f64,
    /// Processors that each side kept busy.
    pub(crate) server_cpus: f64,
    pub(crate) client_cpus: f64,
    pub(crate) answer_bytes_per_request: f64,
    pub(crate) rss_mib: f64,
    pub(crate) rss_anonymous_mib: f64,
    pub(crate) threads: usize,
}

impl Row {
    pub(crate) fn new(
        case: &Case,
        server: &'static str,
        window: Window,
        tally: &Tally,
        cost: &Cost,
    ) -> Self {
        let seconds = window.length().as_secs_f64();
        let (requests, records) = (float(tally.requests), float(tally.records));
        let cpu = micros(cost.server_cpu);
        Self {
            case: case.name,
            server,
            requests: tally.requests,
            records: tally.records,
            requests_per_second: requests / seconds,
            records_per_second: records / seconds,
            mb_per_second: records * float(case.data_bytes as u64) / 1e6 / seconds,
            p50_us: micros(tally.latency.percentile(50)),
            p99_us: micros(tally.latency.percentile(99)),
            server_cpu_us_per_record: cpu / records.max(1.0),
            server_cpu_us_per_request: cpu / requests.max(1.0),
            server_cpus: cost.server_cpu.as_secs_f64() / seconds,
            client_cpus: cost.client_cpu.as_secs_f64() / seconds,
            answer_bytes_per_request: float(tally.answer_bytes) / requests.max(1.0),
            rss_mib: mib(cost.server.rss_bytes),
            rss_anonymous_mib: mib(cost.server.rss_anonymous_bytes),
            threads: cost.server.threads,
        }
    }
}

/// Beyond this the client's one thread has no time left and holds the server back.
const CLIENT_CPUS_MAX: f64 = 0.9;

/// The columns of the table, in order.
const HEADINGS: [&str; 11] = [
    "server",
    "records/s",
    "MB/s",
    "requests/s",
    "p50 µs",
    "p99 µs",
    "CPU µs/record",
    "CPU µs/request",
    "CPUs",
    "client CPUs",
    "RSS MiB (anon)",
];

/// The lines of one case: each server, and how the first compares with the second.
pub(crate) fn table(case: &str, service: &Row, bare: &Row) -> String {
    let ratio = |of: fn(&Row) -> f64| format!("{:.2}", of(service) / of(bare));
    let ratios = [
        "ratio".to_owned(),
        ratio(|row| row.records_per_second),
        ratio(|row| row.mb_per_second),
        ratio(|row| row.requests_per_second),
        ratio(|row| row.p50_us),
        ratio(|row| row.p99_us),
        ratio(|row| row.server_cpu_us_per_record),
        ratio(|row| row.server_cpu_us_per_request),
        ratio(|row| row.server_cpus),
        ratio(|row| row.client_cpus),
        ratio(|row| row.rss_mib),
    ];
    let lines = [HEADINGS.map(str::to_owned), cells(service), cells(bare), ratios];
    let busy = service.client_cpus > CLIENT_CPUS_MAX;
    let warning =
        if busy { "  the client was the limit: rates are too low, costs hold\n" } else { "" };
    format!("{case}\n{}{warning}", aligned(&lines))
}

fn cells(row: &Row) -> [String; HEADINGS.len()] {
    [
        row.server.to_owned(),
        format!("{:.0}", row.records_per_second),
        format!("{:.1}", row.mb_per_second),
        format!("{:.0}", row.requests_per_second),
        format!("{:.0}", row.p50_us),
        format!("{:.0}", row.p99_us),
        format!("{:.2}", row.server_cpu_us_per_record),
        format!("{:.1}", row.server_cpu_us_per_request),
        format!("{:.2}", row.server_cpus),
        format!("{:.2}", row.client_cpus),
        format!("{:.1} ({:.1})", row.rss_mib, row.rss_anonymous_mib),
    ]
}

/// Lines of cells under each other: the first column to the left, all others to the right.
pub(crate) fn aligned<const N: usize>(lines: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    });
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

/// Microseconds.
pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Bytes in units of 1,048,576.
pub(crate) fn mib(bytes: u64) -> f64 {
    float(bytes) / 1_048_576.0
}

/// A count as a number to divide.
#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::CASES;
    use crate::load::Answered;
    use crate::usage::Usage;

    fn row(server: &'static str, cpu_ms: u64) -> Row {
        let window = Window::after(Duration::ZERO, Duration::from_secs(2));
        let mut tally = Tally::new();
        for _ in 0..10 {
            let at = window.start + Duration::from_micros(100);
            tally.count(window, window.start, Answered { at, records: 500, bytes: 60_000 });
        }
        let server_usage = Usage {
            cpu: Duration::ZERO,
            rss_bytes: 3 << 20,
            rss_anonymous_bytes: 1 << 20,
            threads: 4,
        };
        let cpu = Duration::from_millis(cpu_ms);
        let cost = Cost { server_cpu: cpu, client_cpu: cpu, server: server_usage };
        Row::new(&CASES[0], server, window, &tally, &cost)
    }

    #[test]
    fn rates_and_costs_are_per_second_and_per_record() {
        let row = row("millpond", 10);
        let near = |found: f64, expected: f64| (found - expected).abs() < expected * 0.01;
        assert!(near(row.records_per_second, 2_500.0), "{row:?}");
        assert!(near(row.mb_per_second, 0.25), "{row:?}");
        assert!(near(row.server_cpu_us_per_record, 2.0), "{row:?}");
        assert!(near(row.server_cpu_us_per_request, 1_000.0), "{row:?}");
        assert!(near(row.p99_us, 100.0), "{row:?}");
        assert!(near(row.rss_mib, 3.0), "{row:?}");
        assert!(near(row.answer_bytes_per_request, 60_000.0), "{row:?}");
    }

    #[test]
    fn a_table_sets_the_service_against_the_bare_server() {
        let text = table("case", &row("millpond", 10), &row("bare", 5));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[4].contains("ratio") && lines[4].contains("2.00"), "{text}");
        let widths = lines[1..].iter().map(|line| line.chars().count());
        assert!(widths.clone().all(|width| Some(width) == widths.clone().next()), "{text}");
    }

    #[test]
    fn a_busy_client_is_told() {
        let bare = row("bare", 5);
        let warned = |cpu_ms| table("case", &row("millpond", cpu_ms), &bare).contains("the limit");
        assert!(warned(1_900), "0.95 of the client's thread");
        assert!(!warned(1_000), "half of it");
    }

    #[test]
    fn answers_outside_the_window_do_not_count() {
        let window = Window::after(Duration::from_secs(1), Duration::from_secs(1));
        let mut tally = Tally::new();
        tally.count(window, window.start, Answered { at: window.end, records: 1, bytes: 1 });
        assert_eq!((tally.requests, tally.records), (0, 0));
    }
}
