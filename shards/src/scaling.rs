//! Once a minute: on-demand streams get the shards that their write traffic asks for.

mod plan;
mod traffic;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
    time::Duration,
};

use millpond_api::types::{ShardId, StreamMode, StreamStatus};
use millpond_quotas::{Attendant, Clock, Idle, limits};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    control::Control,
    directory::{Directory, Snapshot, Stream},
    services::Services,
    shard::Shard,
    state::{CapacityCommand, Command},
    stream::{
        Namespace, StreamNumber, StreamState,
        on_demand::{Load, OnDemand},
    },
};

use plan::{Bounds, plan};
use traffic::{Traffic, Trend};

/// How often all on-demand streams are looked at.
const PERIOD: Duration = Duration::from_mins(1);

/// What one server does by itself for its on-demand streams.
pub(crate) struct Scaling {
    directory: Arc<Directory>,
    control: Control,
    services: Services,
    attendant: Attendant,
    // Of open shards, since the server started, everything was replaced or the shard was opened.
    traffic: HashMap<StreamNumber, BTreeMap<ShardId, (Weak<Shard>, Traffic)>>,
}

impl Scaling {
    pub(crate) fn new(directory: Arc<Directory>, control: Control, services: Services) -> Self {
        let attendant = services.clock.attendant("scaling");
        Self { directory, control, services, attendant, traffic: HashMap::new() }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut last = self.services.clock.now();
        let mut idle = None;
        let scale = async {
            loop {
                self.attendant.next_round(&mut last, PERIOD, idle).await;
                self.scale().await;
                idle = Some(self.idle());
            }
        };
        // A change that is under way is the writer's affair, and carried through.
        stop.run_until_cancelled(scale).await;
    }

    async fn scale(&mut self) {
        let snapshot = self.directory.snapshot();
        self.traffic.retain(|number, _| {
            let stream = snapshot.stream_of_number(*number);
            stream.is_some_and(|stream| stream.state().mode() == StreamMode::OnDemand)
        });
        for stream in snapshot.streams() {
            let Some(on_demand) = &stream.state().on_demand else { continue };
            let trends = self.measure(stream);
            if let Err(error) = self.act(stream.state(), on_demand, &trends).await {
                tracing::warn!(stream = %stream.state().arn, %error, "not scaled");
            }
        }
    }

    /// There is nothing to do for so long, if nobody writes and nothing is done until then.
    fn idle(&self) -> Idle {
        let look = self.attendant.look();
        let (snapshot, now) = (self.directory.snapshot(), self.services.clock.now());
        let of_stream = |stream: &Arc<Stream>| {
            let on_demand = stream.state().on_demand.as_ref()?;
            let traffic = self.traffic.get(&stream.state().number)?;
            let is_settled = traffic.len() == stream.routing().shards().len()
                && on_demand.warm_mib.is_none()
                && traffic.values().all(|(_, of_shard)| of_shard.is_settled());
            if !is_settled {
                return Some(now);
            }
            let quiet = traffic.values().filter_map(|(_, of_shard)| of_shard.next_quiet(now));
            quiet.chain(on_demand.peaks.next_change(self.services.now())).min()
        };
        look.idle_until(snapshot.streams().filter_map(of_stream).min().unwrap_or(Clock::END))
    }

    /// What each open shard has had to take.
    fn measure(&mut self, stream: &Stream) -> BTreeMap<ShardId, Trend> {
        let now = self.services.clock.now();
        let traffic = self.traffic.entry(stream.state().number).or_default();
        let mut before = std::mem::take(traffic);
        let trend = |shard: &Arc<Shard>| {
            let known = before.remove(&shard.id()).filter(|(seen, _)| shard.is(seen));
            let new = || (Arc::downgrade(shard), Traffic::new(now));
            let (seen, mut of_shard) = known.unwrap_or_else(new);
            let trend = of_shard.observe(shard.meter().snapshot(), now);
            traffic.insert(shard.id(), (seen, of_shard));
            (shard.id(), trend)
        };
        stream.routing().shards().iter().map(trend).collect()
    }

    async fn act(
        &self,
        stream: &StreamState,
        on_demand: &OnDemand,
        trends: &BTreeMap<ShardId, Trend>,
    ) -> Result<(), Error> {
        let now = self.services.now();
        let (arn, log_number) = (&stream.arn, stream.log_number);
        let load = Load(trends.values().map(|trend| trend.sustained.unwrap_or_default().0).sum());
        if is_worth_noting(load, on_demand.peaks.today(now)) {
            let stream = arn.clone();
            let note = CapacityCommand::NoteLoad { stream, log_number, load, now };
            self.control.submit(Command::Capacity(note)).await?;
        }
        if stream.status != StreamStatus::Active {
            return Ok(());
        }
        // Anew: streams before this one may have taken the room that there was.
        let (snapshot, namespace) = (self.directory.snapshot(), Namespace::of(arn));
        let warm_mib = on_demand.warm_mib.filter(|_| snapshot.is_committed(&namespace, now));
        let peak = load.max(on_demand.peaks.greatest(now));
        let max = limits::on_demand_write_mib_max(arn.region.as_str()).into();
        let bounds = Bounds {
            needed: peak.shards_needed().max(warm_mib.unwrap_or_default().into()).min(max),
            open_max: self.open_max(&snapshot, &namespace, stream).min(max),
        };
        let Some(plan) = plan(stream, trends, bounds) else { return Ok(()) };
        tracing::info!(stream = %arn, ?plan, "on-demand stream scaled");
        let (splits, merges, due) = (plan.splits, plan.merges, now);
        let stream = arn.clone();
        let scale = CapacityCommand::Scale { stream, log_number, splits, merges, due };
        self.control.submit(Command::Capacity(scale)).await
    }

    /// Open shards that the stream may have beside the other on-demand streams of its account.
    fn open_max(&self, snapshot: &Snapshot, of: &Namespace, stream: &StreamState) -> u64 {
        let streams = snapshot.namespace(of).into_iter().flatten();
        let others = streams
            .map(|(_, other)| other.state())
            .filter(|other| other.mode() == StreamMode::OnDemand && other.number != stream.number);
        let taken: u64 = others.map(StreamState::open_shards_to_be).sum();
        self.directory.shard_limit(of).saturating_sub(taken)
    }
}

/// A peak is stored when it calls for more shards than there are anyway, and is an eighth above
/// what is known: few commits, whatever the traffic.
fn is_worth_noting(load: Load, known: Load) -> bool {
    load.shards_needed() > limits::ON_DEMAND_SHARDS_MIN.into()
        && load.0 > known.0.saturating_add(known.0 / 8)
}

#[cfg(test)]
mod tests;
