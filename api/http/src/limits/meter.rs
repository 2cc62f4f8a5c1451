//! Counts how often each key is used: in memory, and periodically in the log.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use domain::api_key::{ApiKeyUsed, KeyUsageEvent};
use domain::envelope::{Position, Recorded, Time};
use domain::ids::{ApiKeyId, ClientId};
use domain::ports::clock::Clock;
use domain::wire::DomainEvent as _;
use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

const SHARDS: usize = 16;

/// The key has made all the requests that its lifetime quota allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key's quota of {0} requests is used up")]
pub struct QuotaExhausted(pub u64);

/// Counts the requests of keys.
///
/// The use of a key is what the log says, plus what is on its way there, plus what was counted since. One lock holds
/// the three together, so a quota is never exceeded on one node: a request that would exceed it is not counted.
pub struct UsageMeter {
    clock: Arc<dyn Clock>,
    shards: [Mutex<HashMap<ApiKeyId, KeyUse>>; SHARDS],
}

#[derive(Default)]
struct KeyUse {
    /// Requests recorded in the log.
    logged: u64,
    /// Events up to this position are already in `logged`, should the log deliver them again.
    logged_to: Position,
    /// The event on its way to the log, with its count.
    on_its_way: Option<(Uuid, u64)>,
    /// Requests counted since that event.
    fresh: u64,
    endpoints: Vec<Endpoint>,
    client: Option<ClientId>,
    last: Time,
}

/// Stays from one flush to the next, so that counting allocates only the first time.
struct Endpoint {
    method: &'static str,
    route: String,
    count: u64,
}

/// The use of a key since its last event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Use {
    /// Id of the event to be written.
    pub(super) id: Uuid,
    pub(super) key: ApiKeyId,
    pub(super) client: ClientId,
    pub(super) used: ApiKeyUsed,
}

impl UsageMeter {
    /// A meter without keys.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shards: Default::default() }
    }

    fn shard(&self, key: ApiKeyId) -> MutexGuard<'_, HashMap<ApiKeyId, KeyUse>> {
        // the last bits of an id are random, also of a UUIDv7
        let shard = &self.shards[key.0.as_bytes()[15] as usize % SHARDS];
        shard.lock()
    }

    /// Adds a key at start: the view counts `used` requests as of `position`.
    pub fn insert(&self, key: ApiKeyId, used: u64, position: Position) {
        let known = KeyUse { logged: used, logged_to: position, ..KeyUse::default() };
        self.shard(key).insert(key, known);
    }

    /// Counts a request. Fails, without counting it, when the quota is used up.
    pub fn count(
        &self,
        key: ApiKeyId,
        client: ClientId,
        quota: Option<u64>,
        method: &'static str,
        route: &str,
    ) -> Result<(), QuotaExhausted> {
        let now = self.clock.now();
        let mut shard = self.shard(key);
        let known = shard.entry(key).or_default();
        if let Some(quota) = quota
            && known.total() >= quota
        {
            return Err(QuotaExhausted(quota));
        }
        known.fresh += 1;
        known.client = Some(client);
        known.last = known.last.max(now);
        match known.endpoints.iter_mut().find(|known| known.route == route && known.method == method) {
            Some(endpoint) => endpoint.count += 1,
            None => known.endpoints.push(Endpoint { method, route: route.to_owned(), count: 1 }),
        }
        Ok(())
    }

    /// Applies an event of the log.
    pub fn apply(&self, event: &Recorded) {
        let used = match KeyUsageEvent::decode(&event.event_type, event.schema, &event.payload) {
            Ok(KeyUsageEvent::Used(used)) => used,
            Err(error) => {
                tracing::error!(position = event.position.0, %error, "event of a key's use not understood");
                return;
            }
        };
        let key = ApiKeyId(event.stream.id());
        let mut shard = self.shard(key);
        let known = shard.entry(key).or_default();
        if event.position > known.logged_to {
            (known.logged, known.logged_to) = (known.logged.saturating_add(used.count), event.position);
        }
        if known.on_its_way.is_some_and(|(id, _)| id == event.id) {
            known.on_its_way = None;
        }
    }

    /// The use counted since the last call, to be written to the log. A key whose last use the log has not
    /// confirmed yet is left out and keeps counting, unless this is the `last` call.
    pub(super) fn take(&self, last: bool, mut new_id: impl FnMut() -> Uuid) -> Vec<Use> {
        let now = self.clock.now();
        let mut taken = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            for (key, known) in shard.iter_mut() {
                let ready = known.fresh > 0 && (last || known.on_its_way.is_none());
                let Some(client) = known.client.filter(|_| ready) else {
                    continue;
                };
                let mut by_endpoint = BTreeMap::new();
                for endpoint in known.endpoints.iter_mut().filter(|endpoint| endpoint.count > 0) {
                    let count = std::mem::take(&mut endpoint.count);
                    by_endpoint.insert(format!("{} {}", endpoint.method, endpoint.route), count);
                }
                let (id, count) = (new_id(), std::mem::take(&mut known.fresh));
                known.on_its_way = Some((id, count));
                let used = ApiKeyUsed { count, by_endpoint, last_used_at: known.last, at: now };
                taken.push(Use { id, key: *key, client, used });
            }
        }
        taken
    }
}

