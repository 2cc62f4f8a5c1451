//! Ids a test can foretell.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{Builder, Uuid};

use crate::ports::ids::Ids;

/// UUIDv7 ids counting up from one, the same in every run.
#[derive(Debug, Default)]
pub struct SequentialIds {
    last: AtomicU64,
}

impl SequentialIds {
    /// Starts counting after `last`; two sources with distant starts never meet.
    #[must_use]
    pub fn after(last: u64) -> Self {
        Self { last: AtomicU64::new(last) }
    }
}

impl Ids for SequentialIds {
    fn next(&self) -> Uuid {
        sequential(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn secret(&self) -> [u8; 32] {
        let mut bytes = [7; 32];
        bytes[..16].copy_from_slice(self.next().as_bytes());
        bytes
    }
}

/// The `n`th id of [`SequentialIds`].
#[must_use]
pub fn sequential(n: u64) -> Uuid {
    // a millisecond of 2026 holds 2^32 ids: time-ordered like real ones, and counted in the last bytes
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    Builder::from_unix_timestamp_millis(1_767_225_600_000, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_7_in_ascending_order() {
        let ids = SequentialIds::default();
        let (first, second) = (ids.next(), ids.next());
        assert_eq!(first.get_version_num(), 7);
        assert!(first < second);
        assert_eq!(second, sequential(2));
    }
}
