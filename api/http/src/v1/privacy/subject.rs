//! Resolves the name in a request to the persons whose keys it is about.

use std::collections::BTreeMap;

use domain::call::terms::Direction;
use domain::ids::{CallId, ClientId, ConversationId, CustomerId, IvrSessionId, SubjectId};
use domain::phone::Party;
use domain::privacy::{CUSTOMER_ENTRY, ERASED, Subject};
use projections::calls::CallFilter;
use projections::customers::CustomerKey;
use projections::ivr_sessions::SessionFilter;
use projections::page::{MAX_PAGE, Page, PageRequest};
use serde::Deserialize;

use crate::backend::Backend;
use crate::problem::ApiError;

/// Most calls, and most IVR sessions, of one customer that one request can resolve.
pub(super) const MOST: usize = 5_000;

/// Fields of a call's view that say who was on it.
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

#[derive(Deserialize)]
struct TalkPerson {
    call_id: Option<String>,
    user_id: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// The person in a request, as it names them.
pub(super) enum Named {
    Subject(Subject),
    Call(CallId),
    Conversation(ConversationId),
    Customer(CustomerId),
    /// The text that the carrier showed as the other party.
    Caller(String),
}

/// Pseudonyms of the persons that the name means, the subject itself first. For a customer, also everybody their
/// calls were with, and their IVR sessions; their conversations belong to the subject itself. Answers 404 when the
/// call or conversation is not the client's, and 422 when the name means too many calls.
pub(super) async fn persons(
    backend: &Backend,
    client: ClientId,
    named: &Named,
) -> Result<Vec<SubjectId>, ApiError> {
    let mut subjects = match named {
        Named::Subject(subject @ Subject::Customer(name)) => {
            let known = CustomerKey::ExternalId(name.clone());
            let mut subjects = of_customer(backend, client, name).await?;
            subjects.extend(of_only_customer(backend, client, &known, subject).await?);
            subjects
        }
        Named::Subject(subject @ Subject::Party(number)) => {
            let known = CustomerKey::Phone(number.clone());
            let mut subjects = vec![subject.clone()];
            subjects.extend(of_only_customer(backend, client, &known, subject).await?);
            subjects
        }
        Named::Subject(subject) => vec![subject.clone()],
        Named::Customer(id) => super::customer::of(backend, client, *id).await?,
        Named::Call(id) => of_call_id(backend, client, *id).await?.to_vec(),
        Named::Conversation(id) => of_conversation(backend, client, *id).await?,
        Named::Caller(text) => of_caller(backend, client, text).await?,
    };
    if subjects.is_empty() {
        // nobody is known by this text, and the job's receipt says so
        subjects.push(Subject::Party(named.text().to_owned()));
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

impl Named {
    fn text(&self) -> &str {
        match self {
            Self::Caller(text) => text,
            Self::Subject(_) | Self::Call(_) | Self::Conversation(_) | Self::Customer(_) => "",
        }
    }
}

/// The persons of the one customer who is found by this; nobody where none or several are. Several are reached all the
/// same, for their own numbers and names are sealed under the key of the subject, too.
async fn of_only_customer(
    backend: &Backend,
    client: ClientId,
    key: &CustomerKey,
    subject: &Subject,
) -> Result<Vec<Subject>, ApiError> {
    let found = backend.views.customers_with(client, key, 2).await.map_err(ApiError::unavailable)?;
    let [customer] = found[..] else { return Ok(Vec::new()) };
    let mut subjects = super::customer::of(backend, client, customer).await?;
    subjects.retain(|one| one != subject);
    Ok(subjects)
}

async fn of_customer(backend: &Backend, client: ClientId, name: &str) -> Result<Vec<Subject>, ApiError> {
    // conversations with a person whom the client calls by their number
    let mut subjects = vec![Subject::Customer(name.to_owned()), Subject::of_customer(name)];
    let metadata = vec![(CUSTOMER_ENTRY.to_owned(), name.to_owned())];
    subjects.extend(of_calls(backend, client, CallFilter { metadata, ..CallFilter::default() }).await?);
    let filter = SessionFilter { session_id: Some(name.to_owned()), ..SessionFilter::default() };
    // sessions of any age, also those that are no longer shown
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
            && let Some(stored) = backend
                .views
                .one::<projections::calls::Calls>(client, call)
                .await
                .map_err(ApiError::unavailable)?
        {
            subjects.extend(of_call(&stored.json)?);
        }
    }
    Ok(subjects)
}

async fn of_calls(backend: &Backend, client: ClientId, filter: CallFilter) -> Result<Vec<Subject>, ApiError> {
    let calls =
        all(async |page| backend.views.calls(client, &filter, &page).await.map_err(ApiError::unavailable));
    let mut subjects = Vec::new();
    for call in calls.await? {
        subjects.extend(of_call(&call)?);
    }
    Ok(subjects)
}

/// Everybody whose calls show this text as the other party.
async fn of_caller(backend: &Backend, client: ClientId, text: &str) -> Result<Vec<Subject>, ApiError> {
    let party = backend.carriers.complete(client, Party::new(text)).await.map_err(ApiError::unavailable)?;
    let text = party.as_str().to_owned();
    let mut subjects: Vec<Subject> = Subject::of_party(&text).into_iter().collect();
    let (inbound, outbound) = (Some(Direction::Inbound), Some(Direction::Outbound));
    let from = CallFilter { direction: inbound, from: Some(text.clone()), ..CallFilter::default() };
    let to = CallFilter { direction: outbound, to: Some(text), ..CallFilter::default() };
    for filter in [from, to] {
        subjects.extend(of_calls(backend, client, filter).await?);
    }
    Ok(subjects)
}

async fn of_call_id(backend: &Backend, client: ClientId, id: CallId) -> Result<[Subject; 2], ApiError> {
    let call =
        backend.views.one::<projections::calls::Calls>(client, id).await.map_err(ApiError::unavailable)?;
    of_call(&call.ok_or_else(|| ApiError::not_found("call"))?.json)
}

/// Persons of a conversation: the other party of its call, or the client's customer; and
/// the conversation's own stream.
async fn of_conversation(
    backend: &Backend,
    client: ClientId,
    id: ConversationId,
) -> Result<Vec<Subject>, ApiError> {
    let found = backend
        .views
        .one::<projections::conversations::Conversations>(client, id)
        .await
        .map_err(ApiError::unavailable)?;
    let found = found.ok_or_else(|| ApiError::not_found("conversation"))?;
    let talk: TalkPerson = serde_json::from_str(&found.json).map_err(ApiError::internal)?;
    let mut subjects = Vec::new();
    if let Some(call) = talk.call_id {
        subjects.extend(of_call_id(backend, client, call.parse().map_err(ApiError::internal)?).await?);
    }
    let name = talk.user_id.or_else(|| talk.metadata.get(CUSTOMER_ENTRY).cloned());
    subjects.extend(name.filter(|name| name != ERASED).map(|name| Subject::of_customer(&name)));
    subjects.push(Subject::Stream(id.stream()));
    Ok(subjects)
}

/// The other party of a call, or the call's own stream if unknown; and the call's own stream.
pub(super) fn of_call(call: &str) -> Result<[Subject; 2], ApiError> {
    let call: CallParties = serde_json::from_str(call).map_err(ApiError::internal)?;
    let id: CallId = call.id.parse().map_err(ApiError::internal)?;
    let own = Subject::Stream(id.stream());
    let person = if call.direction == "inbound" { call.from } else { call.to };
    Ok([person.and_then(|party| Subject::of_party(&party)).unwrap_or_else(|| own.clone()), own])
}

pub(super) fn too_many() -> ApiError {
    let text = "more than 5000 calls or sessions have it: name the person by `phone`, or one of the calls by `call_id`";
    ApiError::invalid("body", "too_many", text)
}

async fn all(pages: impl AsyncFn(PageRequest) -> Result<Page, ApiError>) -> Result<Vec<String>, ApiError> {
    let mut items = Vec::new();
    let mut after = None;
    loop {
        let page = pages(PageRequest { limit: MAX_PAGE, after, ..PageRequest::default() }).await?;
        items.extend(page.items);
        if items.len() > MOST {
            return Err(too_many());
        }
        after = page.next;
        if after.is_none() {
            return Ok(items);
        }
    }
}
