//! Which client a called number belongs to, and where its calls go: the newest state, in memory.
//!
//! Filled from the view once, then kept up to date from the log, so that taking a webhook needs no view and goes
//! on while views lag or are gone.

use std::collections::HashMap;

use domain::call::Routing;
use domain::envelope::{Position, Recorded};
use domain::ids::{ClientId, MenuId, NumberId};
use domain::number::{NumberEvent, Route};
use domain::phone::E164;
use domain::wire::DomainEvent;
use parking_lot::RwLock;
use tokio::sync::watch;

/// A number that a client uses.
#[derive(Debug, Clone)]
pub struct KnownNumber {
    pub id: NumberId,
    pub client: ClientId,
    pub number: E164,
    /// Where calls to the number go.
    pub route: Route,
    /// Whether it belongs to the client's own carrier account, not to the node's.
    pub own_account: bool,
}

/// The carrier account of a number: a client's own, or the node's (`None`). The same number may be used on several
/// accounts, and gets only the calls of its account.
type Account = Option<ClientId>;

#[derive(Debug)]
pub struct NumberDirectory {
    table: RwLock<Table>,
    position: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<NumberId, KnownNumber>,
    by_number: HashMap<(Account, E164), NumberId>,
}

impl NumberDirectory {
    /// A directory with these numbers, current as of `position`.
    #[must_use]
    pub fn new(numbers: Vec<KnownNumber>, position: Position) -> Self {
        let mut table = Table::default();
        for number in numbers {
            table.insert(number);
        }
        Self { table: RwLock::new(table), position: watch::Sender::new(position) }
    }

    /// The log position up to which the directory is current.
    #[must_use]
    pub fn position(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// The owner and the route of a number that was called through the node's account (`None`), or
    /// through a client's own.
    #[must_use]
    pub fn find(&self, account: Account, number: &E164) -> Option<(ClientId, Routing)> {
        let table = self.table.read();
        let known = match account {
            None => table.find(None, number),
            // the number may be on the node's account, from before the client had its own
            Some(client) => table.find(account, number).or_else(|| table.assigned_to(client, number)),
        }?;
        Some((known.client, Routing { number_id: known.id, route: known.route, covered: true }))
    }

    /// Whether the client may use this number as caller id: the platform assigned it to the client, or the
    /// client's calls go through its own account (`has_account`) and the number belongs to that.
    #[must_use]
    pub fn may_call_as(&self, client: ClientId, has_account: bool, number: &E164) -> bool {
        let table = self.table.read();
        table.assigned_to(client, number).is_some()
            || has_account && table.find(Some(client), number).is_some()
    }

    /// One of the client's numbers whose calls go to the menu; `None` when there is none.
    #[must_use]
    pub fn leading_to(&self, client: ClientId, menu: MenuId) -> Option<NumberId> {
        let table = self.table.read();
        let leads =
            |known: &&KnownNumber| known.client == client && known.route == Route::IvrMenu { id: menu };
        table.by_id.values().find(leads).map(|known| known.id)
    }

    /// Applies newly recorded events of numbers.
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
        let mut table = self.table.write();
        match event {
            Ok(NumberEvent::Added(added)) => {
                if let Some(number) = added.number.into_inner() {
                    let (client, route, own_account) = (recorded.client_id, added.route, added.own_account);
                    table.insert(KnownNumber { id, client, number, route, own_account });
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

impl KnownNumber {
    fn name(&self) -> (Account, E164) {
        (self.own_account.then_some(self.client), self.number.clone())
    }
}

impl Table {
    fn find(&self, account: Account, number: &E164) -> Option<&KnownNumber> {
        self.by_number.get(&(account, number.clone())).and_then(|id| self.by_id.get(id))
    }

    fn assigned_to(&self, client: ClientId, number: &E164) -> Option<&KnownNumber> {
        self.find(None, number).filter(|known| known.client == client)
    }

    /// Adds a number. Of two numbers that are the same on one account, the first keeps its calls.
    fn insert(&mut self, known: KnownNumber) {
        self.by_number.entry(known.name()).or_insert(known.id);
        self.by_id.insert(known.id, known);
    }

    fn remove(&mut self, id: NumberId) {
        if let Some(known) = self.by_id.remove(&id)
            && self.by_number.get(&known.name()) == Some(&id)
        {
            self.by_number.remove(&known.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn known(n: u128, client: u128, own_account: bool) -> KnownNumber {
        let (id, client) = (NumberId(Uuid::from_u128(n)), ClientId(Uuid::from_u128(client)));
        KnownNumber { id, client, number: "+12025550188".parse().unwrap(), route: Route::Reject, own_account }
    }

    #[test]
    fn a_number_of_an_own_account_takes_no_call_of_the_nodes_and_is_no_caller_id_on_it() {
        let [owner, squatter, nobody] = [1, 2, 3].map(|n| ClientId(Uuid::from_u128(n)));
        let directory = NumberDirectory::new(vec![known(10, 2, true), known(11, 1, false)], Position::START);
        let number = "+12025550188".parse().unwrap();
        let found = |account| directory.find(account, &number).map(|(client, _)| client);
        assert_eq!(found(None), Some(owner));
        assert_eq!(found(Some(squatter)), Some(squatter), "its own account tells of its own number");
        assert_eq!(found(Some(owner)), Some(owner), "the owner has an account of its own by now");
        assert_eq!(found(Some(nobody)), None);
        for (client, has_account, may) in
            [(owner, false, true), (squatter, true, true), (squatter, false, false), (nobody, true, false)]
        {
            assert_eq!(directory.may_call_as(client, has_account, &number), may, "{client} {has_account}");
        }
    }
}
