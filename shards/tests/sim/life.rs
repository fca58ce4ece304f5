//! A random life of one server: what its clients, its clock, its storage and its operators do.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use millpond_api::types::{
    HashKey, MetricsName, RecordDistributionStrategy, ShardId, StreamArn, StreamMode, Timestamp,
};
use millpond_shards::{
    engine::memory::Fault,
    shard::Limit,
    state::{
        CapacityCommand, Command, ConsumerCommand, EncryptionCommand, NewMode, NewStream,
        PolicyCommand, Resource,
    },
    stream::{
        Namespace, StreamState,
        consumer::ConsumerState,
        on_demand::{Load, OnDemand},
    },
};

use crate::{
    producer::Entry,
    world::{CONSUMERS, PRODUCERS, Plan, World},
};

/// What happens in one life.
const ACTS: usize = 400;

/// Records that are stored in a life at least; in most it is ten times as many.
const RECORDS_MIN: usize = 50;

/// Commands that are carried out at least; in most it is twice as many.
const COMMANDS_MIN: usize = 15;

/// Commands that wait at a time.
const ASKED_MAX: usize = 4;

/// Two namespaces, and few names, so that streams are created anew under old names.
const ARNS: [&str; 3] = [
    "arn:aws:kinesis:us-east-1:000000000000:stream/a",
    "arn:aws:kinesis:us-east-1:000000000000:stream/b",
    "arn:aws:kinesis:eu-west-1:000000000000:stream/a",
];

/// Retention periods in hours, of all tiers.
const RETENTIONS: [u32; 6] = [24, 25, 48, 168, 169, 8760];

/// Record size limits in KiB; the smallest is above every record of a life.
const RECORD_KIB: [u32; 3] = [1024, 2048, 10_240];

/// How long transitions take, in milliseconds.
const TRANSITIONS: [i64; 4] = [0, 0, 500, 5_000];

/// Lives through one seed; what happened in it.
pub(crate) fn live(seed: u64) -> Vec<String> {
    let mut world = World::new(seed, Plan::new());
    for _ in 0..ACTS {
        act(&mut world);
        if world.dice.u8(0..10) < 7 {
            world.drain();
        }
    }
    let deeds = world.deeds();
    assert!(deeds.records_stored >= RECORDS_MIN, "{deeds:?}");
    assert!(deeds.commands_done >= COMMANDS_MIN, "{deeds:?}");
    assert!(deeds.reshards >= 1, "{deeds:?}");
    world.end()
}

fn act(world: &mut World) {
    match world.dice.u8(0..100) {
        0..35 => put(world),
        35..50 => ask(world),
        50..65 => consume(world),
        65..70 => peek(world),
        70..78 => (0..world.dice.u8(0..4)).for_each(|_| world.step()),
        78..90 => pass(world),
        90..93 => fault(world),
        93..94 => world.wait(),
        94..97 => crash(world),
        97..98 => {
            let behind = behind(world);
            world.stop(behind);
        }
        _ => world.scan(),
    }
}

fn arn(world: &mut World) -> StreamArn {
    let text = world.dice.choice(ARNS).expect("there are names");
    text.parse().expect("it is an ARN")
}

fn put(world: &mut World) {
    let producer = world.dice.usize(0..PRODUCERS);
    if !world.is_free(producer) {
        return;
    }
    let arn = arn(world);
    let records = if world.dice.u8(0..20) == 0 { 100 } else { world.dice.usize(1..10) };
    let entries = (0..records).map(|_| entry(world)).collect();
    // The runtime's time goes on by a millisecond whenever all is at rest.
    let delay = world.dice.choice([0, 0, 0, 2, 10]).expect("there are some");
    world.put(producer, &arn, entries, Duration::from_millis(delay));
}

fn entry(world: &mut World) -> Entry {
    let key = Some(format!("key-{}", world.dice.u8(0..20)));
    let explicit = (world.dice.u8(0..10) == 0).then(|| hash_key(world));
    let key = key.filter(|_| explicit.is_none() || world.dice.bool());
    let padding = match world.dice.u8(0..100) {
        0 => 200_000,
        1..5 => 20_000,
        _ => world.dice.usize(0..300),
    };
    Entry { serial: world.serial(), key, explicit, padding, spread: Arc::default() }
}

