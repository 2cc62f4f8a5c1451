//! The menus of all clients, in memory: each in its newest version, older versions as long as sessions use them.
//!
//! Filled from the log at start and kept up to date from it, so that no step of a session needs a view.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::Arc;

use domain::aggregate::Aggregate as _;
use domain::envelope::{Recorded, Version};
use domain::ids::{ClientId, MenuId};
use domain::ivr::book::{Book, Page};
use domain::ivr::menu::{Menu, MenuEvent, MenuTerms};
use domain::ports::event_store::{Direction, ReadError};
use domain::wire::DomainEvent as _;
use domain::zones::Zones;
use lru::LruCache;
use parking_lot::{Mutex, RwLock};

use crate::runtime::Runtime;

const PAGE: usize = 256;
/// Older versions of menus that are cached.
const OLDER: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);

#[derive(Debug, Clone)]
struct CachedMenu {
    client: ClientId,
    version: Version,
    terms: Arc<MenuTerms>,
}

#[derive(Debug, Default)]
struct Table {
    menus: HashMap<MenuId, CachedMenu>,
    of_client: HashMap<ClientId, BTreeSet<MenuId>>,
}

#[derive(Debug)]
pub struct MenuLibrary {
    runtime: Runtime,
    zones: Zones,
    table: RwLock<Table>,
    older: Mutex<LruCache<(MenuId, Version), Page>>,
}

impl MenuLibrary {
    /// An empty library. Opening hours of its menus are computed with `zones`.
    #[must_use]
    pub fn new(runtime: Runtime, zones: Zones) -> Self {
        Self { runtime, zones, table: RwLock::default(), older: Mutex::new(LruCache::new(OLDER)) }
    }

    /// The time zones of the menus' opening hours.
    #[must_use]
    pub const fn zones(&self) -> &Zones {
        &self.zones
    }

    /// Reads menus from the log. Fails when the log cannot be read.
    pub async fn load(&self, menus: impl IntoIterator<Item = MenuId>) -> Result<(), ReadError> {
        for menu in menus {
            if let Some((client, page, deleted)) = self.read(menu, None).await?
                && !deleted
            {
                self.put(client, page);
            }
        }
        Ok(())
    }

    /// Applies newly recorded events of menus.
    pub fn apply(&self, events: &[Recorded]) {
        for event in events.iter().filter(|event| event.stream.category() == MenuId::CATEGORY) {
            let id = MenuId(event.stream.id());
            let page = |terms| Page { id, version: event.version, terms: Arc::new(terms) };
            match MenuEvent::decode(&event.event_type, event.schema, &event.payload) {
                Ok(MenuEvent::Created(created)) => self.put(event.client_id, page(*created.terms)),
                Ok(MenuEvent::Updated(updated)) => self.put(event.client_id, page(*updated.after)),
                Ok(MenuEvent::Deleted(_)) => self.remove(id),
                Err(error) => {
                    tracing::error!(position = event.position.0, %error, "menu event not understood");
                }
            }
        }
    }

    fn put(&self, client: ClientId, page: Page) {
        let mut table = self.table.write();
        table.of_client.entry(client).or_default().insert(page.id);
        table.menus.insert(page.id, CachedMenu { client, version: page.version, terms: page.terms });
    }

    fn remove(&self, id: MenuId) {
        let mut table = self.table.write();
        if let Some(known) = table.menus.remove(&id)
            && let Some(of_client) = table.of_client.get_mut(&known.client)
        {
            of_client.remove(&id);
        }
    }

    /// The newest version of one of the client's menus; `None` when the client has no menu with this id.
    #[must_use]
    pub fn find(&self, client: ClientId, id: MenuId) -> Option<Page> {
        let table = self.table.read();
        let known = table.menus.get(&id).filter(|known| known.client == client)?;
        Some(Page { id, version: known.version, terms: known.terms.clone() })
    }

    /// All menus of the client, in their newest versions.
    #[must_use]
    pub fn all(&self, client: ClientId) -> Book {
        let table = self.table.read();
        let ids = table.of_client.get(&client).into_iter().flatten();
        let pages = ids.filter_map(|id| {
            let known = table.menus.get(id)?;
            Some(Page { id: *id, version: known.version, terms: known.terms.clone() })
        });
        Book::of(self.zones.clone(), pages)
    }

    /// The menus that can be reached from `entries`; those in `pins` as they were at that version. Fails when an
    /// older version cannot be read from the log.
    pub async fn book(
        &self,
        client: ClientId,
        entries: impl IntoIterator<Item = MenuId>,
        pins: &BTreeMap<MenuId, Version>,
    ) -> Result<Book, ReadError> {
        let mut pinned = BTreeMap::new();
        for (id, version) in pins {
            if let Some(page) = self.at(client, *id, *version).await? {
                pinned.insert(*id, page);
            }
        }
        let entries: Vec<MenuId> = entries.into_iter().collect();
        for id in &entries {
            // the menu was created on another node a moment ago
            if !pinned.contains_key(id)
                && self.find(client, *id).is_none()
                && let Some((owner, page, false)) = self.read(*id, None).await?
                && owner == client
            {
                pinned.insert(*id, page);
            }
        }
        let look = |id| pinned.get(&id).cloned().or_else(|| self.find(client, id));
        Ok(Book::reachable(self.zones.clone(), entries, look))
    }

    async fn at(&self, client: ClientId, id: MenuId, version: Version) -> Result<Option<Page>, ReadError> {
        if let Some(page) = self.find(client, id).filter(|page| page.version == version) {
            return Ok(Some(page));
        }
        let key = (id, version);
        if let Some(page) = self.older.lock().get(&key) {
            return Ok(Some(page.clone()));
        }
        let found = self.read(id, Some(version)).await?;
        let page = found.filter(|(owner, ..)| *owner == client).map(|(_, page, _)| page);
        if let Some(page) = &page {
            self.older.lock().put(key, page.clone());
        }
        Ok(page)
    }

    /// A menu from the log, up to a version (`None`: the newest); its client, and whether it was deleted.
    async fn read(
        &self,
        id: MenuId,
        until: Option<Version>,
    ) -> Result<Option<(ClientId, Page, bool)>, ReadError> {
        let (mut menu, mut last, mut owner) = (Menu::default(), Version::NONE, None);
        loop {
            let page = self.runtime.store.read_stream(&id.stream(), last, Direction::Forwards, PAGE).await?;
            let wanted = page.iter().take_while(|event| until.is_none_or(|until| event.version <= until));
            let before = last;
            for event in wanted {
                if let Ok(fact) = MenuEvent::decode(&event.event_type, event.schema, &event.payload) {
                    menu.evolve(&fact);
                }
                last = event.version;
                owner = Some(event.client_id);
            }
            if last == before {
                break;
            }
        }
        let terms = menu.terms().cloned();
        Ok(owner
            .zip(terms)
            .map(|(client, terms)| (client, Page { id, version: last, terms }, menu.is_deleted())))
    }
}
