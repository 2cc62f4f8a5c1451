//! Endpoint that lists what was said and keyed on a call.

use actix_web::{get, web};
use domain::ids::CallId;
use projections::said::{Place, SaidPage};
use projections::transcripts::LineView;

use super::super::paging::{HistoryParams, order};
use crate::auth::Caller;
use crate::auth::permissions::CallsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Cursor, Listed, Order, PathId, Query};

/// Get a call's transcript.
///
/// Lines in the order they were spoken, oldest first unless `order` says otherwise. `seq` numbers the lines in the
/// order the node received them: a line that a carrier reports late stands where it was spoken.
#[utoipa::path(get, path = "/api/v1/calls/{id}/transcript", tag = "calls", operation_id = "getTranscript",
    params(("id" = String, Path, description = "Id of the call: `call_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of the transcript", body = Listed<LineView>), Problem))]
#[get("/calls/{id}/transcript")]
pub(crate) async fn get_transcript(
    caller: Caller<CallsRead>,
    PathId(id): PathId<CallId>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let wanted = query.take::<Order>("order").unwrap_or(Order::Ascending);
    let paging = query.paging();
    query.finish()?;
    let after = paging.cursor.map(|cursor| cursor.read::<Place>()).transpose()?;
    let page = SaidPage { limit: paging.limit as u32, after, order: order(wanted) };
    let lines = backend.views.transcript(caller.client, id, page).await.map_err(ApiError::unavailable)?;
    if lines.items.is_empty() && after.is_none() {
        let call = backend
            .views
            .one::<projections::calls::Calls>(caller.client, id)
            .await
            .map_err(ApiError::unavailable)?;
        call.ok_or_else(|| ApiError::not_found("call"))?;
    }
    let next = lines.next.map(|place| Cursor::after(&place)).transpose()?;
    Ok(Answer::json_list(&lines.items, next))
}
