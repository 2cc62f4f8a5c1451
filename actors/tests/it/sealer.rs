//! Sealing on virtual time: heads follow the log, and nothing is built on what cannot be trusted.

use std::sync::Arc;
use std::time::Duration;

use actors::sealer::{
    AcceptError, Accepting, Damaged, HistoryHealth, ProveError, Prover, SealOptions, SealedLog, SealerDeps,
    Unsound, recheck, restore, run,
};
use actors::{Runtime, TraceHooks};
use adapters::event_store::MemoryEventStore;
use conformance::fakes::clock::ManualClock;
use conformance::fakes::head_keeper::MemoryHeadKeeper;
use conformance::fakes::outbox::MemoryWork;
use conformance::fakes::seals::MemorySeals;
use domain::envelope::{Metadata, NewEvent, Position, Recorded, StreamId, Time};
use domain::history::LogEvent;
use domain::merkle::{
    Entry, Frontier, Hash, KeptHead, NoteSigner, SignedCheckpoint, TileId, log_id, origin,
    verify_consistency, verify_inclusion,
};
use domain::ports::event_store::{EventStore, Expected};
use domain::ports::head_keeper::{HeadKeeper, KeepError};
use domain::ports::seals::SealStore;
use domain::testing::ids::{SequentialIds, sequential};
use domain::wire::DomainEvent as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::world::CLIENT;

const SECRET: [u8; 32] = [5; 32];

struct Sealed {
    log: Arc<MemoryEventStore>,
    seals: Arc<MemorySeals>,
    keeper: Arc<MemoryHeadKeeper>,
    health: Arc<HistoryHealth>,
    clock: Arc<ManualClock>,
    ids: Arc<SequentialIds>,
    appended: u64,
}

impl Sealed {
    /// A new installation, whose first start found an empty log.
    async fn new() -> Self {
        let sealed = Self {
            log: Arc::new(MemoryEventStore::new()),
            seals: Arc::default(),
            keeper: Arc::default(),
            health: Arc::default(),
            clock: Arc::default(),
            ids: Arc::default(),
            appended: 0,
        };
        sealed.keeper.keep(&KeptHead::NOTHING).await.unwrap();
        sealed
    }

    fn parts(&self) -> SealedLog {
        SealedLog {
            log: self.log.clone(),
            table: self.log.clone(),
            seals: self.seals.clone(),
            keeper: self.keeper.clone(),
            secret: SECRET,
        }
    }

    fn node(&self, name: &str) -> (JoinHandle<()>, CancellationToken) {
        let bench = SealerDeps {
            runtime: Runtime {
                store: self.log.clone(),
                clock: self.clock.clone(),
                ids: self.ids.clone(),
                node: name.into(),
                trace: TraceHooks::default(),
                snapshots: None,
            },
            sealed: self.parts(),
            health: self.health.clone(),
            operator: CLIENT,
            leases: Arc::new(MemoryWork::default()),
            witnesses: Vec::new(),
        };
        let stop = CancellationToken::new();
        (tokio::spawn(run(bench, SealOptions::default(), stop.clone())), stop)
    }

    async fn append(&mut self, count: u64) {
        for _ in 0..count {
            self.appended += 1;
            let event = NewEvent {
                id: sequential(1_000_000 + self.appended),
                event_type: "call.noted".to_owned(),
                schema: 1,
                client_id: CLIENT,
                payload: self.appended.to_be_bytes().to_vec(),
                metadata: Metadata::system("test", sequential(1)),
                recorded_at: Time::UNIX_EPOCH,
            };
            let stream = StreamId::new("call", sequential(self.appended % 7));
            self.log.append(&stream, Expected::Any, vec![event]).await.unwrap();
        }
    }

    /// Lets time pass until everything is sealed.
    async fn settle(&self) {
        let end = self.log.head().await.unwrap().0;
        for _ in 0..10_000 {
            if self.seals.latest().await.unwrap().is_some_and(|head| head.size == end) {
                return;
            }
            self.clock.advance(Duration::from_millis(10));
            tokio::task::yield_now().await;
        }
        panic!("{:?} of {} are sealed", self.seals.latest().await.unwrap(), self.appended);
    }

    async fn signer(&self) -> NoteSigner {
        let first = self.log.read_all(Position::START, 1).await.unwrap().remove(0);
        NoteSigner::new(origin(log_id(&first)), &SECRET)
    }

