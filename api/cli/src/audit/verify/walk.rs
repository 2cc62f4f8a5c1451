//! The scan of the whole log.

use std::collections::BTreeMap;

use domain::envelope::Position;
use domain::merkle::{Frontier, Hash, Tile, TileEdge, TileId};
use domain::ports::seals::SealStore as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::chunk::{CHUNK, CheckedEvent, Chunk, Source};
use super::external_sort::ExternalSorter;
use super::fault::{Faults, Kind};
use super::heads::{Checked, Heads};
use super::known::KnownRoot;

/// Chunks read in parallel.
const AHEAD: usize = 4;
const ALTERED: &str = "the event is not the one that was sealed";

/// Result of a scan.
#[derive(Debug, Default)]
pub(super) struct ScanResult {
    pub(super) events: u64,
    pub(super) heads: u64,
    /// Number of events that the newest head covers.
    pub(super) sealed: u64,
}

/// Scans positions 1 to `head`; reports progress to `watch`.
pub(super) async fn walk(
    source: &Source,
    head: u64,
    heads: Heads,
    known: Vec<KnownRoot>,
    faults: &mut Faults,
    mut watch: impl FnMut(u64),
) -> anyhow::Result<ScanResult> {
    let mut walk = Walk::new(heads, known);
    let firsts = (0..head.div_ceil(CHUNK)).map(|n| n * CHUNK + 1);
    let pieces = stream::iter(firsts.map(|first| {
        let source = source.clone();
        tokio::spawn(async move { source.read(first, (first + CHUNK - 1).min(head)).await })
    }));
    let mut pieces = pieces.buffered(AHEAD).map_err(anyhow::Error::from);
    while let Some(chunk) = pieces.try_next().await? {
        walk.take(source, chunk?, faults).await?;
        watch(walk.at);
    }
    walk.finish(source, faults).await
}

struct Walk {
    heads: Heads,
    /// Roots known from other sources, by size.
    known: BTreeMap<u64, Vec<KnownRoot>>,
    /// The last position processed.
    at: u64,
    /// The tree computed from the events, and the tree as it is stored.
    events: Frontier,
    stored: Frontier,
    tiles: TileEdge,
    /// Positions since the last head whose event differs from the stored leaf.
    doubtful: Vec<u64>,
    /// Position ranges since the last head that have no stored hash.
    bare: Vec<(u64, u64)>,
    /// Size of the last head, and of the last head that matched.
    last_head: u64,
    last_right: u64,
    ids: ExternalSorter<3>,
    streams: ExternalSorter<4>,
    walked: ScanResult,
}

impl Walk {
    fn new(heads: Heads, known: Vec<KnownRoot>) -> Self {
        let mut by_size: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        for known in known {
            by_size.entry(known.size).or_default().push(known);
        }
        Self {
            heads,
            known: by_size,
            at: 0,
            events: Frontier::default(),
            stored: Frontier::default(),
            tiles: TileEdge::default(),
            doubtful: Vec::new(),
            bare: Vec::new(),
            last_head: 0,
            last_right: 0,
            ids: ExternalSorter::new(),
            streams: ExternalSorter::new(),
            walked: ScanResult::default(),
        }
    }

    async fn take(&mut self, source: &Source, chunk: Chunk, faults: &mut Faults) -> anyhow::Result<()> {
        let mut unreadable = chunk.unreadable.into_iter().peekable();
        let mut seen = chunk.seen.into_iter().peekable();
        for (position, stored) in (chunk.first..=chunk.last).zip(chunk.stored) {
            self.at = position;
            let leaf = if let Some(seen) = seen.next_if(|seen| seen.position == position) {
                self.note(&seen)?;
                Some(seen.leaf)
            } else if let Some((_, why)) = unreadable.next_if(|(at, _)| *at == position) {
                faults.at(Kind::Unreadable, position, why);
                None
            } else {
                faults.at(Kind::Missing, position, "there is no such event");
                None
            };
            self.leaf(position, leaf, stored);
            while let Some(head) = self.heads.upto(position).await? {
                self.head(&head, faults);
            }
            self.known_at(position, faults);
        }
        self.full_tiles(source, faults).await
    }

    fn note(&mut self, seen: &CheckedEvent) -> std::io::Result<()> {
        self.walked.events += 1;
        let words = |number: u128| [(number >> 64) as u64, number as u64];
        let ([a, b], [c, d]) = (words(seen.id), words(seen.stream));
        self.ids.push([a, b, seen.position])?;
        self.streams.push([c, d, seen.version, seen.position])
    }

    fn leaf(&mut self, position: u64, leaf: Option<Hash>, stored: Option<Hash>) {
        // where one of them is gone the other replaces it, so that the rest can be checked
        let (event, tile) = (leaf.or(stored), stored.or(leaf));
        let nothing = Hash([0; 32]);
        self.events.push(event.unwrap_or(nothing));
        self.stored.push(tile.unwrap_or(nothing));
        self.tiles.push(tile.unwrap_or(nothing));
        match (leaf, stored) {
            (Some(leaf), Some(stored)) if leaf != stored => self.doubtful.push(position),
            (_, None) => match self.bare.last_mut().filter(|(_, to)| to + 1 == position) {
                Some((_, to)) => *to = position,
                None => self.bare.push((position, position)),
            },
            _ => {}
        }
    }

