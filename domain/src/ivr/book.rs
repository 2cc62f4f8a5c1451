//! The menus and time zones a decision needs, looked up before it is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::menu::MenuTerms;
use crate::envelope::Version;
use crate::ids::MenuId;
use crate::zones::Zones;

/// One version of a menu.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub id: MenuId,
    pub version: Version,
    pub terms: Arc<MenuTerms>,
}

/// Menus of one client, each in one version, and the time zones their hours are in.
#[derive(Debug, Clone, Default)]
pub struct Book {
    pages: BTreeMap<MenuId, Page>,
    zones: Zones,
}

impl Book {
    pub fn of(zones: Zones, pages: impl IntoIterator<Item = Page>) -> Self {
        Self { pages: pages.into_iter().map(|page| (page.id, page)).collect(), zones }
    }

    /// The menus that are reachable from `entries`. `look` finds a menu; `None` means that it does not exist.
    pub fn reachable(
        zones: Zones,
        entries: impl IntoIterator<Item = MenuId>,
        mut look: impl FnMut(MenuId) -> Option<Page>,
    ) -> Self {
        let (mut pages, mut seen) = (BTreeMap::new(), BTreeSet::new());
        let mut wanted: Vec<MenuId> = entries.into_iter().collect();
        while let Some(id) = wanted.pop() {
            if !seen.insert(id) {
                continue;
            }
            let Some(page) = look(id) else { continue };
            wanted.extend(page.terms.targets().map(|(_, target)| target));
            pages.insert(id, page);
        }
        Self { pages, zones }
    }

    /// The menus of this book that are reachable from `root`.
    #[must_use]
    pub fn below(&self, root: MenuId) -> Self {
        Self::reachable(self.zones.clone(), [root], |id| self.page(id).cloned())
    }

    /// The time zones its menus' hours are in.
    #[must_use]
    pub const fn zones(&self) -> &Zones {
        &self.zones
    }

    /// The menu, if the book has it.
    #[must_use]
    pub fn page(&self, id: MenuId) -> Option<&Page> {
        self.pages.get(&id)
    }

    /// All menus, ordered by id.
    pub fn pages(&self) -> impl Iterator<Item = &Page> {
        self.pages.values()
    }

    /// How deep callers can get below `root` by the shortest way; 1 when it leads to no other menu.
    #[must_use]
    pub fn depth(&self, root: MenuId) -> usize {
        let (mut depth, mut seen) = (0, BTreeSet::from([root]));
        let mut level = vec![root];
        while !level.is_empty() {
            depth += 1;
            let targets = level.iter().filter_map(|id| self.page(*id)).flat_map(|page| page.terms.targets());
            level = targets
                .map(|(_, id)| id)
                .filter(|id| self.pages.contains_key(id) && seen.insert(*id))
                .collect();
        }
        depth
    }
}
