//! Answers to requests that may come again: a client's `Idempotency-Key` stands for one request.
//!
//! A key is *reserved* while its request is worked on, and *answered* once the answer is kept. A reservation holds
//! a seed, made once, from which all ids of the request's work derive. Whoever takes a reservation over, because
//! its holder died or released it, makes the same ids, so that work already done is recognised.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreUnavailable;
use super::vault::Sealed;
use crate::envelope::Time;
use crate::ids::ClientId;

/// An idempotency key of a client. Two clients' keys are never the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
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
    pub key: KeyName,
    /// SHA-256 over everything that makes it this request and no other.
    pub request: [u8; 32],
    /// The seed of a new reservation: a fresh UUIDv7.
    pub seed: Uuid,
    /// Present time by the asking node's clock.
    pub now: Time,
    /// How long a reservation belongs to its holder alone.
    pub lock_for: Duration,
    /// How long the key is remembered, from its first reservation on.
    pub keep_for: Duration,
}

/// The right to work on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    pub key: KeyName,
    /// Seed of the request's ids, the same for all holders of the reservation.
    pub seed: Uuid,
    /// Until when nobody takes the reservation over. Also tells one holder from the next.
    pub until: Time,
}

/// What a key stands for when a request begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// A new request: the caller carries it out.
    Fresh(Reservation),
    /// An earlier holder did not finish; part of the work or all of it may be done. The caller does it again,
    /// with the same ids.
    TakenOver(Reservation),
    /// Another holder is working on the request.
    InFlight,
    /// The key was used for another request.
    Reused,
    /// The request was answered; this is the answer.
    Done(Sealed),
}

/// What became of an answer that was to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    Kept,
    /// Another holder of the same reservation answered first; this is what the key stands for.
    Before(Sealed),
    /// The key was forgotten meanwhile.
    Forgotten,
}

/// Stores idempotency keys. Every step is atomic across all nodes that share the store, and durable once answered.
///
/// Nodes judge time by their own clocks. One whose clock is ahead takes a reservation over too early; both holders
/// then work with the same ids, and the first answer wins, as after a crash and a take-over.
#[async_trait]
pub trait IdempotencyKeys: fmt::Debug + Send + Sync {
    /// Reserves the key, or tells what it stands for. Of many who ask at once, one gets the reservation.
    async fn begin(&self, ask: &Ask) -> Result<Begun, StoreUnavailable>;

    /// Keeps the answer. The first one wins, whoever gives it: a key only ever gives one answer.
    async fn finish(&self, held: &Reservation, answer: &Sealed) -> Result<Finished, StoreUnavailable>;

    /// Releases the reservation, unless it was taken over or answered. The next one to ask takes it over.
    async fn release(&self, held: &Reservation) -> Result<(), StoreUnavailable>;

    /// Frees the key as if it had never been used, unless it was taken over or answered, because nothing came of
    /// its request. The next one to ask may bring another request.
    async fn free(&self, held: &Reservation) -> Result<(), StoreUnavailable>;

    /// Releases every reservation and answers how many. Only for a store that no other node uses, before the first
    /// request: the holders are dead.
    async fn release_all(&self) -> Result<u64, StoreUnavailable>;

    /// Forgets the answers to this client's requests, but not that they were made: a request that comes again is
    /// taken over, with the same ids, and answered with what is there by then. Answers how many were forgotten.
    ///
    /// For an erasure: an answer may hold data of anybody.
    async fn forget_answers(&self, client: ClientId) -> Result<u64, StoreUnavailable>;

    /// Forgets keys that are expired at `now`, at most `limit` of them; answers how many.
    async fn expire(&self, now: Time, limit: u32) -> Result<u64, StoreUnavailable>;
}
