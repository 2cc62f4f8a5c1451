//! Sealed bundles of history.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{HttpResponse, get, post, web};
use actors::Session;
use actors::history::Exporter;
use actors::session::CommandError;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::envelope::{Position, Time, Version};
use domain::history::{Export, ExportCommand, ExportEvent, ExportRefusal, ExportRequested, HistoryFilter};
use domain::ids::{ExportId, stream_of};
use domain::ports::event_store::Direction;
use domain::ports::ids::Ids as _;
use domain::ports::seals::Head;
use domain::wire::DomainEvent as _;
use futures::Stream;
use projections::edge::format_time;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::commands::{AsProblem, context, problem};
use super::super::folded::{fold, only_moment};
use super::super::history::{self, HistoryEvent};
use super::events::whose;
use crate::http::auth::permissions::AuditRead;
use crate::http::auth::{Caller, Principal};
use crate::http::{Answer, Enveloped, JsonBody, Listed, NewIds, PathId, Query, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// How long an export can be fetched.
const LIFETIME: chrono::TimeDelta = chrono::TimeDelta::days(1);
/// How much is compressed: more takes much longer for little.
const LEVEL: i32 = 3;

/// Which part of history is to be exported; all that is given must hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewExport {
    /// The first position.
    #[schema(minimum = 1)]
    from_position: Option<u64>,
    /// The last position; what was recorded before now, if left out.
    #[schema(minimum = 1)]
    to_position: Option<u64>,
    /// Recorded at this moment or later.
    from: Option<DateTime<Utc>>,
    /// Recorded before this moment.
    to: Option<DateTime<Utc>>,
    /// One of these types.
    #[serde(default)]
    #[schema(max_items = 100)]
    types: Vec<String>,
    /// Of this resource (`call_…`) or stream (`call-018f…`).
    stream: Option<String>,
    /// Of this correlation.
    correlation_id: Option<Uuid>,
    /// Of this client, or of `all`; for the platform's administrator.
    client_id: Option<String>,
}

/// An export.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryExport)]
pub(crate) struct ExportView {
    /// Its id.
    id: String,
    /// `sealing` until a checkpoint covers all of it, within about a second; then `ready`; `expired` after a day.
    #[schema(value_type = crate::http::words::ExportStatus)]
    status: &'static str,
    /// The first position it may hold.
    from_position: u64,
    /// The last one.
    to_position: u64,
    /// The size of the checkpoint that proves it, once it is ready.
    tree_size: Option<u64>,
    /// Where to fetch it, once it is ready: NDJSON, compressed by zstd.
    url: Option<String>,
    /// The key to check it with: `voxledger audit verify-export FILE --key …`.
    key: Option<String>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// Until when it can be fetched.
    #[schema(value_type = String, format = DateTime)]
    expires_at: String,
}

impl AsProblem for ExportRefusal {
    const KIND: &'static str = "export";

    fn as_problem(&self) -> ApiError {
        ApiError::conflict(self.to_string())
    }
}

/// What was asked for.
fn asked(
    body: NewExport,
    caller: &Principal,
    now: DateTime<Utc>,
    head: u64,
) -> Result<ExportRequested, ApiError> {
    let stream = body.stream.map(|text| stream_of(&text)).transpose();
    let stream = stream.map_err(|_| {
        ApiError::invalid("stream", "invalid", "give an id such as call_…, or the name of a stream")
    })?;
    if body.types.len() > 100 {
        return Err(ApiError::invalid("types", "too_many", "name at most 100 types"));
    }
    let (first, last) = (body.from_position.unwrap_or(1).max(1), body.to_position.unwrap_or(head).min(head));
    if first > last {
        return Err(ApiError::invalid(
            "from_position",
            "invalid",
            "there is no event from there on to the last",
        ));
    }
    let filter = HistoryFilter {
        client: whose(caller, body.client_id.as_deref())?,
        stream,
        types: body.types,
        correlation_id: body.correlation_id,
        from: body.from,
        to: body.to,
    };
    let (first, last) = (Position(first), Position(last));
    Ok(ExportRequested { filter, first, last, expires_at: now + LIFETIME, at: now })
}