/// The first or the last of all, or of a shard.
fn hash_key(world: &mut World) -> HashKey {
    let streams = world.streams();
    let shards = streams.iter().flat_map(|stream| stream.shards.values());
    let edges = shards.flat_map(|shard| [shard.range.start(), shard.range.end()]);
    let edges: Vec<_> = edges.chain([HashKey::MIN, HashKey::MAX]).collect();
    world.dice.choice(edges).expect("there are two at least")
}

fn ask(world: &mut World) {
    if world.asked() >= ASKED_MAX {
        return;
    }
    let arn = arn(world);
    let stream = world.streams().into_iter().find(|stream| stream.arn == arn);
    let command = match stream {
        None => create(world, arn),
        Some(_) if world.dice.u8(0..12) == 0 => create(world, arn),
        Some(_) if world.dice.u8(0..12) == 0 => settle_account(world, &arn),
        Some(stream) if world.dice.u8(0..12) == 0 => return copy(world, &stream),
        Some(stream) => change(world, &stream),
    };
    world.ask(command);
}

/// Forks or truncates the stream. Names that are taken are refused.
fn copy(world: &mut World, stream: &StreamState) {
    if world.dice.u8(0..3) == 0 {
        return world.truncate(stream);
    }
    let to = arn(world);
    world.fork(stream, &to);
}

fn create(world: &mut World, arn: StreamArn) -> Command {
    let (now, due) = times(world);
    let mode = if world.dice.u8(0..3) == 0 {
        let warm_mib = (world.dice.u8(0..3) == 0).then(|| world.dice.u32(0..10));
        NewMode::OnDemand(OnDemand::new(strategy(world), warm_mib))
    } else {
        NewMode::Provisioned { shards: world.dice.u32(1..6) }
    };
    let tags = vec![("team".into(), world.dice.u8(..).to_string())];
    Command::CreateStream(NewStream { arn, mode, max_record_kib: 1024, tags, now, due })
}

fn settle_account(world: &mut World, arn: &StreamArn) -> Command {
    let (namespace, now) = (Namespace::of(arn), world.now());
    Command::UpdateAccountSettings { namespace, enabled: world.dice.bool(), now }
}

fn change(world: &mut World, state: &StreamState) -> Command {
    let (now, due) = times(world);
    let stream = state.arn.clone();
    match world.dice.u8(0..41) {
        0..6 => split(world, state, due),
        6..11 => merge(world, state, due),
        11..14 => {
            let open = state.open_shards().count() as u32;
            let target = world.dice.u32(1..open * 2 + 2);
            Command::UpdateShardCount { stream, target, now, due }
        }
        14..16 => {
            let hours = world.dice.choice(RETENTIONS).expect("there are some");
            Command::IncreaseRetention { stream, hours, now, due }
        }
        16..17 => {
            let hours = world.dice.choice(RETENTIONS).expect("there are some");
            Command::DecreaseRetention { stream, hours, now, due }
        }
        17..18 => {
            let tag = |_| (format!("tag-{}", world.dice.u8(0..80)), "value".into());
            Command::AddTags { stream, tags: (0..20).map(tag).collect() }
        }
        18..19 => {
            let keys = (0..40).map(|_| format!("tag-{}", world.dice.u8(0..80))).collect();
            Command::RemoveTags { stream, keys }
        }
        19..23 => Command::Consumer(change_consumer(world, state, now, due)),
        23..24 => {
            let kib = world.dice.choice(RECORD_KIB).expect("there are some");
            Command::UpdateMaxRecordSize { stream, kib, due }
        }
        24..25 => Command::EnableMonitoring { stream, metrics: metrics(world), due },
        25..26 => Command::DisableMonitoring { stream, metrics: metrics(world), due },
        26..35 => Command::Capacity(change_capacity(world, state, now, due)),
        35..36 => Command::Policy(share(world, state)),
        36..39 => Command::Encryption(start_encryption(world, stream, now, due)),
        39..40 => Command::Encryption(EncryptionCommand::Stop { stream, now, due }),
        _ => {
            let enforce_consumer_deletion = world.dice.bool();
            Command::DeleteStream { stream, enforce_consumer_deletion, due }
        }
    }
}

