//! The rate limits, and what each of them counts.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::keys::{BucketKind, BucketName};
use domain::ids::{ApiKeyId, ClientId};
use domain::ports::clock::Clock;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::buckets::Buckets;
use super::gcra::{Rate, Standing};

/// Default rates of a node.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Requests per hour of a key without a limit of its own.
    pub key_an_hour: u32,
    /// Rate of a client without a limit of its own.
    pub client: Rate,
    /// Login attempts for one email address from one IP address; [`LOOSER`] times as many are allowed for one
    /// of the two alone.
    pub login: Rate,
}

/// Factor between the login limit of one IP address or one email address alone, and that of both together.
pub const LOOSER: u32 = 10;
/// The most places of logins that a node remembers.
const FAMILIAR: usize = 20_000;

/// Applies the rate limits to requests and logins.
#[derive(Debug)]
pub struct Limiter {
    clock: Arc<dyn Clock>,
    began: Instant,
    pub(super) buckets: Buckets,
    rates: Rates,
    /// Hashes of who signed in from where, with the last time (nanoseconds since the limiter began).
    familiar: Mutex<HashMap<Uuid, i64>>,
    /// Key of the address hashes, so that nobody who sees a hash can try addresses on it.
    secret: [u8; 32],
}

impl Limiter {
    /// A limiter without any requests so far. Nodes that share limits must have the same `secret`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, rates: Rates, secret: [u8; 32]) -> Self {
        let began = clock.monotonic();
        Self { clock, began, buckets: Buckets::new(), rates, familiar: Mutex::default(), secret }
    }

    /// Nanoseconds since the limiter began, independent of the wall clock.
    pub(super) fn now(&self) -> i64 {
        let passed = self.clock.monotonic().saturating_duration_since(self.began);
        i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX)
    }

    /// Decides on a request of a client and, if a key sent it, of the key with its own limit (requests per hour).
    /// Answers the state of the tighter one; a request refused by one of them does not count for the other.
    ///
    /// A key's burst is its whole hour: a key with three requests an hour may send them at once. The client's rate,
    /// which counts all of its keys, keeps that from being too much at once.
    pub fn request(
        &self,
        key: Option<(ApiKeyId, Option<u32>)>,
        client: ClientId,
        of_client: Option<u32>,
    ) -> Standing {
        let now = self.now();
        let key = key.map(|(id, an_hour)| {
            let name = BucketName { kind: BucketKind::Key, id: id.0 };
            (name, Rate::per_hour(an_hour.unwrap_or(self.rates.key_an_hour)))
        });
        let of_key = key.map(|(name, rate)| self.buckets.take(name, rate, now));
        if let Some(refused) = of_key.filter(|standing| standing.retry_after.is_some()) {
            count_refusal("key_rate");
            return refused;
        }
        let rate = of_client.map_or(self.rates.client, Rate::per_minute);
        let name = BucketName { kind: BucketKind::Client, id: client.0 };
        let of_client = self.buckets.take(name, rate, now);
        if of_client.retry_after.is_some() {
            if let Some((name, rate)) = key {
                self.buckets.give_back(name, rate);
            }
            count_refusal("client_rate");
            return of_client;
        }
        of_key.map_or(of_client, |of_key| of_key.tighter(of_client))
    }

    /// Decides on a login attempt: by the normalised email address together with its origin, and, [`LOOSER`] times
    /// as loosely, by each of the two alone. So an attacker elsewhere locks nobody out, and many attackers at once
    /// do not lock out a user who signed in from here before. An attempt that one of them refuses may count for the
    /// others. An error holds how long to wait.
    pub fn login(&self, ip: Option<IpAddr>, email: &str) -> Result<(), Duration> {
        let now = self.now();
        let pair = self.pair(ip, email);
        let mut asked = vec![(BucketKind::LoginPair, pair, self.rates.login)];
        let loose = self.rates.login.times(LOOSER);
        if let Some(ip) = ip {
            asked.push((BucketKind::LoginAddress, self.name_of(&network(ip).to_string()), loose));
        }
        if !self.familiar.lock().contains_key(&pair) {
            asked.push((BucketKind::LoginEmail, self.name_of(email), loose));
        }
        for (kind, id, rate) in asked {
            if let Some(wait) = self.buckets.take(BucketName { kind, id }, rate, now).retry_after {
                count_refusal("login_rate");
                return Err(wait);
            }
        }
        Ok(())
    }

    /// Remembers where a user signed in from. The node keeps the newest [`FAMILIAR`] such places.
    pub fn logged_in(&self, ip: Option<IpAddr>, email: &str) {
        let now = self.now();
        let mut familiar = self.familiar.lock();
        if familiar.len() >= FAMILIAR {
            // removes half of them at once, so that sorting is rare
            let mut ages: Vec<i64> = familiar.values().copied().collect();
            let (_, &mut median, _) = ages.select_nth_unstable(FAMILIAR / 2);
            familiar.retain(|_, at| *at > median);
        }
        familiar.insert(self.pair(ip, email), now);
    }

    fn pair(&self, ip: Option<IpAddr>, email: &str) -> Uuid {
        let from = ip.map_or_else(String::new, |ip| network(ip).to_string());
        self.name_of(&format!("{from}\n{email}"))
    }

    /// Hashes an address, so that it is neither stored nor sent to a database in plain.
    fn name_of(&self, text: &str) -> Uuid {
        let hash = Sha256::new_with_prefix(self.secret).chain_update(text).finalize();
        Uuid::from_bytes(std::array::from_fn(|at| hash[at]))
    }
}

