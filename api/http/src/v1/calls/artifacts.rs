//! Endpoint that lists the files of a call.

use actix_web::{get, web};
use domain::call::terms::LostBecause;
use domain::envelope::Time;
use domain::ids::CallId;
use projections::calls::{CallFile, FileState};
use projections::edge;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::paging::HistoryParams;
use super::recording::url_life;
use crate::auth::Caller;
use crate::auth::permissions::CallsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Cursor, Listed, Order, PathId, Query, RequestContext};

/// A file of a call. Every field is always present; what is not known is `null`.
#[derive(Serialize, ToSchema)]
#[schema(as = Artifact)]
pub(crate) struct ArtifactView {
    /// What the file is.
    #[schema(value_type = projections::words::ArtifactKind)]
    kind: &'static str,
    /// Where the file stands.
    #[schema(value_type = projections::words::ArtifactState)]
    state: FileState,
    /// Why it will never be stored; `null` unless `failed`.
    #[schema(value_type = Option<projections::words::ArtifactFailure>, required)]
    failure: Option<LostBecause>,
    /// MIME type, by the content once it is stored, else as the carrier says.
    #[schema(required)]
    content_type: Option<String>,
    /// Size of the file; `null` until it is stored.
    #[schema(required)]
    bytes: Option<u64>,
    /// SHA-256 of the file in hexadecimal; `null` until it is stored.
    #[schema(required, pattern = "^[0-9a-f]{64}$")]
    sha256: Option<String>,
    /// 2 where each party has a channel of its own, 1 where they share one.
    #[schema(required)]
    channels: Option<u8>,
    /// Length of the sound in milliseconds.
    #[schema(required)]
    duration_ms: Option<u64>,
    /// Address of the file, valid for a limited time; `null` when nobody has it any more.
    #[schema(required)]
    url: Option<String>,
    /// When the address stops to be valid.
    #[serde(with = "edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    url_expires_at: Option<Time>,
    /// When the carrier had finished the file.
    #[serde(with = "edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
}

impl ArtifactView {
    fn of(file: &CallFile) -> Self {
        Self {
            kind: "recording",
            state: file.state,
            failure: file.failure,
            content_type: file.content_type.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            channels: file.channels,
            duration_ms: file.duration_ms,
            url: file.url.clone(),
            url_expires_at: file.url_expires_at,
            created_at: file.created_at,
        }
    }
}

/// List a call's files.
///
/// Every file of the call, the oldest first unless `order` says otherwise: where it is, its size and hash, and a URL for as long as there is one. A
/// file that was removed stays in the list.
#[utoipa::path(get, path = "/api/v1/calls/{id}/artifacts", tag = "calls", operation_id = "listArtifacts",
    params(("id" = String, Path, description = "Id of the call: `call_…`"), HistoryParams,
        ("expires_in_seconds" = Option<u32>, Query, minimum = 1, maximum = 86_400,
            description = "How long the URLs of stored files work; default: 900, a quarter of an hour")),
    responses((status = 200, description = "The files", body = Listed<ArtifactView>), Problem))]
#[get("/calls/{id}/artifacts")]
pub(crate) async fn list_artifacts(
    caller: Caller<CallsRead>,
    PathId(id): PathId<CallId>,
    mut query: Query,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let life = url_life(&mut query);
    let order = query.take::<Order>("order").unwrap_or(Order::Ascending);
    let paging = query.paging();
    query.finish()?;
    let before = paging.cursor.map(|cursor| cursor.read::<usize>()).transpose()?.unwrap_or(0);
    let files = backend.views.call_files(caller.client, id).await.map_err(ApiError::unavailable)?;
    let files = files.ok_or_else(|| ApiError::not_found("call"))?;
    let now = backend.runtime.clock.now();
    let mut wanted: Vec<&CallFile> = files.files.iter().collect();
    if order == Order::Descending {
        wanted.reverse();
    }
    let page = wanted.iter().skip(before).take(paging.limit);
    let mut artifacts = Vec::new();
    for file in page {
        let mut artifact = ArtifactView::of(file);
        let (public_url, owner) = (request.public_url(), (caller.client, id));
        if let Some((url, at)) = backend.objects.url_of(public_url, owner, file, (now, life)).await? {
            artifact.url = Some(url);
            artifact.url_expires_at = Some(at);
        }
        artifacts.push(artifact);
    }
    let reached = before.saturating_add(artifacts.len());
    let next = (reached < wanted.len()).then(|| Cursor::after(&reached)).transpose()?;
    Ok(Answer::list(&artifacts, next))
}
