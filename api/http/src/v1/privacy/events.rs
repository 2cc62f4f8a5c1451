//! Endpoints that list the events of jobs and settings.

use actix_web::{get, web};
use domain::ids::PrivacyJobId;
use domain::privacy::job::JobRefusal;
use domain::privacy::policy::PrivacyPolicy;

use super::super::commands::AsProblem as _;
use super::super::history::{self, HistoryEvent};
use super::super::paging::HistoryParams;
use crate::auth::Caller;
use crate::auth::permissions::CustomersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List the events of an erasure or export.
///
/// The job's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/privacy/jobs/{id}/events", tag = "privacy", operation_id = "listPrivacyJobEvents",
    params(("id" = String, Path, description = "Id of the privacy job: `prv_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/privacy/jobs/{id}/events")]
pub(crate) async fn list_privacy_job_events(
    caller: Caller<CustomersRead>,
    PathId(id): PathId<PrivacyJobId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), JobRefusal::KIND, query).await
}

/// List the events of the privacy settings.
///
/// Every change of the settings, oldest first; empty while nobody has changed anything.
#[utoipa::path(get, path = "/api/v1/privacy/settings/events", tag = "privacy", operation_id = "listPrivacySettingsEvents",
    params(
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/privacy/settings/events")]
pub(crate) async fn list_privacy_settings_events(
    caller: Caller<CustomersRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page_or_empty(&backend, &PrivacyPolicy::stream(caller.client), query).await
}