/// Export history.
///
/// The events, with the very bytes that were stored and all that proves them, as one file that is checked without this
/// node: `voxledger audit verify-export`. Nothing is kept but that it was asked for: the log never changes, so the file
/// is made when it is fetched, the same each time.
#[utoipa::path(post, path = "/api/v1/audit/exports", tag = "audit", operation_id = "createExport",
    request_body = NewExport,
    responses((status = 202, description = "Asked for", body = Enveloped<ExportView>), Problem))]
#[post("/audit/exports")]
pub(crate) async fn create_export(
    caller: Caller<AuditRead>,
    body: JsonBody<NewExport>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let id = ExportId(ids.next());
    let head = backend.runtime.store.head().await.map_err(ApiError::unavailable)?;
    let asked = asked(body.value, &caller, backend.runtime.clock.now(), head.0)?;
    let context = context(&caller, &request, id.0);
    let mut session = Session::<Export>::new(backend.runtime.clone(), id.stream());
    let receipt = match session.execute(&ExportCommand::Request(Box::new(asked)), &context, None).await {
        Ok(receipt) => receipt.position,
        // the same request again, and the log has grown meanwhile
        Err(CommandError::Refused(ExportRefusal::Exists)) => None,
        Err(error) => return Err(problem(error)),
    };
    let requested = stored(&backend, &caller, id).await?;
    let view = view(&backend, id, &requested, None).await?;
    let answer = Answer::data(&view)
        .accepted()
        .etag_of(Version(1), view.status)
        .location(&format!("/api/v1/audit/exports/{id}"));
    Ok(answer.written_at(receipt))
}

/// Get an export.
///
/// Once it is `ready`, `url` says where the bundle can be fetched. With `at` or `version`, the export as it was.
#[utoipa::path(get, path = "/api/v1/audit/exports/{id}", tag = "audit", operation_id = "getExport",
    params(("id" = String, Path, description = "The export"),
        ("at" = Option<String>, Query, description = "As it was at this time (RFC 3339)"),
        ("version" = Option<u64>, Query, description = "As it was at this version")),
    responses((status = 200, description = "The export", body = Enveloped<ExportView>), Problem))]
#[get("/audit/exports/{id}")]
pub(crate) async fn get_export(
    caller: Caller<AuditRead>,
    PathId(id): PathId<ExportId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let moment = only_moment(query)?;
    let asked = fold::<Export>(&backend, caller.client, &id.stream(), ExportRefusal::KIND, moment).await?;
    let requested = asked.state.requested().ok_or_else(|| ApiError::not_found(ExportRefusal::KIND))?;
    let view = view(&backend, id, requested, asked.at).await?;
    // that it is sealed, and that it has expired, is told by no event of its own
    Ok(Answer::data(&view).etag_of(asked.version, view.status))
}

/// List the events of an export.
///
/// Its own history: who asked for it, and when.
#[utoipa::path(get, path = "/api/v1/audit/exports/{id}/events", tag = "audit", operation_id = "listExportEvents",
    params(("id" = String, Path, description = "The export"),
        ("limit" = Option<u32>, Query, description = "1 to 200, 50 by default"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("order" = Option<String>, Query, description = "asc (default) or desc")),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/audit/exports/{id}/events")]
pub(crate) async fn list_export_events(
    caller: Caller<AuditRead>,
    PathId(id): PathId<ExportId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), ExportRefusal::KIND, query).await
}

/// Fetch an export.
///
/// NDJSON, compressed by zstd: a manifest with the signed checkpoint, the events, the hashes of what is left out, and
/// an end. At most two are made at a time on a node; the next is answered 503 with `Retry-After`.
#[utoipa::path(get, path = "/api/v1/audit/exports/{id}/download", tag = "audit", operation_id = "downloadExport",
    params(("id" = String, Path, description = "The export")),
    responses((status = 200, description = "The bundle", body = String, content_type = "application/zstd"), Problem))]
