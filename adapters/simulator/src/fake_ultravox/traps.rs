//! How the next requests of the simulated Ultravox fail.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::failure;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    ListAgents,
    GetAgent,
    CreateAgent,
    PatchAgent,
    DeleteAgent,
    CreateCall,
    ListCalls,
    GetCall,
    ListMessages,
    SendMessage,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trap {
    /// It is carried out, and the answer is lost.
    LoseAnswer,
    /// It is carried out, and a proxy answers 503 in its place, without `Retry-After`.
    LoseAnswerTo503,
    /// It is refused and not carried out.
    Refuse {
        status: u16,
        /// Value of the header `Retry-After`: seconds or a date.
        retry_after: Option<String>,
    },
}

pub(super) fn refusal(status: u16, retry_after: Option<&str>) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = failure(status, "+12025550123 must not be repeated in logs");
    let value = retry_after.and_then(|text| text.parse().ok());
    if let Some(value) = value {
        response.headers_mut().insert(actix_web::http::header::RETRY_AFTER, value);
    }
    response
}
