//! The peers: which version of each, where it comes from and how it is started.

/// A server that speaks Kinesis.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) registry: Registry,
    pub(crate) package: &'static str,
    /// Exact, so that figures can be set against each other.
    pub(crate) version: &'static str,
    /// A path in its folder, or the name of a program of the machine. In all of these `{folder}`,
    /// `{port}` and `{other port}` are filled in.
    pub(crate) program: &'static str,
    pub(crate) arguments: &'static [&'static str],
    pub(crate) variables: &'static [(&'static str, &'static str)],
}

/// Where packages come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registry {
    CratesIo,
    Npm,
    PyPi,
    MavenCentral,
}

pub(crate) const PEERS: [Peer; 5] = [
    Peer {
        name: "ferrokinesis",
        registry: Registry::CratesIo,
        package: "ferrokinesis",
        version: "0.7.0",
        program: "{folder}/bin/ferrokinesis",
        arguments: &["--port", "{port}", "--create-stream-ms", "0", "--shard-limit", "10000"],
        variables: &[],
    },
    Peer {
        name: "kinesis-mock",
        registry: Registry::Npm,
        package: "kinesis-local",
        version: "0.6.2",
        program: "node",
        arguments: &["{folder}/node_modules/kinesis-local/main.js"],
        variables: &[
            ("KINESIS_MOCK_PLAIN_PORT", "{port}"),
            ("KINESIS_MOCK_TLS_PORT", "{other port}"),
            ("KINESIS_MOCK_CERT_PATH", "{folder}/node_modules/kinesis-local/server.json"),
            ("SHARD_LIMIT", "10000"),
            ("LOG_LEVEL", "ERROR"),
        ],
    },
    Peer {
        name: "kinesalite",
        registry: Registry::Npm,
        package: "kinesalite",
        version: "3.3.3",
        program: "node",
        arguments: &[
            "{folder}/node_modules/kinesalite/cli.js",
            "--port",
            "{port}",
            "--shardLimit",
            "10000",
        ],
        variables: &[],
    },
    Peer {
        name: "moto",
        registry: Registry::PyPi,
        package: "moto[server]",
        version: "5.2.5",
        program: "{folder}/bin/python",
        arguments: &["{folder}/bin/moto_server", "--host", "127.0.0.1", "--port", "{port}"],
        variables: &[],
    },
    Peer {
        name: "ministack",
        registry: Registry::PyPi,
        package: "ministack",
        version: "1.5.33",
        program: "{folder}/bin/python",
        arguments: &["{folder}/bin/ministack"],
        variables: &[
            ("GATEWAY_PORT", "{port}"),
            ("BIND_HOST", "127.0.0.1"),
            ("LOG_LEVEL", "ERROR"),
        ],
    },
];

/// The broker, with the tools that make its topic and load it. It is started by code of its own.
pub(crate) const KAFKA: Peer = Peer {
    name: "kafka",
    registry: Registry::MavenCentral,
    package: "kafka_2.13",
    version: "4.1.1",
    program: "java",
    arguments: &[],
    variables: &[],
};

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Peer> {
    PEERS.iter().chain([&KAFKA])
}

/// Finds a peer by its name, for the command line.
pub(crate) fn parse(name: &str) -> Result<&'static Peer, String> {
    all().find(|peer| peer.name == name).ok_or_else(|| {
        let names = all().map(|peer| peer.name).collect::<Vec<_>>().join(", ");
        format!("there is no such peer; there are {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_found_by_their_names() {
        for peer in all() {
            assert_eq!(parse(peer.name).unwrap().package, peer.package);
        }
        assert!(parse("kinesis").unwrap_err().contains("kinesis-mock, kinesalite"));
    }

    #[test]
    fn every_peer_is_told_its_port() {
        for peer in &PEERS {
            let variables = peer.variables.iter().map(|(_, value)| value);
            assert!(peer.arguments.iter().chain(variables).any(|text| *text == "{port}"));
        }
    }
}
