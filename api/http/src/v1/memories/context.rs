//! Endpoint that tells in time what is known of a customer.

use std::time::{Duration, Instant};

use actix_web::{get, web};
use actors::memory::Recall;
use domain::ids::{ClientId, CustomerId};
use domain::privacy::ERASED;
use projections::customers::{CustomerView, TimelineKind};
use projections::memories::{Memories, MemoryFilter, MemorySourceView, MemoryView};
use projections::page::PageRequest;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::customers::stands_for;
use crate::auth::permissions::CustomersRead;
use crate::auth::{Caller, Scope};
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// How long finding memories and calls may take, unless the request says otherwise.
const DEADLINE: Duration = Duration::from_millis(50);
/// Longest deadline that a request may give, in milliseconds.
const LONGEST_MS: u64 = 5_000;
/// Memories, unless the request says otherwise, and at most.
const LIMIT: usize = 5;
const MOST: usize = 20;
/// Calls that are shown, the newest ones.
const CALLS: u32 = 5;

/// What is known of a customer.
#[derive(Serialize, ToSchema)]
#[schema(as = CustomerContext)]
pub(crate) struct ContextView {
    /// The customer; the one it was merged into, if it was.
    customer: CustomerView,
    /// The newest calls that are linked to the customer, at most 5; none without the scope `calls:read`.
    #[schema(value_type = Vec<Object>)]
    recent_calls: Vec<Box<RawValue>>,
    /// Active memories: those that suit `query`, best first; without one the newest.
    relevant_memories: Vec<RelevantMemory>,
    /// What to do first, by a few rules: open issues and promises, then preferences; `null` when there are none.
    #[schema(required)]
    suggested_approach: Option<String>,
    /// How long it took, in milliseconds.
    took_ms: f64,
    /// Whether something may be missing, because it was late or failed.
    degraded: bool,
}

/// A memory that suits the query.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct RelevantMemory {
    /// Id of the memory: TypeID `mem_…`.
    id: String,
    /// A sentence about the customer.
    content: String,
    /// What it is about: `fact`, `preference`, `issue`, `promise` or `note`.
    kind: String,
    /// Cosine to the query, -1 to 1; `null` without a query, or when the memory was found by its words alone.
    #[schema(required)]
    similarity: Option<f32>,
    /// Where it was learned first.
    source: MemorySourceView,
    /// When it was last changed or learned again.
    #[schema(format = DateTime)]
    at: String,
}

impl RelevantMemory {
    fn of(json: &str, similarity: Option<f32>) -> Option<Self> {
        let view: MemoryView = serde_json::from_str(json).ok()?;
        let (id, content) = (view.id.to_string(), view.content.filter(|content| content != ERASED)?);
        let at = projections::edge::format_time(view.updated_at);
        (view.status == "active").then_some(Self {
            id,
            content,
            kind: view.kind,
            similarity,
            source: view.source,
            at,
        })
    }
}

/// Get what is known of a customer, in time for a call.
///
/// What is not found within the deadline is left out, and `degraded` says so; the customer itself is always waited for.
#[utoipa::path(get, path = "/api/v1/customers/{id}/context", tag = "customers", operation_id = "getCustomerContext",
    params(("id" = String, Path, description = "Id of the customer: `cus_…`"),
        ("query" = Option<String>, Query, description = "What the memories should be about, at most 1000 characters; \
            the newest ones, if left out"),
        ("limit" = Option<u32>, Query, description = "Most memories: 1 to 20, 5 by default", minimum = 1, maximum = 20),
        ("deadline_ms" = Option<u32>, Query, description = "How long finding them may take, in milliseconds: 1 to \
            5000, 50 by default", minimum = 1, maximum = 5000)),
    responses((status = 200, description = "What is known", body = Enveloped<ContextView>), Problem))]
