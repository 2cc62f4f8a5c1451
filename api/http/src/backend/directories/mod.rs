//! In-memory directories that every request needs: who may do what, and where a called number leads.
//!
//! They are loaded from the views at start, then updated from the log.

mod identity;

use std::sync::Arc;
use std::time::Duration;

use actors::Runtime;
use actors::conversation::{DefaultAgents, KnownAgent};
use actors::directory::{KnownNumber, NumberDirectory};
use actors::ivr::MenuLibrary;
use domain::envelope::{Position, Recorded};
use domain::ids::{MenuId, PrivacyJobId};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::Subscription;
use domain::zones::Zones;
use projections::Queries;
use projections::agents::{AgentEntry, Agents};
use projections::document::{DocumentRow, table_of};
use projections::ivr_menus::IvrMenus;
use projections::numbers::{NumberEntry, Numbers};
use projections::view::{Shown, View};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::identity::Identity;
use crate::limits::Gate;
use crate::middleware::Newcomers;

const PAGE: u32 = 1_000;
/// Events whose personal data the directories need: names and phone numbers.
const PERSONAL: &[&str] = &["number.added", "ivr_menu.created", "ivr_menu.updated", "user.created"];
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(500);

/// The directories of a node.
#[derive(Debug, Clone)]
pub struct Directories {
    pub numbers: Arc<NumberDirectory>,
    pub menus: Arc<MenuLibrary>,
    pub agents: Arc<DefaultAgents>,
    pub identity: Arc<Identity>,
    /// Position of the newest event of an erasure or an export.
    pub erasures: watch::Sender<Position>,
    gate: Arc<Gate>,
}

impl Directories {
    /// Empty directories, to be filled from the log alone.
    pub fn empty(runtime: &Runtime, zones: &Zones, gate: Arc<Gate>) -> Self {
        Self {
            numbers: Arc::new(NumberDirectory::new(Vec::new(), Position::START)),
            menus: Arc::new(MenuLibrary::new(runtime.clone(), zones.clone())),
            agents: Arc::default(),
            identity: Arc::new(Identity::new(runtime.clock.clone())),
            erasures: watch::Sender::new(Position::START),
            gate,
        }
    }

    /// Loads the views as of `position`, which all views must have reached.
    pub async fn load(
        views: &dyn Queries,
        runtime: &Runtime,
        zones: &Zones,
        gate: Arc<Gate>,
        position: Position,
    ) -> Result<Self, StoreUnavailable> {
        let menus = Arc::new(MenuLibrary::new(runtime.clone(), zones.clone()));
        let mut ids = Vec::new();
        each_document::<IvrMenus>(views, |row| {
            ids.push(MenuId(row.id));
            Ok(())
        })
        .await?;
        menus.load(ids).await.map_err(|error| StoreUnavailable(error.to_string()))?;
        let mut numbers = Vec::new();
        each_document::<Numbers>(views, |row| {
            let Some(entry) = NumberEntry::of(row)? else { return Ok(()) };
            let NumberEntry { id, client, number, route, own_account } = entry;
            numbers.push(KnownNumber { id, client, number, route, own_account });
            Ok(())
        })
        .await?;
        let agents = DefaultAgents::default();
        each_document::<Agents>(views, |row| {
            agents.insert(known(&AgentEntry::of(row)?));
            Ok(())
        })
        .await?;
        let identity = Identity::new(runtime.clock.clone());
        let page = async |after| views.api_key_directory(after, PAGE).await;
        each(
            page,
            |entry| entry.view.id,
            |entry| {
                gate.insert_key(entry.view.id, entry.view.usage_count, entry.position);
                identity.insert_key(entry);
            },
        )
        .await?;
        let page = async |after| views.user_directory(after, PAGE).await;
        each(page, |row| row.view.id, |row| identity.insert_user(row)).await?;
        let page = async |after| views.client_directory(after, PAGE).await;
        each(
            page,
            |entry| entry.id,
            |entry| {
                identity.insert_client(entry.id);
                gate.insert_client(entry);
            },
        )
        .await?;
        let page = async |after| views.open_calls(after, PAGE).await;
        each(page, |(_, call)| *call, |(client, call)| gate.insert_open_call(client, call)).await?;
        let today = gate.today();
        let page = async |after| views.calls_placed(today, after, PAGE).await;
        each(page, |count| count.client, |count| gate.insert_count(count)).await?;
        gate.measure_storage(views).await?;
        let erasures = watch::Sender::new(position);
        let numbers = Arc::new(NumberDirectory::new(numbers, position));
        Ok(Self { numbers, menus, agents: Arc::new(agents), identity: Arc::new(identity), erasures, gate })
    }

