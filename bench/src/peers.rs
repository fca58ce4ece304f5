//! `bench peers`: the same cases against what people use instead of millpond, installed from the
//! registries, in turn with millpond and the bare server.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::cases::{self, Case};
use crate::compare::Comparison;
use crate::endpoint::Endpoint;
use crate::kinesis::Control;
use crate::millpond::Millpond;
use crate::report::{Destination, Lines, mib, micros};
use crate::rocks::{Layout, Rocks};
use crate::run::Pace;
use crate::server::Server;
use crate::subject::Subject;
use crate::usage::Usage;
pub(crate) use kafka::Kafka;

use kafka::Flush;
use table::{Peer, Registry};

mod install;
mod kafka;
mod table;

#[derive(Debug, clap::Args)]
pub(crate) struct Peers {
    #[command(flatten)]
    millpond: Millpond,
    #[command(flatten)]
    pace: Pace,
    /// A peer, all unless given; may be given again
    #[arg(long = "peer", value_name = "NAME", value_parser = table::parse)]
    chosen: Vec<&'static Peer>,
    /// A case to run, some main ones unless given; may be given again
    #[arg(long = "case", value_name = "NAME", value_parser = cases::parse)]
    cases: Vec<Case>,
    /// Where peers are installed, once; else `millpond/peers` in the user's folder of caches
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    #[command(flatten)]
    report: Destination,
}

/// What is run unless the command line says otherwise.
const USUAL: [&str; 7] = [
    "put-records-500x100B",
    "put-records-500x1KiB",
    "put-records-500x100B-cbor",
    "put-record-1KiB-c64",
    "get-records-100B",
    "get-records-1KiB",
    "put-to-read-100B",
];

/// Starts of each peer; the median counts.
const STARTS: usize = 5;

impl Peers {
    pub(crate) async fn run(self) -> Result<()> {
        let cache = match &self.cache {
            Some(cache) => cache.clone(),
            None => install::cache()?,
        };
        let all = self.chosen.is_empty();
        let chosen = if all { table::all().collect() } else { self.chosen.clone() };
        let (mut peers, mut brokers) = (Vec::new(), Vec::new());
        for peer in chosen {
            let installed = Installed { peer, folder: install::installed(peer, &cache)? };
            let is_broker = peer.registry == Registry::MavenCentral;
            if is_broker { &mut brokers } else { &mut peers }.push(installed);
        }
        if !peers.is_empty() {
            self.starts(&peers).await?;
        }
        let mut subjects = vec![Subject::Millpond(self.millpond.clone()), Subject::Bare];
        subjects.extend(
            [Layout::Chunks, Layout::Records]
                .map(|layout| Subject::Rocks(Rocks { millpond: self.millpond.clone(), layout })),
        );
        subjects.extend(peers.into_iter().map(Subject::Peer));
        subjects.extend(brokers.into_iter().flat_map(|installed| self.brokers(&installed)));
        let comparison = Comparison {
            subjects,
            plan: self.pace.plan(),
            rounds: self.pace.rounds,
            scratch: self.millpond.scratch()?,
            destination: self.report.clone(),
        };
        comparison.run(&self.cases()?).await
    }

    fn brokers(&self, installed: &Installed) -> [Subject; 2] {
        [Flush::Later, Flush::Each].map(|flush| {
            let (installed, millpond) = (installed.clone(), self.millpond.clone());
            Subject::Kafka(Kafka { installed, millpond, flush })
        })
    }

    fn cases(&self) -> Result<Vec<Case>> {
        if !self.cases.is_empty() {
            return Ok(self.cases.clone());
        }
        USUAL.into_iter().map(|name| cases::parse(name).map_err(anyhow::Error::msg)).collect()
    }

    /// How long each takes from its spawn to its first answer, and what it has used by then.
    async fn starts(&self, peers: &[Installed]) -> Result<()> {
        let headings = [("median", "ms", 1), ("CPU", "ms", 1), ("RSS", "MiB", 1)];
        let mut lines = Lines::new("peers until the first answer", headings);
        for installed in peers {
            let mut starts = Vec::new();
            for _ in 0..STARTS {
                let start: [f64; 3] = installed.timed_start().await.context(installed.peer.name)?;
                starts.push(start);
            }
            starts.sort_by(|[one, ..], [other, ..]| one.total_cmp(other));
            let median = starts.get(STARTS / 2).context("nothing was started")?;
            lines.push(installed.peer.name, *median);
        }
        lines.tell(&self.report)
    }
}

/// A peer, and the folder that it is installed in.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) peer: &'static Peer,
    folder: PathBuf,
}

impl Installed {
    /// Starts it on a free port, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If it ends before that, or takes too long.
    pub(crate) async fn start(&self) -> Result<(Server, Endpoint)> {
        let ports = [free_port()?, free_port()?];
        let told = |text: &str| self.told(text, ports);
        let arguments: Vec<String> = self.peer.arguments.iter().map(|text| told(text)).collect();
        let variables = self.peer.variables.iter();
        let variables: Vec<_> = variables.map(|&(name, value)| (name, told(value))).collect();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[0]));
        let program = install::program(&told(self.peer.program), self.peer)?;
        let server = Server::start_at(&program, &arguments, &variables, address).await?;
        let endpoint = Endpoint::plain(address);
        Control::connect(&endpoint).await?.list_streams().await?;
        Ok((server, endpoint))
    }

    async fn timed_start(&self) -> Result<[f64; 3]> {
        let (server, _) = self.start().await?;
        let after = server.spawned.elapsed();
        let usage = Usage::of(server.pid())?;
        server.stop().await?;
        Ok([micros(after) / 1e3, micros(usage.cpu) / 1e3, mib(usage.rss_bytes)])
    }

    /// An argument or variable with its places filled in.
    fn told(&self, text: &str, [port, other]: [u16; 2]) -> String {
        text.replace("{folder}", &self.folder.display().to_string())
            .replace("{port}", &port.to_string())
            .replace("{other port}", &other.to_string())
    }
}

/// A port that nobody listens at now.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("asking for a port")?;
    Ok(listener.local_addr()?.port())
}
