//! Where personal data is, and how it is found, taken out and made unreadable.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreUnavailable;
use crate::envelope::{Position, StreamId, Time};
use crate::ids::{ClientId, PrivacyJobId, SubjectId};

/// What the log holds of somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Events, by type.
    pub events: BTreeMap<String, u64>,
    /// Streams.
    pub streams: Vec<StreamId>,
    /// Personal values.
    pub values: u64,
    /// The carrier's ids of recordings of their calls.
    pub recordings: Vec<String>,
    /// How far the log was searched.
    pub through: Position,
}

/// What was done to copies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaning {
    /// Views that were made anew.
    pub views: Vec<String>,
    /// Bodies of public events.
    pub public_events: u64,
    /// Attempts of deliveries.
    pub attempts: u64,
}

/// A job that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenJob {
    /// Which.
    pub id: PrivacyJobId,
    /// Whose.
    pub client: ClientId,
    /// Since when.
    pub since: Time,
}

/// Personal data, wherever it is.
#[async_trait]
pub trait PersonalData: fmt::Debug + Send + Sync {
    /// Notes that a job is to be done. Before its first event is written: a job without events is given up.
    async fn open(&self, job: OpenJob) -> Result<(), StoreUnavailable>;

    /// Up to `limit` jobs that are to be done, oldest first.
    async fn open_jobs(&self, limit: u32) -> Result<Vec<OpenJob>, StoreUnavailable>;

    /// The job is done.
    async fn close(&self, job: PrivacyJobId) -> Result<(), StoreUnavailable>;

    /// How long nodes may remember a key that was destroyed.
    fn key_life(&self) -> Duration;

    /// Destroys the keys of these persons, for ever; answers which those were. Done again, it destroys nothing. What
    /// was answered to the client under idempotency keys is forgotten.
    async fn destroy(&self, client: ClientId, persons: &[SubjectId]) -> Result<Vec<Uuid>, StoreUnavailable>;

    /// Searches the log for what is or was sealed under keys of these persons.
    async fn find(&self, client: ClientId, persons: &[SubjectId]) -> Result<Findings, StoreUnavailable>;

    /// Cleans the copies as far as this node can while others may remember the keys: what is shown stops at once.
    /// [`clean`](Self::clean) does it again once nobody can write anything of the persons anew.
    async fn clean_now(&self, client: ClientId, persons: &[SubjectId]) -> Result<(), StoreUnavailable>;

    /// Makes copies anew from the log: views, bodies of public events, attempts of deliveries; and leaves nothing of
    /// what they were in the files of embedded stores. Exports of the client's are thrown away.
    ///
    /// What stands in the log up to `through` must have been turned into deliveries before.
    async fn clean(
        &self,
        client: ClientId,
        findings: &Findings,
        through: Position,
    ) -> Result<Cleaning, StoreUnavailable>;

    /// Collects what is known of these persons and keeps it, sealed, until a time.
    async fn export(
        &self,
        job: OpenJob,
        persons: &[SubjectId],
        until: Time,
    ) -> Result<Findings, StoreUnavailable>;

    /// Destroys the keys of content that is not kept, of calls and sessions that are over; answers how many of each
    /// client's.
    async fn end_content(&self) -> Result<BTreeMap<ClientId, u64>, StoreUnavailable>;

    /// What was collected, as JSON, if it is still kept.
    async fn exported(
        &self,
        client: ClientId,
        job: PrivacyJobId,
        now: Time,
    ) -> Result<Option<Vec<u8>>, StoreUnavailable>;
}
