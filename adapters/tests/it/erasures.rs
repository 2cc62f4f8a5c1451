//! An older copy of the keys brings back whom the log says were erased; they are erased again, and nobody else is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adapters::database::{Database, copy_sqlite};
use adapters::event_store::MemoryEventStore;
use adapters::ids::RandomIds;
use adapters::keys::{KeyVault, KeysDb, MasterKey};
use adapters::privacy::{EncryptingEventStore, Reapplied};
use adapters::testing::call_lives::{call, client, life, new_event};
use conformance::fakes::clock::ManualClock;
use domain::call::CallEvent;
use domain::envelope::{NewEvent, Position, StreamId, Time, Version};
use domain::ids::{PrivacyJobId, SubjectId};
use domain::origin::Origin;
use domain::ports::clock::Clock as _;
use domain::ports::event_store::{Direction, EventStore, Expected};
use domain::privacy::Subject;
use domain::privacy::job::{
    CopiesCleaned, DataFound, JobCompleted, JobKind, JobRequested, KeysDestroyed, NamedBy, PrivacyJobEvent,
};
use domain::wire::DomainEvent;
use uuid::Uuid;

const LIFE: Duration = Duration::from_secs(30);
const PERSON: &str = "+12025000001";

struct Node {
    log: EncryptingEventStore,
    keys: KeysDb,
}

async fn node(path: &Path, shared: &Arc<MemoryEventStore>, clock: &Arc<ManualClock>) -> Node {
    let keys = KeysDb::open(&Database::Sqlite(path.to_owned())).await.unwrap();
    let vault = KeyVault::new(keys.clone(), MasterKey::new([1; 32]), clock.clone(), Arc::new(RandomIds));
    Node { log: EncryptingEventStore::new(shared.clone(), vault.subject_keys(LIFE)), keys }
}

impl Node {
    async fn again(&self) -> Reapplied {
        self.log.reapply_erasures(&self.keys.privacy_jobs(), Position::START).await.unwrap()
    }

    /// How many of the call's personal texts can be read.
    async fn readable(&self, n: u64) -> usize {
        let page =
            self.log.read_stream(&call(n).stream(), Version::NONE, Direction::Forwards, 100).await.unwrap();
        let texts = page.iter().filter(|event| {
            let event = CallEvent::decode(&event.event_type, event.schema, &event.payload).unwrap();
            matches!(event, CallEvent::LineTranscribed(line) if line.text.reveal().is_some())
        });
        texts.count()
    }

    async fn take(&self, n: u64) {
        let events: Vec<NewEvent> =
            life(n).iter().zip(0..).map(|(event, step)| new_event(n, step, client(1), event)).collect();
        self.log.append(&call(n).stream(), Expected::NoStream, events).await.unwrap();
    }
}

fn job_of(person: SubjectId, destroyed: Vec<Uuid>, at: Time) -> [PrivacyJobEvent; 5] {
    [
        JobRequested {
            kind: JobKind::Erase,
            subject: person,
            named_by: NamedBy::Phone,
            persons: vec![person],
            origin: Origin::default(),
            at,
        }
        .into(),
        KeysDestroyed { keys: destroyed, forgotten_at: at, at }.into(),
        DataFound { events: [].into(), streams: [].into(), values: 2, through: Position(9), at }.into(),
        CopiesCleaned { views: vec![], public_events: 0, attempts: 0, recordings: 0, recordings_left: 0, at }
            .into(),
        JobCompleted { nothing_found: false, until: None, at }.into(),
    ]
}

async fn tell(shared: &MemoryEventStore, job: &StreamId, events: &[PrivacyJobEvent]) {
    let events = events.iter().zip(0..).map(|(event, step)| new_event(900, step, client(1), event)).collect();
    shared.append(job, Expected::NoStream, events).await.unwrap();
}

#[tokio::test]
async fn who_was_erased_since_the_copy_of_the_keys_is_erased_again_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (shared, clock) = (Arc::new(MemoryEventStore::new()), Arc::new(ManualClock::default()));
    let here = node(&folder.path().join("keys.db"), &shared, &clock).await;
    here.take(1).await;
    here.take(2).await;
    let old = folder.path().join("old.db");
    copy_sqlite(&folder.path().join("keys.db"), &old).await.unwrap();
    let all = here.readable(1).await;
    assert!(all > 0);

    let person = Subject::of_party(PERSON).unwrap();
    let person = here.log.keys().pseudonym(client(1), &person).await.unwrap();
    let destroyed = here.log.keys().destroy(client(1), person).await.unwrap();
    let job = PrivacyJobId(Uuid::from_u128(5)).stream();
    tell(&shared, &job, &job_of(person, destroyed, clock.now())).await;
    assert_eq!(here.readable(1).await, 0);
    // met again: a new key, which the erasure of before is not about
    clock.advance(Duration::from_secs(60));
    let again = here.log.keys().sealing(client(1), &[person]).await.unwrap();
    assert_ne!(again[0].id, person.0);
    assert!(here.again().await.is_nothing(), "the keys know of it");
    let alive = here.log.keys().of(client(1), person).await.unwrap();
    assert!(alive.iter().any(|(id, gone)| *id == again[0].id && !gone), "{alive:?}");

    let restored = node(&old, &shared, &clock).await;
    assert_eq!(restored.readable(1).await, all, "the old keys open it");
    let done = restored.again().await;
    assert!(done.keys >= 1 && done.jobs == 0, "{done:?}");
    assert_eq!(restored.readable(1).await, 0);
    assert!(restored.readable(2).await > 0, "others are not touched");
    assert!(restored.again().await.is_nothing(), "once");
    for node in [here, restored] {
        node.keys.close().await;
    }
}

#[tokio::test]
async fn an_erasure_that_the_log_leaves_undone_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (shared, clock) = (Arc::new(MemoryEventStore::new()), Arc::new(ManualClock::default()));
    let here = node(&folder.path().join("keys.db"), &shared, &clock).await;
    here.take(1).await;
    let person = Subject::of_party(PERSON).unwrap();
    let person = here.log.keys().pseudonym(client(1), &person).await.unwrap();
    let job = PrivacyJobId(Uuid::from_u128(5)).stream();
    tell(&shared, &job, &job_of(person, vec![], clock.now())[..1]).await;
    // the keys were copied after the job was done, the log before
    assert_eq!(here.again().await, Reapplied { keys: 0, jobs: 1 });
    here.keys.close().await;
}
