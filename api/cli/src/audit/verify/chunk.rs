//! A chunk of the log, read and hashed in parallel with others.

use std::hash::{BuildHasher, RandomState};

use adapters::event_store::{EventLog, Unreadable};
use adapters::seals::SealsDb;
use domain::envelope::{Position, Recorded};
use domain::merkle::{Entry, Hash, TILE, TileId, leaf_hash};
use domain::ports::event_store::{LogTable as _, ReadError};
use domain::ports::seals::SealStore as _;
use uuid::Uuid;

/// Events in a chunk: several tiles' worth.
pub(super) const CHUNK: u64 = 8 * TILE as u64;

/// The properties of an event that the checks need.
#[derive(Debug, Clone, Copy)]
pub(super) struct CheckedEvent {
    pub(super) position: u64,
    pub(super) leaf: Hash,
    pub(super) id: u128,
    /// A hash of the stream's name.
    pub(super) stream: u128,
    pub(super) version: u64,
}

/// A chunk of the log: the positions from `first` on, as many as were requested.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) seen: Vec<CheckedEvent>,
    /// Positions of rows that are no events, each with the reason.
    pub(super) unreadable: Vec<(u64, String)>,
    /// The stored leaf hashes, from the first position on; `None` where none is stored.
    pub(super) stored: Vec<Option<Hash>>,
}

/// The stores that chunks are read from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) log: EventLog,
    pub(super) seals: SealsDb,
    pub(super) id: Uuid,
    pub(super) hasher: RandomState,
}

impl Source {
    /// Reads the positions from `first` to `last`; `first` must be the beginning of a tile.
    pub(super) async fn read(&self, first: u64, last: u64) -> anyhow::Result<Chunk> {
        let mut chunk = Chunk { first, last, seen: Vec::new(), unreadable: Vec::new(), stored: Vec::new() };
        chunk.seen.reserve((last - first + 1) as usize);
        let mut entry = Vec::with_capacity(320);
        let mut after = first - 1;
        while after < last {
            let rows = match self.log.rows(Position(after), Position(last), CHUNK as usize).await {
                Ok(rows) => rows,
                Err(error) => self.one_by_one(after, last, &error).await,
            };
            let Some(newest) = rows.last() else { break };
            let reached = match newest {
                Ok(event) => event.position.0,
                Err(unreadable) => unreadable.position.0,
            };
            // whatever a damaged file says, the scan moves forwards
            after = reached.max(after + 1);
            for row in rows {
                match row {
                    Ok(event) => chunk.seen.push(self.look(&event, &mut entry)),
                    Err(unreadable) => chunk.unreadable.push((unreadable.position.0, unreadable.why)),
                }
            }
        }
        let tiles = (first - 1) / TILE as u64..last.div_ceil(TILE as u64);
        let ids: Vec<_> = tiles.clone().map(|index| TileId { level: 0, index }).collect();
        let mut stored = self.seals.tiles(&ids).await?.into_iter().peekable();
        for index in tiles {
            let tile = stored.next_if(|tile| tile.id.index == index).map(|tile| tile.hashes);
            let hashes = tile.unwrap_or_default();
            chunk.stored.extend((0..TILE).map(|at| hashes.get(at).copied()));
        }
        chunk.stored.truncate((last - first + 1) as usize);
        Ok(chunk)
    }

    /// Reads row by row after a page of the file turned out to be damaged, to get every row that is readable.
    async fn one_by_one(
        &self,
        after: u64,
        last: u64,
        error: &ReadError,
    ) -> Vec<Result<Recorded, Unreadable>> {
        let mut rows = Vec::new();
        for position in after + 1..=last {
            let row = self.log.rows(Position(position - 1), Position(position), 1).await;
            rows.extend(row.unwrap_or_else(|_| {
                let why = error.to_string();
                vec![Err(Unreadable { position: Position(position), why })]
            }));
        }
        rows
    }

    fn look(&self, event: &Recorded, entry: &mut Vec<u8>) -> CheckedEvent {
        entry.clear();
        Entry::of(self.id, event).write(entry);
        // nobody can choose two streams with the same hash: it includes a secret of this run
        let category = u128::from(self.hasher.hash_one(event.stream.category()));
        CheckedEvent {
            position: event.position.0,
            leaf: leaf_hash(entry),
            id: event.id.as_u128(),
            stream: event.stream.id().as_u128() ^ (category << 64 | category.rotate_left(17)),
            version: event.version.0,
        }
    }
}
