//! Endpoint that exports what is known of a person.

use actix_web::{post, web};
use domain::privacy::job::JobKind;

use super::request::{SubjectName, begin_job};
use super::view::JobView;
use crate::auth::Caller;
use crate::auth::permissions::CustomersRead;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, RequestContext};

/// Export what is known of a person.
///
/// Answers with a job; once it is completed, `GET /privacy/jobs/{id}/result` answers the events that hold personal
/// data of the person, as JSON, for seven days. Erasing any person of the client deletes its exports.
#[utoipa::path(post, path = "/api/v1/privacy/subjects/export", tag = "privacy", operation_id = "exportSubject",
    request_body = SubjectName,
    responses((status = 202, description = "The job was started: read its status at `Location`",
        body = Enveloped<JobView>), Problem))]
#[post("/privacy/subjects/export")]
pub(crate) async fn export_subject(
    caller: Caller<CustomersRead>,
    body: JsonBody<SubjectName>,
    request: RequestContext,
    ip: ClientIp,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    begin_job(&backend, &caller, &request, ip, &ids, JobKind::Export, body.value).await
}
