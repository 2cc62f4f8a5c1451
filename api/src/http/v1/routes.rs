//! Where the endpoints are served, and how they are documented.

use actix_web::web::{ServiceConfig, scope};
use utoipa::OpenApi;

use super::{audit, calls, numbers, webhooks};

#[derive(OpenApi)]
#[openapi(paths(
    calls::create::create_call,
    calls::list::list_calls,
    calls::get::get_call,
    calls::patch::patch_call,
    calls::hang_up::hang_up_call,
    calls::transfer::transfer_call,
    calls::say::say_on_call,
    calls::dtmf::send_dtmf,
    calls::transcript::get_transcript,
    calls::recording::get_recording,
    calls::events::list_call_events,
    calls::stream::stream_call_events,
    numbers::create::create_number,
    numbers::list::list_numbers,
    numbers::get::get_number,
    numbers::patch::patch_number,
    numbers::delete::delete_number,
    numbers::events::list_number_events,
    audit::log::list_audit_log,
    webhooks::telnyx::take_telnyx_webhook,
))]
struct Docs;

/// The paths of this part.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Docs::openapi()
}

/// Serves them. The app's data holds [`Backend`](crate::node::Backend) and [`Doorkeeper`](crate::http::auth::Doorkeeper).
pub fn configure(config: &mut ServiceConfig) {
    config.service(
        scope("/api/v1")
            .service(webhooks::telnyx::take_telnyx_webhook)
            .service(calls::create::create_call)
            .service(calls::list::list_calls)
            .service(calls::get::get_call)
            .service(calls::patch::patch_call)
            .service(calls::hang_up::hang_up_call)
            .service(calls::transfer::transfer_call)
            .service(calls::say::say_on_call)
            .service(calls::dtmf::send_dtmf)
            .service(calls::transcript::get_transcript)
            .service(calls::recording::get_recording)
            .service(calls::events::list_call_events)
            .service(calls::stream::stream_call_events)
            .service(numbers::create::create_number)
            .service(numbers::list::list_numbers)
            .service(numbers::get::get_number)
            .service(numbers::patch::patch_number)
            .service(numbers::delete::delete_number)
            .service(numbers::events::list_number_events)
            .service(audit::log::list_audit_log),
    );
}
