//! Public form of a job, which is also its receipt.

use std::collections::BTreeMap;

use domain::envelope::{Time, Version};
use domain::ids::{ClientId, PrivacyJobId};
use domain::privacy::job::{JobKind, JobRefusal, PrivacyJob};
use projections::edge::format_time;
use projections::words;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::commands::AsProblem as _;
use super::super::folded::{Folded, fold};
use super::super::history::Moment;
use crate::backend::Backend;
use crate::problem::ApiError;

/// An erasure or an export. Every field is always present; it is `null` until its value is known.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PrivacyJob)]
pub(crate) struct JobView {
    /// Id of the job: TypeID `prv_…`.
    #[schema(example = "prv_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// Kind of job: `erase` or `export`.
    #[schema(value_type = words::PrivacyJobKind)]
    kind: &'static str,
    /// Progress of the job: `requested`, `keys_destroyed`, `found`, `cleaned` or `completed`.
    #[schema(value_type = words::PrivacyJobStatus)]
    status: &'static str,
    /// Pseudonym of the person: the same whenever they are named, and another one for every client.
    #[schema(example = "sub_01h455vb4pex5vsknk084sn02q")]
    subject: String,
    /// Field that named the person: `phone`, `customer_id`, `call_id`, `conversation_id` or `caller_id`.
    #[schema(value_type = words::PrivacyNamedBy)]
    named_by: &'static str,
    /// When the job was requested, in RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    requested_at: String,
    /// When the job was completed, in RFC 3339.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    completed_at: Option<String>,
    /// Whether the node knew nothing of the person.
    #[schema(required)]
    nothing_found: Option<bool>,
    /// Number of keys that were destroyed.
    #[schema(required)]
    keys_destroyed: Option<usize>,
    /// Number of personal values in the history that are the person's.
    #[schema(required)]
    values: Option<u64>,
    /// Number of events that hold them, by event type.
    events: BTreeMap<String, u64>,
    /// Number of calls, sessions, deliveries and other streams that hold them, by kind.
    streams: BTreeMap<String, u64>,
    /// Names of the views that were rebuilt.
    views: Vec<String>,
    /// Number of webhook bodies that were rewritten.
    #[schema(required)]
    webhook_bodies: Option<u64>,
    /// Number of stored answers to webhooks that were rewritten.
    #[schema(required)]
    webhook_attempts: Option<u64>,
    /// Number of recordings that the carrier deleted on request.
    #[schema(required)]
    recordings: Option<u64>,
    /// Number of recordings that are still with the carrier, because it refused or could not be reached for a
    /// day: delete those yourself.
    #[schema(required)]
    recordings_left: Option<u64>,
    /// Of an erasure: when all backups that could bring a key back will have expired; only then it is final.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    final_at: Option<String>,
    /// Of an export: until when its result is kept.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    result_until: Option<String>,
}

/// The job now or at a moment, and its version. Answers 404 when it is not the client's.
pub(super) async fn job(
    backend: &Backend,
    client: ClientId,
    id: PrivacyJobId,
    moment: Option<Moment>,
) -> Result<(JobView, Version), ApiError> {
    let Folded { state, version } =
        fold::<PrivacyJob>(backend, client, &id.stream(), JobRefusal::KIND, moment).await?;
    let view = JobView::of(id, &state).ok_or_else(|| ApiError::not_found(JobRefusal::KIND))?;
    Ok((view, version))
}

impl JobView {
    fn of(id: PrivacyJobId, job: &PrivacyJob) -> Option<Self> {
        let asked = job.requested()?;
        let (destroyed, found, cleaned, completed) =
            (job.destroyed(), job.found(), job.cleaned(), job.completed());
        let until = |kind| completed.filter(|_| asked.kind == kind).and_then(|completed| completed.until);
        let shown = |time: Option<Time>| time.map(format_time);
        Some(Self {
            id: id.to_string(),
            kind: asked.kind.as_str(),
            status: job.status().as_str(),
            subject: asked.subject.to_string(),
            named_by: asked.named_by.as_str(),
            requested_at: format_time(asked.at),
            completed_at: shown(completed.map(|completed| completed.at)),
            nothing_found: completed.map(|completed| completed.nothing_found),
            keys_destroyed: destroyed.map(|destroyed| destroyed.keys.len()),
            values: found.map(|found| found.values),
            events: found.map(|found| found.events.clone()).unwrap_or_default(),
            streams: found.map(|found| found.streams.clone()).unwrap_or_default(),
            views: cleaned.map(|cleaned| cleaned.views.clone()).unwrap_or_default(),
            webhook_bodies: cleaned.map(|cleaned| cleaned.public_events),
            webhook_attempts: cleaned.map(|cleaned| cleaned.attempts),
            recordings: cleaned.map(|cleaned| cleaned.recordings),
            recordings_left: cleaned.map(|cleaned| cleaned.recordings_left),
            final_at: shown(until(JobKind::Erase)),
            result_until: shown(until(JobKind::Export)),
        })
    }
}
