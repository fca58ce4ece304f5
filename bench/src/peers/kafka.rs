//! An Apache Kafka broker beside millpond: one node, one topic, and Kafka's own load producer.
//!
//! It speaks no Kinesis, so only what a producer in batches does is set against it: records of the
//! same size, batches of the same data, `acks=all`. Records carry no keys.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::install::program;
use super::{Installed, free_port};
use crate::cases::{Case, Load};
use crate::clock::Window;
use crate::codec::Codec;
use crate::cost::Meter;
use crate::load::Tally;
use crate::millpond::Millpond;
use crate::report::{Row, float};
use crate::server::Server;
use crate::subject::Run;

/// When the broker's log goes to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// When the operating system likes, long after the acknowledgement: Kafka's default.
    Later,
    /// Before each acknowledgement: `log.flush.interval.messages=1`.
    Each,
}

/// A broker to start.
#[derive(Clone, Debug)]
pub(crate) struct Kafka {
    pub(crate) installed: Installed,
    /// Knows the disk that is measured.
    pub(crate) millpond: Millpond,
    pub(crate) flush: Flush,
}

const TOPIC: &str = "bench";
/// The id of a cluster of one test: any 16 bytes in base64.
const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// Bytes that a record takes in a batch over its data.
const RECORD_EXTRA: usize = 16;
/// What a machine's own scripts give a broker.
const BROKER_HEAP: &str = "-Xmx1g";
const TOOL_HEAP: &str = "-Xmx512m";
/// Records before the measured ones: the broker is compiled while it runs.
const WARM_UP_RECORDS: u64 = 200_000;
/// How many times as many are measured at most.
const WARM_UPS_MAX: u64 = 250;
/// How long a producer waits for more records of a batch, as Kafka 4 has it.
const LINGER_MS: u32 = 5;

impl Kafka {
    pub(crate) const fn name(&self) -> &'static str {
        match self.flush {
            Flush::Later => "kafka",
            Flush::Each => "kafka, flushed",
        }
    }

    /// Why it can't run a case.
    pub(crate) fn lacks(case: &Case) -> Option<&'static str> {
        let batches = matches!(case.load, Load::PutRecords { entries } if entries > 1);
        match (batches, case.codec) {
            (true, Codec::Json) => None,
            (true, Codec::Cbor) => Some("it has one wire form"),
            _ => Some("only batches of records are set against it"),
        }
    }

    pub(crate) async fn measure(&self, run: &Run) -> Result<Row> {
        let home = self.millpond.scratch()?;
        let [broker, controller] = [free_port()?, free_port()?];
        let properties = home.path().join("server.properties");
        fs::write(&properties, self.properties(home.path(), [broker, controller]))?;
        let properties = properties.display().to_string();
        self.tool(&[
            "kafka.tools.StorageTool",
            "format",
            "--standalone",
            "-t",
            CLUSTER,
            "-c",
            &properties,
        ])
        .await?;
        let mut arguments = vec![BROKER_HEAP.to_owned()];
        arguments.extend(self.java(&["kafka.Kafka", &properties]));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, broker));
        let java = program("java", self.installed.peer)?;
        let server = Server::start_at(&java, &arguments, &[], address).await?;
        let bootstrap = address.to_string();
        let shards = run.case.setting.shards.to_string();
        let topic = ["org.apache.kafka.tools.TopicCommand", "--bootstrap-server", &bootstrap];
        let create = ["--create", "--topic", TOPIC, "--partitions", &shards];
        self.tool(&[topic.as_slice(), &create].concat()).await?;
        let warm = self.produce(run, &bootstrap, WARM_UP_RECORDS).await?;
        let times = run.plan.duration.as_micros() / warm.took.as_micros().max(1);
        let records = WARM_UP_RECORDS * u64::try_from(times)?.clamp(1, WARM_UPS_MAX);
        let meter = Meter::start(server.pid())?;
        let produced = self.produce(run, &bootstrap, records).await?;
        let row = self.row(&run.case, records, &produced, meter)?;
        server.stop().await?;
        Ok(row)
    }

    fn row(&self, case: &Case, records: u64, produced: &Produced, meter: Meter) -> Result<Row> {
        let window = Window::after(Duration::ZERO, produced.took);
        let requests = records.div_ceil(case.entries() as u64);
        let tally = Tally { requests, records, all_records: records, ..Tally::new() };
        let row = Row::new(case, self.name(), window, &tally, &meter.stop()?);
        let [half, most, nearly_all] = produced.latencies_ms.map(|millis| millis * 1e3);
        Ok(Row { p50_us: half, p99_us: most, p999_us: nearly_all, ..row })
    }

    /// Lets Kafka's own producer send so many records as fast as they are taken.
    async fn produce(&self, run: &Run, bootstrap: &str, records: u64) -> Result<Produced> {
        let case = &run.case;
        let (count, size) = (records.to_string(), case.data_bytes.to_string());
        // A batch holds as much data as a request of PutRecords, and what each record adds.
        let batch = format!("batch.size={}", case.entries() * (case.data_bytes + RECORD_EXTRA));
        let bootstrap = format!("bootstrap.servers={bootstrap}");
        let linger = format!("linger.ms={LINGER_MS}");
        let arguments = [
            "org.apache.kafka.tools.ProducerPerformance",
            "--topic",
            TOPIC,
            "--num-records",
            &count,
            "--record-size",
            &size,
            "--throughput",
            "-1",
            "--producer-props",
            &bootstrap,
            "acks=all",
            &batch,
            &linger,
        ];
        Produced::parse(&self.tool(&arguments).await?, records)
    }

    /// Runs one of Kafka's programs to its end; what it said.
    async fn tool(&self, arguments: &[&str]) -> Result<String> {
        let name = *arguments.first().context("no program of Kafka's")?;
        let mut command = Command::new(program("java", self.installed.peer)?);
        command.arg(TOOL_HEAP).args(self.java(arguments)).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.with_context(|| format!("running {name}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{name} ended with {}: {said}{failed}", output.status);
        Ok(said)
    }

    fn java(&self, arguments: &[&str]) -> Vec<String> {
        let libraries = self.installed.folder.join("lib/*").display().to_string();
        let quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error";
        let own = [quiet, "-cp", &libraries].into_iter().chain(arguments.iter().copied());
        own.map(str::to_owned).collect()
    }

    fn properties(&self, home: &Path, [broker, controller]: [u16; 2]) -> String {
        let data = home.join("data");
        let flush = match self.flush {
            Flush::Later => "",
            Flush::Each => "log.flush.interval.messages=1\n",
        };
        format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
             offsets.topic.replication.factor=1\n\
             log.dirs={}\n{flush}",
            data.display()
        )
    }
}

