//! Sealing on virtual time: heads follow the log, and nothing is built on what cannot be trusted.

use std::sync::Arc;
use std::time::Duration;

use actors::sealer::{Damaged, ProveError, Prover, SealBench, SealOptions, restore, run};
use actors::{Runtime, TraceHooks};
use adapters::event_store::MemoryEventStore;
use domain::envelope::{Metadata, NewEvent, Position, StreamId, Time};
use domain::merkle::{
    Entry, Frontier, Hash, NoteSigner, SignedCheckpoint, TileId, log_id, origin, verify_consistency,
    verify_inclusion,
};
use domain::ports::event_store::{EventStore, Expected};
use domain::ports::seals::SealStore;
use domain::testing::clock::ManualClock;
use domain::testing::ids::{SequentialIds, sequential};
use domain::testing::seals::MemorySeals;
use domain::testing::work::MemoryWork;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::world::CLIENT;

const SECRET: [u8; 32] = [5; 32];

struct Sealed {
    log: Arc<dyn EventStore>,
    seals: Arc<MemorySeals>,
    clock: Arc<ManualClock>,
    appended: u64,
}

impl Sealed {
    fn new() -> Self {
        let log = Arc::new(MemoryEventStore::new());
        Self { log, seals: Arc::default(), clock: Arc::default(), appended: 0 }
    }

    fn node(&self, name: &str) -> (JoinHandle<()>, CancellationToken) {
        let bench = SealBench {
            runtime: Runtime {
                store: self.log.clone(),
                clock: self.clock.clone(),
                ids: Arc::new(SequentialIds::default()),
                node: name.into(),
                trace: TraceHooks::default(),
            },
            store: self.seals.clone(),
            leases: Arc::new(MemoryWork::default()),
            secret: SECRET,
            witnesses: Vec::new(),
        };
        let stop = CancellationToken::new();
        (tokio::spawn(run(bench, SealOptions::default(), stop.clone())), stop)
    }

    async fn append(&mut self, count: u64) {
        for _ in 0..count {
            self.appended += 1;
            let event = NewEvent {
                id: sequential(self.appended),
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
        for _ in 0..10_000 {
            if self.seals.latest().await.unwrap().is_some_and(|head| head.size == self.appended) {
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
    let mut sealed = Sealed::new();
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
    let mut sealed = Sealed::new();
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
    let mut sealed = Sealed::new();
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
    let mut sealed = Sealed::new();
    let (node, stop) = sealed.node("one");
    sealed.append(300).await;
    sealed.settle().await;
    stop.cancel();
    node.await.unwrap();
    let verifier = sealed.signer().await.verifier();
    assert!(restore(&*sealed.seals, &verifier).await.is_ok());
    let stranger = NoteSigner::new(verifier.name().to_owned(), &[6; 32]).verifier();
    let refused = restore(&*sealed.seals, &stranger).await;
    assert!(matches!(refused, Err(Damaged::Head { size: 300, .. })), "{refused:?}");

    sealed.seals.damage(TileId { level: 0, index: 1 }, |tile| tile.hashes[3] = Hash([0; 32]));
    let refused = restore(&*sealed.seals, &verifier).await;
    assert!(matches!(refused, Err(Damaged::Tiles { size: 300 })), "{refused:?}");
    let (node, stop) = sealed.node("two");
    sealed.append(5).await;
    for _ in 0..2_000 {
        sealed.clock.advance(Duration::from_millis(10));
        tokio::task::yield_now().await;
    }
    assert_eq!(sealed.seals.latest().await.unwrap().unwrap().size, 300, "sealed on");
    stop.cancel();
    node.await.unwrap();
}
