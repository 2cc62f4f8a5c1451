//! Personal data in the log: sealed as stored, opened as read, gone with its key.

use std::sync::Arc;
use std::time::Duration;

use adapters::database::Database;
use adapters::event_store::MemoryEventStore;
use adapters::ids::RandomIds;
use adapters::keys::{KeyVault, KeysDb, MasterKey, SubjectKeyState, rotate};
use adapters::privacy::EncryptingEventStore;
use adapters::testing::call_lives::{call, client, life, new_event};
use adapters::testing::postgres::Cluster;
use conformance::fakes::clock::ManualClock;
use domain::call::{CallEvent, LineTranscribed};
use domain::envelope::{NewEvent, Recorded, Version};
use domain::ids::SubjectId;
use domain::personal::Personal;
use domain::ports::event_store::{Direction, EventStore, Expected};
use domain::privacy::Subject;
use domain::wire::DomainEvent;

const LIFE: Duration = Duration::from_secs(30);
/// The called party of call 1, and its own number.
const PERSON: &str = "+12025000001";
const OWN: &str = "+12026000001";

/// A node: its log over a shared one, its keys in a shared store.
struct Node {
    log: EncryptingEventStore,
    keys: KeysDb,
}

async fn node(
    database: &Database,
    shared: &Arc<MemoryEventStore>,
    clock: &Arc<ManualClock>,
    master: u8,
) -> Node {
    let keys = KeysDb::open(database).await.unwrap();
    let vault = KeyVault::new(keys.clone(), MasterKey::new([master; 32]), clock.clone(), Arc::new(RandomIds));
    Node { log: EncryptingEventStore::new(shared.clone(), vault.subject_keys(LIFE)), keys }
}

fn events(n: u64) -> Vec<NewEvent> {
    let life = life(n);
    life.iter().zip(0..).map(|(event, step)| new_event(n, step, client(1), event)).collect()
}

async fn read(log: &dyn EventStore, n: u64) -> Vec<Recorded> {
    log.read_stream(&call(n).stream(), Version::NONE, Direction::Forwards, 100).await.unwrap()
}

fn decode(events: &[Recorded]) -> Vec<CallEvent> {
    let one = |event: &Recorded| CallEvent::decode(&event.event_type, event.schema, &event.payload).unwrap();
    events.iter().map(one).collect()
}

async fn subject(log: &EncryptingEventStore, number: &str) -> SubjectId {
    log.keys().pseudonym(client(1), &Subject::of_party(number).unwrap()).await.unwrap()
}

/// What of a call's events is personal and readable.
fn readable(events: &[CallEvent]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for event in events {
        match event {
            CallEvent::CarrierEventReceived(receipt) => found.extend(receipt.raw.reveal().map(|_| "raw")),
            CallEvent::Queued(queued) => {
                found.extend(queued.to.reveal().map(|_| "to"));
                found.extend(queued.from.as_ref().and_then(Personal::reveal).map(|_| "from"));
                found.extend(queued.metadata.reveal().map(|_| "metadata"));
            }
            CallEvent::SpeechRequested(speech) => found.extend(speech.text.reveal().map(|_| "text")),
            CallEvent::DtmfReceived(key) => found.extend(key.digit.reveal().map(|_| "digit")),
            CallEvent::LineTranscribed(line) => found.extend(line.text.reveal().map(|_| "line")),
            _ => {}
        }
    }
    found
}

async fn is_sealed_as_stored_and_open_as_read(database: &Database) {
    let (shared, clock) = (Arc::new(MemoryEventStore::new()), Arc::new(ManualClock::default()));
    let node = node(database, &shared, &clock, 1).await;
    let given = events(1);
    let stream = call(1).stream();
    // event by event, as they come
    for (version, event) in (0..).zip(&given) {
        node.log.append(&stream, Expected::Exact(Version(version)), vec![event.clone()]).await.unwrap();
    }
    let stored = read(&*shared, 1).await;
    for secret in [PERSON, OWN, "appointment", "gold", "Hello", "\"from\"", "call_session_id"] {
        let found = stored
            .iter()
            .find(|event| event.payload.windows(secret.len()).any(|part| part == secret.as_bytes()));
        assert!(found.is_none(), "{secret} is readable in {:?}", found.map(|event| &event.event_type));
    }
    let opened = read(&node.log, 1).await;
    for (given, opened) in given.iter().zip(&opened) {
        assert_eq!(given.payload, opened.payload, "{}", given.event_type);
    }
    // the same again is no news, though its bytes would be others
    let again = node.log.append(&stream, Expected::NoStream, given[..1].to_vec()).await.unwrap();
    assert!(again.repeated);
    // for the views, what they do not read is not opened
    let views = node.log.for_reader_of(&["call.queued", "call.line_transcribed"]).unwrap();
    assert_eq!(readable(&decode(&read(&*views, 1).await)), ["to", "from", "metadata", "line"]);
    node.keys.close().await;
}