/// What the producer told of its records.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Produced {
    took: Duration,
    /// Of 50, 99 and 99.9 per cent, from `send` to acknowledgement: waiting for the batch included.
    latencies_ms: [f64; 3],
}

impl Produced {
    /// Reads the producer's last line.
    fn parse(said: &str, records: u64) -> Result<Self> {
        let line = said.lines().rfind(|line| line.contains("99.9th"));
        let line = line.with_context(|| format!("the producer said: {said}"))?;
        let before = |unit: &str| {
            let (figure, _) = line.split_once(unit)?;
            figure.rsplit([' ', ',', '(']).next()?.parse::<f64>().ok()
        };
        let figure = |unit| before(unit).with_context(|| format!("no {unit} in: {line}"));
        Ok(Self {
            took: Duration::try_from_secs_f64(float(records) / figure(" records/sec")?)?,
            latencies_ms: [figure(" ms 50th")?, figure(" ms 99th")?, figure(" ms 99.9th")?],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;

    #[test]
    fn the_last_line_of_the_producer_is_read() {
        let said = "5 records sent, 1.0 records/sec (0.75 MB/sec), 3 ms avg latency\n\
                    50000 records sent, 7838.2 records/sec (0.75 MB/sec), 1231.06 ms avg latency, \
                    3333.00 ms max latency, 1336 ms 50th, 1608 ms 95th, 1663 ms 99th, \
                    1673 ms 99.9th.\n";
        let took = Duration::from_millis(6_379);
        let produced = Produced::parse(said, 50_000).unwrap();
        assert_eq!(produced.latencies_ms.map(|ms| ms.to_string()), ["1336", "1663", "1673"]);
        assert!(produced.took.abs_diff(took) < Duration::from_millis(1), "{produced:?}");
        let error = Produced::parse("no broker", 1).unwrap_err();
        assert!(error.to_string().contains("no broker"));
    }

    #[test]
    fn only_batches_are_set_against_a_broker() {
        let lacks = |name| Kafka::lacks(&cases::parse(name).unwrap());
        assert_eq!(lacks("put-records-500x100B"), None);
        assert!(lacks("put-records-500x100B-cbor").is_some());
        assert!(lacks("put-record-1KiB-c64").is_some());
        assert!(lacks("get-records-100B").is_some());
    }
}
