//! From a name to the persons whose keys it is about.

use domain::ids::{CallId, ClientId, IvrSessionId, SubjectId};
use domain::privacy::{CUSTOMER_ENTRY, Subject};
use projections::calls::CallFilter;
use projections::ivr_sessions::SessionFilter;
use projections::page::{MAX_PAGE, Page, PageRequest};
use serde::Deserialize;

use crate::node::Backend;
use crate::problem::ApiError;

/// The most calls, and the most sessions, a customer may have had to be erased at once.
const MOST: usize = 5_000;

/// What of a call says who was on it.
#[derive(Deserialize)]
struct CallParties {
    id: String,
    direction: String,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Deserialize)]
struct SessionCall {
    id: String,
    call_id: Option<String>,
}

/// The subject itself first, by pseudonym; of a customer also everybody their calls were with, and their sessions. Their
/// chats are the subject's own.
pub(super) async fn persons(
    backend: &Backend,
    client: ClientId,
    subject: &Subject,
) -> Result<Vec<SubjectId>, ApiError> {
    let mut subjects = vec![subject.clone()];
    if let Subject::Customer(name) = subject {
        // chats with somebody whom the client calls by their number
        subjects.push(Subject::of_customer(name));
        let filter =
            CallFilter { metadata: vec![(CUSTOMER_ENTRY.to_owned(), name.clone())], ..CallFilter::default() };
        let calls = all(async |page| {
            backend.views.calls(client, &filter, &page).await.map_err(ApiError::unavailable)
        });
        for call in calls.await? {
            subjects.extend(of_call(&call)?);
        }
        let filter = SessionFilter { session_id: Some(name.clone()), ..SessionFilter::default() };
        // however long ago they ended
        let since = domain::envelope::Time::default();
        let sessions = all(async |page| {
            backend.views.ivr_sessions(client, &filter, since, &page).await.map_err(ApiError::unavailable)
        });
        for session in sessions.await? {
            let session: SessionCall = serde_json::from_str(&session).map_err(ApiError::internal)?;
            let id: IvrSessionId = session.id.parse().map_err(ApiError::internal)?;
            subjects.push(Subject::Stream(id.stream()));
            let call: Option<CallId> = session.call_id.and_then(|call| call.parse().ok());
            if let Some(call) = call
                && let Some(stored) = backend.views.call(client, call).await.map_err(ApiError::unavailable)?
            {
                subjects.extend(of_call(&stored.json)?);
            }
        }
    }
    let mut persons = Vec::with_capacity(subjects.len());
    for subject in &subjects {
        let id = backend.private.keys().pseudonym(client, subject).await.map_err(ApiError::unavailable)?;
        if !persons.contains(&id) {
            persons.push(id);
        }
    }
    Ok(persons)
}

/// Whom a call was with; if nobody knows, the call itself.
fn of_call(call: &str) -> Result<[Subject; 2], ApiError> {
    let call: CallParties = serde_json::from_str(call).map_err(ApiError::internal)?;
    let id: CallId = call.id.parse().map_err(ApiError::internal)?;
    let own = Subject::Stream(id.stream());
    let person = if call.direction == "inbound" { call.from } else { call.to };
    Ok([person.and_then(|party| Subject::of_party(&party)).unwrap_or_else(|| own.clone()), own])
}

async fn all(pages: impl AsyncFn(PageRequest) -> Result<Page, ApiError>) -> Result<Vec<String>, ApiError> {
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let page = pages(PageRequest { limit: MAX_PAGE, after, ..PageRequest::default() }).await?;
        items.extend(page.items);
        if items.len() > MOST {
            let text = "more than 5000 calls bear it; name the person by phone";
            return Err(ApiError::invalid("customer_id", "too_many", text));
        }
        after = page.next;
        if after.is_none() {
            return Ok(items);
        }
    }
}