/// Any 32 bytes are a wrapped key to the keys of tests.
fn start_encryption(
    world: &mut World,
    stream: StreamArn,
    now: Timestamp,
    due: Timestamp,
) -> EncryptionCommand {
    let key_id = world.dice.choice(["alias/a", "alias/b"]).expect("there are keys").to_owned();
    let wrapped = (0..32).map(|_| world.dice.u8(..)).collect();
    EncryptionCommand::Start { stream, key_id, wrapped, now, due }
}

fn change_capacity(
    world: &mut World,
    state: &StreamState,
    now: Timestamp,
    due: Timestamp,
) -> CapacityCommand {
    let (stream, log_number) = (state.arn.clone(), state.log_number);
    match world.dice.u8(0..9) {
        0..2 => {
            let mode = world.dice.choice(StreamMode::ALL).copied().expect("there are two");
            let warm_mib = (world.dice.u8(0..4) == 0).then(|| world.dice.u32(0..10));
            let warm_mib = warm_mib.filter(|_| mode == StreamMode::OnDemand);
            CapacityCommand::UpdateMode { stream, mode, warm_mib, now, due }
        }
        2 => {
            let mib = world.dice.u32(0..20);
            CapacityCommand::UpdateWarmThroughput { stream, mib, now, due }
        }
        3 => CapacityCommand::UpdateDistribution { stream, strategy: strategy(world) },
        4 => {
            let load = Load(world.dice.u64(0..6 << 20));
            CapacityCommand::NoteLoad { stream, log_number, load, now }
        }
        _ => {
            let (splits, merges) = scaling(world, state);
            CapacityCommand::Scale { stream, log_number, splits, merges, due }
        }
    }
}

/// A few shards to be split, or neighbours to be merged.
fn scaling(world: &mut World, state: &StreamState) -> (Vec<ShardId>, Vec<(ShardId, ShardId)>) {
    let mut open: Vec<_> = state.open_shards().collect();
    open.sort_by_key(|shard| shard.range.start());
    if world.dice.bool() {
        let splits = open.iter().filter(|_| world.dice.u8(0..3) == 0);
        return (splits.map(|shard| shard.id).collect(), Vec::new());
    }
    let pairs = open.chunks_exact(2).filter(|_| world.dice.bool());
    let merges = pairs.filter_map(|pair| Some((pair.first()?.id, pair.last()?.id)));
    (Vec::new(), merges.collect())
}

fn strategy(world: &mut World) -> RecordDistributionStrategy {
    *world.dice.choice(RecordDistributionStrategy::ALL).expect("there are two")
}

/// Few names, so that consumers are registered anew under old ones.
fn change_consumer(
    world: &mut World,
    state: &StreamState,
    now: Timestamp,
    due: Timestamp,
) -> ConsumerCommand {
    let name = world.dice.choice(["a", "b", "c", "d", "e", "f", "g"]).expect("there are names");
    let known = state.consumers.get(name).filter(|_| world.dice.u8(0..8) > 0);
    let tags = vec![(format!("tag-{}", world.dice.u8(0..80)), "value".into())];
    let Some(consumer) = known.map(ConsumerState::arn) else {
        let (stream, name) = (state.arn.clone(), name.to_owned());
        return ConsumerCommand::Register { stream, name, tags, now, due };
    };
    match world.dice.u8(0..4) {
        0 => ConsumerCommand::AddTags { consumer, tags },
        1 => {
            ConsumerCommand::RemoveTags { consumer, keys: tags.into_iter().map(|t| t.0).collect() }
        }
        _ => ConsumerCommand::Deregister { consumer, due },
    }
}

