//! Which stage of a call a function belongs to, and how instructions are split by stage.
//!
//! A function that the table names belongs to its stage. Every other one works for whoever called
//! it: its own instructions are shared out by what each caller spent through it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::callgrind::{Function, Instructions, Profile};
use crate::report::float;

/// A part of the way of a call through the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Connections, TLS, HTTP, and what every call gets: ids, metrics, logs.
    Http,
    Signature,
    /// From the body to the input.
    Decode,
    /// What the operation decides: permission, quotas, hash keys, shards.
    Route,
    /// What is stored, and read from where it is stored.
    Commit,
    /// From the output to the body.
    Encode,
    /// Tasks being scheduled, the clock, housekeeping, and what nothing else has called.
    Rest,
    /// SHA-256 of what is signed: in software here, which a processor does many times faster.
    Sha256,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Http => "http",
            Signature => "signature",
            Decode => "decode",
            Route => "route",
            Commit => "commit",
            Encode => "encode",
            Rest => "rest",
            Sha256 => "sha256",
        })
    }
}

use Stage::{Commit, Decode, Encode, Http, Rest, Route, Sha256, Signature};

/// Parts of demangled names, and the stage of what they name. The first that fits counts.
const TABLE: [(&str, Stage); 48] = [
    ("sha2::sha256::", Sha256),
    ("sha2::", Signature),
    ("hmac::", Signature),
    ("millpond::auth::", Signature),
    ("rocksdb::", Commit),
    ("rocksdb_", Commit),
    ("millpond_shards::engine::", Commit),
    ("millpond_shards::shard::", Commit),
    ("millpond_shards::crypt::", Commit),
    ("millpond_shards::batch::", Commit),
    ("millpond_shards::record::", Commit),
    ("millpond_shards::maintenance::", Rest),
    ("millpond_shards::control::", Rest),
    ("millpond_shards::", Route),
    ("millpond_api::types::sequence_number::", Encode),
    ("millpond_api::types::shard_id::", Encode),
    ("millpond_api::codec::write::", Encode),
    ("itoa::", Encode),
    ("serde_core::ser::", Encode),
    ("serde_json::ser::", Encode),
    ("serde_json::value::ser::", Encode),
    ("minicbor::encode::", Encode),
    ("minicbor_serde::ser::", Encode),
    ("millpond_api::decode::", Decode),
    ("millpond_api::codec::receive::", Decode),
    ("millpond_api::validate::", Decode),
    ("serde_core::de::", Decode),
    ("serde_json::de::", Decode),
    ("serde_json::read::", Decode),
    ("minicbor::decode::", Decode),
    ("minicbor_serde::de::", Decode),
    ("millpond_quotas::clock::", Rest),
    ("millpond_quotas::", Route),
    ("millpond::ops::", Route),
    ("md5::", Route),
    ("millpond::", Http),
    ("rustls::", Http),
    ("hyper_util::", Http),
    ("hyper::", Http),
    ("httparse::", Http),
    ("http::", Http),
    ("http_body", Http),
    ("axum::", Http),
    ("tower::", Http),
    ("tokio::io::", Http),
    ("tokio::net::", Http),
    ("tokio::runtime::io::", Http),
    ("tokio::runtime::", Rest),
];

fn stage(name: &str) -> Option<Stage> {
    TABLE.iter().find(|(part, _)| name.contains(part)).map(|&(_, stage)| stage)
}

/// All stages, in the order of their columns.
const STAGES: [Stage; 8] = [Http, Signature, Decode, Route, Commit, Encode, Rest, Sha256];

/// A figure for each stage; of a case, instructions for each record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Split {
    pub(crate) http: f64,
    pub(crate) signature: f64,
    pub(crate) decode: f64,
    pub(crate) route: f64,
    pub(crate) commit: f64,
    pub(crate) encode: f64,
    pub(crate) rest: f64,
    #[serde(default)]
    pub(crate) sha256: f64,
}

impl Split {
    /// Splits all that a profile has, divided by the number of records it was spent on.
    pub(crate) fn of(profile: &Profile, records: u64) -> Self {
        let mut split = Self::default();
        for part in by_function(profile, records) {
            *split.of_stage(part.stage) += part.instructions;
        }
        split
    }

    /// All stages but the hash, which says nothing here about a real processor.
    pub(crate) fn total(&self) -> f64 {
        self.stages().iter().map(|(_, figure)| figure).sum()
    }

    /// Each stage but the hash.
    pub(crate) fn stages(&self) -> [(Stage, f64); STAGES.len() - 1] {
        let Self { http, signature, decode, route, commit, encode, rest, sha256: _ } = *self;
        [
            (Http, http),
            (Signature, signature),
            (Decode, decode),
            (Route, route),
            (Commit, commit),
            (Encode, encode),
            (Rest, rest),
        ]
    }

    /// All stages, what they are together, and the hash.
    pub(crate) fn columns(&self) -> [f64; 9] {
        let Self { http, signature, decode, route, commit, encode, rest, sha256 } = *self;
        [http, signature, decode, route, commit, encode, rest, self.total(), sha256]
    }

    fn of_stage(&mut self, stage: Stage) -> &mut f64 {
        match stage {
            Http => &mut self.http,
            Signature => &mut self.signature,
            Decode => &mut self.decode,
            Route => &mut self.route,
            Commit => &mut self.commit,
            Encode => &mut self.encode,
            Rest => &mut self.rest,
            Sha256 => &mut self.sha256,
        }
    }
}

