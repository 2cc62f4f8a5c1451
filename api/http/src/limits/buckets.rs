//! Rate-limit buckets in memory: bounded in number, spread over several locks.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use adapters::keys::{BucketName, BucketShare};
use parking_lot::{Mutex, MutexGuard};

use super::gcra::{Rate, Standing};

const SHARDS: usize = 16;
/// About 10 MiB in all. A bucket lives only until it has paid for all that it admitted.
const BUCKETS_A_SHARD: usize = 8_192;

/// All buckets of a node.
pub(super) struct Buckets {
    shards: [Mutex<HashMap<BucketName, Bucket>>; SHARDS],
    room: usize,
    /// The shard whose buckets the next exchange reports first.
    turn: AtomicUsize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Theoretical arrival time in nanoseconds; see [`Rate::admit`].
    tat: i64,
    /// Cost admitted here since the last report to other nodes, in nanoseconds of [`Rate::interval`].
    taken: i64,
    /// When the first of it was admitted.
    since: i64,
}

impl Buckets {
    pub(super) fn new() -> Self {
        Self::with_room(BUCKETS_A_SHARD)
    }

    fn with_room(room: usize) -> Self {
        Self { shards: Default::default(), room, turn: AtomicUsize::new(0) }
    }

    fn shard(&self, name: &BucketName) -> MutexGuard<'_, HashMap<BucketName, Bucket>> {
        // the last bits of an id are random, also of a UUIDv7
        let shard = &self.shards[name.id.as_bytes()[15] as usize % SHARDS];
        shard.lock()
    }

    /// Decides whether to admit a request.
    pub(super) fn take(&self, name: BucketName, rate: Rate, now: i64) -> Standing {
        let mut shard = self.shard(&name);
        let bucket = self.bucket(&mut shard, name, now);
        let standing = rate.admit(&mut bucket.tat, now);
        if standing.retry_after.is_none() {
            if bucket.taken == 0 {
                bucket.since = now;
            }
            bucket.taken = bucket.taken.saturating_add(rate.interval());
        }
        standing
    }

    /// Undoes a [`take`](Self::take) that admitted its request.
    pub(super) fn give_back(&self, name: BucketName, rate: Rate) {
        if let Some(bucket) = self.shard(&name).get_mut(&name) {
            bucket.tat = bucket.tat.saturating_sub(rate.interval());
            // negative if the share was just reported: then the correction is reported next
            bucket.taken = bucket.taken.saturating_sub(rate.interval());
        }
    }

    /// The shares that other nodes do not know yet, of at most `most` buckets, sorted by name. They count as reported.
    pub(super) fn untold(&self, now: i64, most: usize) -> Vec<BucketShare> {
        let mut shares = Vec::new();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let (after, first) = self.shards.split_at(turn);
        for shard in first.iter().chain(after) {
            let mut shard = shard.lock();
            for (name, bucket) in shard.iter_mut().filter(|(_, bucket)| bucket.taken != 0) {
                if shares.len() == most {
                    break;
                }
                let (lead, age) = (bucket.tat.saturating_sub(now), now.saturating_sub(bucket.since));
                shares.push(BucketShare { name: *name, lead, taken: bucket.taken, age: age.max(0) });
                bucket.taken = 0;
            }
        }
        // all nodes lock rows in the same order
        shares.sort_unstable_by_key(|share| share.name);
        shares
    }

    /// Restores the shares of [`untold`](Self::untold) after they could not be reported.
    pub(super) fn still_untold(&self, shares: &[BucketShare], now: i64) {
        for share in shares {
            if let Some(bucket) = self.shard(&share.name).get_mut(&share.name) {
                bucket.taken = bucket.taken.saturating_add(share.taken);
                bucket.since = now.saturating_sub(share.age);
            }
        }
    }

    /// Merges another node's state: all that was admitted is paid for `lead` nanoseconds after `now`.
    pub(super) fn learn(&self, name: BucketName, lead: i64, now: i64) {
        if lead <= 0 {
            return;
        }
        let mut shard = self.shard(&name);
        let bucket = self.bucket(&mut shard, name, now);
        let together = now.saturating_add(lead).saturating_add(bucket.taken.max(0));
        bucket.tat = bucket.tat.max(together);
    }

    fn bucket<'s>(
        &self,
        shard: &'s mut HashMap<BucketName, Bucket>,
        name: BucketName,
        now: i64,
    ) -> &'s mut Bucket {
        if shard.len() >= self.room && !shard.contains_key(&name) {
            make_room(shard, self.room, now);
        }
        shard.entry(name).or_default()
    }
}