    /// Every head is signed and is the root over the log as it was.
    async fn check(&self) -> usize {
        let verifier = self.signer().await.verifier();
        let heads = self.seals.heads(None, false, 10_000).await.unwrap();
        let events = self.log.read_all(Position::START, 100_000).await.unwrap();
        let (log, mut tree, mut due) = (log_id(&events[0]), Frontier::default(), heads.iter().peekable());
        for event in &events {
            tree.push(Entry::of(log, event).leaf());
            if let Some(head) = due.next_if(|head| head.size == event.position.0) {
                assert_eq!(head.root, tree.root(), "over {}", head.size);
                verifier.verify(&head.note.parse::<SignedCheckpoint>().unwrap()).unwrap();
            }
        }
        assert!(due.next().is_none());
        heads.len()
    }
}

#[actix::test]
async fn every_event_is_covered_by_a_head_within_half_a_second() {
    let mut sealed = Sealed::new().await;
    let (node, stop) = sealed.node("one");
    for count in [1, 300, 2, 700] {
        sealed.append(count).await;
        let before = sealed.clock_now();
        sealed.settle().await;
        let took = (sealed.clock_now() - before).to_std().unwrap();
        assert!(took <= Duration::from_millis(700), "{took:?}");
    }
    assert!(sealed.check().await >= 4);
    stop.cancel();
    node.await.unwrap();
}

impl Sealed {
    fn clock_now(&self) -> Time {
        use domain::ports::clock::Clock as _;
        self.clock.now()
    }
}

#[actix::test]
async fn who_takes_over_goes_on_and_two_at_once_write_the_same() {
    let mut sealed = Sealed::new().await;
    sealed.append(600).await;
    let (first, stop) = sealed.node("one");
    sealed.settle().await;
    stop.cancel();
    first.await.unwrap();
    sealed.append(5).await;
    // each has leases of its own, so neither knows of the other
    let (second, stop_second) = sealed.node("two");
    let (third, stop_third) = sealed.node("three");
    sealed.settle().await;
    sealed.append(400).await;
    sealed.settle().await;
    assert!(sealed.check().await >= 3);
    for stop in [stop_second, stop_third] {
        stop.cancel();
    }
    second.await.unwrap();
    third.await.unwrap();
}

#[actix::test]
async fn proofs_of_the_stored_tree_verify_and_end_with_it() {
    let mut sealed = Sealed::new().await;
    let (node, stop) = sealed.node("one");
    sealed.append(260).await;
    sealed.settle().await;
    sealed.append(440).await;
    sealed.settle().await;
    let prover = Prover::new(sealed.seals.clone());
    let root = async |size| prover.root(size).await.unwrap();
    let newest = sealed.seals.latest().await.unwrap().unwrap();
    assert_eq!(root(700).await, newest.root);
    for size in [1, 2, 255, 256, 257, 511, 512, 513, 700] {
        for position in [1, 2, 128, 256, 257, 512, 699, 700].into_iter().filter(|position| *position <= size)
        {
            let (leaf, proof) = prover.inclusion(position, size).await.unwrap();
            verify_inclusion(&leaf, position - 1, size, &proof, &root(size).await).unwrap();
        }
        let proof = prover.consistency(size, 700).await.unwrap();
        verify_consistency(size, 700, &proof, &root(size).await, &newest.root).unwrap();
    }
    for beyond in [
        prover.inclusion(0, 700).await.map(|_| ()),
        prover.inclusion(701, 701).await.map(|_| ()),
        prover.inclusion(5, 4).await.map(|_| ()),
        prover.consistency(0, 700).await.map(|_| ()),
        prover.consistency(700, 701).await.map(|_| ()),
        prover.consistency(9, 8).await.map(|_| ()),
    ] {
        assert!(matches!(beyond, Err(ProveError::Beyond { sealed: 700 })), "{beyond:?}");
    }
    stop.cancel();
    node.await.unwrap();
}