/// The network of an IPv6 address counts, because one user has 2^64 addresses.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// Counts a 429 in the metric of its limit.
pub(super) fn count_refusal(limit: &'static str) {
    metrics::counter!(domain::metrics::LIMIT_REFUSALS, "limit" => limit).increment(1);
}

#[cfg(test)]
mod tests {
    use conformance::fakes::clock::ManualClock;

    use super::*;

    fn limiter(client: u32, login: u32) -> (Arc<ManualClock>, Limiter) {
        let clock = Arc::new(ManualClock::default());
        let rates =
            Rates { key_an_hour: 50, client: Rate::per_minute(client), login: Rate::per_minute(login) };
        (clock.clone(), Limiter::new(clock, rates, [7; 32]))
    }

    fn client(n: u128) -> ClientId {
        ClientId(Uuid::from_u128(n))
    }

    fn key(n: u128, an_hour: u32) -> Option<(ApiKeyId, Option<u32>)> {
        Some((ApiKeyId(Uuid::from_u128(n)), Some(an_hour)))
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_tighter_of_key_and_client_is_told_and_refuses() {
        let (clock, limiter) = limiter(10, 1);
        assert_eq!(limiter.request(key(1, 3), client(1), None).remaining, 2);
        assert_eq!(limiter.request(None, client(1), None).remaining, 8);
        for _ in 0..2 {
            assert_eq!(limiter.request(key(1, 3), client(1), None).retry_after, None);
        }
        let refused = limiter.request(key(1, 3), client(1), None);
        assert_eq!((refused.limit, refused.retry_after), (3, Some(Duration::from_secs(1_200))));
        // the refused request did not count for the client, and another client has its own limit
        assert_eq!(limiter.request(None, client(1), None).remaining, 5);
        assert_eq!(limiter.request(None, client(2), None).remaining, 9);
        clock.advance(Duration::from_secs(1_200));
        assert_eq!(limiter.request(key(1, 3), client(1), None).retry_after, None);
    }

    #[test]
    fn a_clock_that_is_set_neither_locks_anybody_out_nor_gives_anything_away() {
        let (clock, limiter) = limiter(1_000, 3);
        assert_eq!(limiter.request(key(1, 2), client(1), None).retry_after, None);
        for days in [-1, 3, -400] {
            clock.jump(chrono::TimeDelta::days(days));
            let hour = limiter.request(key(2, 0), client(1), None).limit;
            assert_eq!(hour, 0, "what is never allowed stays so");
        }
        assert_eq!(limiter.request(key(1, 2), client(1), None).retry_after, None, "one of two is left");
        let half_an_hour = Some(Duration::from_secs(1_800));
        assert_eq!(limiter.request(key(1, 2), client(1), None).retry_after, half_an_hour);
        clock.advance(Duration::from_secs(1_800));
        assert_eq!(limiter.request(key(1, 2), client(1), None).retry_after, None);
    }

    #[test]
    fn what_the_client_may_not_send_does_not_count_for_its_key() {
        let (clock, limiter) = limiter(1, 1);
        assert_eq!(limiter.request(None, client(1), None).retry_after, None);
        for _ in 0..5 {
            assert_eq!(limiter.request(key(1, 2), client(1), None).limit, 1);
        }
        clock.advance(Duration::from_secs(60));
        assert_eq!(limiter.request(key(1, 2), client(1), Some(100)).remaining, 1);
    }

    #[test]
    fn a_key_without_a_limit_of_its_own_has_the_nodes() {
        let (_, limiter) = limiter(1_000, 1);
        let key = Some((ApiKeyId(Uuid::from_u128(1)), None));
        assert_eq!(limiter.request(key, client(1), None).limit, 50);
    }

    #[test]
    fn a_changed_limit_leaves_as_great_a_share_of_it_used_up() {
        let (_, limiter) = limiter(4, 1);
        for _ in 0..2 {
            limiter.request(None, client(1), None);
        }
        assert_eq!(limiter.request(None, client(1), Some(100)).remaining, 49);
        assert_eq!(limiter.request(None, client(1), Some(2)).retry_after, Some(Duration::from_millis(600)));
    }

    #[test]
    fn logins_are_held_back_by_address_and_email_together_and_ten_times_as_loosely_by_either() {
        let (clock, limiter) = limiter(1, 3);
        let wait = Err(Duration::from_secs(20));
        for _ in 0..3 {
            assert_eq!(limiter.login(ip("203.0.113.7"), "ann@example.com"), Ok(()));
        }
        assert_eq!(limiter.login(ip("203.0.113.7"), "ann@example.com"), wait);
        assert_eq!(limiter.login(ip("::ffff:203.0.113.7"), "ann@example.com"), wait);
        // neither the same user elsewhere nor other users there are limited
        assert_eq!(limiter.login(ip("203.0.113.8"), "ann@example.com"), Ok(()));
        assert_eq!(limiter.login(ip("203.0.113.7"), "bob@example.com"), Ok(()));
        clock.advance(Duration::from_secs(60));
        let short = Err(Duration::from_secs(2));
        let of_address = (0..).map(|n| limiter.login(ip("203.0.113.7"), &format!("{n}@example.com")));
        assert_eq!(of_address.take_while(Result::is_ok).count(), 30);
        assert_eq!(limiter.login(ip("203.0.113.7"), "x@example.com"), short);
        let of_email = (0..).map(|n| limiter.login(ip(&format!("198.51.100.{n}")), "cy@example.com"));
        assert_eq!(of_email.take_while(Result::is_ok).count(), 30);
        assert_eq!(limiter.login(ip("203.0.113.9"), "cy@example.com"), short);
    }

    #[test]
    fn whoever_signed_in_from_a_place_before_is_not_locked_out_of_it_by_many_elsewhere() {
        let (_, limiter) = limiter(1, 3);
        limiter.logged_in(ip("192.0.2.1"), "ann@example.com");
        for n in 0..60 {
            let _ = limiter.login(ip(&format!("198.51.100.{n}")), "ann@example.com");
        }
        assert!(limiter.login(ip("192.0.2.2"), "ann@example.com").is_err());
        for _ in 0..3 {
            assert_eq!(limiter.login(ip("192.0.2.1"), "ann@example.com"), Ok(()));
        }
        assert!(
            limiter.login(ip("192.0.2.1"), "ann@example.com").is_err(),
            "the two together hold there too"
        );
    }

    #[test]
    fn places_of_logins_are_forgotten_the_oldest_first() {
        let (clock, limiter) = limiter(1, 3);
        for n in 0..=FAMILIAR {
            clock.advance(Duration::from_millis(1));
            limiter.logged_in(None, &format!("{n}@example.com"));
        }
        let familiar = limiter.familiar.lock();
        assert!(
            familiar.len() <= FAMILIAR && familiar.contains_key(&limiter.pair(None, "20000@example.com"))
        );
        assert!(!familiar.contains_key(&limiter.pair(None, "0@example.com")));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let (_, limiter) = limiter(1, 1);
        assert_eq!(limiter.login(ip("2001:db8:1:2::1"), "a@example.com"), Ok(()));
        assert!(limiter.login(ip("2001:db8:1:2:ffff::9"), "a@example.com").is_err());
        assert_eq!(limiter.login(ip("2001:db8:1:3::1"), "a@example.com"), Ok(()));
    }

    /// No proof, but fails when a decision becomes a hundred times as slow. The test profile is unoptimised.
    #[test]
    fn a_decision_takes_microseconds_at_most() {
        let (_, limiter) = limiter(u32::MAX, 1);
        let started = std::time::Instant::now();
        for n in 0..20_000 {
            limiter.request(key(n % 500, u32::MAX), client(n % 50), None);
        }
        let each = started.elapsed() / 20_000;
        println!("{each:?} a decision");
        assert!(each < Duration::from_micros(200), "{each:?}");
    }
}