    /// Compares the tree so far with a head of its size.
    fn head(&mut self, head: &Checked, faults: &mut Faults) {
        self.walked.heads += 1;
        let from = self.last_head + 1;
        self.last_head = head.size;
        if let Some(fault) = &head.fault {
            let detail = format!("the head of {} events: {fault}", head.size);
            faults.at(Kind::Signature, head.size, detail);
            return;
        }
        self.walked.sealed = head.size;
        for (from, to) in self.bare.drain(..) {
            faults.add(Kind::Tree, from, to, "the stored hash is gone");
        }
        let (events, stored) = (self.events.root() == head.root, self.stored.root() == head.root);
        for position in self.doubtful.drain(..) {
            if events {
                faults.at(Kind::Tree, position, "the event is as it was signed, its stored hash is not");
            } else {
                faults.at(Kind::Altered, position, ALTERED);
            }
        }
        if events || stored {
            self.last_right = head.size;
        } else if self.last_right + 1 >= from {
            // the tree was right before and is wrong from here on: later heads add nothing
            let detail = format!(
                "neither the events nor the stored tree are what the head of {} events signs",
                head.size
            );
            faults.add(Kind::Tree, from, head.size, detail);
        }
    }

    fn known_at(&mut self, position: u64, faults: &mut Faults) {
        let due = self.known.first_entry().filter(|first| *first.key() == position);
        for known in due.map(|due| due.remove()).unwrap_or_default() {
            if known.root != self.events.root() {
                let (kind, at, detail) = known.differs();
                faults.at(kind, at, detail);
            }
        }
    }

    /// Compares the tiles above the leaves with the computed ones.
    async fn full_tiles(&mut self, source: &Source, faults: &mut Faults) -> anyhow::Result<()> {
        let full = self.tiles.take_full();
        self.compare(source, full.into_iter().filter(|tile| tile.id.level > 0).collect(), faults).await
    }

    async fn compare(&self, source: &Source, tiles: Vec<Tile>, faults: &mut Faults) -> anyhow::Result<()> {
        let ids: Vec<_> = tiles.iter().map(|tile| tile.id).collect();
        let mut stored = source.seals.tiles(&ids).await?.into_iter().peekable();
        for tile in tiles {
            let TileId { level, index } = tile.id;
            let found = stored.next_if(|found| found.id == tile.id);
            if found.is_none_or(|found| !found.hashes.starts_with(&tile.hashes)) {
                let detail =
                    format!("tile {index} of level {level} is missing or is not what the leaves make it");
                faults.add(Kind::Tree, 0, 0, detail);
            }
        }
        Ok(())
    }

    async fn finish(mut self, source: &Source, faults: &mut Faults) -> anyhow::Result<ScanResult> {
        // heads beyond the end: the events they cover are gone
        let end = self.at;
        let mut beyond = 0;
        while let Some(head) = self.heads.upto(u64::MAX).await? {
            self.walked.heads += 1;
            match &head.fault {
                None => beyond = beyond.max(head.size),
                Some(fault) => faults.at(
                    Kind::Signature,
                    head.size,
                    format!("the head of {} events: {fault}", head.size),
                ),
            }
        }
        // a node may have appended meanwhile
        let now = if beyond > end { source.log.store().head().await? } else { Position(end) };
        if beyond > now.0 {
            self.walked.sealed = beyond;
            faults.add(Kind::Missing, end + 1, beyond, format!("a signed head covers {beyond} events"));
        } else {
            let sealed = self.last_head;
            self.walked.sealed = self.walked.sealed.max(beyond.min(end));
            let at_edge = self.tiles.partial().into_iter().filter(|tile| tile.id.level > 0);
            // events that are not sealed yet are not in the tiles
            let at_edge = at_edge.filter(|_| sealed == end).collect();
            self.compare(source, at_edge, faults).await?;
        }
        for position in std::mem::take(&mut self.doubtful) {
            faults.at(Kind::Altered, position, ALTERED);
        }
        for known in std::mem::take(&mut self.known).into_values().flatten() {
            let (kind, detail) = known.beyond(end);
            faults.add(kind, end + 1, known.size, detail);
        }
        let Self { ids, streams, walked, .. } = self;
        ids.finish(|part| {
            for pair in part.windows(2).filter(|pair| pair[0][..2] == pair[1][..2]) {
                faults.at(
                    Kind::DuplicateId,
                    pair[1][2],
                    format!("it has the id of the event at {}", pair[0][2]),
                );
            }
        })?;
        streams.finish(|part| {
            for stream in part.chunk_by(|a, b| a[..2] == b[..2]) {
                versions(stream, faults);
            }
        })?;
        Ok(walked)
    }
}

/// Checks that the versions of one stream are 1, 2, 3 … in the order of the log.
fn versions(stream: &[[u64; 4]], faults: &mut Faults) {
    let (mut due, mut before) = (1, 0);
    for [_, _, version, position] in stream {
        if *version != due {
            let detail = format!("it is number {version} of its stream, where {due} is due");
            faults.at(Kind::Version, *position, detail);
        } else if *position < before {
            faults.at(
                Kind::Version,
                *position,
                format!("it comes before number {} of its stream", version - 1),
            );
        }
        (due, before) = (version + 1, *position);
    }
}
