//! Signed heads and their tree, carried over to the copy.

use adapters::database::Database;
use adapters::event_store::EventLog;
use adapters::log_copy::{CarriedSeals, Copied, SealsError, carry_seals};
use adapters::seals::SealsDb;
use adapters::testing::postgres::Cluster;
use domain::envelope::{Recorded, Time};
use domain::merkle::{EMPTY_ROOT, Entry, Hash, NoteSigner, TILE, TileEdge, TileId, origin};
use domain::ports::seals::{Head, SealStore as _};

use super::{Engine, Place, copy, filled, place};

const SECRET: [u8; 32] = [9; 32];

/// Seals a log as the node does: a head at each of these sizes.
async fn sealed(seals: &SealsDb, events: &[Recorded], sizes: &[usize]) {
    let log = events[0].id;
    let signer = NoteSigner::new(origin(log), &SECRET);
    let mut tree = TileEdge::default();
    for size in sizes {
        for event in &events[tree.size() as usize..*size] {
            tree.push(Entry::of(log, event).leaf());
        }
        seals.append(&tree.take_changed(), &head(&signer, *size as u64, tree.root())).await.unwrap();
    }
}

fn head(signer: &NoteSigner, size: u64, root: Hash) -> Head {
    let note = signer.sign(size, root);
    Head { size, root, note, sealed_at: Time::from_timestamp(1_780_000_000 + size as i64, 0).unwrap() }
}

struct Copies {
    source: SealsDb,
    target: SealsDb,
    events: Vec<Recorded>,
    copied: Copied,
    log: EventLog,
    _keep: (Place, Place, tempfile::TempDir),
}

async fn copies() -> Copies {
    let (from, to) = (place(Engine::Sqlite).await, place(Engine::Postgres).await);
    let events = filled(&from, 900).await;
    let copied = copy(&from, &to, 128).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = SealsDb::open(&Database::Sqlite(folder.path().join("seals.db"))).await.unwrap();
    let target = SealsDb::open(&Database::Postgres(Cluster::shared().database().await)).await.unwrap();
    let log = EventLog::open_read_only(&to.target).await.unwrap();
    Copies { source, target, events, copied, log, _keep: (from, to, folder) }
}

impl Copies {
    async fn carry(&self) -> Result<CarriedSeals, SealsError> {
        carry_seals(&self.log.store(), &self.copied, (&self.source, &self.target), 100, &mut ()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_and_tiles_are_those_of_the_source_also_after_a_second_try() {
    let copies = copies().await;
    sealed(&copies.source, &copies.events, &[1, 2, 255, 256, 257, 600, 880]).await;
    for _ in 0..2 {
        let carried = copies.carry().await.unwrap();
        assert_eq!(carried, CarriedSeals { heads: 7, sealed: 880 });
    }
    let heads = copies.target.heads(None, false, 100).await.unwrap();
    assert_eq!(heads, copies.source.heads(None, false, 100).await.unwrap());
    let mut ids: Vec<_> =
        (0..880_u64.div_ceil(TILE as u64)).map(|index| TileId { level: 0, index }).collect();
    ids.push(TileId { level: 1, index: 0 });
    let (theirs, ours) = (copies.target.tiles(&ids).await.unwrap(), copies.source.tiles(&ids).await.unwrap());
    assert_eq!(ours.len(), ids.len());
    for (their, our) in theirs.iter().zip(&ours) {
        assert!(their.id == our.id && their.hashes.starts_with(&our.hashes), "{:?}", our.id);
    }
    // a node that seals on finds a whole tree
    let verifier = NoteSigner::new(origin(copies.events[0].id), &SECRET).verifier();
    let newest = copies.target.latest().await.unwrap().unwrap();
    verifier.verify(&newest.note.parse().unwrap()).unwrap();
    // and what was sealed since follows
    sealed(&copies.source, &copies.events, &[900]).await;
    assert_eq!(copies.carry().await.unwrap(), CarriedSeals { heads: 8, sealed: 900 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_changed_since_it_was_sealed_is_told() {
    let copies = copies().await;
    let mut other = copies.events.clone();
    other[299].payload = b"as it was sealed".as_slice().into();
    sealed(&copies.source, &other, &[200, 400, 900]).await;
    let refused = copies.carry().await.unwrap_err();
    assert!(matches!(refused, SealsError::Differs { size: 400 }) && refused.is_fault(), "{refused}");
    assert_eq!(copies.target.latest().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lost_sealed_events_is_told() {
    let mut copies = copies().await;
    sealed(&copies.source, &copies.events, &[900]).await;
    copies.copied.events = 899;
    let refused = copies.carry().await.unwrap_err();
    assert!(matches!(refused, SealsError::Differs { size: 900 }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seals_of_something_else_are_not_mixed_with_those_of_the_source() {
    let copies = copies().await;
    sealed(&copies.source, &copies.events, &[100, 900]).await;
    sealed(&copies.target, &copies.events, &[100, 850]).await;
    let refused = copies.carry().await.unwrap_err();
    assert!(matches!(refused, SealsError::Other { size: 850 }) && refused.is_fault(), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_whose_text_signs_another_root_is_told() {
    let copies = copies().await;
    sealed(&copies.source, &copies.events, &[100]).await;
    let signer = NoteSigner::new(origin(copies.events[0].id), &SECRET);
    let mut forged = head(&signer, 200, EMPTY_ROOT);
    forged.root = super::root(&copies.events[..200]);
    copies.source.append(&[], &forged).await.unwrap();
    let refused = copies.carry().await.unwrap_err();
    assert!(matches!(refused, SealsError::Note { size: 200, .. }), "{refused}");
}
