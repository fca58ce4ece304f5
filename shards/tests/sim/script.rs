//! One life with everything in it, lived again and again with a blow at another of its writes.

use std::{sync::Arc, time::Duration};

use millpond_api::types::{
    ConsumerArn, HashKey, RecordDistributionStrategy, ShardId, StreamArn, StreamMode,
};
use millpond_shards::{
    shard::Limit,
    state::{
        CapacityCommand, Command, ConsumerCommand, EncryptionCommand, NewMode, NewStream,
        PolicyCommand, Resource,
    },
    stream::{Namespace, StreamState, on_demand::Load},
};

use crate::{
    deeds::Deeds,
    producer::Entry,
    world::{PRODUCERS, Plan, World},
};

const LIMIT: Limit = Limit::new(10, 1 << 20);

/// Longer than it takes to delete a stream.
const LATE: Duration = Duration::from_secs(1);

const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Lives with this plan of blows; false when not all of them came about.
pub(crate) fn live(plan: Plan) -> bool {
    let undisturbed = plan.is_empty();
    let mut world = World::new(0, plan);
    let arn: StreamArn =
        "arn:aws:kinesis:us-east-1:000000000000:stream/a".parse().expect("it is an ARN");
    create(&mut world, &arn);
    put(&mut world, 0, &arn);
    settle_account(&mut world, &arn);
    world.drain();
    register(&mut world, &arn);
    encrypt(&mut world, &arn);
    reshard(&mut world, &arn);
    expire(&mut world, &arn);
    retain(&mut world, &arn);
    fork(&mut world, &arn, undisturbed);
    turn_on_demand(&mut world, &arn, undisturbed);
    replace(&mut world, &arn);
    put_late(&mut world, &arn);
    let complete = !world.has_plans();
    world.end();
    complete
}

fn create(world: &mut World, arn: &StreamArn) {
    let now = world.now();
    let (arn, tags) = (arn.clone(), Vec::new());
    let mode = NewMode::Provisioned { shards: 2 };
    let new = NewStream { arn, mode, max_record_kib: 1024, tags, now, due: now };
    world.ask(Command::CreateStream(new));
    world.drain();
}

fn settle_account(world: &mut World, arn: &StreamArn) {
    let (namespace, now) = (Namespace::of(arn), world.now());
    world.ask(Command::UpdateAccountSettings { namespace, enabled: true, now });
}

fn delete(world: &mut World, arn: &StreamArn) {
    let (stream, enforce_consumer_deletion, due) = (arn.clone(), true, world.now());
    world.ask(Command::DeleteStream { stream, enforce_consumer_deletion, due });
}

/// Registers a consumer, tags it and deregisters it; another one stays.
fn register(world: &mut World, arn: &StreamArn) {
    let now = world.now();
    let due = now;
    let consumer = |name: &str| {
        let (stream, name) = (arn.clone(), name.to_owned());
        ConsumerArn { stream, name, created: now.seconds() }
    };
    let tags = vec![("team".to_owned(), "ponds".to_owned())];
    let commands = ["a", "b"].map(|name| {
        let (stream, name, tags) = (arn.clone(), name.to_owned(), Vec::new());
        ConsumerCommand::Register { stream, name, tags, now, due }
    });
    let commands = commands.into_iter().chain([
        ConsumerCommand::AddTags { consumer: consumer("a"), tags },
        ConsumerCommand::RemoveTags { consumer: consumer("a"), keys: vec!["team".to_owned()] },
        ConsumerCommand::Deregister { consumer: consumer("b"), due },
    ]);
    for command in commands {
        world.ask(Command::Consumer(command));
        world.drain();
    }
    let policy = || "policy".into();
    let (stream, consumer) = (Resource::Stream(arn.clone()), Resource::Consumer(consumer("a")));
    for command in [
        PolicyCommand::Put { resource: stream.clone(), policy: policy() },
        PolicyCommand::Put { resource: consumer, policy: policy() },
        PolicyCommand::Delete { resource: stream },
    ] {
        world.ask(Command::Policy(command));
        world.drain();
    }
}

