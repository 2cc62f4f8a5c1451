//! Finds, exports and erases personal data in all stores: encrypted in the log, in plain in the
//! views derived from it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::aggregate::Aggregate as _;
use domain::call::CallEvent;
use domain::envelope::{Position, Recorded, StreamId, Time, Version};
use domain::ids::{
    CallId, CarrierEventId, ClientId, ConversationId, CustomerId, DeliveryId, HubspotContactId, IvrSessionId,
    MemoryId, MenuId, NumberId, PrivacyJobId, SubjectId, UserId,
};
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock;
use domain::ports::deliveries::{DeliveryStore as _, RecordedAttempt};
use domain::ports::event_store::{Direction, EventStore as _, ReadError};
use domain::ports::idempotency::IdempotencyKeys;
use domain::ports::privacy::{Cleaning, Findings, OpenJob, PersonalData};
use domain::ports::vault::{Vault, VaultError};
use domain::ports::webhooks::PublicEvents as _;
use domain::privacy::Subject;
use domain::webhook::delivery::{Delivery, DeliveryEvent};
use domain::wire::{DomainEvent as _, readable};
use projections::runner::{Deps, Settings, rebuild};
use projections::webhooks::{AttemptView, Publisher};
use serde_json::json;
use uuid::Uuid;

use super::scan::Hit;
use super::store::EncryptingEventStore;
use crate::keys::PrivacyJobs;
use crate::outbox::SqlOutbox;
use crate::read_models::SqlViews;

const PAGE: usize = 512;
/// Rows replaced in one step.
const BATCH: usize = 1_000;
/// The most bytes of JSON that an export may hold.
const MOST_EXPORTED: usize = 64 << 20;
/// How long to wait for the delivery store to catch up with the log.
const FOLLOWING: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// [`PersonalData`] over the log, the keys, the views and the work store.
#[derive(Debug)]
pub struct ErasureTargets {
    pub log: EncryptingEventStore,
    /// Open jobs and collected exports.
    pub jobs: PrivacyJobs,
    /// Stored answers under idempotency keys.
    pub answers: Arc<dyn IdempotencyKeys>,
    /// Encrypts the collected exports.
    pub vault: Arc<dyn Vault>,
    /// The views, which are rebuilt without the erased data.
    pub views: SqlViews,
    /// The store of webhook deliveries.
    pub work: SqlOutbox,
    /// Dependencies of the projections that rebuild views.
    pub rebuild: Deps,
    /// Whether this node alone uses the keys; then it need not wait until other nodes drop cached keys.
    pub alone: bool,
    /// How long after a call's end the process managers may still read content that is not retained.
    pub grace: Duration,
    pub clock: Arc<dyn Clock>,
}

fn of_read(error: ReadError) -> StoreUnavailable {
    StoreUnavailable(error.to_string())
}

fn of_vault(error: VaultError) -> StoreUnavailable {
    StoreUnavailable(error.to_string())
}

impl ErasureTargets {
    /// All keys that these persons ever had.
    async fn keys(&self, client: ClientId, persons: &[SubjectId]) -> Result<HashSet<Uuid>, StoreUnavailable> {
        let mut keys = HashSet::new();
        for &person in persons {
            let of = self.log.keys().of(client, person).await.map_err(of_vault)?;
            keys.extend(of.into_iter().map(|(id, _)| id));
        }
        Ok(keys)
    }

    async fn search(
        &self,
        client: ClientId,
        persons: &[SubjectId],
        mut hit: impl FnMut(Hit) + Send,
    ) -> Result<Findings, StoreUnavailable> {
        let keys = self.keys(client, persons).await?;
        let mut findings = Findings::default();
        if keys.is_empty() {
            return Ok(findings);
        }
        let mut streams: BTreeSet<StreamId> = BTreeSet::new();
        let mut count = |findings: &mut Findings, found: Hit| {
            *findings.events.entry(found.event.event_type.clone()).or_default() += 1;
            findings.values += found.values;
            findings.recordings.extend(recording_of(&found.event));
            findings.files.extend(file_of(&found.event));
            hit(found);
        };
        let through = self.log.search(client, &keys, |found| {
            streams.insert(found.event.stream.clone());
            count(&mut findings, found);
        });
        findings.through = through.await.map_err(of_read)?;
        // a customer who is found by a number or a call goes as a whole, with what is remembered of them
        let customers = streams.iter().filter(|stream| stream.category() == CustomerId::CATEGORY).cloned();
        let customers = self.subjects_of(client, customers.collect()).await?;
        let more = &self.keys(client, &customers).await? - &keys;
        if !more.is_empty() {
            let mut of_customers: BTreeSet<StreamId> = BTreeSet::new();
            let searched = self.log.search(client, &more, |found| {
                if !streams.contains(&found.event.stream) {
                    of_customers.insert(found.event.stream.clone());
                    count(&mut findings, found);
                }
            });
            searched.await.map_err(of_read)?;
            streams.extend(of_customers);
        }
        findings.streams = streams.into_iter().collect();
        Ok(findings)
    }

