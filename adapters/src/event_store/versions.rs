//! A cache of the versions of recently written streams.

use std::collections::HashMap;

use domain::envelope::{StreamId, Version};

/// How many streams a generation holds; at most two generations are kept (about 20 MB when full).
const GENERATION: usize = 65_536;

/// A bounded cache of stream versions. It may be behind the store where other nodes write too, hence it may
/// only ever say yes to an append: the store's uniqueness constraints catch a wrong yes, and every no is
/// checked against the store.
#[derive(Debug, Default)]
pub(super) struct Versions {
    young: HashMap<StreamId, Version>,
    old: HashMap<StreamId, Version>,
}

impl Versions {
    pub(super) fn get(&self, stream: &StreamId) -> Option<Version> {
        self.young.get(stream).or_else(|| self.old.get(stream)).copied()
    }

    pub(super) fn set(&mut self, stream: &StreamId, version: Version) {
        if let Some(known) = self.young.get_mut(stream) {
            *known = version;
            return;
        }
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(stream.clone(), version);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_newest_version_is_remembered_and_memory_is_bounded() {
        let stream = |n: usize| StreamId::new("call", Uuid::from_u128(n as u128));
        let mut versions = Versions::default();
        for n in 0..3 * GENERATION {
            versions.set(&stream(n), Version(1));
            versions.set(&stream(n), Version(2));
        }
        assert_eq!(versions.get(&stream(3 * GENERATION - 1)), Some(Version(2)));
        assert_eq!(versions.get(&stream(0)), None);
        assert!(versions.young.len() + versions.old.len() <= 2 * GENERATION);
        versions.set(&stream(2 * GENERATION - 1), Version(3));
        assert_eq!(versions.get(&stream(2 * GENERATION - 1)), Some(Version(3)), "the younger memory wins");
    }
}