/// Removes buckets that are paid for. If that is less than half, it removes more, down to half, those first that
/// would expire first: a flood of new names pushes out others like them, not the most restricted ones.
fn make_room(shard: &mut HashMap<BucketName, Bucket>, room: usize, now: i64) {
    shard.retain(|_, bucket| bucket.tat > now);
    let half = room / 2;
    if shard.len() > half {
        let mut tats: Vec<i64> = shard.values().map(|bucket| bucket.tat).collect();
        let (_, middle, _) = tats.select_nth_unstable(half);
        let middle = *middle;
        shard.retain(|_, bucket| bucket.tat > middle);
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("room", &(SHARDS * self.room)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use adapters::keys::BucketKind;
    use uuid::Uuid;

    use super::*;

    const NOW: i64 = 1_000_000_000_000;

    fn name(n: u128) -> BucketName {
        // all names fall into one shard
        BucketName { kind: BucketKind::Client, id: Uuid::from_u128(n * 256) }
    }

    fn held(buckets: &Buckets) -> usize {
        buckets.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    #[test]
    fn buckets_are_bounded_and_who_is_held_back_hardest_is_not_forgotten() {
        let buckets = Buckets::with_room(64);
        let rate = Rate::per_minute(10);
        while buckets.take(name(0), rate, NOW).retry_after.is_none() {}
        for n in 1..10_000 {
            buckets.take(name(n), rate, NOW);
            assert!(held(&buckets) <= 64);
        }
        assert!(buckets.take(name(0), rate, NOW).retry_after.is_some());
        // and all of it is gone once it is paid for
        let later = NOW + 10_000_000_000_000;
        for n in 0..65 {
            buckets.take(name(n), rate, later + n as i64);
        }
        assert!(held(&buckets) <= 64);
    }

    #[test]
    fn two_nodes_that_tell_each_other_admit_one_burst_between_them() {
        let (a, b) = (Buckets::new(), Buckets::new());
        let rate = Rate::per_hour(10);
        let admitted = |node: &Buckets, times: usize| {
            (0..times).filter(|_| node.take(name(1), rate, NOW).retry_after.is_none()).count()
        };
        assert_eq!(admitted(&a, 6), 6);
        let told = a.untold(NOW, 10);
        assert_eq!((told.len(), told[0].taken), (1, 6 * rate.interval()));
        b.learn(name(1), told[0].lead, NOW);
        assert_eq!(admitted(&b, 20), 4);
        // what b admitted is added to what a knows
        a.learn(name(1), told[0].lead + b.untold(NOW, 10)[0].taken, NOW);
        assert_eq!(admitted(&a, 20), 0);
        assert!(a.untold(NOW, 10).is_empty());
    }

    #[test]
    fn what_could_not_be_told_is_told_the_next_time() {
        let buckets = Buckets::new();
        let rate = Rate::per_hour(10);
        buckets.take(name(1), rate, NOW);
        let told = buckets.untold(NOW + 5, 10);
        buckets.take(name(1), rate, NOW + 7);
        buckets.still_untold(&told, NOW + 9);
        let again = buckets.untold(NOW + 9, 10);
        assert_eq!((again[0].taken, again[0].age), (2 * rate.interval(), 5));
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let buckets = Buckets::new();
        let rate = Rate::per_hour(1);
        assert!(buckets.take(name(1), rate, NOW).retry_after.is_none());
        buckets.give_back(name(1), rate);
        assert!(buckets.untold(NOW, 10).is_empty());
        assert!(buckets.take(name(1), rate, NOW).retry_after.is_none());
        assert!(buckets.take(name(1), rate, NOW).retry_after.is_some());
    }
}
