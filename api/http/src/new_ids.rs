//! New ids for handlers; a repeated request gets the same ids.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use domain::ports::ids::Ids;
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use super::middleware::Idempotency;
use crate::problem::ApiError;

/// Source of the ids and secrets that a POST needs, as an extractor: `ids: NewIds`, then `ids.next()`.
///
/// Without an `Idempotency-Key` they are random. With one they derive from the seed of the key's reservation, in
/// the order they are drawn. So a request that runs again, because its node died before the answer was stored,
/// sends the same command with the same ids, and the rules recognise it as already done. Therefore a handler must
/// draw ids in an order that does not depend on data it reads.
#[derive(Debug, Clone)]
pub struct NewIds(Source);

#[derive(Debug, Clone)]
enum Source {
    Fresh(Arc<dyn Ids>),
    Derived(Arc<Derived>),
}

/// Without the node's secret nobody can predict ids or secrets of a request, even from earlier ones.
struct Derived {
    secret: [u8; 32],
    seed: Uuid,
    ids: AtomicU64,
    secrets: AtomicU64,
}

impl NewIds {
    /// Random ids and secrets from `ids`.
    #[must_use]
    pub fn fresh(ids: Arc<dyn Ids>) -> Self {
        Self(Source::Fresh(ids))
    }

    /// Ids and secrets derived from `seed`, a UUIDv7, and the installation's secret.
    #[must_use]
    pub fn derived(secret: [u8; 32], seed: Uuid) -> Self {
        let (ids, secrets) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Source::Derived(Arc::new(Derived { secret, seed, ids, secrets })))
    }
}

impl Ids for NewIds {
    fn next(&self) -> Uuid {
        match &self.0 {
            Source::Fresh(ids) => ids.next(),
            Source::Derived(derived) => {
                let bytes = derived.draw(b'i', &derived.ids);
                let random = std::array::from_fn(|at| bytes[at]);
                Builder::from_unix_timestamp_millis(millis(derived.seed), &random).into_uuid()
            }
        }
    }

    fn secret(&self) -> [u8; 32] {
        match &self.0 {
            Source::Fresh(ids) => ids.secret(),
            Source::Derived(derived) => derived.draw(b's', &derived.secrets),
        }
    }
}

impl Derived {
    /// SHA-256 with the key as prefix. The input has a fixed length, so a length-extension attack is not possible.
    fn draw(&self, kind: u8, drawn: &AtomicU64) -> [u8; 32] {
        let n = drawn.fetch_add(1, Ordering::Relaxed);
        let hash = Sha256::new().chain_update(self.secret).chain_update(self.seed.as_bytes());
        hash.chain_update([kind]).chain_update(n.to_be_bytes()).finalize().into()
    }
}

/// Creation time of a UUIDv7, in milliseconds: its first 48 bits.
fn millis(id: Uuid) -> u64 {
    (id.as_u128() >> 80) as u64
}

impl FromRequest for NewIds {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let derived = request.extensions().get::<Self>().cloned();
        let fresh = || request.app_data::<web::Data<Idempotency>>().map(|app| Self::fresh(app.ids.clone()));
        ready(derived.or_else(fresh).ok_or_else(|| ApiError::internal("the app has no source of ids")))
    }
}

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<ids derived from {}>", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::testing::ids::{SequentialIds, sequential};

    use super::*;

    fn drawn(ids: &NewIds) -> (Vec<Uuid>, Vec<[u8; 32]>) {
        ((0..50).map(|_| ids.next()).collect(), (0..50).map(|_| ids.secret()).collect())
    }

    #[test]
    fn the_same_seed_gives_the_same_ids_and_secrets_in_whatever_order_the_kinds_are_drawn() {
        let seed = sequential(7);
        let once = NewIds::derived([1; 32], seed);
        let again = NewIds::derived([1; 32], seed);
        let mixed: Vec<_> = (0..50).map(|_| (again.next(), again.secret())).collect();
        assert_eq!(drawn(&once), mixed.into_iter().unzip());
    }

    #[test]
    fn ids_are_uuids_of_version_7_of_the_seeds_time_and_all_differ() {
        let mut all = BTreeSet::new();
        for (secret, seed) in [(1, 1), (1, 2), (2, 1)] {
            let (ids, secrets) = drawn(&NewIds::derived([secret; 32], sequential(seed)));
            for id in &ids {
                assert_eq!((id.get_version_num(), millis(*id)), (7, millis(sequential(seed))));
                assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            }
            all.extend(ids.into_iter().map(|id| id.into_bytes().to_vec()));
            all.extend(secrets.into_iter().map(|secret| secret.to_vec()));
        }
        assert_eq!(all.len(), 3 * 100);
    }

    #[test]
    fn clones_draw_from_the_same_source() {
        let ids = NewIds::derived([1; 32], sequential(1));
        assert_ne!(ids.clone().next(), ids.next());
        assert_eq!(NewIds::fresh(Arc::new(SequentialIds::default())).next(), sequential(1));
        assert!(!format!("{ids:?}").contains("[1, 1"));
    }
}
