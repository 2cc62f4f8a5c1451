//! The faults of a log, each printed as a line.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Events are missing from the log.
    Missing,
    /// A row has a position beyond the head of the log.
    Inserted,
    /// A row is no valid event.
    Unreadable,
    /// An event differs from the one that was sealed.
    Altered,
    /// An event's version in its stream is not the next one.
    Version,
    /// Another event has the same id.
    DuplicateId,
    /// The stored tree differs from the one whose head was signed.
    Tree,
    /// A stored head has no valid signature of the key.
    Signature,
    /// Events that should be sealed by now are covered by no signed head.
    Unsealed,
    /// The head in the key store is missing, forged, or not of this log.
    KeptHead,
    /// A head recorded in the log itself does not match this log.
    Anchor,
    /// The log does not match the checkpoint that the auditor kept.
    Checkpoint,
    /// A view differs from the log.
    View,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Inserted => "inserted",
            Self::Unreadable => "unreadable",
            Self::Altered => "altered",
            Self::Version => "version",
            Self::DuplicateId => "duplicate_id",
            Self::Tree => "tree",
            Self::Signature => "signature",
            Self::Unsealed => "unsealed",
            Self::KeptHead => "kept_head",
            Self::Anchor => "anchor",
            Self::Checkpoint => "checkpoint",
            Self::View => "view",
        }
    }
}

/// A fault of one event or of several in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// First affected position; 0 when the fault has no position.
    pub(super) from: u64,
    /// The last affected position.
    pub(super) to: u64,
    pub(super) detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.name();
        match (self.from, self.to) {
            (0, _) => write!(f, "{kind}: {}", self.detail),
            (from, to) if from == to => write!(f, "position {from}: {kind}: {}", self.detail),
            (from, to) => write!(f, "positions {from} to {to}: {kind}: {}", self.detail),
        }
    }
}

/// The faults found so far. Adjacent faults of one kind and cause share a line, and each kind has a
/// limited number of lines.
#[derive(Debug, Default)]
pub(super) struct Faults {
    faults: Vec<Fault>,
    left_out: u64,
}

/// The most lines of one kind.
const MOST: usize = 1_000;

impl Faults {
    pub(super) fn add(&mut self, kind: Kind, from: u64, to: u64, detail: impl Into<String>) {
        let detail = detail.into();
        let same = self.faults.iter_mut().rfind(|fault| fault.kind == kind);
        if let Some(last) = same
            && from > 0
            && last.to + 1 == from
            && last.detail == detail
        {
            last.to = to;
            return;
        }
        if self.faults.iter().filter(|fault| fault.kind == kind).count() < MOST {
            self.faults.push(Fault { kind, from, to, detail });
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn at(&mut self, kind: Kind, position: u64, detail: impl Into<String>) {
        self.add(kind, position, position, detail);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults in the order of the log, and the number of omitted lines.
    pub(super) fn sorted(mut self) -> (Vec<Fault>, u64) {
        self.faults.sort_by_key(|fault| (fault.from == 0, fault.from, fault.kind));
        (self.faults, self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_line_and_lines_are_bounded() {
        let mut faults = Faults::default();
        for position in [5, 6, 7, 9] {
            faults.at(Kind::Altered, position, "x");
        }
        faults.at(Kind::Missing, 8, "y");
        faults.add(Kind::View, 0, 0, "z");
        let lines: Vec<_> = faults.sorted().0.iter().map(Fault::to_string).collect();
        let expected =
            ["positions 5 to 7: altered: x", "position 8: missing: y", "position 9: altered: x", "view: z"];
        assert_eq!(lines, expected);
        let mut faults = Faults::default();
        (0..2_000).for_each(|n| faults.at(Kind::Version, 1 + 2 * n, "x"));
        let (lines, left_out) = faults.sorted();
        assert_eq!((lines.len(), left_out), (1_000, 1_000));
    }
}