    /// Applies the log from `after` on until `stop`.
    pub async fn follow(self, runtime: Runtime, after: Position, stop: CancellationToken) {
        let store = runtime.store.for_reader_of(PERSONAL).unwrap_or_else(|| runtime.store.clone());
        let mut log = Subscription::new(store, after, 1_000);
        loop {
            let events = tokio::select! {
                () = stop.cancelled() => return,
                events = log.next() => events,
            };
            match events {
                Ok(events) => {
                    self.identity.apply(&events);
                    self.gate.apply(&events);
                    self.menus.apply(&events);
                    self.agents.apply(&events);
                    let of_job = |event: &&Recorded| event.stream.category() == PrivacyJobId::CATEGORY;
                    if let Some(event) = events.iter().rfind(of_job) {
                        self.erasures.send_replace(event.position);
                    }
                    self.numbers.apply(&events);
                }
                Err(error) => {
                    tracing::warn!(%error, "keys and numbers do not follow the log");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = runtime.clock.sleep(PAUSE_AFTER_FAULT) => {}
                    }
                }
            }
        }
    }

    /// Lets requests with a key that is not known here yet wait for it.
    pub fn newcomers(&self, runtime: &Runtime) -> Newcomers {
        let (log, clock) = (runtime.store.clone(), runtime.clock.clone());
        Newcomers::new(self.identity.clone(), self.numbers.position(), log, clock)
    }

    /// Waits until the event at `position` is applied here.
    pub async fn wait_for(&self, position: Position) {
        // the directory outlives every request, so its end needs no answer
        let _ = self.numbers.position().wait_for(|known| *known >= position).await;
    }
}

fn known(entry: &AgentEntry) -> KnownAgent {
    let AgentEntry { id, client, deployed_at, created_at } = *entry;
    KnownAgent { id, client, deployed_at, created_at }
}

/// Gives `take` every resource of a view, of all clients. Fails when the views are away, or a document cannot be read.
async fn each_document<V: View<Row: Shown>>(
    views: &dyn Queries,
    mut take: impl FnMut(&DocumentRow) -> Result<(), serde_json::Error>,
) -> Result<(), StoreUnavailable> {
    let mut after = None;
    loop {
        let rows = views.every_document(table_of::<V>(), after, PAGE).await?;
        after = rows.last().map(|row| row.id);
        rows.iter().try_for_each(&mut take).map_err(|error| StoreUnavailable(error.to_string()))?;
        if rows.len() < PAGE as usize {
            return Ok(());
        }
    }
}

/// Calls a function with every row of a view, page by page.
async fn each<T, K>(
    page: impl AsyncFn(Option<K>) -> Result<Vec<T>, StoreUnavailable>,
    key: impl Fn(&T) -> K,
    mut take: impl FnMut(T),
) -> Result<(), StoreUnavailable> {
    let mut after = None;
    loop {
        let rows = page(after).await?;
        let full = rows.len() == PAGE as usize;
        after = rows.last().map(&key);
        rows.into_iter().for_each(&mut take);
        if !full {
            return Ok(());
        }
    }
}
