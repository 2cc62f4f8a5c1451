//! A long stream is read on from its snapshot, and from its beginning where that does not fit.

use std::sync::{Arc, Mutex};

use actors::{CommandContext, Runtime, Session};
use adapters::testing::counting_log::CountingLog;
use async_trait::async_trait;
use domain::aggregate::Aggregate as _;
use domain::conversation::{
    Channel, Conversation, ConversationCommand, ConversationStarted, MessageKind, MessageRole, Said,
};
use domain::envelope::{StreamId, Version};
use domain::ids::{ClientId, ConversationId, MessageId};
use domain::ports::StoreUnavailable;
use domain::ports::snapshots::{Snapshot, Snapshots};
use tokio::sync::Notify;
use uuid::Uuid;

use super::world::World;

const EVENTS: usize = 2_000;

#[derive(Debug, Default)]
struct Kept {
    snapshot: Mutex<Option<Snapshot>>,
    saved: Notify,
}

#[async_trait]
impl Snapshots for Kept {
    async fn load(&self, _: ClientId, _: &StreamId) -> Result<Option<Snapshot>, StoreUnavailable> {
        Ok(self.snapshot.lock().unwrap().clone())
    }

    async fn save(&self, _: &StreamId, snapshot: &Snapshot) -> Result<(), StoreUnavailable> {
        *self.snapshot.lock().unwrap() = Some(snapshot.clone());
        self.saved.notify_one();
        Ok(())
    }
}

struct Bench {
    runtime: Runtime,
    context: CommandContext,
    log: Arc<CountingLog>,
    kept: Arc<Kept>,
    stream: StreamId,
}

impl Bench {
    /// A conversation of many messages.
    async fn new() -> Self {
        let world = World::new();
        let log = Arc::new(CountingLog::default());
        let kept = Arc::new(Kept::default());
        let runtime = Runtime { store: log.clone(), snapshots: Some(kept.clone()), ..world.runtime.clone() };
        let id = ConversationId(Uuid::from_u128(77));
        let bench = Self { runtime, context: world.context(), log, kept, stream: id.stream() };
        let mut session = Session::<Conversation>::on_new_stream(bench.runtime.clone(), bench.stream.clone());
        let started = ConversationStarted {
            agent: None,
            channel: Channel::Api,
            user: None,
            metadata: Default::default(),
            customer_id: None,
            call: None,
            at: bench.runtime.clock.now(),
        };
        let start = ConversationCommand::Start(Box::new(started));
        session.execute(&start, &bench.context, None).await.unwrap();
        for hundred in 0..EVENTS / 100 {
            bench.say(&mut session, hundred * 100, 100).await;
        }
        bench
    }

    async fn say(&self, session: &mut Session<Conversation>, first: usize, count: usize) {
        let said = (first..first + count).map(|n| Said {
            id: MessageId(Uuid::from_u128(1_000 + n as u128)),
            role: MessageRole::User,
            kind: MessageKind::Text,
            content: format!("message {n}").into(),
            line: None,
            at: self.runtime.clock.now(),
        });
        session.execute(&ConversationCommand::Note(said.collect()), &self.context, None).await.unwrap();
    }

    /// Loads the conversation, and how many events were read for it.
    async fn load(&self) -> (Session<Conversation>, usize) {
        let before = self.log.events_of_streams();
        let mut session = Session::<Conversation>::new(self.runtime.clone(), self.stream.clone());
        session.ensure_loaded().await.unwrap();
        (session, self.log.events_of_streams() - before)
    }
}

#[actix::test]
async fn a_long_stream_is_read_on_from_its_snapshot() {
    let bench = Bench::new().await;
    let (first, read) = bench.load().await;
    assert_eq!(read, EVENTS + 1, "nobody has kept one yet");
    bench.kept.saved.notified().await;
    let (mut second, read) = bench.load().await;
    assert!(read < 600, "{read} events were read");
    assert_eq!((second.state(), second.version()), (first.state(), first.version()));
    assert_eq!(second.client(), first.client());
    // what came since is read
    bench.say(&mut second, EVENTS, 30).await;
    let (third, read) = bench.load().await;
    assert!(read < 600, "{read} events were read");
    assert_eq!((third.state(), third.version()), (second.state(), second.version()));
}

#[actix::test]
async fn a_snapshot_of_another_history_or_of_other_rules_is_passed_over() {
    let bench = Bench::new().await;
    let (first, _) = bench.load().await;
    bench.kept.saved.notified().await;
    let kept = bench.kept.snapshot.lock().unwrap().clone().unwrap();
    for wrong in [
        Snapshot { event: Uuid::from_u128(1), ..kept.clone() },
        Snapshot { version: Version(kept.version.0 + 1), ..kept.clone() },
        Snapshot { state: b"of another build".to_vec(), ..kept.clone() },
    ] {
        *bench.kept.snapshot.lock().unwrap() = Some(wrong);
        let (again, read) = bench.load().await;
        assert!(read > EVENTS, "{read} events were read");
        assert_eq!((again.state(), again.version()), (first.state(), first.version()));
        bench.kept.saved.notified().await;
    }
    assert_eq!(Conversation::from_snapshot(&kept.state).as_ref(), Some(first.state()));
}
