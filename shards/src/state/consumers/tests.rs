//! Commands on consumers and their preconditions.

use super::*;
use crate::state::{Command, apply, capacity::tests::with_on_demand, tests::with_stream};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn clicks() -> StreamArn {
    "arn:aws:kinesis:us-east-1:000000000000:stream/clicks".parse().unwrap()
}

/// The consumer of this name, registered at 200 s.
fn arn(name: &str) -> ConsumerArn {
    ConsumerArn { stream: clicks(), name: name.to_owned(), created: 200 }
}

fn make(state: &State, command: ConsumerCommand) -> Result<State, Error> {
    apply(state, &Command::Consumer(command))
}

fn register(state: &State, name: &str, due: Timestamp) -> Result<State, Error> {
    let (stream, name, tags, now) = (clicks(), name.to_owned(), tags(1), at(200));
    make(state, ConsumerCommand::Register { stream, name, tags, now, due })
}

fn deregister(state: &State, name: &str, due: Timestamp) -> Result<State, Error> {
    make(state, ConsumerCommand::Deregister { consumer: arn(name), due })
}

fn settle(state: &State, now: Timestamp) -> State {
    let log_number = state.stream(&clicks()).unwrap().log_number;
    make(state, ConsumerCommand::Settle { stream: clicks(), log_number, now }).unwrap()
}

fn tags(count: usize) -> Vec<(String, String)> {
    (0..count).map(|n| (format!("key{n}"), "value".to_owned())).collect()
}

fn consumer<'a>(state: &'a State, name: &str) -> Result<&'a ConsumerState, Error> {
    state.stream(&clicks()).unwrap().consumer(&arn(name))
}

/// The state with an ACTIVE, a DELETING and a CREATING consumer of the stream `clicks`.
pub(crate) fn some_in_each_status(state: &State) -> State {
    let state = register(state, "active", at(200)).unwrap();
    let state = register(&state, "deleting", at(200)).unwrap();
    let state = deregister(&settle(&state, at(200)), "deleting", at(210)).unwrap();
    register(&state, "creating", at(210)).unwrap()
}

#[test]
fn a_consumer_is_creating_then_active_then_deleting_then_gone() {
    let creating = register(&with_stream("clicks", 1), "a", at(210)).unwrap();
    assert_eq!(consumer(&creating, "a").unwrap().status, ConsumerStatus::Creating);
    assert_eq!(consumer(&settle(&creating, at(209)), "a"), consumer(&creating, "a"));
    let active = settle(&creating, at(210));
    let found = consumer(&active, "a").unwrap();
    assert_eq!((found.status, found.due), (ConsumerStatus::Active, None));
    let deleting = deregister(&active, "a", at(220)).unwrap();
    assert_eq!(consumer(&deleting, "a").unwrap().status, ConsumerStatus::Deleting);
    let again = deregister(&deleting, "a", at(999)).unwrap();
    assert_eq!(again, deleting, "its end stays the same");
    let gone = settle(&deleting, at(220));
    let missing = Error::ConsumerNotFound { consumer: arn("a") };
    assert_eq!(consumer(&gone, "a"), Err(missing.clone()));
    assert_eq!(deregister(&gone, "a", at(230)), Err(missing));
}

#[test]
fn a_consumer_that_was_registered_anew_is_another_one() {
    let state = register(&with_stream("clicks", 1), "a", at(210)).unwrap();
    let older = ConsumerArn { created: 199, ..arn("a") };
    let command = ConsumerCommand::Deregister { consumer: older.clone(), due: at(210) };
    assert_eq!(make(&state, command), Err(Error::ConsumerNotFound { consumer: older }));
}

