//! One server under one case: every figure that is told of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{float, mib, micros};
use crate::cases::{CASES, Case, Setting};
use crate::clock::Window;
use crate::cost::{Cost, Split};
use crate::load::Tally;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    #[serde(flatten)]
    pub(crate) setting: Setting,
    pub(crate) server: String,
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    pub(crate) records: u64,
    pub(crate) requests_per_second: f64,
    pub(crate) records_per_second: f64,
    /// Data of the records, in units of 1,000,000 bytes.
    pub(crate) mb_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) server_cpu_us_per_record: f64,
    pub(crate) server_cpu_us_per_request: f64,
    /// The same per record, of the server's threads by their names.
    pub(crate) threads_cpu_per_record: BTreeMap<String, Split>,
    /// Processors that each side kept busy.
    pub(crate) server_cpus: f64,
    pub(crate) client_cpus: f64,
    pub(crate) answer_bytes_per_request: f64,
    pub(crate) rss_mib: f64,
    pub(crate) rss_anonymous_mib: f64,
    pub(crate) threads: usize,
    /// Data of all records put, also before and after the window; none where nothing is kept.
    pub(crate) stored_bytes: u64,
    /// Bytes sent towards the disk for each byte of data stored, the last flush included.
    pub(crate) written_per_byte: Option<f64>,
    /// Bytes that the disk was sent meanwhile, by anybody, for each byte of data stored.
    pub(crate) to_disk_per_byte: Option<f64>,
    /// What a plain sequential read of the same files brings, where files are what is read.
    pub(crate) sequential_mb_per_second: Option<f64>,
    /// An append of 4 KiB with its fdatasync on the same disk, just before or after: the lesser.
    pub(crate) fdatasync_us: f64,
}

impl Row {
    pub(crate) fn new(
        case: &Case,
        server: &str,
        window: Window,
        tally: &Tally,
        cost: &Cost,
    ) -> Self {
        let seconds = window.length().as_secs_f64();
        let (requests, records) = (float(tally.requests), float(tally.records));
        let cpu = micros(cost.server_cpu);
        let per_mille = |rank| micros(tally.latency.per_mille(rank));
        let threads = cost.threads.iter().map(|(name, split)| {
            let Split { user_us, kernel_us } = *split;
            let [user_us, kernel_us] = [user_us, kernel_us].map(|us| us / records.max(1.0));
            (name.clone(), Split { user_us, kernel_us })
        });
        Self {
            case: case.name.into(),
            setting: case.setting,
            server: server.into(),
            seconds,
            requests: tally.requests,
            records: tally.records,
            requests_per_second: requests / seconds,
            records_per_second: records / seconds,
            mb_per_second: records * float(case.data_bytes as u64) / 1e6 / seconds,
            p50_us: per_mille(500),
            p99_us: per_mille(990),
            p999_us: per_mille(999),
            server_cpu_us_per_record: cpu / records.max(1.0),
            server_cpu_us_per_request: cpu / requests.max(1.0),
            threads_cpu_per_record: threads.collect(),
            server_cpus: cost.server_cpu.as_secs_f64() / seconds,
            client_cpus: cost.client_cpu.as_secs_f64() / seconds,
            answer_bytes_per_request: float(tally.answer_bytes) / requests.max(1.0),
            rss_mib: mib(cost.server.rss_bytes),
            rss_anonymous_mib: mib(cost.server.rss_anonymous_bytes),
            threads: cost.server.threads.len(),
            stored_bytes: 0,
            written_per_byte: None,
            to_disk_per_byte: None,
            sequential_mb_per_second: None,
            fdatasync_us: 0.0,
        }
    }

    /// The case, with what differs from the default.
    pub(crate) fn title(&self) -> String {
        format!("{}{}", self.case, self.setting)
    }

    /// So many bytes for each byte of data stored; `None` where nothing is, or nobody counted.
    pub(crate) fn per_stored_byte(&self, bytes: Option<u64>) -> Option<f64> {
        let bytes = bytes.filter(|_| self.stored_bytes > 0)?;
        Some(float(bytes) / float(self.stored_bytes))
    }

    /// Whether the case ran in the setting that it has unless it is varied.
    pub(crate) fn is_usual(&self) -> bool {
        CASES.iter().any(|case| case.name == self.case && case.setting == self.setting)
    }

    /// Of several rounds: what cost least per record, with the medians of all latencies and the
    /// least that reached the disk. `None` of none.
    pub(crate) fn of_rounds(rounds: &[Self]) -> Option<Self> {
        let cpu = |row: &Self| row.server_cpu_us_per_record;
        let mut best = rounds.iter().min_by(|a, b| cpu(a).total_cmp(&cpu(b)))?.clone();
        let median = |of: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = rounds.iter().map(of).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied().unwrap_or_default()
        };
        best.p50_us = median(|row| row.p50_us);
        best.p99_us = median(|row| row.p99_us);
        best.p999_us = median(|row| row.p999_us);
        best.fdatasync_us = median(|row| row.fdatasync_us);
        // What others wrote meanwhile is in it, so that the least is nearest.
        let to_disk = rounds.iter().filter_map(|row| row.to_disk_per_byte);
        best.to_disk_per_byte = to_disk.min_by(f64::total_cmp);
        Some(best)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::Answered;
    use crate::usage::Usage;

    pub(crate) fn row(server: &str, cpu_ms: u64) -> Row {
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
            threads: Vec::new(),
        };
        let cpu = Duration::from_millis(cpu_ms);
        let split = Split { user_us: 8_000.0, kernel_us: 2_000.0 };
        let threads = [("worker".to_owned(), split)].into();
        let cost = Cost { server_cpu: cpu, client_cpu: cpu, threads, server: server_usage };
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
        assert!(near(row.threads_cpu_per_record["worker"].user_us, 1.6), "{row:?}");
        assert!(near(row.p999_us, 100.0), "{row:?}");
        assert!(near(row.rss_mib, 3.0), "{row:?}");
        assert!(near(row.answer_bytes_per_request, 60_000.0), "{row:?}");
    }

    #[test]
    fn of_several_rounds_the_cheapest_counts_with_the_median_of_latencies() {
        let rounds = [(9, 100.0), (5, 900.0), (7, 300.0)];
        let rounds = rounds.map(|(cpu, p99_us)| Row { p99_us, ..row("millpond", cpu) });
        let best = Row::of_rounds(&rounds).unwrap();
        assert!((best.server_cpu_us_per_record - 1.0).abs() < 0.01, "{best:?}");
        assert!((best.p99_us - 300.0).abs() < 0.01, "{best:?}");
        assert!(Row::of_rounds(&[]).is_none());
    }
}
