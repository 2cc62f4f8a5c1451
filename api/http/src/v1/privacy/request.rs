//! The request of both kinds of job: which person it is about.

use actors::privacy::{Begun, begin};
use domain::ids::{ClientId, PrivacyJobId};
use domain::phone::Party;
use domain::ports::ids::Ids as _;
use domain::privacy::Subject;
use domain::privacy::job::{JobKind, JobRefusal, NamedBy};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::{AsProblem, context, problem};
use super::subject::{Named, persons};
use super::view::job;
use crate::auth::Principal;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Code};
use crate::{Answer, NewIds, RequestContext};

/// The person it is about: exactly one of these fields.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubjectName {
    /// Phone number of the person in any form, or SIP address.
    #[schema(example = "+12025550123")]
    phone: Option<String>,
    /// Id of a customer (`cus_…`), or your own name for the person: `external_id` of a customer, `customer_id` in the
    /// metadata of their calls and conversations, `user_id` of a conversation, or `session_id` of an IVR session.
    #[schema(example = "customer-4711")]
    customer_id: Option<String>,
    /// Id of a call that the person was on.
    #[schema(example = "call_01h455vb4pex5vsknk084sn02q")]
    call_id: Option<String>,
    /// Id of a conversation that the person had.
    #[schema(example = "conv_01h455vb4pex5vsknk084sn02q")]
    conversation_id: Option<String>,
    /// Caller id that the carrier showed for the person, for a text that is no number. It means everybody whose
    /// calls show the same text.
    #[schema(example = "anonymous")]
    caller_id: Option<String>,
}

impl AsProblem for JobRefusal {
    const KIND: &'static str = "privacy job";

    fn as_problem(&self) -> ApiError {
        match self {
            JobRefusal::Unknown => ApiError::not_found(Self::KIND),
            JobRefusal::OutOfOrder(_) => ApiError::new(Code::Conflict, self.to_string()),
        }
    }
}

/// Begins a job and answers with it.
pub(super) async fn begin_job(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    ip: ClientIp,
    ids: &NewIds,
    kind: JobKind,
    name: SubjectName,
) -> Result<Answer, ApiError> {
    let (named, named_by) = read(backend, caller.client, name).await?;
    let persons = persons(backend, caller.client, &named).await?;
    let id = PrivacyJobId(ids.next());
    // the first of the persons is the subject itself
    let subject = persons.first().copied().ok_or_else(|| ApiError::not_found("subject"))?;
    let begun = Begun { id, kind, subject, named_by, persons, origin: ip.origin() };
    let receipt = begin(&backend.privacy, &context(caller, request, id.0), begun).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    let (view, version) = job(backend, caller.client, id, None).await?;
    let answer = Answer::data(&view).accepted().etag(version).written_at(receipt.position);
    Ok(answer.location(&format!("/api/v1/privacy/jobs/{id}")))
}

async fn read(backend: &Backend, client: ClientId, name: SubjectName) -> Result<(Named, NamedBy), ApiError> {
    let SubjectName { phone, customer_id, call_id, conversation_id, caller_id } = name;
    let given = [
        ("phone", NamedBy::Phone, phone),
        ("customer_id", NamedBy::CustomerId, customer_id),
        ("call_id", NamedBy::CallId, call_id),
        ("conversation_id", NamedBy::ConversationId, conversation_id),
        ("caller_id", NamedBy::CallerId, caller_id),
    ];
    let mut given = given.into_iter().filter_map(|(field, by, text)| Some((field, by, text?)));
    let (Some((field, by, text)), None) = (given.next(), given.next()) else {
        let advice = "give one of `phone`, `customer_id`, `call_id`, `conversation_id` and `caller_id`";
        return Err(ApiError::invalid("body", "invalid", advice));
    };
    let no_id = |_| ApiError::invalid(field, "invalid", "must be an id as this API shows it");
    let named = match by {
        NamedBy::Phone => {
            let party = Party::new(text.trim());
            let party = backend.carriers.complete(client, party).await.map_err(ApiError::unavailable)?;
            let subject = Subject::of_party(party.as_str()).ok_or_else(|| {
                ApiError::invalid(field, "invalid", "must be a number like +12025550123, or a SIP address")
            })?;
            Named::Subject(subject)
        }
        NamedBy::CallId => Named::Call(text.parse().map_err(no_id)?),
        NamedBy::ConversationId => Named::Conversation(text.parse().map_err(no_id)?),
        NamedBy::CustomerId | NamedBy::CallerId if !(1..=200).contains(&text.chars().count()) => {
            return Err(ApiError::invalid(field, "invalid", "must have 1 to 200 characters"));
        }
        NamedBy::CustomerId => match text.parse() {
            Ok(id) => Named::Customer(id),
            Err(_) => Named::Subject(Subject::Customer(text)),
        },
        NamedBy::CallerId => Named::Caller(text),
    };
    Ok((named, by))
}
