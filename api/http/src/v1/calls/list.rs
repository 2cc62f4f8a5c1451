//! Endpoint that lists and searches calls.

use actix_web::{get, web};
use domain::ids::ClientId;
use domain::phone::Party;
use projections::calls::{CallFilter, CallSearch, CallView};

use super::super::paging::{self, CreatedParams, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::CallsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// Longest search text, in characters.
const LONGEST: usize = 200;

/// List the client's calls.
///
/// Newest first unless `order` says otherwise; a call must match all filters.
#[utoipa::path(get, path = "/api/v1/calls", tag = "calls", operation_id = "listCalls",
    params(
        ("q" = Option<String>, Query, max_length = 200,
            description = "Search: a party's number, whole or its last digits (at \
            least four) in any formatting, the call's id, the carrier's id of a leg, or a value of the metadata"),
        ("status" = Option<String>, Query, description = "Only calls with this status; several with commas"),
        ("direction" = Option<String>, Query,
            description = "Only calls of this direction: inbound or outbound"),
        ("from" = Option<String>, Query,
            description = "Only calls from this party, in any form of its number"),
        ("to" = Option<String>, Query, description = "Only calls to this party, in any form of its number"),
        ("agent_id" = Option<String>, Query, description = "Only calls of this agent: `agt_…`"),
        ("end_reason" = Option<String>, Query,
            description = "Only calls with this end reason; several with commas"),
        CreatedParams,
        ("metadata" = Option<Object>, Query, style = DeepObject,
            description = "Only calls with this metadata: `metadata[key]=value`"),
        PageParams),
    responses((status = 200, description = "A page of calls", body = Listed<CallView>), Problem))]
#[get("/calls")]
pub(crate) async fn list_calls(
    caller: Caller<CallsRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let filter = CallFilter {
        status: words(&mut query, "status"),
        direction: query.take("direction"),
        from: completed(&backend, caller.client, query.text("from")).await?,
        to: completed(&backend, caller.client, query.text("to")).await?,
        agent_id: query.take("agent_id"),
        end_reason: words(&mut query, "end_reason"),
        created_after: query.time("created_after"),
        created_before: query.time("created_before"),
        metadata: query.map("metadata").into_iter().collect(),
        search: search(&backend, caller.client, &mut query).await?,
    };
    paging::list(query, async |request| backend.views.calls(caller.client, &filter, &request).await).await
}

/// Completes a number in national form to E.164, by the country of the client's carrier account, as calls show it.
async fn completed(
    backend: &Backend,
    client: ClientId,
    party: Option<String>,
) -> Result<Option<String>, ApiError> {
    let Some(party) = party else { return Ok(None) };
    let party = backend.carriers.complete(client, Party::new(&party)).await.map_err(ApiError::unavailable)?;
    Ok(Some(party.as_str().to_owned()))
}

async fn search(
    backend: &Backend,
    client: ClientId,
    query: &mut Query,
) -> Result<Option<CallSearch>, ApiError> {
    let Some(text) = query.text("q").map(|text| text.trim().to_owned()) else { return Ok(None) };
    if text.is_empty() || text.chars().count() > LONGEST {
        query.fault("q", "must have 1 to 200 characters");
    }
    let party = Party::new(&text);
    let party = backend.carriers.complete(client, party).await.map_err(ApiError::unavailable)?;
    let (id, last_digits) = (text.parse().ok(), CallSearch::digits_of(&text));
    Ok(Some(CallSearch { id, party: party.as_str().to_owned(), last_digits, text }))
}

fn words<T: std::str::FromStr>(query: &mut Query, name: &str) -> Vec<T> {
    let Some(text) = query.text(name) else { return Vec::new() };
    let words: Result<Vec<T>, _> = text.split(',').map(|word| word.trim().parse()).collect();
    words.unwrap_or_else(|_| {
        query.fault(name, "not one of the words the guide lists");
        Vec::new()
    })
}