#[actix::test]
async fn nothing_is_built_on_a_tree_or_a_head_that_cannot_be_trusted() {
    let mut sealed = Sealed::new().await;
    let (node, stop) = sealed.node("one");
    sealed.append(300).await;
    sealed.settle().await;
    stop.cancel();
    node.await.unwrap();
    let verifier = sealed.signer().await.verifier();
    assert!(restore(&*sealed.seals, &verifier).await.is_ok());
    let stranger = NoteSigner::new(verifier.name().to_owned(), &[6; 32]).verifier();
    let refused = restore(&*sealed.seals, &stranger).await;
    assert!(matches!(refused, Err(Damaged::Head { size: 301, .. })), "{refused:?}");

    sealed.seals.damage(TileId { level: 0, index: 1 }, |tile| tile.hashes[3] = Hash([0; 32]));
    let refused = restore(&*sealed.seals, &verifier).await;
    assert!(matches!(refused, Err(Damaged::Tiles { size: 301 })), "{refused:?}");
    sealed.change(100);
    let (node, stop) = sealed.node("two");
    sealed.append(5).await;
    sealed.pass(Duration::from_secs(20)).await;
    assert_eq!(sealed.seals.latest().await.unwrap().unwrap().size, 301, "sealed on");
    assert!(sealed.health.fault().unwrap().contains("positions 1 to 301"), "{:?}", sealed.health.fault());
    // as long as the log is what was sealed, a damaged tree is put aside and made again
    sealed.change(100);
    sealed.settle().await;
    assert_eq!(sealed.health.fault(), None);
    assert!(!sealed.seals.aside().is_empty());
    sealed.check().await;
    stop.cancel();
    node.await.unwrap();
}

impl Sealed {
    async fn pass(&self, time: Duration) {
        for _ in 0..time.as_millis() / 10 {
            self.clock.advance(Duration::from_millis(10));
            tokio::task::yield_now().await;
        }
    }

    /// Changes an event behind the node's back; a second time it is as it was.
    fn change(&self, position: usize) {
        self.log.damage(|events| {
            let event = &mut events[position - 1];
            let mut payload = event.payload.to_vec();
            payload[0] ^= 1;
            event.payload = payload.into();
        });
    }

    /// Sealed and stopped with so many events and the head that a stop leaves in the log.
    async fn stopped_with(count: u64) -> Self {
        let mut sealed = Self::new().await;
        sealed.append(count).await;
        sealed.start_and_stop().await;
        sealed
    }

    async fn start_and_stop(&self) {
        let (node, stop) = self.node("one");
        self.settle().await;
        stop.cancel();
        node.await.unwrap();
    }

    async fn refused(&self) -> Unsound {
        use domain::ports::clock::Clock as _;
        self.parts().standing(self.clock.now()).await.unwrap_err()
    }

    /// A node that is started now seals nothing, and says why.
    async fn is_not_sealed(&mut self, why: &str) {
        let before = self.seals.latest().await.unwrap();
        let (node, stop) = self.node("again");
        self.append(3).await;
        self.pass(Duration::from_secs(10)).await;
        assert_eq!(self.seals.latest().await.unwrap(), before, "sealed");
        let fault = self.health.fault().unwrap_or_default();
        assert!(fault.contains(why), "{fault:?} does not say {why:?}");
        stop.cancel();
        node.await.unwrap();
        assert_eq!(self.seals.latest().await.unwrap(), before, "sealed at the stop");
    }

    async fn anchors(&self) -> Vec<(u64, LogEvent)> {
        let events = self.log.read_all(Position::START, 100_000).await.unwrap();
        let anchors = events.iter().filter(|event| event.event_type.starts_with("log."));
        let read =
            |event: &Recorded| LogEvent::decode(&event.event_type, event.schema, &event.payload).unwrap();
        anchors.map(|event| (event.position.0, read(event))).collect()
    }
}

#[actix::test]
async fn who_changes_events_and_deletes_the_seals_gets_no_new_signature() {
    for keep in [0, 300] {
        let mut sealed = Sealed::stopped_with(300).await;
        sealed.change(150);
        sealed.seals.cut(keep);
        assert!(matches!(sealed.refused().await, Unsound::Changed { .. }));
        sealed.is_not_sealed("are not what was sealed").await;
    }
}

#[actix::test]
async fn seals_that_are_gone_are_made_again_with_the_same_root() {
    for keep in [0, 300] {
        let mut sealed = Sealed::stopped_with(300).await;
        let before = sealed.seals.latest().await.unwrap().unwrap();
        sealed.append(7).await;
        sealed.seals.cut(keep);
        sealed.start_and_stop().await;
        assert!(sealed.check().await >= 1);
        assert_eq!(Prover::new(sealed.seals.clone()).root(before.size).await.unwrap(), before.root);
        assert_eq!(sealed.health.fault(), None);
    }
}