#[get("/audit/exports/{id}/download")]
pub(crate) async fn download_export(
    caller: Caller<AuditRead>,
    PathId(id): PathId<ExportId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    query.finish()?;
    let requested = stored(&backend, &caller, id).await?;
    if requested.expires_at <= backend.runtime.clock.now() {
        return Err(ApiError::not_found("export"));
    }
    let head = covering(&backend, &requested).await?;
    let head = head.ok_or_else(|| ApiError::conflict("it is not sealed yet: ask again in a second"))?;
    let permit = backend.exports.clone().try_acquire_owned();
    let permit = permit.map_err(|_| ApiError::overloaded(Duration::from_secs(5)))?;
    let range = (requested.first.0, requested.last.0);
    let (log, prover) = (backend.private.stored(), backend.prover.clone());
    let exporter = Exporter::new(log, prover, &head, range, requested.filter).map_err(ApiError::internal)?;
    let packed = zstd::stream::write::Encoder::new(Vec::new(), LEVEL).map_err(ApiError::internal)?;
    let file = format!("attachment; filename=\"{id}.jsonl.zst\"");
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/zstd"))
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header((CONTENT_DISPOSITION, file))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(caller.warrant().cuts(download(Download {
            backend,
            exporter,
            packed: Some(packed),
            _permit: permit,
        }))))
}

/// How many exports are made at a time.
#[must_use]
pub fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(2))
}

struct Download {
    backend: web::Data<Backend>,
    exporter: Exporter,
    /// `None` after the end.
    packed: Option<zstd::stream::write::Encoder<'static, Vec<u8>>>,
    _permit: OwnedSemaphorePermit,
}

fn download(download: Download) -> impl Stream<Item = Result<Bytes, ApiError>> {
    futures::stream::unfold(download, |mut download| async move {
        let bytes = download.next().await.transpose()?;
        Some((bytes, download))
    })
}

impl Download {
    /// What comes next. After an error the connection is cut: the file has no end, and says so to whoever checks it.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let Some(mut packed) = self.packed.take() else { return Ok(None) };
        loop {
            if self.backend.stop.is_cancelled() {
                return Err(ApiError::unavailable("the node stops"));
            }
            match self.exporter.next().await.map_err(ApiError::internal)? {
                None => return packed.finish().map(|rest| Some(rest.into())).map_err(ApiError::internal),
                Some(part) => packed.write_all(&part.bytes).map_err(ApiError::internal)?,
            }
            if !packed.get_ref().is_empty() {
                let bytes = std::mem::take(packed.get_mut());
                self.packed = Some(packed);
                return Ok(Some(bytes.into()));
            }
        }
    }
}

/// What was asked for; 404 when nothing was, or by another client.
async fn stored(backend: &Backend, caller: &Principal, id: ExportId) -> Result<ExportRequested, ApiError> {
    let store = &backend.runtime.store;
    let events = store.read_stream(&id.stream(), Version::NONE, Direction::Forwards, 1).await;
    let events = events.map_err(ApiError::unavailable)?;
    let mine = events.first().filter(|event| event.client_id == caller.client);
    let event = mine.ok_or_else(|| ApiError::not_found("export"))?;
    let ExportEvent::Requested(requested) =
        ExportEvent::decode(&event.event_type, event.schema, &event.payload).map_err(ApiError::internal)?;
    Ok(requested)
}

/// The head that proves it: the first that covers all of it, so that it is the same one each time.
async fn covering(backend: &Backend, requested: &ExportRequested) -> Result<Option<Head>, ApiError> {
    backend.prover.store().covering(requested.last.0).await.map_err(ApiError::unavailable)
}

/// The export as it is, or as it was at a time.
async fn view(
    backend: &Backend,
    id: ExportId,
    requested: &ExportRequested,
    at: Option<Time>,
) -> Result<ExportView, ApiError> {
    let head = covering(backend, requested).await?;
    let at = at.unwrap_or_else(|| backend.runtime.clock.now());
    let head = head.filter(|head| head.sealed_at <= at);
    let status = match &head {
        _ if requested.expires_at <= at => "expired",
        Some(_) => "ready",
        None => "sealing",
    };
    Ok(ExportView {
        id: id.to_string(),
        status,
        from_position: requested.first.0,
        to_position: requested.last.0,
        tree_size: head.map(|head| head.size),
        url: (status == "ready").then(|| format!("/api/v1/audit/exports/{id}/download")),
        key: Some(backend.log_key.verifier(backend.log_id).to_string()),
        created_at: format_time(requested.at),
        expires_at: format_time(requested.expires_at),
    })
}
