//! What was answered to a request that may come again: a client's `Idempotency-Key` stands for one request.
//!
//! A key is *reserved* while its request is worked on, and *answered* once the answer is kept. A reservation holds
//! a seed, made once: all ids of the request's work derive from it. So whoever takes a reservation over, because
//! its holder died or gave it back, makes the same ids, and what was done already is recognised as the same.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreUnavailable;
use super::vault::Sealed;
use crate::envelope::Time;
use crate::ids::ClientId;

/// Which key: two clients' keys are never the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
    /// Whose.
    pub client: ClientId,
    /// SHA-256 of the key's text. The text itself is never kept: clients put order numbers and worse into it.
    pub hash: [u8; 32],
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<idempotency key of {}>", self.client)
    }
}

/// A request that carries a key.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// The key.
    pub key: KeyName,
    /// SHA-256 over everything that makes it this request and no other.
    pub request: [u8; 32],
    /// The seed of a new reservation: a fresh UUIDv7.
    pub seed: Uuid,
    /// Now, as the asking node's clock says.
    pub now: Time,
    /// How long a reservation is its holder's alone.
    pub lock_for: Duration,
    /// How long the key is remembered, from its first reservation on.
    pub keep_for: Duration,
}

/// The right to work on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    /// The key.
    pub key: KeyName,
    /// What the request's ids derive from: the same for everybody who ever held the reservation.
    pub seed: Uuid,
    /// Until when nobody takes it over. It also tells one holder from the next.
    pub until: Time,
}

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// A new request: do it.
    Fresh(Reservation),
    /// Somebody began it and did not come to an end; part of it or all of it may be done. Do it again, with the
    /// same ids.
    TakenOver(Reservation),
    /// Somebody is working on it.
    InFlight,
    /// The key was used for another request.
    Reused,
    /// It was answered.
    Done(Sealed),
}

/// What became of an answer that was to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// It is kept.
    Kept,
    /// Another holder of the same reservation was faster; this is what the key stands for.
    Before(Sealed),
    /// The key was forgotten meanwhile.
    Forgotten,
}

/// Where keys are kept. Every step is atomic across all nodes that share the store, and durable once answered.
///
/// Nodes judge time by their own clocks. One whose clock is ahead takes a reservation over too early; both holders
/// then work with the same ids, and the first answer wins, so that is no worse than a death and a take-over.
#[async_trait]
pub trait IdempotencyKeys: fmt::Debug + Send + Sync {
    /// Reserves the key, or tells what it stands for. Of many who ask at once, one gets the reservation.
    async fn begin(&self, ask: &Ask) -> Result<Begun, StoreUnavailable>;

    /// Keeps the answer. The first one wins, whoever gives it: all that a key ever answers is the same.
    async fn finish(&self, held: &Reservation, answer: &Sealed) -> Result<Finished, StoreUnavailable>;

    /// Gives the reservation back, unless it was taken over or answered: the next one to ask takes it over.
    async fn release(&self, held: &Reservation) -> Result<(), StoreUnavailable>;

    /// Frees the key as if it had never been used, unless it was taken over or answered: nothing came of its request. The
    /// next one to ask may bring another request.
    async fn free(&self, held: &Reservation) -> Result<(), StoreUnavailable>;

    /// Gives back every reservation; answers how many. Only for a store that no other node uses, before the first
    /// request: whoever held them is dead.
    async fn release_all(&self) -> Result<u64, StoreUnavailable>;

    /// Forgets what was answered to this client's requests, and not that they were made: one that comes again is
    /// taken over, with the same ids, and answered with what is there by then. Answers how many were forgotten.
    ///
    /// For an erasure: an answer may hold anything, and nobody can tell of whom.
    async fn forget_answers(&self, client: ClientId) -> Result<u64, StoreUnavailable>;

    /// Forgets keys whose time is over at `now`, at most `limit` of them; answers how many.
    async fn expire(&self, now: Time, limit: u32) -> Result<u64, StoreUnavailable>;
}
