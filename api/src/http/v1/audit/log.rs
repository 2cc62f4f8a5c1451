//! Endpoint that lists business actions.

use actix_web::{get, web};
use projections::audit_log::{Action, AuditEntry, AuditFilter, By, On};

use super::super::paging::{self, PageParams};
use crate::http::auth::Caller;
use crate::http::auth::permissions::AuditRead;
use crate::http::{Answer, Listed, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// List business actions of the audit log.
///
/// Who did what to what, from where and when, newest first unless `order` says otherwise; an entry must match all
/// filters. Entries older than `audit.retention_days` (a year by default) are not listed, and are deleted once a
/// day; the events they are made from stay in the log.
#[utoipa::path(get, path = "/api/v1/audit/log", tag = "audit", operation_id = "listAuditLog",
    params(
        ("action" = Option<String>, Query, description = "One action, or several with commas: `API_KEY_CREATED`"),
        ("actor" = Option<String>, Query,
            description = "Who: `usr_…`, `key_…` or a name; or all of a type: `user`, `api_key`, `carrier`, `system`"),
        ("resource" = Option<String>, Query,
            description = "To what: `num_…`, `key_…`, …; or all of a type: `number`, `api_key`, …"),
        ("from" = Option<String>, Query, description = "RFC 3339; at this moment or later"),
        ("to" = Option<String>, Query, description = "RFC 3339; before this moment"),
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
