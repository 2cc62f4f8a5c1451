//! Checks a bundle line by line, with no more memory than one line and the frontier of the tree.

use std::io::{self, BufRead, Read as _};

use super::bundle::{FORMAT, Gap, Line, Manifest};
use crate::envelope::Recorded;
use crate::merkle::{Entry, Frontier, NoteError, NoteVerifier, SignedCheckpoint, origin, subtrees};

/// Longest line that is read, 8 MiB: enough for the largest payload in base64 with its metadata, and for a gap in
/// the longest log there can be.
const LONGEST: u64 = 8 << 20;

/// Why a bundle proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    #[error("it is cut off: its last line is missing")]
    Truncated,
    #[error("line {0} is none of an export's")]
    Line(u64),
    /// The manifest names another format or version.
    #[error("it is not an export this version knows")]
    Format,
    #[error("its checkpoint is not to be trusted")]
    Checkpoint(#[source] NoteError),
    /// The event at this position does not have the leaf hash beside it.
    #[error("position {0}: altered: the event does not have the hash that stands beside it")]
    Altered(u64),
    /// At this position something was left out, added or moved.
    #[error("position {0}: something was left out, added or moved here")]
    OutOfPlace(u64),
    /// The event at this position does not match the manifest's range and filter.
    #[error("position {0}: the event is not one of those the manifest speaks of")]
    Foreign(u64),
    #[error("it has {found} events and should have {told}")]
    Count {
        /// Events counted in the bundle.
        found: u64,
        /// Number that the last line states.
        told: u64,
    },
    /// The root over all hashes differs from the signed one.
    #[error("its events and hashes do not make up the signed checkpoint: something in it was changed")]
    Root,
}

/// Result of a valid bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    pub manifest: Manifest,
    /// The size of the checkpoint that proves it.
    pub tree_size: u64,
    /// Number of events in the bundle.
    pub events: u64,
}

/// Checks a bundle and passes every event to `each` on the way. No event is proven before this function returns
/// `Ok`. Fails with the reason why the bundle proves nothing.
pub fn check_bundle(
    bundle: impl BufRead,
    key: &NoteVerifier,
    mut each: impl FnMut(Recorded) -> io::Result<()>,
) -> Result<Checked, BundleError> {
    let mut lines = Lines { bundle, number: 0 };
    let Line::Manifest(manifest) = lines.next()? else { return Err(BundleError::Format) };
    if manifest.format != FORMAT {
        return Err(BundleError::Format);
    }
    let note: SignedCheckpoint = manifest.checkpoint.parse().map_err(BundleError::Checkpoint)?;
    key.verify(&note).map_err(BundleError::Checkpoint)?;
    if note.checkpoint.origin != origin(manifest.log) {
        return Err(BundleError::Checkpoint(NoteError::Origin));
    }
    let mut check = Check { manifest: &manifest, tree: Frontier::default(), events: 0, entry: Vec::new() };
    let told = loop {
        match lines.next()? {
            Line::Event(event) => {
                let (position, leaf) = (event.position.0, event.leaf);
                let event = event.recorded().ok_or(BundleError::Altered(position))?;
                check.event(&event, leaf)?;
                each(event).map_err(BundleError::Read)?;
            }
            Line::Gap(gap) => check.gap(&gap)?,
            Line::End(end) => break end.events,
            Line::Manifest(_) => return Err(BundleError::Line(lines.number)),
        }
    };
    let (events, tree) = (check.events, check.tree);
    if lines.has_more()? {
        return Err(BundleError::Line(lines.number + 1));
    }
    if events != told {
        return Err(BundleError::Count { found: events, told });
    }
    if (tree.size(), tree.root()) != (note.checkpoint.size, note.checkpoint.root) {
        return Err(BundleError::Root);
    }
    Ok(Checked { manifest: *manifest, tree_size: note.checkpoint.size, events })
}

struct Check<'a> {
    manifest: &'a Manifest,
    tree: Frontier,
    events: u64,
    entry: Vec<u8>,
}

impl Check<'_> {
    fn event(&mut self, event: &Recorded, leaf: crate::merkle::Hash) -> Result<(), BundleError> {
        let position = event.position.0;
        if position != self.tree.size() + 1 {
            return Err(BundleError::OutOfPlace(position));
        }
        let Manifest { first, last, filter, log, .. } = self.manifest;
        if !(*first..=*last).contains(&position) || !filter.wants(event) {
            return Err(BundleError::Foreign(position));
        }
        self.entry.clear();
        Entry::of(*log, event).write(&mut self.entry);
        if crate::merkle::leaf_hash(&self.entry) != leaf {
            return Err(BundleError::Altered(position));
        }
        self.tree.push(leaf);
        self.events += 1;
        Ok(())
    }

    fn gap(&mut self, gap: &Gap) -> Result<(), BundleError> {
        let Manifest { first, last, filter, .. } = self.manifest;
        let in_place = gap.from == self.tree.size() + 1 && gap.from <= gap.to;
        let nodes = if in_place { subtrees(gap.from - 1, gap.to) } else { Vec::new() };
        // a bundle without a filter may leave out nothing between its first and last position
        let allowed = *filter != super::HistoryFilter::default() || gap.to < *first || gap.from > *last;
        if !in_place || !allowed || nodes.len() != gap.hashes.len() {
            return Err(BundleError::OutOfPlace(gap.from));
        }
        for (node, hash) in nodes.iter().zip(&gap.hashes) {
            if !self.tree.push_subtree(node.level, *hash) {
                return Err(BundleError::OutOfPlace(gap.from));
            }
        }
        Ok(())
    }
}

struct Lines<R> {
    bundle: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Line, BundleError> {
        let mut line = Vec::new();
        let read = self.bundle.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(BundleError::Truncated),
            Err(error) => return Err(BundleError::Read(error)),
            Ok(0) => return Err(BundleError::Truncated),
            Ok(_) => self.number += 1,
        }
        match serde_json::from_slice(&line) {
            Ok(line) => Ok(line),
            Err(_) if self.number == 1 => Err(BundleError::Format),
            Err(_) if line.last() != Some(&b'\n') && (line.len() as u64) < LONGEST => {
                Err(BundleError::Truncated)
            }
            Err(_) => Err(BundleError::Line(self.number)),
        }
    }

    fn has_more(&mut self) -> Result<bool, BundleError> {
        match self.bundle.fill_buf() {
            Ok(rest) => Ok(!rest.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(BundleError::Truncated),
            Err(error) => Err(BundleError::Read(error)),
        }
    }
}
