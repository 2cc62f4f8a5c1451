//! Many calls.

use actix_web::{get, web};
use projections::calls::{CallFilter, CallView};

use super::super::paging::{self, PageParams};
use crate::http::auth::Caller;
use crate::http::auth::permissions::CallsRead;
use crate::http::{Answer, Listed, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// List calls.
///
/// Newest first unless asked otherwise; all filters hold at once.
#[utoipa::path(get, path = "/api/v1/calls", tag = "calls", operation_id = "listCalls",
    params(
        ("status" = Option<String>, Query, description = "One status, or several with commas"),
        ("direction" = Option<String>, Query, description = "inbound or outbound"),
        ("from" = Option<String>, Query, description = "The calling party, exactly"),
        ("to" = Option<String>, Query, description = "The called party, exactly"),
        ("agent_id" = Option<String>, Query, description = "The agent"),
        ("end_reason" = Option<String>, Query, description = "One end reason, or several with commas"),
        ("created_after" = Option<String>, Query, description = "RFC 3339"),
        ("created_before" = Option<String>, Query, description = "RFC 3339"),
        ("metadata" = Option<Object>, Query, style = DeepObject, description = "metadata[key]=value"),
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
        from: query.text("from"),
        to: query.text("to"),
        agent_id: query.take("agent_id"),
        end_reason: words(&mut query, "end_reason"),
        created_after: query.time("created_after"),
        created_before: query.time("created_before"),
        metadata: query.map("metadata").into_iter().collect(),
    };
    paging::list(query, async |request| backend.views.calls(caller.client, &filter, &request).await).await
}

fn words<T: std::str::FromStr>(query: &mut Query, name: &str) -> Vec<T> {
    let Some(text) = query.text(name) else { return Vec::new() };
    let words: Result<Vec<T>, _> = text.split(',').map(|word| word.trim().parse()).collect();
    words.unwrap_or_else(|_| {
        query.fault(name, "not one of the words the guide lists");
        Vec::new()
    })
}
