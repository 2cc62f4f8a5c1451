//! Endpoints that prove the log is append-only.

use actix_web::{get, web};
use actors::sealer::ProveError;
use domain::merkle::Hash;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::auth::permissions::AuditRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, Query};

/// Proof that an event is in the Merkle tree.
#[derive(Serialize, ToSchema)]
pub(crate) struct InclusionProof {
    /// Log position of the event.
    position: u64,
    /// Number of the event's leaf, from 0: the position less 1.
    leaf_index: u64,
    /// Number of events in the tree that the proof is for.
    tree_size: u64,
    /// Hash of the event's leaf: base64 of a SHA-256.
    leaf_hash: String,
    /// Root hash of that tree: base64 of a SHA-256.
    root_hash: String,
    /// Sibling hashes from the leaf to the root, in base64.
    hashes: Vec<String>,
    /// Signed checkpoint of that size; `null` when there is none.
    checkpoint: Option<String>,
}

/// Proof that a tree is the beginning of a larger one.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsistencyProof {
    /// Number of events in the older tree.
    from: u64,
    /// Number of events in the newer tree.
    to: u64,
    /// Root hash of the older tree, in base64.
    from_root_hash: String,
    /// Root hash of the newer tree, in base64.
    to_root_hash: String,
    /// Hashes of the proof in the order of RFC 6962, in base64.
    hashes: Vec<String>,
}

fn problem(error: ProveError) -> ApiError {
    match error {
        ProveError::Beyond { sealed } => ApiError::beyond_tree(sealed),
        error @ ProveError::Missing { .. } => ApiError::internal(error),
        error @ ProveError::Unavailable(_) => ApiError::unavailable(error),
    }
}

fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_string).collect()
}

/// A required number of the query; notes a fault and returns 0 when it is missing or unreadable.
fn needed(query: &mut Query, name: &str) -> u64 {
    let given = query.text(name).and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| {
        query.fault(name, "give a whole number");
        0
    })
}

/// Prove that an event is in the log.
///
/// An inclusion proof by RFC 6962: check it by the algorithm of RFC 9162 §2.1.3.2, with the leaf hash you
/// compute from the event. The proof is for the newest checkpoint unless `tree_size` names another tree,
/// and holds hashes only.
#[utoipa::path(get, path = "/api/v1/audit/proofs/inclusion", tag = "audit", operation_id = "proveInclusion",
    params(
        ("position" = u64, Query, minimum = 0, description = "The event's position in the log"),
        ("tree_size" = Option<u64>, Query, minimum = 0,
            description = "Size of the tree, in events; default: that of the newest checkpoint")),
    responses((status = 200, description = "The proof", body = Enveloped<InclusionProof>), Problem))]
#[get("/audit/proofs/inclusion")]
pub(crate) async fn prove_inclusion(
    _caller: Caller<AuditRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let position = needed(&mut query, "position");
    let tree_size = query.take::<u64>("tree_size");
    query.finish()?;
    let prover = &backend.prover;
    let head = match tree_size {
        None => prover.store().latest().await.map_err(ApiError::unavailable)?,
        Some(size) => prover.store().covering(size).await.map_err(ApiError::unavailable)?,
    };
    let size = tree_size.or(head.as_ref().map(|head| head.size)).unwrap_or(0);
    let (leaf, hashes) = prover.inclusion(position, size).await.map_err(problem)?;
    let head = head.filter(|head| head.size == size);
    let root = match &head {
        Some(head) => head.root,
        None => prover.root(size).await.map_err(problem)?,
    };
    Ok(Answer::data(&InclusionProof {
        position,
        leaf_index: position.saturating_sub(1),
        tree_size: size,
        leaf_hash: leaf.to_string(),
        root_hash: root.to_string(),
        hashes: texts(&hashes),
        checkpoint: head.map(|head| head.note),
    }))
}

/// Prove that the log is append-only.
///
/// A consistency proof by RFC 6962: the tree of `to` events begins with the tree of `from` events. Check it by the
/// algorithm of RFC 9162 §2.1.4.2, with the root of the checkpoint you kept.
#[utoipa::path(get, path = "/api/v1/audit/proofs/consistency", tag = "audit", operation_id = "proveConsistency",
    params(
        ("from" = u64, Query, minimum = 0, description = "Size of the older tree, in events"),
        ("to" = Option<u64>, Query, minimum = 0,
            description = "Size of the newer tree, in events; default: that of the newest checkpoint")),
    responses((status = 200, description = "The proof", body = Enveloped<ConsistencyProof>), Problem))]
#[get("/audit/proofs/consistency")]
pub(crate) async fn prove_consistency(
    _caller: Caller<AuditRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (from, to) = (needed(&mut query, "from"), query.take::<u64>("to"));
    if to.is_some_and(|to| to < from) {
        query.fault("to", "give a size that is not smaller than `from`");
    }
    query.finish()?;
    let prover = &backend.prover;
    let to = match to {
        Some(to) => to,
        None => prover.store().latest().await.map_err(ApiError::unavailable)?.map_or(0, |head| head.size),
    };
    let hashes = prover.consistency(from, to).await.map_err(problem)?;
    let (older, newer) = (prover.root(from).await, prover.root(to).await);
    Ok(Answer::data(&ConsistencyProof {
        from,
        to,
        from_root_hash: older.map_err(problem)?.to_string(),
        to_root_hash: newer.map_err(problem)?.to_string(),
        hashes: texts(&hashes),
    }))
}