    /// The subjects that these streams are by themselves.
    async fn subjects_of(
        &self,
        client: ClientId,
        streams: Vec<StreamId>,
    ) -> Result<Vec<SubjectId>, StoreUnavailable> {
        let mut subjects = Vec::with_capacity(streams.len());
        for stream in streams {
            let own = Subject::Stream(stream);
            subjects.push(self.log.keys().pseudonym(client, &own).await.map_err(of_vault)?);
        }
        Ok(subjects)
    }

    /// Waits until the deliveries are derived from the log up to `through`.
    async fn deliveries_are_at(&self, through: Position) -> Result<(), StoreUnavailable> {
        let until = self.clock.monotonic() + FOLLOWING;
        while self.work.checkpoint().await?.position < through {
            if self.clock.monotonic() >= until {
                return Err(StoreUnavailable("the deliveries have not read the log yet".to_owned()));
            }
            self.clock.sleep(LOOK).await;
        }
        Ok(())
    }

    async fn public_events(&self, streams: &[StreamId]) -> Result<u64, StoreUnavailable> {
        // a fresh publisher, whose cache holds nothing of what the calls were before the erasure
        let publisher = Publisher::new(Arc::new(self.log.redacted()));
        let (mut bodies, mut replaced) = (Vec::new(), 0);
        let told = [CallId::CATEGORY, IvrSessionId::CATEGORY, ConversationId::CATEGORY, MemoryId::CATEGORY];
        for stream in streams.iter().filter(|stream| told.contains(&stream.category())) {
            let events = self.log.redacted();
            let events = events_of(&events, stream).await?;
            let told = publisher.of(&events).await.map_err(|error| StoreUnavailable(error.to_string()))?;
            bodies.extend(told.into_iter().map(|event| (event.position, event.body)));
            if bodies.len() >= BATCH {
                replaced += self.work.replace_bodies(&std::mem::take(&mut bodies)).await?;
            }
        }
        Ok(replaced + self.work.replace_bodies(&bodies).await?)
    }

    async fn attempts(&self, streams: &[StreamId]) -> Result<u64, StoreUnavailable> {
        let (mut docs, mut replaced) = (Vec::new(), 0);
        for stream in streams.iter().filter(|stream| stream.category() == Delivery::CATEGORY) {
            for event in events_of(&self.log, stream).await? {
                let decoded = DeliveryEvent::decode(&event.event_type, event.schema, &event.payload);
                let Ok(DeliveryEvent::Attempted(fact)) = decoded else { continue };
                let recorded = RecordedAttempt {
                    delivery: DeliveryId(stream.id()),
                    client: event.client_id,
                    id: event.id,
                    version: event.version,
                    fact,
                };
                let doc = serde_json::to_string(&AttemptView::of(&recorded));
                docs.push((event.id, doc.map_err(|error| StoreUnavailable(error.to_string()))?));
            }
            if docs.len() >= BATCH {
                replaced += self.work.replace_attempts(&std::mem::take(&mut docs)).await?;
            }
        }
        Ok(replaced + self.work.replace_attempts(&docs).await?)
    }
}

/// The carrier's id of the recording that an event is about.
fn recording_of(event: &Recorded) -> Option<String> {
    match CallEvent::decode(&event.event_type, event.schema, &event.payload) {
        Ok(CallEvent::RecordingSaved(saved)) => saved.recording_id,
        _ => None,
    }
}

/// The call and the key of the file that an event says was stored.
fn file_of(event: &Recorded) -> Option<(CallId, String)> {
    match CallEvent::decode(&event.event_type, event.schema, &event.payload) {
        Ok(CallEvent::RecordingStored(stored)) => Some((CallId(event.stream.id()), stored.file.object)),
        _ => None,
    }
}