async fn is_gone_with_its_key(database: &Database) {
    let (shared, clock) = (Arc::new(MemoryEventStore::new()), Arc::new(ManualClock::default()));
    let here = node(database, &shared, &clock, 1).await;
    let there = node(database, &shared, &clock, 1).await;
    let stream = call(1).stream();
    let mut given = events(1);
    let last = given.pop().unwrap();
    here.log.append(&stream, Expected::NoStream, given).await.unwrap();
    here.log.append(&call(2).stream(), Expected::NoStream, events(2)).await.unwrap();
    let all = ["to", "from", "metadata", "raw", "text", "digit", "line", "raw"];
    for log in [&here.log, &there.log] {
        assert_eq!(readable(&decode(&read(log, 1).await)), all);
    }

    let person = subject(&here.log, PERSON).await;
    assert_eq!(subject(&there.log, PERSON).await, person, "the same pseudonym on every node");
    let destroyed = here.log.keys().destroy(client(1), person).await.unwrap();
    assert_eq!(destroyed.len(), 1);
    assert!(
        here.log.keys().destroy(client(1), person).await.unwrap().is_empty(),
        "nothing is left to destroy"
    );
    here.log.keys().scrub().await.unwrap();
    // at once where it was done; the client's own number is not the person's
    assert_eq!(readable(&decode(&read(&here.log, 1).await)), ["from"]);
    // elsewhere when what is remembered has had its time
    assert_eq!(readable(&decode(&read(&there.log, 1).await)), all);
    clock.advance(LIFE);
    assert_eq!(readable(&decode(&read(&there.log, 1).await)), ["from"]);
    assert_eq!(readable(&decode(&read(&there.log, 2).await)).len(), all.len(), "others are not touched");

    // whoever calls again is somebody new, and what was is not back with them
    there.log.append(&stream, Expected::Any, vec![last, said("again")]).await.unwrap();
    let after = decode(&read(&here.log, 1).await);
    assert_eq!(readable(&after), ["from", "line"]);
    assert_eq!(here.log.keys().of(client(1), person).await.unwrap().len(), 2);

    // a new master key is no way back
    for node in [here, there] {
        node.keys.close().await;
    }
    let keys = KeysDb::open(database).await.unwrap();
    rotate(&keys, &MasterKey::new([1; 32]), &MasterKey::new([2; 32]), &RandomIds).await.unwrap();
    keys.close().await;
    let new = node(database, &shared, &clock, 2).await;
    assert_eq!(readable(&decode(&read(&new.log, 1).await)), ["from", "line"]);
    assert_eq!(readable(&decode(&read(&new.log, 2).await)).len(), all.len());
    new.keys.close().await;
}

fn said(text: &str) -> NewEvent {
    let CallEvent::LineTranscribed(line) = life(1).swap_remove(9) else {
        panic!("the tenth event is a line")
    };
    let line = CallEvent::from(LineTranscribed { text: text.to_owned().into(), ..line });
    new_event(1, 400, client(1), &line)
}

/// Two nodes that need a key at once get the same one.
async fn agrees_on_first_use(database: &Database) {
    let (shared, clock) = (Arc::new(MemoryEventStore::new()), Arc::new(ManualClock::default()));
    let (one, two) = (node(database, &shared, &clock, 1).await, node(database, &shared, &clock, 1).await);
    let (first, second) = (subject(&one.log, PERSON).await, subject(&one.log, OWN).await);
    let wanted = [first, second];
    let (a, b, c) = tokio::join!(
        one.log.keys().sealing(client(1), &wanted),
        two.log.keys().sealing(client(1), &wanted),
        two.log.keys().sealing(client(1), &wanted[1..]),
    );
    let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    assert_eq!(a, b);
    assert_eq!(a[1..], c);
    one.keys.close().await;
    two.keys.close().await;
}

