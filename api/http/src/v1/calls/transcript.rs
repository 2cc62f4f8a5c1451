//! Endpoint that lists what was said and keyed on a call.

use actix_web::http::header::{Accept, ContentType, Header as _, HeaderValue, VARY};
use actix_web::{HttpRequest, HttpResponse, Responder as _, get, web};
use domain::ids::{CallId, ClientId};
use projections::calls::{CallView, Calls};
use projections::said::{Place, SaidPage};
use projections::transcripts::LineView;

use super::super::paging::{HistoryParams, order};
use super::transcript_text::TextForm;
use crate::auth::Caller;
use crate::auth::permissions::CallsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Cursor, Listed, Order, PathId, Query};

/// Most lines of a transcript as one text: a call of four hours has a few thousand.
const MOST_LINES: usize = 20_000;

/// Get a call's transcript.
///
/// Lines in the order they were spoken, oldest first unless `order` says otherwise. `seq` numbers the lines in the
/// order the node received them: a line that a carrier reports late stands where it was spoken.
///
/// With `Accept: text/vtt`, `text/plain` or `text/csv` the whole transcript is one text, without paging.
#[utoipa::path(get, path = "/api/v1/calls/{id}/transcript", tag = "calls", operation_id = "getTranscript",
    params(("id" = String, Path, description = "Id of the call: `call_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of the transcript, or all of it as a text",
        content((Listed<LineView> = "application/json"), (String = "text/vtt"), (String = "text/plain"),
            (String = "text/csv"))), Problem))]
#[get("/calls/{id}/transcript")]
pub(crate) async fn get_transcript(
    caller: Caller<CallsRead>,
    PathId(id): PathId<CallId>,
    mut query: Query,
    http: HttpRequest,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let form = wanted_form(&http);
    let mut response = match form {
        Some(form) => {
            query.finish()?;
            as_text(&backend, caller.client, id, form).await?
        }
        None => {
            let wanted = query.take::<Order>("order").unwrap_or(Order::Ascending);
            let paging = query.paging();
            query.finish()?;
            let after = paging.cursor.map(|cursor| cursor.read::<Place>()).transpose()?;
            let page = SaidPage { limit: paging.limit as u32, after, order: order(wanted) };
            let lines =
                backend.views.transcript(caller.client, id, page).await.map_err(ApiError::unavailable)?;
            if lines.items.is_empty() && after.is_none() {
                the_call(&backend, caller.client, id).await?;
            }
            let next = lines.next.map(|place| Cursor::after(&place)).transpose()?;
            Answer::json_list(&lines.items, next).respond_to(&http)
        }
    };
    response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// The text form that the client likes best; `None` for JSON. An unreadable `Accept` counts as none.
fn wanted_form(http: &HttpRequest) -> Option<TextForm> {
    let accept = Accept::parse(http).ok()?;
    TextForm::of(accept.ranked().first()?.essence_str())
}

async fn the_call(backend: &Backend, client: ClientId, id: CallId) -> Result<CallView, ApiError> {
    let call = backend.views.one::<Calls>(client, id).await.map_err(ApiError::unavailable)?;
    let call = call.ok_or_else(|| ApiError::not_found("call"))?;
    serde_json::from_str(&call.json).map_err(ApiError::internal)
}

/// The whole transcript. Answers 422 when it has more lines than fit into one text.
async fn as_text(
    backend: &Backend,
    client: ClientId,
    id: CallId,
    form: TextForm,
) -> Result<HttpResponse, ApiError> {
    let call = the_call(backend, client, id).await?;
    let mut lines: Vec<LineView> = Vec::new();
    let mut page = SaidPage::default();
    loop {
        let found = backend.views.transcript(client, id, page).await.map_err(ApiError::unavailable)?;
        for line in &found.items {
            lines.push(serde_json::from_str(line).map_err(ApiError::internal)?);
        }
        if lines.len() > MOST_LINES {
            let detail =
                format!("the transcript has more than {MOST_LINES} lines: read it as JSON, page by page");
            return Err(ApiError::invalid("Accept", "too_long", detail));
        }
        page.after = found.next;
        if page.after.is_none() {
            break;
        }
    }
    let text = form.write(&lines, call.answered_at).map_err(ApiError::internal)?;
    let kind = ContentType(form.content_type().parse().map_err(ApiError::internal)?);
    Ok(HttpResponse::Ok().insert_header(kind).body(text))
}