/// Puts or deletes the policy of the stream or of one of its consumers.
fn share(world: &mut World, state: &StreamState) -> PolicyCommand {
    let consumers = state.consumers.values().map(|consumer| Resource::Consumer(consumer.arn()));
    let resources: Vec<_> = consumers.chain([Resource::Stream(state.arn.clone())]).collect();
    let resource = world.dice.choice(resources).expect("there is the stream");
    match world.dice.u8(0..3) {
        0 => PolicyCommand::Delete { resource },
        n => PolicyCommand::Put { resource, policy: format!("policy {n}").into() },
    }
}

fn metrics(world: &mut World) -> BTreeSet<MetricsName> {
    (0..3).filter_map(|_| world.dice.choice(MetricsName::ALL)).copied().collect()
}

fn split(world: &mut World, state: &StreamState, due: Timestamp) -> Command {
    let stream = state.arn.clone();
    let any = world.dice.i32(0..4);
    // Closed shards too, sometimes: they are refused.
    let shards = state.shards.values().filter(|shard| any == 0 || shard.is_open());
    let Some(shard) = world.dice.choice(shards.collect::<Vec<_>>()) else {
        return Command::SplitShard { stream, shard: ShardId::new(any), at: HashKey::MAX, due };
    };
    let (start, end) = (shard.range.start().value(), shard.range.end().value());
    let at = HashKey::new(world.dice.u128(start..=end));
    Command::SplitShard { stream, shard: shard.id, at, due }
}

fn merge(world: &mut World, state: &StreamState, due: Timestamp) -> Command {
    let stream = state.arn.clone();
    let mut open: Vec<_> = state.open_shards().collect();
    open.sort_by_key(|shard| shard.range.start());
    let pairs: Vec<_> = open.windows(2).collect();
    let Some([lower, upper]) = world.dice.choice(pairs) else {
        return Command::RemoveTags { stream, keys: Vec::new() };
    };
    let (lower, upper) = (lower.id, upper.id);
    Command::MergeShards { stream, lower, upper, due }
}

fn times(world: &mut World) -> (Timestamp, Timestamp) {
    let now = world.now();
    let wait = world.dice.choice(TRANSITIONS).expect("there are some");
    (now, Timestamp::from_millis(now.millis() + wait))
}

fn consume(world: &mut World) {
    let consumer = world.dice.usize(0..CONSUMERS);
    let (arn, limit) = (arn(world), limit(world));
    world.consume(consumer, &arn, limit);
}

fn peek(world: &mut World) {
    let from = world.dice.u64(0..200);
    let hours = world.dice.i64(0..30);
    let at = Timestamp::from_millis(world.now().millis() - hours * 3_600_000);
    let limit = limit(world);
    world.peek(from, limit, at);
}

fn limit(world: &mut World) -> Limit {
    let records = world.dice.choice([1, 2, 10, 10_000]).expect("there are some");
    let payload_bytes = world.dice.choice([1, 1_000, 100_000, 10 << 20]).expect("there are some");
    Limit::new(records, payload_bytes)
}

fn pass(world: &mut World) {
    let millis = match world.dice.u8(0..20) {
        0..8 => world.dice.u64(0..1_000),
        8..14 => world.dice.u64(1_000..300_000),
        14..18 => world.dice.u64(0..12 * 3_600_000),
        18 => world.dice.u64(0..3 * 24 * 3_600_000),
        _ => world.dice.u64(0..400 * 24 * 3_600_000),
    };
    world.advance(Duration::from_millis(millis));
}

fn fault(world: &mut World) {
    let faults = world.faults();
    let fault = world.dice.u8(0..10);
    world.note(format!("fault {fault}"));
    match fault {
        0..3 => faults.next(Fault::Full),
        3..5 => faults.next(Fault::Failed { stored: false }),
        5..7 => faults.next(Fault::Failed { stored: true }),
        7 => faults.set_full(true),
        8 => faults.fail_reads(true),
        _ => {
            faults.set_full(false);
            faults.fail_reads(false);
        }
    }
}

fn crash(world: &mut World) {
    let (kept, behind) = (world.dice.u64(0..6), behind(world));
    world.crash(kept, behind);
}

/// How far the machine's clock is behind after a restart.
fn behind(world: &mut World) -> Duration {
    let seconds = world.dice.choice([0, 0, 1, 3_600]).expect("there are some");
    Duration::from_secs(seconds)
}
