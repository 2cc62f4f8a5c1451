//! What both kinds of job are asked with.

use actors::privacy::{Begun, begin};
use domain::ids::PrivacyJobId;
use domain::ports::ids::Ids as _;
use domain::privacy::Subject;
use domain::privacy::job::{JobKind, JobRefusal, NamedBy};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::{AsProblem, context, problem};
use super::subject::persons;
use super::view::job;
use crate::http::auth::Principal;
use crate::http::client_ip::ClientIp;
use crate::http::{Answer, NewIds, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Code};

/// Whom it is about: either of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubjectName {
    /// Their number in E.164, or SIP address.
    #[schema(example = "+12025550123")]
    pub(super) phone: Option<String>,
    /// Your own name of them: `customer_id` in the metadata of their calls and chats, `user_id` of a chat, or `session_id` of
    /// a session in the menus.
    #[schema(example = "customer-4711")]
    pub(super) customer_id: Option<String>,
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
    let (subject, named_by) = read(name)?;
    let persons = persons(backend, caller.client, &subject).await?;
    let id = PrivacyJobId(ids.next());
    // the subject itself comes first
    let subject = persons.first().copied().ok_or_else(|| ApiError::not_found("subject"))?;
    let begun = Begun { id, kind, subject, named_by, persons, origin: ip.origin() };
    let receipt = begin(&backend.privacy, &context(caller, request, id.0), begun).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    let (view, version) = job(backend, caller.client, id).await?;
    let answer = Answer::data(&view).accepted().etag(version).written_at(receipt.position);
    Ok(answer.location(&format!("/api/v1/privacy/jobs/{id}")))
}

fn read(name: SubjectName) -> Result<(Subject, NamedBy), ApiError> {
    match (name.phone, name.customer_id) {
        (Some(phone), None) => {
            let subject = Subject::of_party(phone.trim()).ok_or_else(|| {
                ApiError::invalid("phone", "invalid", "must be a number like +12025550123, or a SIP address")
            })?;
            Ok((subject, NamedBy::Phone))
        }
        (None, Some(id)) if (1..=200).contains(&id.chars().count()) => {
            Ok((Subject::Customer(id), NamedBy::CustomerId))
        }
        (None, Some(_)) => Err(ApiError::invalid("customer_id", "invalid", "must have 1 to 200 characters")),
        _ => Err(ApiError::invalid("phone", "invalid", "give either `phone` or `customer_id`")),
    }
}
