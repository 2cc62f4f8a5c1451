//! Repeats erasures that are in the log but missing in the keys: an older copy of the keys brings back the keys of
//! persons who were erased since, so they are destroyed again.

use std::collections::{BTreeMap, HashSet};

use domain::aggregate::Aggregate as _;
use domain::envelope::{Position, StreamId, Version};
use domain::ids::{ClientId, PrivacyJobId};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::{Direction, ReadError};
use domain::ports::privacy::OpenJob;
use domain::ports::vault::VaultError;
use domain::privacy::Subject;
use domain::privacy::job::{JobKind, JobStatus, PrivacyJob, PrivacyJobEvent};
use domain::wire::DomainEvent as _;
use uuid::Uuid;

use super::store::EncryptingEventStore;
use crate::keys::PrivacyJobs;

const PAGE: usize = 2_000;

/// What was erased again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reapplied {
    /// Number of keys destroyed, of persons and of their streams.
    pub keys: usize,
    /// Number of unfinished jobs that were opened again.
    pub jobs: usize,
}

impl Reapplied {
    /// Whether the keys already matched the log.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

fn of_read(error: ReadError) -> StoreUnavailable {
    StoreUnavailable(error.to_string())
}

fn of_vault(error: VaultError) -> StoreUnavailable {
    StoreUnavailable(error.to_string())
}

impl EncryptingEventStore {
    /// Destroys again the keys that erasures with events after `after` destroyed, where they are alive, and reopens
    /// jobs that the log shows as unfinished. Keys of a person who was met again after the erasure stay.
    /// Idempotent. Fails when the log cannot be read or the keys cannot be written; the caller then calls it again.
    pub async fn reapply_erasures(
        &self,
        jobs: &PrivacyJobs,
        after: Position,
    ) -> Result<Reapplied, StoreUnavailable> {
        let mut done = Reapplied::default();
        for (stream, client) in self.jobs_after(after).await? {
            let (job, since) = self.job(&stream).await?;
            let Some(asked) = job.requested().filter(|asked| asked.kind == JobKind::Erase) else { continue };
            if job.status() >= JobStatus::KeysDestroyed {
                let listed = job.destroyed().map(|destroyed| &destroyed.keys[..]).unwrap_or_default();
                let mut alive: Vec<(domain::ids::SubjectId, Vec<Uuid>)> = Vec::new();
                for &person in &asked.persons {
                    let keys = self.keys().alive_of_before(client, person, asked.at, listed).await;
                    let keys = keys.map_err(of_vault)?;
                    if !keys.is_empty() {
                        alive.push((person, keys));
                    }
                }
                let keys: HashSet<Uuid> = alive.iter().flat_map(|(_, keys)| keys).copied().collect();
                // the persons' own keys last: while one is alive, a retry does this again
                if !keys.is_empty() && job.status() >= JobStatus::Cleaned {
                    done.keys += self.destroy_keys_of_streams(client, &keys).await?;
                }
                for (person, keys) in alive {
                    let gone = self.keys().destroy_these(client, person, &keys).await.map_err(of_vault)?;
                    done.keys += gone;
                }
            }
            if job.status() < JobStatus::Completed {
                jobs.open(OpenJob { id: PrivacyJobId(stream.id()), client, since }).await?;
                done.jobs += 1;
            }
        }
        if done.keys > 0 {
            self.keys().scrub().await?;
        }
        Ok(done)
    }

    /// Jobs with an event after `after`, and the clients they belong to.
    async fn jobs_after(&self, after: Position) -> Result<BTreeMap<StreamId, ClientId>, StoreUnavailable> {
        let (stored, mut found, mut after) = (self.stored(), BTreeMap::new(), after);
        loop {
            let page = stored.read_all(after, PAGE).await.map_err(of_read)?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.position;
            let jobs = page.into_iter().filter(|event| event.stream.category() == PrivacyJobId::CATEGORY);
            found.extend(jobs.map(|event| (event.stream, event.client_id)));
        }
    }

    async fn job(&self, stream: &StreamId) -> Result<(PrivacyJob, domain::envelope::Time), StoreUnavailable> {
        let (stored, mut job, mut after) = (self.stored(), PrivacyJob::default(), Version::NONE);
        let mut since = domain::envelope::Time::default();
        loop {
            let page = stored.read_stream(stream, after, Direction::Forwards, PAGE).await.map_err(of_read)?;
            let Some(last) = page.last() else { return Ok((job, since)) };
            if after == Version::NONE {
                since = page.first().map_or(since, |first| first.recorded_at);
            }
            after = last.version;
            for event in &page {
                let event = PrivacyJobEvent::decode(&event.event_type, event.schema, &event.payload);
                job.evolve(&event.map_err(|error| StoreUnavailable(error.to_string()))?);
            }
        }
    }

    /// Destroys the streams' own keys, which encrypt speech from before the person was known.
    async fn destroy_keys_of_streams(
        &self,
        client: ClientId,
        keys: &HashSet<Uuid>,
    ) -> Result<usize, StoreUnavailable> {
        let mut streams: HashSet<StreamId> = HashSet::new();
        let search = self.search(client, keys, |hit| {
            streams.insert(hit.event.stream);
        });
        search.await.map_err(of_read)?;
        let mut gone = 0;
        for stream in streams {
            let own = self.keys().pseudonym(client, &Subject::Stream(stream)).await.map_err(of_vault)?;
            gone += self.keys().destroy(client, own).await.map_err(of_vault)?.len();
        }
        Ok(gone)
    }
}
