//! Which rates there are, and what each is counted by.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use adapters::keys::{BucketKind, BucketName};
use domain::ids::{ApiKeyId, ClientId};
use domain::ports::clock::Clock;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::buckets::Buckets;
use super::gcra::{Rate, Standing};

/// The rates of a node.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Requests an hour by a key that has no limit of its own.
    pub key_an_hour: u32,
    /// Of a client that has no limit of its own.
    pub client: Rate,
    /// Of logins from one address, and for one e-mail address.
    pub login: Rate,
}

/// Holds requests back that come too fast.
#[derive(Debug)]
pub struct Limiter {
    clock: Arc<dyn Clock>,
    pub(super) buckets: Buckets,
    rates: Rates,
    /// What addresses are hashed with: nobody who sees a hash can try addresses on it.
    secret: [u8; 32],
}

impl Limiter {
    /// A limiter nobody has asked yet. Nodes that share limits have the same secret.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, rates: Rates, secret: [u8; 32]) -> Self {
        Self { clock, buckets: Buckets::new(), rates, secret }
    }

    /// Nanoseconds since 1970, by the node's clock.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().timestamp_micros().saturating_mul(1_000)
    }

    /// Decides on a request of a client's, and of its key and that key's own limit (requests an hour) if a key sent
    /// it. Answers how the tighter of the two stands; what one of them refuses does not count for the other.
    ///
    /// A key's burst is its whole hour: who may send three an hour may send them at once. What keeps that from
    /// being too much at once is the client's rate, which counts all of its keys.
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

    /// Decides on an attempt to log in: by the address it comes from, if that is known, and by the e-mail address in
    /// its normal form. An attempt that one of them refuses may count for the other.
    ///
    /// # Errors
    /// How long to wait.
    pub fn login(&self, ip: Option<IpAddr>, email: &str) -> Result<(), Duration> {
        let now = self.now();
        let by_ip = ip.map(|ip| (BucketKind::LoginAddress, network(ip).to_string()));
        let by_email = (BucketKind::LoginEmail, email.to_owned());
        for (kind, text) in by_ip.into_iter().chain([by_email]) {
            let name = BucketName { kind, id: self.name_of(&text) };
            if let Some(wait) = self.buckets.take(name, self.rates.login, now).retry_after {
                count_refusal("login_rate");
                return Err(wait);
            }
        }
        Ok(())
    }

    /// Addresses are not kept, and not told to a database, as they are.
    fn name_of(&self, text: &str) -> Uuid {
        let hash = Sha256::new_with_prefix(self.secret).chain_update(text).finalize();
        Uuid::from_bytes(std::array::from_fn(|at| hash[at]))
    }
}

/// Of IPv6 the network counts, as whoever has one address has 2^64 of them.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// Counts a 429 by the limit it is because of.
pub(super) fn count_refusal(limit: &'static str) {
    metrics::counter!("voxledger_limit_refusals_total", "limit" => limit).increment(1);
}

#[cfg(test)]
mod tests {
    use domain::testing::clock::ManualClock;

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
        // it did not count for the client, and another client has its own
        assert_eq!(limiter.request(None, client(1), None).remaining, 5);
        assert_eq!(limiter.request(None, client(2), None).remaining, 9);
        clock.advance(Duration::from_secs(1_200));
        assert_eq!(limiter.request(key(1, 3), client(1), None).retry_after, None);
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
    fn logins_are_held_back_by_address_and_by_email() {
        let (clock, limiter) = limiter(1, 3);
        for n in 0..3 {
            assert_eq!(limiter.login(ip("203.0.113.7"), &format!("{n}@example.com")), Ok(()));
        }
        let wait = Err(Duration::from_secs(20));
        assert_eq!(limiter.login(ip("203.0.113.7"), "9@example.com"), wait);
        assert_eq!(limiter.login(ip("::ffff:203.0.113.7"), "9@example.com"), wait);
        for n in 0..3 {
            assert_eq!(limiter.login(ip(&format!("203.0.113.1{n}")), "ann@example.com"), Ok(()));
        }
        assert_eq!(limiter.login(ip("203.0.113.20"), "ann@example.com"), wait);
        assert_eq!(limiter.login(None, "ann@example.com"), wait);
        clock.advance(Duration::from_secs(20));
        assert_eq!(limiter.login(ip("203.0.113.7"), "ann@example.com"), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let (_, limiter) = limiter(1, 1);
        assert_eq!(limiter.login(ip("2001:db8:1:2::1"), "a@example.com"), Ok(()));
        assert!(limiter.login(ip("2001:db8:1:2:ffff::9"), "b@example.com").is_err());
        assert_eq!(limiter.login(ip("2001:db8:1:3::1"), "c@example.com"), Ok(()));
    }

    /// Not a proof, but it fails when a decision becomes a hundred times as slow. The profile is unoptimised.
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