#[test]
fn a_stream_takes_twenty_consumers_five_of_them_in_creation() {
    let mut state = with_stream("clicks", 1);
    for batch in 0..4 {
        for n in 0..5 {
            state = register(&state, &format!("c{batch}{n}"), at(210)).unwrap();
        }
        let sixth = register(&state, "sixth", at(210));
        let limit = if batch < 3 { 5 } else { 20 };
        let stream = clicks();
        assert_eq!(
            sixth,
            Err(match limit {
                5 => Error::TooManyConsumersCreating { stream, limit },
                _ => Error::TooManyConsumers { stream, limit },
            })
        );
        state = settle(&state, at(210));
    }
    // One that is being deleted still counts.
    state = deregister(&state, "c00", at(220)).unwrap();
    assert!(matches!(register(&state, "c", at(210)), Err(Error::TooManyConsumers { .. })));
    assert!(register(&settle(&state, at(220)), "c", at(210)).is_ok());
}

#[test]
fn an_on_demand_stream_of_a_committed_account_takes_fifty() {
    let namespace = Namespace::of(&clicks());
    let settings = Command::UpdateAccountSettings { namespace, enabled: true, now: at(100) };
    for (state, committed, limit) in [
        (with_on_demand("clicks"), true, 50),
        (with_on_demand("clicks"), false, 20),
        (with_stream("clicks", 1), true, 20),
    ] {
        let mut state = if committed { apply(&state, &settings).unwrap() } else { state };
        for n in 0..limit {
            state = settle(&register(&state, &format!("c{n}"), at(210)).unwrap(), at(210));
        }
        let too_many = Error::TooManyConsumers { stream: clicks(), limit };
        assert_eq!(register(&state, "one-more", at(210)), Err(too_many));
    }
}

#[test]
fn a_stream_in_use_is_deleted_with_its_consumers_or_not_at_all() {
    let state = some_in_each_status(&with_stream("clicks", 1));
    let delete = |enforce_consumer_deletion| {
        let (stream, due) = (clicks(), at(300));
        apply(&state, &Command::DeleteStream { stream, enforce_consumer_deletion, due })
    };
    assert_eq!(delete(false), Err(Error::StreamHasConsumers { stream: clicks() }));
    let deleting = delete(true).unwrap();
    for (name, due) in [("active", 300), ("creating", 300), ("deleting", 210)] {
        let found = consumer(&deleting, name).unwrap();
        assert_eq!((found.status, found.due), (ConsumerStatus::Deleting, Some(at(due))));
    }
    assert!(matches!(register(&deleting, "late", at(300)), Err(Error::StreamNotActive { .. })));
}

#[test]
fn only_active_consumers_take_tags_and_no_more_than_fifty() {
    let state = some_in_each_status(&with_stream("clicks", 1));
    let add = |name: &str, count| {
        make(&state, ConsumerCommand::AddTags { consumer: arn(name), tags: tags(count) })
    };
    assert_eq!(consumer(&add("active", 50).unwrap(), "active").unwrap().tags.len(), 50);
    let too_many = Error::TooManyConsumerTags { consumer: arn("active"), limit: 50 };
    assert_eq!(add("active", 51), Err(too_many));
    for name in ["creating", "deleting"] {
        let idle = Error::ConsumerNotActive { consumer: arn(name) };
        assert_eq!(add(name, 1), Err(idle.clone()));
        let remove = ConsumerCommand::RemoveTags { consumer: arn(name), keys: Vec::new() };
        assert_eq!(make(&state, remove), Err(idle));
    }
    let keys = vec!["key0".into(), "unknown".into()];
    let removed = make(&state, ConsumerCommand::RemoveTags { consumer: arn("active"), keys });
    assert!(consumer(&removed.unwrap(), "active").unwrap().tags.is_empty());
}

#[test]
fn settling_minds_which_stream_it_was_meant_for() {
    let state = register(&with_stream("clicks", 1), "a", at(210)).unwrap();
    let other =
        ConsumerCommand::Settle { stream: clicks(), log_number: StreamNumber(9), now: at(210) };
    assert_eq!(make(&state, other), Ok(state));
}