impl KeyUse {
    fn total(&self) -> u64 {
        let on_its_way = self.on_its_way.map_or(0, |(_, count)| count);
        self.logged.saturating_add(on_its_way).saturating_add(self.fresh)
    }
}

impl fmt::Debug for UsageMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageMeter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use conformance::fakes::clock::ManualClock;
    use domain::api_key::KeyUsage;
    use domain::envelope::Version;

    use super::*;

    const KEY: ApiKeyId = ApiKeyId(Uuid::from_u128(7));
    const CLIENT: ClientId = ClientId(Uuid::from_u128(1));

    fn meter() -> (Arc<ManualClock>, UsageMeter) {
        let clock = Arc::new(ManualClock::default());
        (clock.clone(), UsageMeter::new(clock))
    }

    fn count(meter: &UsageMeter, quota: Option<u64>) -> Result<(), QuotaExhausted> {
        meter.count(KEY, CLIENT, quota, "GET", "/api/v1/calls/{id}")
    }

    fn recorded(taken: &Use, position: u64) -> Recorded {
        let event = KeyUsageEvent::from(taken.used.clone());
        Recorded {
            position: Position(position),
            stream: KeyUsage::stream(taken.key),
            version: Version(1),
            id: taken.id,
            event_type: event.event_type().to_owned(),
            schema: event.schema(),
            client_id: taken.client,
            payload: event.encode().into(),
            metadata: Vec::new().into(),
            recorded_at: taken.used.at,
        }
    }

    fn take(meter: &UsageMeter) -> Vec<Use> {
        meter.take(false, || Uuid::from_u128(99))
    }

    #[test]
    fn a_quota_is_exact_before_during_and_after_its_use_is_written() {
        let (_, meter) = meter();
        meter.insert(KEY, 3, Position(10));
        for _ in 0..2 {
            count(&meter, Some(6)).unwrap();
        }
        let taken = take(&meter);
        count(&meter, Some(6)).unwrap();
        assert_eq!(count(&meter, Some(6)), Err(QuotaExhausted(6)));
        meter.apply(&recorded(&taken[0], 12));
        assert_eq!(count(&meter, Some(6)), Err(QuotaExhausted(6)));
        meter.apply(&recorded(&take(&meter)[0], 13));
        assert_eq!(count(&meter, Some(6)), Err(QuotaExhausted(6)));
        count(&meter, Some(7)).unwrap();
    }

    #[test]
    fn what_the_view_holds_is_not_counted_again_and_what_others_write_is() {
        let (_, meter) = meter();
        count(&meter, None).unwrap();
        let others = take(&meter);
        let meter = UsageMeter::new(Arc::new(ManualClock::default()));
        meter.insert(KEY, 1, Position(12));
        meter.apply(&recorded(&others[0], 12));
        count(&meter, Some(2)).unwrap();
        meter.apply(&recorded(&others[0], 13));
        assert_eq!(count(&meter, Some(3)), Err(QuotaExhausted(3)));
    }

    #[test]
    fn use_is_told_by_endpoint_with_its_newest_request_and_once() {
        let (clock, meter) = meter();
        let start = clock.now();
        count(&meter, None).unwrap();
        meter.count(KEY, CLIENT, None, "POST", "/api/v1/calls").unwrap();
        clock.advance(Duration::from_secs(2));
        count(&meter, None).unwrap();
        clock.advance(Duration::from_secs(3));
        let taken = take(&meter);
        let endpoint = |name: &str, count| (name.to_owned(), count);
        let by_endpoint = [endpoint("GET /api/v1/calls/{id}", 2), endpoint("POST /api/v1/calls", 1)].into();
        let (last_used_at, at) = (start + Duration::from_secs(2), start + Duration::from_secs(5));
        assert_eq!(taken[0].used, ApiKeyUsed { count: 3, by_endpoint, last_used_at, at });
        assert_eq!((taken.len(), taken[0].client), (1, CLIENT));
        // no further event of the key before the log has this one
        count(&meter, None).unwrap();
        assert_eq!(take(&meter), []);
        // but a node that stops does not wait for it
        assert_eq!(meter.take(true, || Uuid::from_u128(98))[0].used.count, 1);
        count(&meter, None).unwrap();
        meter.shard(KEY).get_mut(&KEY).unwrap().on_its_way = Some((taken[0].id, 3));
        meter.apply(&recorded(&taken[0], 1));
        let again = take(&meter);
        assert_eq!((again[0].used.count, again[0].used.by_endpoint.len()), (1, 1));
    }
}
