//! Endpoint that lists the raw events of the log.

use std::time::Duration;

use actix_web::{get, web};
use actors::history::Scan;
use domain::envelope::{Position, Recorded};
use domain::history::HistoryFilter;
use domain::ids::{ClientId, stream_of};
use domain::merkle::Hash;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::history::HistoryEvent;
use crate::auth::permissions::AuditRead;
use crate::auth::{Caller, Principal};
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Problem};
use crate::{Answer, Cursor, Listed, Query};

/// Longest time that one request searches the log.
const PATIENCE: Duration = Duration::from_millis(500);

/// An event of the log, with the hashes that its leaf in the Merkle tree is made of.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditEvent {
    #[serde(flatten)]
    event: HistoryEvent,
    /// Id of the client that the event belongs to.
    client_id: String,
    /// SHA-256 of the stored metadata, in base64.
    metadata_hash: String,
    /// SHA-256 of the stored payload, in base64.
    payload_hash: String,
}

impl AuditEvent {
    fn of(stored: &Recorded, event: HistoryEvent) -> Self {
        Self {
            event,
            client_id: stored.client_id.to_string(),
            metadata_hash: Hash::of(&stored.metadata).to_string(),
            payload_hash: Hash::of(&stored.payload).to_string(),
        }
    }
}

/// Client whose events the request asks for: the caller's own, if `asked` is `None`. The result is `None`
/// for `all`: every client and the node itself. Answers 403 when the caller may not see them, 422 when
/// `asked` is no client id.
pub(super) fn whose(caller: &Principal, asked: Option<&str>) -> Result<Option<ClientId>, ApiError> {
    let asked = match asked {
        None => return Ok(Some(caller.client)),
        Some("all") => None,
        Some(id) => Some(id.parse::<ClientId>().map_err(|_| {
            ApiError::invalid("client_id", "invalid", "give the id of a client, cli_…, or `all`")
        })?),
    };
    if asked == Some(caller.client) || caller.platform {
        return Ok(asked);
    }
    Err(ApiError::new(Code::PlatformOnly, "only the platform's administrator sees other clients' events"))
}

/// List the raw event history.
///
/// Every event of the client, oldest first, as it was recorded, with the hashes that its proof is about. A page may
/// be short, or even empty, while there is more: a request searches the log for at most half a second.
#[utoipa::path(get, path = "/api/v1/audit/events", tag = "audit", operation_id = "listAuditEvents",
    params(
        ("after" = Option<u64>, Query, minimum = 0, description = "Only events after this position"),
        ("type" = Option<String>, Query,
            description = "Only events of this type; several with commas: `call.answered,call.ended`"),
        ("stream" = Option<String>, Query,
            description = "Only events of this resource (`call_…`) or stream (`call-018f…`)"),
        ("correlation_id" = Option<String>, Query,
            description = "Only events with this correlation id, a UUID"),
        ("from" = Option<String>, Query,
            description = "Only events recorded at this time (RFC 3339) or later"),
        ("to" = Option<String>, Query, description = "Only events recorded before this time (RFC 3339)"),
        ("client_id" = Option<String>, Query,
            description = "Only events of this client (`cli_…`), or of `all`; yours, if left out. \
            Other clients' events are only for the platform's administrator"),
        ("limit" = Option<u32>, Query, description = "Most entries on a page: 1 to 200, 50 by default"),
        ("cursor" = Option<String>, Query,
            description = "`next_cursor` of the page before; the first page, if left out")),
    responses((status = 200, description = "A page of events", body = Listed<AuditEvent>), Problem))]
#[get("/audit/events")]
pub(crate) async fn list_audit_events(
    caller: Caller<AuditRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let after = query.take::<u64>("after").unwrap_or(0);
    let types = query
        .text("type")
        .map_or_else(Vec::new, |text| text.split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>());
    let stream = query.text("stream").map(|text| stream_of(&text));
    let stream = stream.transpose().unwrap_or_else(|_| {
        query.fault("stream", "give an id such as call_…, or the name of a stream");
        None
    });
    let (correlation_id, client) = (query.take::<Uuid>("correlation_id"), query.text("client_id"));
    let (from, to) = (query.time("from"), query.time("to"));
    let paging = query.paging();
    query.finish()?;
    let after = paging.cursor.map(|cursor| cursor.read::<u64>()).transpose()?.unwrap_or(after);
    let client = whose(&caller, client.as_deref())?;
    let store = backend.private.stored();
    let head = store.head().await.map_err(ApiError::unavailable)?;
    let filter = HistoryFilter { client, stream, types, correlation_id, from, to };
    let scan = Scan::new(store.clone(), filter, head);
    let found = scan.find(Position(after), paging.limit, PATIENCE).await.map_err(ApiError::unavailable)?;
    let shown = HistoryEvent::proven(&backend, found.events.clone()).await?;
    let events: Vec<_> =
        found.events.iter().zip(shown).map(|(stored, event)| AuditEvent::of(stored, event)).collect();
    let next = (!found.ended).then(|| Cursor::after(&found.seen.0)).transpose()?;
    Ok(Answer::list(&events, next))
}
