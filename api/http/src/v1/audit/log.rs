//! Endpoint that lists business actions.

use actix_web::{get, web};
use projections::audit_log::{Action, AuditEntry, AuditFilter, By, On};

use super::super::paging::{self, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::AuditRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List business actions of the audit log.
///
/// Who did what to what, from where and when, newest first unless `order` says otherwise; an entry must match all
/// filters. Entries older than `audit.retention_days` (a year by default) are not listed, and are deleted once a
/// day; the events they are made from stay in the log.
#[utoipa::path(get, path = "/api/v1/audit/log", tag = "audit", operation_id = "listAuditLog",
    params(
        ("action" = Option<String>, Query,
            description = "Only this action, such as `API_KEY_CREATED`; several with commas"),
        ("actor" = Option<String>, Query,
            description = "Only this actor (`usr_…`, `key_…`, a name) or type: `user`, `api_key`, `carrier`, `system`"),
        ("resource" = Option<String>, Query,
            description = "Only this resource (`num_…`, `key_…`, …) or type (`number`, `api_key`, …)"),
        ("from" = Option<String>, Query, description = "Only actions at this time (RFC 3339) or later"),
        ("to" = Option<String>, Query, description = "Only actions before this time (RFC 3339)"),
        PageParams),
    responses((status = 200, description = "A page of actions", body = Listed<AuditEntry>), Problem))]
#[get("/audit/log")]
pub(crate) async fn list_audit_log(
    caller: Caller<AuditRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let filter = AuditFilter {
        actions: actions(&mut query),
        actor: query.text("actor").map(By::from),
        resource: query.text("resource").map(On::from),
        from: query.time("from"),
        to: query.time("to"),
        ..AuditFilter::since(backend.runtime.clock.now() - backend.audit_retention)
    };
    paging::list(query, async |request| backend.views.audit_log(caller.client, &filter, &request).await).await
}

fn actions(query: &mut Query) -> Vec<Action> {
    let Some(text) = query.text("action") else { return Vec::new() };
    let actions: Result<Vec<Action>, _> = text.split(',').map(|word| word.trim().parse()).collect();
    actions.unwrap_or_else(|error| {
        query.fault("action", &error.to_string());
        Vec::new()
    })
}
