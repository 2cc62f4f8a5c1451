//! Whose data belongs to a customer.

use actors::Session;
use domain::customer::{Customer, Profile};
use domain::ids::{ClientId, ConversationId, CustomerId};
use domain::privacy::{ERASED, Subject};
use projections::customers::{CustomerKey, Links, TimelineKind};
use projections::page::{MAX_PAGE, PageRequest};
use serde::Deserialize;

use super::super::commands::problem;
use super::subject::{MOST, of_call, too_many};
use crate::backend::Backend;
use crate::problem::ApiError;

/// How many merges are followed from a customer to the one it has become.
const HOPS: usize = 10;
/// What may hold data under other names than the customer's.
const SUBJECTS: [TimelineKind; 2] = [TimelineKind::Call, TimelineKind::Conversation];

#[derive(Deserialize)]
struct Person {
    user_id: Option<String>,
}

/// The subjects of a customer's data, the customer itself first: the customers it stands for, its numbers and names, and
/// the calls and conversations that name it. A number that others have, too, is left alone: it would take their data
/// along. Works for deleted customers. Answers 404 when the client never had such a customer, and 422 when too much is
/// linked to it.
pub(in super::super) async fn of(
    backend: &Backend,
    client: ClientId,
    id: CustomerId,
) -> Result<Vec<Subject>, ApiError> {
    let (id, customer) = stands_for(backend, client, id).await?;
    let customers: Vec<CustomerId> = std::iter::once(id).chain(customer.all_merged()).collect();
    let own = |id: &CustomerId| [id.stream(), id.hubspot_contact().stream()].map(Subject::Stream);
    let mut subjects: Vec<Subject> = customers.iter().flat_map(own).collect();
    for id in &customers {
        let (_, one) = load(backend, client, *id).await?;
        let profile = one.last_profile().cloned().unwrap_or_default();
        if let Some(name) = Profile::external(&profile) {
            subjects.push(Subject::Customer(name.to_owned()));
            subjects.push(Subject::of_customer(name));
        }
        for phone in profile.known_phones() {
            if !is_shared(backend, client, phone.as_str(), &customers).await? {
                subjects.push(Subject::Party(phone.as_str().to_owned()));
            }
        }
    }
    let links = Links { customers: customers.clone(), phones: Vec::new(), external_ids: Vec::new() };
    let (mut after, mut seen) = (None, 0);
    loop {
        let page = PageRequest { limit: MAX_PAGE, after, ..PageRequest::default() };
        let page = backend.views.timeline(client, &links, &SUBJECTS, &page).await;
        let page = page.map_err(ApiError::unavailable)?;
        seen += page.entries.len();
        if seen > MOST {
            return Err(too_many());
        }
        for entry in page.entries {
            match entry.kind {
                TimelineKind::Call => {
                    for subject in of_call(&entry.json)? {
                        let others = match &subject {
                            Subject::Party(number) => is_shared(backend, client, number, &customers).await?,
                            _ => false,
                        };
                        if !others {
                            subjects.push(subject);
                        }
                    }
                }
                // what is remembered goes with the customer
                TimelineKind::Memory => {}
                TimelineKind::Conversation => {
                    subjects.push(Subject::Stream(ConversationId(entry.id).stream()));
                    let person: Person = serde_json::from_str(&entry.json).map_err(ApiError::internal)?;
                    let name = person.user_id.filter(|name| name != ERASED);
                    subjects.extend(name.map(|name| Subject::of_customer(&name)));
                }
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(subjects);
        }
    }
}

/// Whether a customer other than these has the number.
async fn is_shared(
    backend: &Backend,
    client: ClientId,
    number: &str,
    own: &[CustomerId],
) -> Result<bool, ApiError> {
    let key = CustomerKey::Phone(number.to_owned());
    let limit = u32::try_from(own.len() + 1).unwrap_or(MAX_PAGE);
    let having = backend.views.customers_with(client, &key, limit).await.map_err(ApiError::unavailable)?;
    Ok(having.iter().any(|customer| !own.contains(customer)))
}

async fn stands_for(
    backend: &Backend,
    client: ClientId,
    id: CustomerId,
) -> Result<(CustomerId, Customer), ApiError> {
    let mut found = load(backend, client, id).await?;
    for _ in 0..HOPS {
        let Some(into) = found.1.merged_into() else { break };
        found = load(backend, client, into).await?;
    }
    Ok(found)
}

async fn load(
    backend: &Backend,
    client: ClientId,
    id: CustomerId,
) -> Result<(CustomerId, Customer), ApiError> {
    let mut session = Session::<Customer>::new(backend.runtime.clone(), id.stream());
    session.ensure_loaded().await.map_err(problem)?;
    let own = session.state().last_profile().is_some() && session.client() == Some(client);
    if own { Ok((id, session.state().clone())) } else { Err(ApiError::not_found("customer")) }
}