/// Encrypts the stream while records are on their way; it stays so.
fn encrypt(world: &mut World, arn: &StreamArn) {
    for (producer, key_id) in ["alias/a", "alias/b"].into_iter().enumerate() {
        let (stream, key_id) = (arn.clone(), key_id.to_owned());
        let (wrapped, now) = (vec![producer as u8; 32], world.now());
        put(world, producer, arn);
        let start = EncryptionCommand::Start { stream, key_id, wrapped, now, due: now };
        world.ask(Command::Encryption(start));
        world.drain();
        put(world, producer, arn);
        world.drain();
    }
    world.consume(0, arn, LIMIT);
}

/// Splits, merges and scales while records are on their way.
fn reshard(world: &mut World, arn: &StreamArn) {
    let (stream, due, now) = (arn.clone(), world.now(), world.now());
    put(world, 0, arn);
    let (shard, at) = (ShardId::new(0), HashKey::new(1 << 100));
    world.ask(Command::SplitShard { stream: stream.clone(), shard, at, due });
    put(world, 1, arn);
    world.drain();
    world.consume(0, arn, LIMIT);
    put(world, 2, arn);
    let (lower, upper) = (ShardId::new(2), ShardId::new(3));
    world.ask(Command::MergeShards { stream: stream.clone(), lower, upper, due });
    put(world, 3, arn);
    world.drain();
    world.consume(0, arn, LIMIT);
    world.ask(Command::UpdateShardCount { stream, target: 3, now, due });
    put(world, 0, arn);
    world.drain();
    world.consume(0, arn, LIMIT);
    world.scan();
}

/// Lets records, and the shards that were closed, expire.
fn expire(world: &mut World, arn: &StreamArn) {
    let (stream, due, now) = (arn.clone(), world.now(), world.now());
    world.ask(Command::IncreaseRetention { stream: stream.clone(), hours: 48, now, due });
    world.drain();
    world.advance(Duration::from_hours(47));
    put(world, 1, arn);
    world.drain();
    world.scan();
    for _ in 0..3 {
        world.advance(Duration::from_hours(1));
        put(world, 1, arn);
        world.drain();
    }
    world.scan();
    let (due, now) = (world.now(), world.now());
    world.ask(Command::DecreaseRetention { stream, hours: 24, now, due });
    world.drain();
    world.consume(0, arn, LIMIT);
}

/// Raises the retention period when records have expired, but still take up space.
fn retain(world: &mut World, arn: &StreamArn) {
    put(world, 0, arn);
    world.drain();
    world.advance(Duration::from_mins(40));
    put(world, 0, arn);
    world.drain();
    for length in [Duration::from_mins(24 * 60 - 39), Duration::from_mins(45)] {
        world.advance(length);
        world.drain();
    }
    let (stream, due, now) = (arn.clone(), world.now(), world.now());
    world.ask(Command::IncreaseRetention { stream, hours: 25, now, due });
    world.drain();
    world.scan();
}

/// Forks the stream, and the fork, while records are on their way; truncates the base and deletes
/// the fork between them.
fn fork(world: &mut World, base: &StreamArn, undisturbed: bool) {
    let arn = |name: &str| StreamArn { name: name.parse().expect("a name"), ..base.clone() };
    let [fork, again] = ["fork", "again"].map(arn);
    for (from, to) in [(base, &fork), (&fork, &again)] {
        put(world, 0, from);
        world.drain();
        put(world, 1, from);
        if let Some(state) = stream(world, from) {
            world.fork(&state, to);
        }
        world.drain();
        for (producer, to) in [(2, from), (3, to)] {
            put(world, producer, to);
        }
        world.drain();
    }
    world.scan();
    put(world, 0, base);
    if let Some(state) = stream(world, base) {
        world.truncate(&state);
    }
    put(world, 1, base);
    delete(world, &fork);
    world.drain();
    world.scan();
    world.consume(1, &again, LIMIT);
    assert!(!undisturbed || (world.deeds().forks, world.deeds().truncations) == (2, 1));
    delete(world, &again);
    world.drain();
}