/// What one function did for one stage.
pub(crate) struct Part<'a> {
    pub(crate) stage: Stage,
    /// Its own, for each record.
    pub(crate) instructions: f64,
    pub(crate) function: &'a str,
}

/// All that a profile has, divided by the number of records it was spent on.
pub(crate) fn by_function(profile: &Profile, records: u64) -> Vec<Part<'_>> {
    let graph = Graph::of(profile);
    let shares = graph.shares();
    let mut parts = Vec::new();
    for ((function, node), shares) in profile.functions.keys().zip(&graph.functions).zip(&shares) {
        let own = node.own / float(records);
        let of_stages = STAGES.into_iter().zip(shares).filter(|&(_, &share)| share > 0.0);
        parts.extend(of_stages.map(|(stage, share)| Part {
            stage,
            instructions: own * share,
            function,
        }));
    }
    parts
}

/// How much of a function belongs to each stage; together 1.
type Shares = [f64; STAGES.len()];

/// The calls of a profile.
struct Graph {
    functions: Vec<Node>,
}

struct Node {
    own: f64,
    stage: Option<Stage>,
    /// Indexes of functions, and what each spent through this one.
    callers: Vec<(usize, f64)>,
}

/// How far shares go along calls; chains of functions without a stage are shorter than this.
const ROUNDS: usize = 64;

impl Graph {
    fn of(profile: &Profile) -> Self {
        let names = profile.functions.keys().enumerate();
        let indexes: BTreeMap<&str, usize> =
            names.map(|(index, name)| (name.as_str(), index)).collect();
        let node = |(name, function): (&String, &Function)| {
            let callers = function.callers.iter().filter_map(|(caller, &spent)| {
                let index = *indexes.get(caller.as_str())?;
                // A difference of two profiles may have spent less than nothing here.
                (spent > 0).then_some((index, number(spent)))
            });
            Node { own: number(function.own), stage: stage(name), callers: callers.collect() }
        };
        Self { functions: profile.functions.iter().map(node).collect() }
    }

    fn shares(&self) -> Vec<Shares> {
        let mut shares: Vec<Shares> =
            self.functions.iter().map(|node| whole(node.stage.unwrap_or(Rest))).collect();
        for _ in 0..ROUNDS {
            let next = self.functions.iter().map(|node| node.shares(&shares));
            shares = next.collect();
        }
        shares
    }
}

impl Node {
    /// Its own stage, or the mean of its callers.
    fn shares(&self, all: &[Shares]) -> Shares {
        let spent: f64 = self.callers.iter().map(|(_, spent)| spent).sum();
        let stage = self.stage.or((spent <= 0.0).then_some(Rest));
        if let Some(stage) = stage {
            return whole(stage);
        }
        let mut mean = Shares::default();
        for &(caller, by) in &self.callers {
            for (mean, share) in mean.iter_mut().zip(all.get(caller).into_iter().flatten()) {
                *mean += share * by / spent;
            }
        }
        mean
    }
}

fn whole(stage: Stage) -> Shares {
    STAGES.map(|each| if each == stage { 1.0 } else { 0.0 })
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run stay far below 2^52")]
fn number(instructions: Instructions) -> f64 {
    instructions as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    type Callers<'a> = &'a [(&'a str, Instructions)];

    fn profile(functions: &[(&str, Instructions, Callers<'_>)]) -> Profile {
        let function = |&(name, own, callers): &(&str, _, Callers<'_>)| {
            let callers = callers.iter().map(|&(name, spent)| (name.to_owned(), spent)).collect();
            (name.to_owned(), Function { own, callers })
        };
        Profile { functions: functions.iter().map(function).collect() }
    }

    #[test]
    fn what_is_named_belongs_to_its_stage_and_helpers_to_their_callers() {
        let profile = profile(&[
            ("main", 10, &[]),
            ("millpond::auth::Verifier::examine", 100, &[("main", 190)]),
            ("<millpond_api::decode::Members<M> as X>::blob", 50, &[("main", 80)]),
            ("realloc", 0, &[("millpond::auth::Verifier::examine", 90), ("memchr", 0)]),
            (
                "memcpy",
                40,
                &[("realloc", 30), ("<millpond_api::decode::Members<M> as X>::blob", 10)],
            ),
            ("sha2::sha256::soft::compress", 60, &[("millpond::auth::Verifier::examine", 60)]),
        ]);
        let split = Split::of(&profile, 10);
        let expected =
            Split { signature: 13.0, decode: 6.0, rest: 1.0, sha256: 6.0, ..Split::default() };
        assert_eq!(split, expected);
        assert!((split.total() - 20.0).abs() < 1e-9, "{split:?}");
    }

    #[test]
    fn functions_that_call_each_other_are_shared_out_all_the_same() {
        let profile = profile(&[
            ("millpond::ops::write::write", 0, &[]),
            ("sort", 30, &[("millpond::ops::write::write", 50), ("split", 20)]),
            ("split", 20, &[("sort", 40)]),
        ]);
        let split = Split::of(&profile, 1);
        assert!((split.route - 50.0).abs() < 0.01, "{split:?}");
    }

    #[test]
    fn nothing_is_lost_between_the_stages() {
        let profile = profile(&[
            ("a", 7, &[("a", 7)]),
            ("b", -2, &[("a", -5)]),
            ("hyper::proto::h1", 5, &[("b", 1)]),
        ]);
        assert!((Split::of(&profile, 1).total() - 10.0).abs() < 1e-9);
    }
}
