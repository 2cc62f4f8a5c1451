//! Endpoints for sealed exports of history.

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
use super::super::history::{self, HistoryEvent, Moment};
use super::super::paging::HistoryParams;
use super::events::whose;
use crate::auth::permissions::AuditRead;
use crate::auth::{Caller, Principal};
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, Listed, NewIds, PathId, Query, RequestContext};

/// How long an export can be downloaded.
const LIFETIME: chrono::TimeDelta = chrono::TimeDelta::days(1);
/// zstd compression level; higher ones take much longer and save little.
const LEVEL: i32 = 3;

/// Part of history to export; an event must match all fields that are given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewExport {
    /// First log position to export; 1, if left out.
    #[schema(minimum = 1)]
    from_position: Option<u64>,
    /// Last log position to export; the newest at the time of the request, if left out.
    #[schema(minimum = 1)]
    to_position: Option<u64>,
    /// Only events recorded at this moment or later.
    from: Option<DateTime<Utc>>,
    /// Only events recorded before this moment.
    to: Option<DateTime<Utc>>,
    /// Only events of these types; at most 100.
    #[serde(default)]
    #[schema(max_items = 100)]
    types: Vec<String>,
    /// Only events of this resource (`call_…`) or stream (`call-018f…`).
    stream: Option<String>,
    /// Only events with this correlation id.
    correlation_id: Option<Uuid>,
    /// Only events of this client, or of `all` clients; for the platform's administrator. Your own
    /// client's, if left out.
    client_id: Option<String>,
}

/// An export of history.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryExport)]
pub(crate) struct ExportView {
    /// Id of the export: `exp_…`.
    id: String,
    /// `sealing` until a checkpoint covers all of it, within about a second; then `ready`; `expired` after a day.
    #[schema(value_type = crate::words::ExportStatus)]
    status: &'static str,
    /// First log position that it may hold.
    from_position: u64,
    /// Last log position that it may hold.
    to_position: u64,
    /// Number of events in the checkpoint that proves it; `null` while `sealing`.
    tree_size: Option<u64>,
    /// Path to download it: NDJSON, compressed with zstd; `null` unless `ready`.
    url: Option<String>,
    /// Verifier key to check it with: `voxledger audit verify-export FILE --key …`.
    key: Option<String>,
    /// When the export was requested, in RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    created_at: String,
    /// Until when it can be downloaded, in RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    expires_at: String,
}

impl AsProblem for ExportRefusal {
    const KIND: &'static str = "export";

    fn as_problem(&self) -> ApiError {
        ApiError::conflict(self.to_string())
    }
}

/// Checks a request and resolves it to positions of the log, which now ends at `head`.
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

/// Export history as a file.
///
/// The file holds the events, byte for byte as stored, and everything that proves them; it can be checked without
/// this node: `voxledger audit verify-export`. The node stores only the request: the log never changes, so every
/// download produces the same file.
#[utoipa::path(post, path = "/api/v1/audit/exports", tag = "audit", operation_id = "createExport",
    request_body = NewExport,
    responses((status = 202, description = "The export was requested: read its status at `Location`",
        body = Enveloped<ExportView>), Problem))]
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
        // the same request again, after the log has grown
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

/// Get an export's status.
///
/// Once it is `ready`, `url` holds the path of the bundle. With `at` or `version`, answers with the export
/// as it was then.
#[utoipa::path(get, path = "/api/v1/audit/exports/{id}", tag = "audit", operation_id = "getExport",
    params(("id" = String, Path, description = "Id of the export: `exp_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
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
    let at = match moment {
        Some(Moment::At(time)) => Some(time),
        Some(Moment::Version(_)) | None => None,
    };
    let view = view(&backend, id, requested, at).await?;
    // no event of the export records that it was sealed or has expired, so the tag includes the status
    Ok(Answer::data(&view).etag_of(asked.version, view.status))
}

/// List the events of an export.
///
/// The export's own event history: who requested it, and when.
#[utoipa::path(get, path = "/api/v1/audit/exports/{id}/events", tag = "audit", operation_id = "listExportEvents",
    params(("id" = String, Path, description = "Id of the export: `exp_…`"),
        HistoryParams),
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

/// Download an export's bundle.
///
/// NDJSON, compressed with zstd: a manifest with the signed checkpoint, the events, the hashes of what is left out,
/// and an end record. A node produces at most two at a time; it answers the next request 503 with `Retry-After`.
#[utoipa::path(get, path = "/api/v1/audit/exports/{id}/download", tag = "audit", operation_id = "downloadExport",
    params(("id" = String, Path, description = "Id of the export: `exp_…`")),
    responses((status = 200, description = "The bundle: NDJSON, compressed with zstd",
        body = String, content_type = "application/zstd"), Problem))]
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

/// Permits for downloads: a node produces two at a time.
#[must_use]
pub fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(2))
}

struct Download {
    backend: web::Data<Backend>,
    exporter: Exporter,
    /// Compressor of the bundle; `None` after the end.
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
    /// The next compressed bytes. An error cuts the connection: the file then has no end
    /// record, and fails verification.
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

/// The request that began the export. Answers 404 when there is none, or when it is another client's.
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

/// The tree head that proves the export: the first that covers all of it, so that it is the same one each time.
async fn covering(backend: &Backend, requested: &ExportRequested) -> Result<Option<Head>, ApiError> {
    backend.prover.store().covering(requested.last.0).await.map_err(ApiError::unavailable)
}

/// Public form of the export, now or at a time.
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