#[get("/customers/{id}/context")]
pub(crate) async fn get_customer_context(
    caller: Caller<CustomersRead>,
    PathId(id): PathId<CustomerId>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let began = Instant::now();
    let about = query.text("query").unwrap_or_default();
    if about.chars().count() > domain::memory::MAX_CONTENT {
        query.fault("query", "give at most 1000 characters");
    }
    let limit = query.take::<usize>("limit").unwrap_or(LIMIT);
    if !(1..=MOST).contains(&limit) {
        query.fault("limit", "give a number from 1 to 20");
    }
    let deadline = query.take::<u64>("deadline_ms").map_or(DEADLINE, Duration::from_millis);
    if !(1..=u128::from(LONGEST_MS)).contains(&deadline.as_millis()) {
        query.fault("deadline_ms", "give a number from 1 to 5000");
    }
    query.finish()?;
    let customer = stands_for(&backend, caller.client, id).await?;
    let left = deadline.saturating_sub(began.elapsed());
    let may_see_calls = caller.scopes.grants(Scope::CallsRead);
    let calls = async {
        match may_see_calls {
            true => tokio::time::timeout(left, recent_calls(&backend, caller.client, &customer))
                .await
                .ok()
                .flatten(),
            false => Some(Vec::new()),
        }
    };
    let memories = relevant(&backend, caller.client, &customer, &about, (limit, left));
    let (calls, (relevant_memories, all)) = tokio::join!(calls, memories);
    let degraded = calls.is_none() || !all;
    let view = ContextView {
        recent_calls: calls.unwrap_or_default(),
        suggested_approach: approach(&relevant_memories),
        customer,
        relevant_memories,
        took_ms: (began.elapsed().as_secs_f64() * 1e5).round() / 100.0,
        degraded,
    };
    Ok(Answer::data(&view))
}

/// The newest calls; `None` when they cannot be read.
async fn recent_calls(
    backend: &Backend,
    client: ClientId,
    customer: &CustomerView,
) -> Option<Vec<Box<RawValue>>> {
    let page = PageRequest { limit: CALLS, ..PageRequest::default() };
    let page = backend.views.timeline(client, &customer.links(), &[TimelineKind::Call], &page).await.ok()?;
    page.entries.into_iter().map(|entry| RawValue::from_string(entry.json).ok()).collect()
}

/// The memories, and whether all of them were found in time.
async fn relevant(
    backend: &Backend,
    client: ClientId,
    customer: &CustomerView,
    about: &str,
    (limit, deadline): (usize, Duration),
) -> (Vec<RelevantMemory>, bool) {
    let began = Instant::now();
    let customers = customer.links().customers;
    if about.trim().is_empty() {
        let status = Some(domain::memory::MemoryStatus::Active);
        let filter = MemoryFilter { customers, kind: None, status };
        let page = PageRequest { limit: limit as u32, ..PageRequest::default() };
        let newest = backend.views.memories(client, &filter, &page);
        return match tokio::time::timeout(deadline, newest).await {
            Ok(Ok(page)) => {
                (page.items.iter().filter_map(|json| RelevantMemory::of(json, None)).collect(), true)
            }
            Ok(Err(_)) | Err(_) => (Vec::new(), false),
        };
    }
    let Recall { memories, degraded } =
        backend.memories.recall(client, &customers, about, limit, deadline).await;
    let mut found = Vec::with_capacity(memories.len());
    for memory in memories {
        let left = deadline.saturating_sub(began.elapsed());
        match tokio::time::timeout(left, backend.views.one::<Memories>(client, memory.id)).await {
            Ok(Ok(stored)) => {
                found.extend(stored.and_then(|stored| RelevantMemory::of(&stored.json, memory.similarity)));
            }
            Ok(Err(_)) | Err(_) => return (found, false),
        }
    }
    (found, degraded.is_none())
}

/// What to do first: what is open comes before what is liked.
fn approach(memories: &[RelevantMemory]) -> Option<String> {
    let of = |kind: &str, says: &str| {
        let said: Vec<&str> = memories
            .iter()
            .filter(|memory| memory.kind == kind)
            .map(|memory| memory.content.trim_end_matches('.'))
            .collect();
        (!said.is_empty()).then(|| format!("{says}: {}.", said.join("; ")))
    };
    let parts = [
        of("issue", "Ask first about open issues"),
        of("promise", "Say how it stands with promises"),
        of("preference", "Keep to preferences"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_comes_before_what_is_liked() {
        let memory = |kind: &str, content: &str| RelevantMemory {
            id: "mem_x".to_owned(),
            content: content.to_owned(),
            kind: kind.to_owned(),
            similarity: None,
            source: MemorySourceView { kind: "api".to_owned(), id: None },
            at: String::new(),
        };
        let known = [
            memory("preference", "Prefers mornings."),
            memory("issue", "The router fails."),
            memory("fact", "x"),
        ];
        let expected =
            "Ask first about open issues: The router fails. Keep to preferences: Prefers mornings.";
        assert_eq!(approach(&known).as_deref(), Some(expected));
        assert_eq!(approach(&known[2..]), None);
    }
}