fn stream(world: &World, arn: &StreamArn) -> Option<Arc<StreamState>> {
    world.streams().into_iter().find(|state| state.arn == *arn)
}

/// Has the service scale the stream and spread its records, then its owner again.
fn turn_on_demand(world: &mut World, arn: &StreamArn, undisturbed: bool) {
    let ask = |world: &mut World, command| world.ask(Command::Capacity(command));
    let (stream, now) = (arn.clone(), world.now());
    let due = now;
    let switch = |mode| {
        let (stream, warm_mib) = (stream.clone(), Some(5).filter(|_| mode == StreamMode::OnDemand));
        CapacityCommand::UpdateMode { stream, mode, warm_mib, now, due }
    };
    ask(world, switch(StreamMode::OnDemand));
    world.drain();
    let is_on_demand = |state: &Arc<StreamState>| state.mode() == StreamMode::OnDemand;
    assert!(!undisturbed || world.streams().iter().all(is_on_demand), "{:?}", world.streams());
    let strategy = RecordDistributionStrategy::Auto;
    ask(world, CapacityCommand::UpdateDistribution { stream: stream.clone(), strategy });
    world.drain();
    if let Some(state) = world.streams().into_iter().find(|state| state.arn == *arn) {
        let (log_number, load) = (state.log_number, Load(1 << 23));
        let note = CapacityCommand::NoteLoad { stream: stream.clone(), log_number, load, now };
        ask(world, note);
        let splits = state.open_shards().take(1).map(|shard| shard.id).collect();
        let merges = Vec::new();
        let scale =
            CapacityCommand::Scale { stream: stream.clone(), log_number, splits, merges, due };
        ask(world, scale);
    }
    put(world, 2, arn);
    world.drain();
    pass_minutes(world);
    // The peak is forgotten, and what is quiet is merged.
    world.advance(Duration::from_hours(24 * 31));
    pass_minutes(world);
    let Deeds { splits, merges, .. } = *world.deeds();
    assert!(!undisturbed || splits > 0 && merges > 0, "{:?}", world.deeds());
    ask(world, switch(StreamMode::Provisioned));
    world.drain();
    world.consume(0, arn, LIMIT);
    world.scan();
}

/// On-demand streams are looked at once a minute.
fn pass_minutes(world: &mut World) {
    for _ in 0..3 {
        world.advance(Duration::from_mins(1));
        world.drain();
    }
}

/// Deletes the stream while records are on their way, and creates it anew.
fn replace(world: &mut World, arn: &StreamArn) {
    put(world, 0, arn);
    delete(world, arn);
    put(world, 2, arn);
    world.drain();
    create(world, arn);
    put(world, 0, arn);
    world.drain();
    world.consume(0, arn, LIMIT);
    world.scan();
    delete(world, arn);
    world.drain();
}

/// Records that were routed to a stream without any come when it is gone.
fn put_late(world: &mut World, arn: &StreamArn) {
    create(world, arn);
    let entries = entries(world);
    // Nobody else's: a producer waits for one put before the next.
    world.put(PRODUCERS, arn, entries, LATE);
    delete(world, arn);
    world.drain();
    world.wait();
    world.drain();
}

fn put(world: &mut World, producer: usize, arn: &StreamArn) {
    if world.is_free(producer) {
        let entries = entries(world);
        world.put(producer, arn, entries, Duration::ZERO);
    }
}

fn entries(world: &mut World) -> Vec<Entry> {
    let entry = |key: &str| {
        let (key, explicit) = (Some(key.to_owned()), None);
        Entry { serial: world.serial(), key, explicit, padding: 20, spread: Arc::default() }
    };
    KEYS.map(entry).into()
}