/// Two nodes that destroy at once, in one tree that grows beyond what is remembered of it.
async fn destroys_many(database: &Database) {
    let (shared, clock) = (Arc::new(MemoryEventStore::new()), Arc::new(ManualClock::default()));
    let (one, two) = (node(database, &shared, &clock, 1).await, node(database, &shared, &clock, 1).await);
    let mut persons = Vec::new();
    for n in 0..60 {
        persons.push(subject(&one.log, &format!("+120255501{n:02}")).await);
    }
    let before = one.log.keys().sealing(client(1), &persons).await.unwrap();
    for pair in persons[..40].chunks(2) {
        let (a, b) = tokio::join!(
            one.log.keys().destroy(client(1), pair[0]),
            two.log.keys().destroy(client(1), pair[1]),
        );
        assert_eq!((a.unwrap().len(), b.unwrap().len()), (1, 1));
    }
    clock.advance(LIFE);
    let three = node(database, &shared, &clock, 1).await;
    for node in [&one, &two, &three] {
        let ids = before.iter().map(|key| (client(1), key.id));
        let states = node.log.keys().opening(ids).await.unwrap();
        for (at, key) in before.iter().enumerate() {
            match &states[&key.id] {
                SubjectKeyState::Destroyed(whose) => assert!(at < 40 && *whose == persons[at], "person {at}"),
                SubjectKeyState::Alive(found) => assert!(at >= 40 && found == key, "person {at}"),
                SubjectKeyState::Unknown => panic!("the key of person {at} is lost"),
            }
        }
        let again = node.log.keys().sealing(client(1), &persons).await.unwrap();
        assert!((0..60).all(|at| (again[at] == before[at]) == (at >= 40)), "who was erased has another key");
    }
    for node in [one, two, three] {
        node.keys.close().await;
    }
}

async fn on_both(case: impl AsyncFn(&Database)) {
    let folder = tempfile::tempdir().unwrap();
    case(&Database::Sqlite(folder.path().join("keys.db"))).await;
    let cluster = Cluster::start();
    case(&Database::Postgres(cluster.database().await)).await;
}

#[tokio::test]
async fn personal_data_is_sealed_as_stored_and_open_as_read() {
    on_both(is_sealed_as_stored_and_open_as_read).await;
}

#[tokio::test]
async fn personal_data_is_gone_with_its_key_here_at_once_and_elsewhere_when_the_cache_has_had_its_time() {
    on_both(is_gone_with_its_key).await;
}

#[tokio::test]
async fn nodes_that_need_the_same_key_at_once_agree_on_one() {
    on_both(agrees_on_first_use).await;
}

#[tokio::test]
async fn of_many_keys_destroyed_by_two_nodes_none_is_left_and_all_others_are_what_they_were() {
    on_both(destroys_many).await;
}

#[tokio::test]
async fn a_sealed_value_that_was_moved_reads_as_erased_and_takes_nothing_else_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(folder.path().join("keys.db"));
    let (shared, clock) = (Arc::new(MemoryEventStore::new()), Arc::new(ManualClock::default()));
    let node = node(&database, &shared, &clock, 1).await;
    node.log.append(&call(1).stream(), Expected::NoStream, events(1)).await.unwrap();
    let stored = read(&*shared, 1).await;
    let line = stored.iter().find(|event| event.event_type == "call.line_transcribed").unwrap();
    // the same bytes under another event's id
    let moved = NewEvent { payload: line.payload.to_vec(), ..said("") };
    shared.append(&call(1).stream(), Expected::Any, vec![moved]).await.unwrap();
    let read = decode(&read(&node.log, 1).await);
    let Some(CallEvent::LineTranscribed(moved)) = read.last() else { panic!("the last event is a line") };
    assert!(moved.text.is_shredded());
    assert!(readable(&read).len() == 8, "all else is there: {:?}", readable(&read));
}

#[tokio::test]
async fn a_personal_field_nobody_is_named_for_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(folder.path().join("keys.db"));
    let (shared, clock) = (Arc::new(MemoryEventStore::new()), Arc::new(ManualClock::default()));
    let node = node(&database, &shared, &clock, 1).await;
    let unknown = NewEvent { event_type: "call.whispered".to_owned(), ..said("psst") };
    let refused = node.log.append(&call(1).stream(), Expected::Any, vec![unknown]).await.unwrap_err();
    assert_eq!(refused.to_string(), "the append was refused: a personal field belongs to nobody");
}
