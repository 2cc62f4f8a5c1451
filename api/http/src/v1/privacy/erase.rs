//! Endpoint that erases what is known of a person.

use actix_web::{post, web};
use domain::privacy::job::JobKind;

use super::request::{SubjectName, begin_job};
use super::view::JobView;
use crate::auth::Caller;
use crate::auth::permissions::PrivacyWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, RequestContext};

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