#[actix::test]
async fn a_log_that_was_cut_or_is_another_one_is_not_sealed() {
    for seals in [0, 301] {
        let mut sealed = Sealed::stopped_with(300).await;
        sealed.log.damage(|events| events.truncate(290));
        sealed.seals.cut(seals);
        assert!(matches!(sealed.refused().await, Unsound::Shrunk { sealed: 301, found: 290 }));
        sealed.is_not_sealed("events are missing").await;
    }
    let sealed = Sealed::stopped_with(300).await;
    let mut other = Sealed::stopped_with(310).await;
    other.log.damage(|events| events[0].id = sequential(9_999_999));
    other.keeper = sealed.keeper.clone();
    assert!(matches!(other.refused().await, Unsound::OtherLog { .. }));
    // the same beginning, another history, as long
    let mut other = Sealed::stopped_with(310).await;
    other.change(200);
    other.seals = sealed.seals.clone();
    other.keeper = sealed.keeper.clone();
    assert!(matches!(other.refused().await, Unsound::Changed { from: 200, to: 301 }));
}

#[actix::test]
async fn a_kept_head_is_neither_forged_nor_removed_unnoticed() {
    let mut sealed = Sealed::stopped_with(300).await;
    sealed.keeper.damage(|kept| {
        if let Some((head, _)) = kept {
            head.size = 100;
        }
    });
    assert!(matches!(sealed.refused().await, Unsound::Keep(KeepError::Forged)));
    sealed.keeper.damage(|kept| *kept = None);
    sealed.seals.cut(0);
    assert!(matches!(sealed.refused().await, Unsound::Keep(KeepError::Gone)));
    sealed.is_not_sealed("that is gone").await;

    // a key store without any memory, and no seals: nothing says what the log was
    sealed.keeper = Arc::default();
    assert!(matches!(sealed.refused().await, Unsound::NeverSealed { found: 304 }));
    // with seals it is what an installation looks like that kept no head yet
    let mut sealed = Sealed::stopped_with(300).await;
    sealed.keeper = Arc::default();
    sealed.append(2).await;
    sealed.start_and_stop().await;
    assert_eq!(sealed.keeper.kept().await.unwrap().map(|head| head.size), Some(304));
}

#[actix::test]
async fn a_stop_seals_the_last_event_and_leaves_its_head_in_the_log() {
    let mut sealed = Sealed::new().await;
    sealed.append(40).await;
    let (node, stop) = sealed.node("one");
    sealed.settle().await;
    sealed.append(3).await;
    stop.cancel();
    node.await.unwrap();
    let head = sealed.seals.latest().await.unwrap().unwrap();
    assert_eq!(head.size, 44, "43 events, and the head of them in the log");
    let kept = sealed.keeper.kept().await.unwrap().unwrap();
    assert_eq!((kept.size, kept.root), (head.size, head.root));
    let anchors = sealed.anchors().await;
    let [(44, LogEvent::Anchored(anchored))] = anchors.as_slice() else { panic!("{anchors:?}") };
    assert_eq!(anchored.size, 43);
    let note: SignedCheckpoint = anchored.note.parse().unwrap();
    sealed.signer().await.verifier().verify(&note).unwrap();
    assert_eq!((note.checkpoint.size, note.checkpoint.root), (43, anchored.root));
    // where nothing came nothing is written
    for _ in 0..3 {
        sealed.start_and_stop().await;
    }
    assert_eq!(sealed.log.head().await.unwrap().0, 44);
    sealed.check().await;
}

#[actix::test]
async fn now_and_then_the_newest_head_stands_in_the_log() {
    let mut sealed = Sealed::new().await;
    sealed.append(5).await;
    let (node, stop) = sealed.node("one");
    sealed.settle().await;
    sealed.pass(Duration::from_secs(60)).await;
    assert_eq!(sealed.anchors().await, []);
    for _ in 0..200 {
        sealed.clock.advance(Duration::from_secs(60));
        sealed.pass(Duration::from_millis(100)).await;
    }
    // more than three hours, and one head: nothing came after it
    let anchors = sealed.anchors().await;
    assert!(
        matches!(anchors.as_slice(), [(6, LogEvent::Anchored(anchored))] if anchored.size == 5),
        "{anchors:?}"
    );
    sealed.append(1).await;
    for _ in 0..70 {
        sealed.clock.advance(Duration::from_secs(60));
        sealed.pass(Duration::from_millis(100)).await;
    }
    assert_eq!(sealed.anchors().await.len(), 2);
    stop.cancel();
    node.await.unwrap();
}