async fn events_of(log: &EncryptingEventStore, stream: &StreamId) -> Result<Vec<Recorded>, StoreUnavailable> {
    let mut events: Vec<Recorded> = Vec::new();
    loop {
        let after = events.last().map_or(Version::NONE, |event| event.version);
        let page = log.read_stream(stream, after, Direction::Forwards, PAGE).await.map_err(of_read)?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

/// The views that show personal data of a stream of this category.
fn views_of(category: &str) -> &'static [&'static str] {
    match category {
        CallId::CATEGORY => &["calls", "transcripts", "audit_log"],
        IvrSessionId::CATEGORY => &["ivr_sessions"],
        ConversationId::CATEGORY => &["conversations", "messages"],
        CustomerId::CATEGORY => &["customers", "audit_log"],
        MemoryId::CATEGORY => &["memories", "audit_log"],
        MenuId::CATEGORY => &["ivr_menus", "audit_log"],
        NumberId::CATEGORY => &["numbers", "audit_log"],
        UserId::CATEGORY => &["users", "audit_log"],
        DeliveryId::CATEGORY | CarrierEventId::CATEGORY | HubspotContactId::CATEGORY => &[],
        _ => &["audit_log"],
    }
}

#[async_trait]
impl PersonalData for ErasureTargets {
    async fn open(&self, job: OpenJob) -> Result<(), StoreUnavailable> {
        self.jobs.open(job).await
    }

    async fn open_jobs(&self, limit: u32) -> Result<Vec<OpenJob>, StoreUnavailable> {
        self.jobs.list(limit).await
    }

    async fn close(&self, job: PrivacyJobId) -> Result<(), StoreUnavailable> {
        self.jobs.close(job).await
    }

    fn key_life(&self) -> Duration {
        if self.alone { Duration::ZERO } else { self.log.keys().life() }
    }

    async fn destroy(&self, client: ClientId, persons: &[SubjectId]) -> Result<Vec<Uuid>, StoreUnavailable> {
        let mut destroyed = Vec::new();
        for &person in persons {
            destroyed.extend(self.log.keys().destroy(client, person).await.map_err(of_vault)?);
        }
        self.answers.forget_answers(client).await?;
        self.log.keys().scrub().await?;
        Ok(destroyed)
    }

    async fn find(&self, client: ClientId, persons: &[SubjectId]) -> Result<Findings, StoreUnavailable> {
        self.search(client, persons, |_| {}).await
    }

    async fn clean_now(&self, client: ClientId, persons: &[SubjectId]) -> Result<(), StoreUnavailable> {
        let findings = self.find(client, persons).await?;
        // does not wait: the next erasure cleans what is derived later
        self.clean(client, &findings, Position::START).await.map(drop)
    }

    async fn clean(
        &self,
        client: ClientId,
        findings: &Findings,
        through: Position,
    ) -> Result<Cleaning, StoreUnavailable> {
        // speech from before the person was known is under the streams' own keys
        for own in self.subjects_of(client, findings.streams.clone()).await? {
            self.log.keys().destroy(client, own).await.map_err(of_vault)?;
        }
        self.deliveries_are_at(through).await?;
        let mut cleaning = Cleaning {
            public_events: self.public_events(&findings.streams).await?,
            attempts: self.attempts(&findings.streams).await?,
            views: Vec::new(),
        };
        let views: BTreeSet<&str> =
            findings.streams.iter().flat_map(|stream| views_of(stream.category())).copied().collect();
        for view in views {
            let made = rebuild(&self.rebuild, &Settings::default(), view, &mut |_| {}).await;
            made.map_err(|error| StoreUnavailable(format!("{view} could not be made anew: {error}")))?;
            cleaning.views.push(view.to_owned());
        }
        self.jobs.drop_exports(client).await?;
        // answers of requests that ran while the keys were destroyed
        self.answers.forget_answers(client).await?;
        self.log.keys().scrub().await?;
        self.views.scrub().await?;
        self.work.scrub().await?;
        Ok(cleaning)
    }

    async fn export(
        &self,
        job: OpenJob,
        persons: &[SubjectId],
        until: Time,
    ) -> Result<Findings, StoreUnavailable> {
        self.jobs.expire(self.clock.now()).await?;
        let mut hits = Vec::new();
        let mut bytes = 0;
        let findings = self.search(job.client, persons, |hit| {
            bytes += hit.event.payload.len();
            if bytes <= MOST_EXPORTED {
                hits.push(hit.event);
            }
        });
        let findings = findings.await?;
        let mut events = Vec::with_capacity(hits.len());
        for event in self.log.opened(hits).await.map_err(of_read)? {
            let data = readable(&event.event_type, &event.payload);
            events.push(json!({
                "position": event.position.0, "stream": event.stream.as_str(), "type": event.event_type,
                "recorded_at": projections::edge::format_time(event.recorded_at),
                "data": data.map_err(|error| StoreUnavailable(error.to_string()))?,
            }));
        }
        let doc = json!({
            "job": job.id.to_string(), "complete": bytes <= MOST_EXPORTED,
            "searched_through": findings.through.0, "events": events,
        });
        let doc = serde_json::to_vec(&doc).map_err(|error| StoreUnavailable(error.to_string()))?;
        let sealed = self.vault.seal(job.client, &place(job.id), &doc).await.map_err(of_vault)?;
        self.jobs.keep(job, &sealed, until).await?;
        Ok(findings)
    }

    async fn end_content(&self) -> Result<BTreeMap<ClientId, u64>, StoreUnavailable> {
        let ended = self.log.end_content(self.grace).await?;
        if !ended.is_empty() {
            self.log.keys().scrub().await?;
        }
        Ok(ended)
    }

    async fn exported(
        &self,
        client: ClientId,
        job: PrivacyJobId,
        now: Time,
    ) -> Result<Option<Vec<u8>>, StoreUnavailable> {
        match self.jobs.kept(client, job, now).await? {
            None => Ok(None),
            Some(sealed) => self.vault.open(client, &place(job), &sealed).await.map(Some).map_err(of_vault),
        }
    }
}

fn place(job: PrivacyJobId) -> String {
    format!("privacy export {job}")
}
