//! Which client a called number belongs to, and where its calls go: the newest state, in memory.
//!
//! Filled from the view once, then kept up to date from the log, so that taking a webhook needs no view and
//! goes on while views lag or are gone.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use domain::call::Routing;
use domain::envelope::{Position, Recorded};
use domain::ids::{ClientId, MenuId, NumberId};
use domain::number::{NumberEvent, Route};
use domain::phone::E164;
use domain::wire::DomainEvent;
use tokio::sync::watch;

/// A number in use.
#[derive(Debug, Clone)]
pub struct KnownNumber {
    /// Its id.
    pub id: NumberId,
    /// Whose it is.
    pub client: ClientId,
    /// The number.
    pub number: E164,
    /// Where its calls go.
    pub route: Route,
}

/// The numbers of all clients.
#[derive(Debug)]
pub struct NumberDirectory {
    table: RwLock<Table>,
    position: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<NumberId, KnownNumber>,
    by_number: HashMap<E164, NumberId>,
}

impl NumberDirectory {
    /// A directory that knows `numbers` as of `position`.
    #[must_use]
    pub fn new(numbers: Vec<KnownNumber>, position: Position) -> Self {
        let mut table = Table::default();
        for number in numbers {
            table.insert(number);
        }
        Self { table: RwLock::new(table), position: watch::Sender::new(position) }
    }

    /// The position up to which it is current.
    #[must_use]
    pub fn position(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// Looks a called number up.
    #[must_use]
    pub fn find(&self, number: &E164) -> Option<(ClientId, Routing)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let known = table.by_number.get(number).and_then(|id| table.by_id.get(id))?;
        Some((known.client, Routing { number_id: known.id, route: known.route }))
    }

    /// A number of the client's whose calls go to the menu.
    #[must_use]
    pub fn leading_to(&self, client: ClientId, menu: MenuId) -> Option<NumberId> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let leads =
            |known: &&KnownNumber| known.client == client && known.route == Route::IvrMenu { id: menu };
        table.by_id.values().find(leads).map(|known| known.id)
    }

    /// Takes news from the log.
    pub fn apply(&self, events: &[Recorded]) {
        let news = events.iter().filter(|event| event.stream.category() == NumberId::CATEGORY);
        for event in news {
            self.apply_one(event);
        }
        if let Some(last) = events.last() {
            self.position.send_replace(last.position);
        }
    }

    fn apply_one(&self, recorded: &Recorded) {
        let id = NumberId(recorded.stream.id());
        let event = NumberEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload);
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(NumberEvent::Added(added)) => {
                if let Some(number) = added.number.into_inner() {
                    table.insert(KnownNumber { id, client: recorded.client_id, number, route: added.route });
                }
            }
            Ok(NumberEvent::Rerouted(rerouted)) => {
                if let Some(known) = table.by_id.get_mut(&id) {
                    known.route = rerouted.route;
                }
            }
            Ok(NumberEvent::Removed(_)) => table.remove(id),
            Err(error) => {
                tracing::error!(position = recorded.position.0, %error, "number event not understood")
            }
        }
    }
}

impl Table {
    /// The first to take a number into use keeps it.
    fn insert(&mut self, known: KnownNumber) {
        self.by_number.entry(known.number.clone()).or_insert(known.id);
        self.by_id.insert(known.id, known);
    }

    fn remove(&mut self, id: NumberId) {
        if let Some(known) = self.by_id.remove(&id)
            && self.by_number.get(&known.number) == Some(&id)
        {
            self.by_number.remove(&known.number);
        }
    }
}