#[actix::test]
async fn a_running_node_notices_what_is_changed_behind_its_back() {
    let mut sealed = Sealed::new().await;
    sealed.append(1_000).await;
    let (node, stop) = sealed.node("one");
    sealed.settle().await;
    let day = Duration::from_secs(24 * 3600);
    let (clock, health) = (sealed.clock.clone(), sealed.health.clone());
    let watching = tokio::spawn(recheck(sealed.parts(), clock, health, day, stop.clone()));
    sealed.pass(Duration::from_secs(15)).await;
    assert_eq!(sealed.health.fault(), None);
    // in a middle page, a young one, a row gone, the tree
    for position in [300, 990] {
        sealed.change(position);
        sealed.pass(Duration::from_secs(15)).await;
        let fault = sealed.health.fault().unwrap();
        assert!(fault.contains(&format!("positions {position} to {position} of the log")), "{fault}");
        sealed.change(position);
        sealed.pass(Duration::from_secs(15)).await;
        assert_eq!(sealed.health.fault(), None, "a fault that is mended is taken back");
    }
    let flip = |tile: &mut domain::merkle::Tile| tile.hashes[3].0[0] ^= 1;
    sealed.seals.damage(TileId { level: 0, index: 1 }, flip);
    sealed.pass(Duration::from_secs(15)).await;
    assert!(sealed.health.fault().is_some_and(|fault| fault.contains("tiles do not make up")));
    sealed.seals.damage(TileId { level: 0, index: 1 }, flip);
    sealed.pass(Duration::from_secs(15)).await;
    assert_eq!(sealed.health.fault(), None);
    sealed.seals.cut(0);
    sealed.pass(Duration::from_secs(3)).await;
    assert!(sealed.health.fault().is_some_and(|fault| fault.contains("head of 1000 events")));
    stop.cancel();
    node.await.unwrap();
    watching.await.unwrap();
}

#[actix::test]
async fn an_operator_accepts_a_log_by_naming_what_is_lost() {
    let mut sealed = Sealed::stopped_with(300).await;
    let by = Accepting { operator: CLIENT, clock: sealed.clock.clone(), ids: sealed.ids.clone() };
    assert!(matches!(sealed.parts().accept((301, 301), &by).await, Err(AcceptError::Sound)));
    let before = sealed.seals.latest().await.unwrap().unwrap();
    sealed.log.damage(|events| events.truncate(290));
    let refused = sealed.parts().accept((300, 301), &by).await;
    assert!(matches!(refused, Err(AcceptError::Sizes { size: 290, sealed: 301, .. })), "{refused:?}");
    assert_eq!(sealed.seals.latest().await.unwrap(), Some(before.clone()), "nothing was changed");

    // a store in memory knows its streams by itself: give it a log of the same rows
    let events = sealed.log.read_all(Position::START, 1_000).await.unwrap();
    sealed.log = Arc::new(MemoryEventStore::new());
    for event in &events {
        let event = event.clone();
        let new = NewEvent {
            id: event.id,
            event_type: event.event_type.to_string(),
            schema: event.schema,
            client_id: event.client_id,
            payload: event.payload.to_vec(),
            metadata: Metadata::system("test", sequential(1)),
            recorded_at: event.recorded_at,
        };
        sealed.log.append(&event.stream, Expected::Any, vec![new]).await.unwrap();
    }
    let head = sealed.parts().accept((290, 301), &by).await.unwrap();
    assert_eq!(head.size, 291);
    let anchors = sealed.anchors().await;
    let [(291, LogEvent::Accepted(accepted))] = anchors.as_slice() else { panic!("{anchors:?}") };
    assert_eq!((accepted.size, accepted.superseded_size), (290, 301));
    assert_eq!(accepted.superseded_note.as_ref(), Some(&before.note));
    sealed.signer().await.verifier().verify(&accepted.note.parse().unwrap()).unwrap();
    assert!(sealed.seals.aside().contains(&before), "the old heads are kept");
    sealed.append(10).await;
    sealed.start_and_stop().await;
    assert_eq!(sealed.health.fault(), None);
    assert!(sealed.check().await >= 2);

    // an empty log, too
    sealed.log = Arc::new(MemoryEventStore::new());
    let size = sealed.keeper.kept().await.unwrap().unwrap().size;
    assert_eq!(sealed.parts().accept((0, size), &by).await.unwrap().size, 1);
    sealed.append(10).await;
    sealed.start_and_stop().await;
    sealed.check().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_or_forward_keeps_nothing_from_being_sealed() {
    let mut log = Sealed::new().await;
    let (node, stop) = log.node("one");
    log.append(3).await;
    log.settle().await;
    for days in [-1, 3, -400] {
        log.clock.jump(chrono::TimeDelta::days(days));
        log.append(3).await;
        log.settle().await;
    }
    stop.cancel();
    node.await.unwrap();
}
