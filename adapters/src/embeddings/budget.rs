//! How many texts a client may have embedded, so that one import does not use up the node's account.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use domain::ids::ClientId;
use lru::LruCache;
use parking_lot::Mutex;

/// Clients whose use is remembered; of others it is long ago.
const CLIENTS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
const MINUTE: Duration = Duration::from_secs(60);

/// A bucket for each client: it holds the texts of one minute and fills up again at an even rate.
#[derive(Debug)]
pub(super) struct Budget {
    /// How many texts a minute.
    rate: u32,
    /// What is left, and since when.
    left: Mutex<LruCache<ClientId, (f64, Instant)>>,
}

impl Budget {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: rate.max(1), left: Mutex::new(LruCache::new(CLIENTS)) }
    }

    /// Takes `texts` out of the client's bucket, or tells how long to wait. More texts than a full bucket holds are let
    /// through when it is full, and leave a debt.
    pub(super) fn take(&self, client: ClientId, texts: usize, now: Instant) -> Result<(), Duration> {
        let full = f64::from(self.rate);
        let a_second = full / MINUTE.as_secs_f64();
        let mut all = self.left.lock();
        let (left, since) = all.get(&client).copied().unwrap_or((full, now));
        let left = (left + a_second * now.saturating_duration_since(since).as_secs_f64()).min(full);
        let wanted = texts as f64;
        if left < wanted.min(full) {
            all.put(client, (left, now));
            return Err(Duration::from_secs_f64(
                ((wanted.min(full) - left) / a_second).clamp(0.001, 86_400.0),
            ));
        }
        all.put(client, (left - wanted, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_client_that_used_its_minute_up_waits_and_others_do_not() {
        let (budget, start) = (Budget::new(60), Instant::now());
        let (one, other) = (ClientId(Uuid::from_u128(1)), ClientId(Uuid::from_u128(2)));
        assert_eq!(budget.take(one, 60, start), Ok(()));
        assert_eq!(budget.take(one, 2, start), Err(Duration::from_secs(2)));
        assert_eq!(budget.take(other, 1, start), Ok(()));
        assert_eq!(budget.take(one, 2, start + Duration::from_secs(2)), Ok(()));
        assert!(budget.take(one, 1, start + Duration::from_secs(2)).is_err());
    }

    #[test]
    fn more_than_a_minutes_worth_is_let_through_once_and_paid_for_afterwards() {
        let (budget, start) = (Budget::new(60), Instant::now());
        let client = ClientId(Uuid::from_u128(1));
        assert_eq!(budget.take(client, 120, start), Ok(()));
        assert_eq!(budget.take(client, 1, start), Err(Duration::from_secs(61)));
    }
}
