//! Personal data in the log and its copies: how it is found, exported and made unreadable.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreUnavailable;
use crate::envelope::{Position, StreamId, Time};
use crate::ids::{CallId, ClientId, PrivacyJobId, SubjectId};

/// What the log holds about a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Number of events, by type.
    pub events: BTreeMap<String, u64>,
    /// Streams that hold data of the person.
    pub streams: Vec<StreamId>,
    /// Number of personal values.
    pub values: u64,
    /// The carrier's ids of recordings of their calls.
    pub recordings: Vec<String>,
    /// Files of their calls in the object store, by their keys; removed ones may be among them.
    pub files: Vec<(CallId, String)>,
    /// How far the log was searched.
    pub through: Position,
}

/// Copies outside the log that were cleaned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaning {
    /// Views that were made anew.
    pub views: Vec<String>,
    /// Number of bodies of public events.
    pub public_events: u64,
    /// Number of attempts of deliveries.
    pub attempts: u64,
}

/// A job that is not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenJob {
    pub id: PrivacyJobId,
    pub client: ClientId,
    pub since: Time,
}

/// Personal data in the log and in all copies of it.
#[async_trait]
pub trait PersonalData: fmt::Debug + Send + Sync {
    /// Registers a job, before its first event is written: a job without events is given up.
    async fn open(&self, job: OpenJob) -> Result<(), StoreUnavailable>;

    /// Up to `limit` unfinished jobs, oldest first.
    async fn open_jobs(&self, limit: u32) -> Result<Vec<OpenJob>, StoreUnavailable>;

    /// Removes a job that is finished.
    async fn close(&self, job: PrivacyJobId) -> Result<(), StoreUnavailable>;

    /// How long nodes may still cache a key after it was destroyed.
    fn key_life(&self) -> Duration;

    /// Destroys the keys of these persons for ever and answers which those were; done again, it destroys nothing.
    /// Also forgets the answers kept under the client's idempotency keys.
    async fn destroy(&self, client: ClientId, persons: &[SubjectId]) -> Result<Vec<Uuid>, StoreUnavailable>;

    /// Searches the log for values that are or were sealed under keys of these persons.
    async fn find(&self, client: ClientId, persons: &[SubjectId]) -> Result<Findings, StoreUnavailable>;

    /// Cleans the copies as far as this node can while others may still cache the keys, so that the data is no
    /// longer shown. [`clean`](Self::clean) does it again once nobody can write such data anew.
    async fn clean_now(&self, client: ClientId, persons: &[SubjectId]) -> Result<(), StoreUnavailable>;

    /// Makes copies anew from the log: views, bodies of public events, attempts of deliveries. Leaves nothing of
    /// the old copies in the files of embedded stores, and discards the client's exports.
    ///
    /// All events up to `through` must have been turned into deliveries before.
    async fn clean(
        &self,
        client: ClientId,
        findings: &Findings,
        through: Position,
    ) -> Result<Cleaning, StoreUnavailable>;

    /// Collects the data of these persons and keeps it, sealed, until `until`.
    async fn export(
        &self,
        job: OpenJob,
        persons: &[SubjectId],
        until: Time,
    ) -> Result<Findings, StoreUnavailable>;

    /// Destroys the keys of content that is not to be kept, for calls and sessions that are over; answers how
    /// many for each client.
    async fn end_content(&self) -> Result<BTreeMap<ClientId, u64>, StoreUnavailable>;

    /// The collected data as JSON, if it is still kept at `now`.
    async fn exported(
        &self,
        client: ClientId,
        job: PrivacyJobId,
        now: Time,
    ) -> Result<Option<Vec<u8>>, StoreUnavailable>;
}
