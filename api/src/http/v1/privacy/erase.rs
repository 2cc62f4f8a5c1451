//! Endpoint that erases what is known of a person.

use actix_web::{post, web};
use domain::privacy::job::JobKind;

use super::request::{SubjectName, begin_job};
use super::view::JobView;
use crate::http::auth::Caller;
use crate::http::auth::permissions::PrivacyWrite;
use crate::http::client_ip::ClientIp;
use crate::http::{Answer, Enveloped, JsonBody, NewIds, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// Erase what is known of a person.
///
/// Answers with a job; `GET` it for its receipt. The job first destroys the person's keys: from then on nobody can
/// decrypt what the history holds of them, and it reads `[erased]`. Then it cleans views, webhook bodies and files.
/// The history itself stays as it is, and so does its proof. An unknown person gets a receipt that says so.
#[utoipa::path(post, path = "/api/v1/privacy/subjects/erase", tag = "privacy", operation_id = "eraseSubject",
    request_body = SubjectName,
    responses((status = 202, description = "The job was started: read its status at `Location`",
        body = Enveloped<JobView>), Problem))]
#[post("/privacy/subjects/erase")]
pub(crate) async fn erase_subject(
    caller: Caller<PrivacyWrite>,
    body: JsonBody<SubjectName>,
    request: RequestContext,
    ip: ClientIp,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    begin_job(&backend, &caller, &request, ip, &ids, JobKind::Erase, body.value).await
}
