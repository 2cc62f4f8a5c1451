//! The limits that every authenticated request passes.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::aggregate::Aggregate as _;
use domain::api_key::KeyUsage;
use domain::billing::BillingTerms;
use domain::client::Client;
use domain::envelope::{Position, Recorded, Time};
use domain::ids::{ApiKeyId, CallId, ClientId};
use domain::ports::clock::Clock;
use projections::calls::CallCount;
use projections::clients::ClientEntry;

use super::calls::{CallBook, CallQuota, Place};
use super::gcra::Standing;
use super::limiter::{Limiter, Rates, count_refusal};
use super::meter::{QuotaExhausted, UsageMeter};
use super::storage::StorageBook;
use super::tenants::Tenants;
use crate::auth::{Principal, Who};

/// The limits of a node, as the app's data: `app_data(web::Data::from(gate))`.
#[derive(Debug)]
pub struct Gate {
    pub(super) limiter: Limiter,
    pub(super) meter: UsageMeter,
    pub(super) tenants: Tenants,
    calls: CallBook,
    pub(super) storage: StorageBook,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The rate limit is exceeded; holds the time until the next request is admitted.
    RateLimited(Duration),
    /// The quota of the API key is used up.
    Exhausted(QuotaExhausted),
}

/// A quota of a client that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    pub quota: CallQuota,
    /// When the client should retry.
    pub retry_after: Duration,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.quota.fmt(f)
    }
}

impl Gate {
    /// A gate without clients: everybody has the node's default rates and no quota.
    ///
    /// Nodes that share limits must have the same `secret`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, rates: Rates, secret: [u8; 32]) -> Self {
        Self {
            limiter: Limiter::new(clock.clone(), rates, secret),
            meter: UsageMeter::new(clock.clone()),
            tenants: Tenants::default(),
            calls: CallBook::new(clock),
            storage: StorageBook::default(),
        }
    }

    /// Decides on a request and counts it. Answers the state of its limits afterwards, and the reason if it is
    /// refused. `route` is a template: `/api/v1/calls/{id}`.
    pub fn admit(
        &self,
        principal: &Principal,
        method: &'static str,
        route: &str,
    ) -> (Standing, Option<Refusal>) {
        let client = principal.client;
        let key = match principal.who {
            Who::Key { id, bounds } => Some((id, bounds.rate_limit)),
            Who::User { .. } => None,
        };
        let standing = self.limiter.request(key, client, self.tenants.limits(client).requests_per_minute);
        if let Some(wait) = standing.retry_after {
            return (standing, Some(Refusal::RateLimited(wait)));
        }
        let Who::Key { id, bounds } = principal.who else { return (standing, None) };
        let counted = self.meter.count(id, client, bounds.usage_quota, method, route);
        if counted.is_err() {
            count_refusal("key_quota");
        }
        (standing, counted.err().map(Refusal::Exhausted))
    }

    /// Decides on a login attempt; see [`Limiter::login`]. An error holds how long to wait.
    pub fn login(&self, ip: Option<IpAddr>, email: &str) -> Result<(), Duration> {
        self.limiter.login(ip, email)
    }

    /// Remembers where a user signed in from; see [`Limiter::logged_in`].
    pub fn logged_in(&self, ip: Option<IpAddr>, email: &str) {
        self.limiter.logged_in(ip, email);
    }

    /// Reserves a place for a call that is about to be queued. Fails when one of the client's quotas is used up.
    pub fn place(&self, client: ClientId, call: CallId) -> Result<Place, Spent> {
        let limits = self.tenants.limits(client);
        let room = self.storage.check(client, limits.storage_bytes);
        let place = room.and_then(|()| self.calls.place(client, call, limits));
        place.map_err(|quota| {
            count_refusal(quota.name());
            Spent { quota, retry_after: self.calls.retry_after(quota) }
        })
    }

    /// The terms of a client's credit.
    #[must_use]
    pub fn billing(&self, client: ClientId) -> BillingTerms {
        self.tenants.billing(client)
    }

    /// Start of the day whose calls count.
    #[must_use]
    pub fn today(&self) -> Time {
        self.calls.today()
    }

    /// Sets a client's limits, at start.
    pub fn insert_client(&self, entry: ClientEntry) {
        self.tenants.set(entry.id, entry.limits);
        self.tenants.set_billing(entry.id, entry.billing);
    }

    /// Sets a key's use so far, at start.
    pub fn insert_key(&self, key: ApiKeyId, used: u64, position: Position) {
        self.meter.insert(key, used, position);
    }

    /// Adds a call that is in progress at start.
    pub fn insert_open_call(&self, client: ClientId, call: CallId) {
        self.calls.insert_open(client, call);
    }

    /// Sets what a client has placed today, at start.
    pub fn insert_count(&self, count: CallCount) {
        self.calls.insert_count(count);
    }

    /// Applies events of the log. The same event may come again.
    pub fn apply(&self, events: &[Recorded]) {
        for event in events {
            match event.stream.category() {
                KeyUsage::CATEGORY => self.meter.apply(event),
                Client::CATEGORY => self.tenants.apply(event),
                CallId::CATEGORY => {
                    self.calls.apply(event);
                    self.storage.grow(event.client_id, event.payload.len());
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use conformance::fakes::clock::ManualClock;
    use uuid::Uuid;

    use super::super::gcra::Rate;
    use super::*;
    use crate::auth::{Bounds, Scopes};

    fn gate() -> (Arc<ManualClock>, Gate) {
        let clock = Arc::new(ManualClock::default());
        let rates = Rates { key_an_hour: 1_000, client: Rate::per_minute(100), login: Rate::per_minute(1) };
        (clock.clone(), Gate::new(clock, rates, [7; 32]))
    }

    fn principal(bounds: Bounds) -> Principal {
        Principal {
            client: ClientId(Uuid::from_u128(1)),
            who: Who::Key { id: ApiKeyId(Uuid::from_u128(2)), bounds },
            scopes: Scopes::EVERYTHING,
            platform: false,
        }
    }

    #[test]
    fn what_comes_too_fast_does_not_count_against_the_quota() {
        let (clock, gate) = gate();
        let fast = principal(Bounds { rate_limit: Some(2), usage_quota: Some(3), expires_at: None });
        for _ in 0..2 {
            assert_eq!(gate.admit(&fast, "GET", "/x").1, None);
        }
        for _ in 0..5 {
            assert!(matches!(gate.admit(&fast, "GET", "/x").1, Some(Refusal::RateLimited(_))));
        }
        clock.advance(Duration::from_secs(3_600));
        let unhurried = principal(Bounds { usage_quota: Some(3), ..Bounds::default() });
        assert_eq!(gate.admit(&unhurried, "GET", "/x").1, None);
        let exhausted = Some(Refusal::Exhausted(QuotaExhausted(3)));
        assert_eq!(gate.admit(&unhurried, "GET", "/x").1, exhausted);
    }

    #[test]
    fn a_clients_own_limit_takes_the_place_of_the_nodes() {
        let (_, gate) = gate();
        let anybody = principal(Bounds::default());
        assert_eq!(gate.admit(&anybody, "GET", "/x").0.limit, 100);
        let limits = domain::client::ClientLimits { requests_per_minute: Some(7), ..Default::default() };
        gate.insert_client(ClientEntry { id: anybody.client, limits, billing: Default::default() });
        assert_eq!(gate.admit(&anybody, "GET", "/x").0.limit, 7);
    }
}
