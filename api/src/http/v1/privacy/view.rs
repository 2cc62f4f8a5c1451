//! A job as it is shown: its receipt.

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
use crate::node::Backend;
use crate::problem::ApiError;

/// An erasure or an export. Every field is always present; what is not known yet is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PrivacyJob)]
pub(crate) struct JobView {
    /// TypeID `prv_…`.
    #[schema(example = "prv_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// `erase` or `export`.
    #[schema(value_type = words::PrivacyJobKind)]
    kind: &'static str,
    /// `requested`, `keys_destroyed`, `found`, `cleaned` or `completed`.
    #[schema(value_type = words::PrivacyJobStatus)]
    status: &'static str,
    /// The person's pseudonym: the same whenever they are named, and another one for every client.
    #[schema(example = "sub_01h455vb4pex5vsknk084sn02q")]
    subject: String,
    /// `phone` or `customer_id`.
    #[schema(value_type = words::PrivacyNamedBy)]
    named_by: &'static str,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    requested_at: String,
    /// When it was done.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    completed_at: Option<String>,
    /// Whether nothing was known of the person.
    #[schema(required)]
    nothing_found: Option<bool>,
    /// Keys that were destroyed.
    #[schema(required)]
    keys_destroyed: Option<usize>,
    /// Personal values in the history that are theirs.
    #[schema(required)]
    values: Option<u64>,
    /// Events that hold them, by type.
    events: BTreeMap<String, u64>,
    /// Calls, sessions, deliveries … they are in, by kind.
    streams: BTreeMap<String, u64>,
    /// Views that were made anew.
    views: Vec<String>,
    /// Bodies of webhooks that were made anew.
    #[schema(required)]
    webhook_bodies: Option<u64>,
    /// Answers to webhooks that were made anew.
    #[schema(required)]
    webhook_attempts: Option<u64>,
    /// Recordings the carrier was made to delete.
    #[schema(required)]
    recordings: Option<u64>,
    /// Recordings that are still with the carrier, because for a day it could not be reached, or it refused: see to
    /// those yourself.
    #[schema(required)]
    recordings_left: Option<u64>,
    /// Of an erasure: when backups that could bring a key back will have expired; only then it is final.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    final_at: Option<String>,
    /// Of an export: until when its result is kept.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    result_until: Option<String>,
}

/// The job now or at a moment, and its version; 404 when it is not the client's.
pub(super) async fn job(
    backend: &Backend,
    client: ClientId,
    id: PrivacyJobId,
    moment: Option<Moment>,
) -> Result<(JobView, Version), ApiError> {
    let Folded { state, version, .. } =
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
