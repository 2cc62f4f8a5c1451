//! Endpoints that answer signed tree heads.

use actix_web::{get, web};
use domain::ports::seals::Head;
use projections::edge::format_time;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::auth::permissions::AuditRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Cursor, Enveloped, Listed, Order, Query};

/// A signed head of the Merkle tree over the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct Checkpoint {
    /// Number of events it covers: positions 1 to this one.
    #[schema(minimum = 1)]
    tree_size: u64,
    /// Root hash of the tree over them: base64 of a SHA-256.
    root_hash: String,
    /// Size and root hash, signed: a C2SP signed note.
    note: String,
    /// When the node signed it, in RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    sealed_at: String,
}

/// The newest signed tree head, and the key to check it with.
#[derive(Serialize, ToSchema)]
pub(crate) struct LatestCheckpoint {
    #[serde(flatten)]
    checkpoint: Checkpoint,
    /// Verifier key of the signed notes. Fetch it once over a channel you trust, and keep it.
    #[schema(
        example = "voxledger/log/018f6d3c-1f1e-7c3a-9a55-0d9f3b6a7e10+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    )]
    key: String,
}

impl From<Head> for Checkpoint {
    fn from(head: Head) -> Self {
        let (root_hash, sealed_at) = (head.root.to_string(), format_time(head.sealed_at));
        Self { tree_size: head.size, root_hash, note: head.note, sealed_at }
    }
}

/// List the signed checkpoints.
///
/// Newest first unless `order` says otherwise. While events arrive, the node signs one at least every second, and
/// never changes one. Checkpoints cover the whole log, of all clients, and reveal nothing of it but its length.
#[utoipa::path(get, path = "/api/v1/audit/checkpoints", tag = "audit", operation_id = "listCheckpoints",
    params(
        ("limit" = Option<u32>, Query, description = "Most entries on a page: 1 to 200, 50 by default"),
        ("cursor" = Option<String>, Query,
            description = "`next_cursor` of the page before; the first page, if left out"),
        ("order" = Option<String>, Query,
            description = "Newest first (`desc`, the default) or oldest first (`asc`)")),
    responses((status = 200, description = "A page of checkpoints", body = Listed<Checkpoint>), Problem))]
#[get("/audit/checkpoints")]
pub(crate) async fn list_checkpoints(
    _caller: Caller<AuditRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let paging = query.paging();
    query.finish()?;
    let from = paging.cursor.map(|cursor| cursor.read::<u64>()).transpose()?;
    let backwards = paging.order == Order::Descending;
    let heads = backend.prover.store().heads(from, backwards, paging.limit + 1).await;
    let mut heads = heads.map_err(ApiError::unavailable)?;
    let more = heads.len() > paging.limit;
    heads.truncate(paging.limit);
    let next = heads.last().filter(|_| more).map(|head| Cursor::after(&head.size)).transpose()?;
    let checkpoints: Vec<_> = heads.into_iter().map(Checkpoint::from).collect();
    Ok(Answer::list(&checkpoints, next))
}

/// Get the newest signed checkpoint.
///
/// With the key that checks it. If you keep checkpoints outside of this node, you can prove later that nothing
/// before them was changed: with `voxledger audit verify --checkpoint`, or a consistency proof.
#[utoipa::path(get, path = "/api/v1/audit/checkpoints/latest", tag = "audit", operation_id = "getLatestCheckpoint",
    responses((status = 200, description = "The newest checkpoint and its key",
        body = Enveloped<LatestCheckpoint>), Problem))]
#[get("/audit/checkpoints/latest")]
pub(crate) async fn get_latest_checkpoint(
    _caller: Caller<AuditRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let latest = backend.prover.store().latest().await.map_err(ApiError::unavailable)?;
    let head = latest.ok_or_else(|| ApiError::beyond_tree(0))?;
    let key = backend.log_key.verifier(backend.log_id).to_string();
    Ok(Answer::data(&LatestCheckpoint { checkpoint: head.into(), key }))
}
