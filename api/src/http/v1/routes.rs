//! Where the endpoints are served, and how they are documented.

use actix_web::web::{ServiceConfig, scope};
use utoipa::OpenApi;

use super::{audit, auth, calls, numbers, webhooks};
use crate::http::middleware::Idempotent;

#[derive(OpenApi)]
#[openapi(paths(
    auth::login::sign_in,
    auth::refresh::refresh,
    auth::revoke::revoke,
    auth::revoke::revoke_all,
    auth::me::get_me,
    auth::clients::list::list_clients,
    auth::clients::create::create_client,
    auth::clients::get::get_client,
    auth::clients::patch::patch_client,
    auth::clients::events::list_client_events,
    auth::users::create::create_user,
    auth::users::list::list_users,
    auth::users::get::get_user,
    auth::users::patch::patch_user,
    auth::users::delete::delete_user,
    auth::users::events::list_user_events,
    auth::keys::create::create_api_key,
    auth::keys::list::list_api_keys,
    auth::keys::get::get_api_key,
    auth::keys::patch::patch_api_key,
    auth::keys::delete::delete_api_key,
    auth::keys::revoke::revoke_api_key,
    auth::keys::rotate::rotate_api_key,
    auth::keys::stats::get_api_key_stats,
    auth::keys::events::list_api_key_events,
    auth::providers::list::list_providers,
    auth::providers::patch::patch_provider,
    auth::providers::remove::remove_provider,
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
    webhooks::event_types::list_event_types,
    webhooks::deliveries::get::get_webhook_delivery,
    webhooks::deliveries::events::list_webhook_delivery_events,
    webhooks::deliveries::redeliver::redeliver_webhook,
    webhooks::deliveries::cancel::cancel_webhook_delivery,
    webhooks::endpoints::create::create_webhook,
    webhooks::endpoints::list::list_webhooks,
    webhooks::endpoints::get::get_webhook,
    webhooks::endpoints::patch::patch_webhook,
    webhooks::endpoints::delete::delete_webhook,
    webhooks::endpoints::events::list_webhook_events,
    webhooks::endpoints::test::test_webhook,
    webhooks::endpoints::rotate::rotate_webhook_secret,
    webhooks::endpoints::replay::replay_webhook,
    webhooks::endpoints::deliveries::list_webhook_deliveries,
    webhooks::endpoints::logs::list_webhook_logs,
    webhooks::public_events::list_public_events,
    webhooks::telnyx::take_telnyx_webhook,
    webhooks::telnyx::take_clients_telnyx_webhook,
))]
struct Docs;

/// The paths of this part.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Docs::openapi()
}

/// Serves them. The app's data holds [`Backend`](crate::node::Backend), [`Doorkeeper`](crate::http::auth::Doorkeeper) and
/// [`Idempotency`](crate::http::middleware::Idempotency).
pub fn configure(config: &mut ServiceConfig) {
    config.service(
        scope("/api/v1")
            .wrap(Idempotent)
            .service(webhooks::telnyx::take_telnyx_webhook)
            .service(webhooks::telnyx::take_clients_telnyx_webhook)
            .service(webhooks::event_types::list_event_types)
            .service(webhooks::deliveries::get::get_webhook_delivery)
            .service(webhooks::deliveries::events::list_webhook_delivery_events)
            .service(webhooks::deliveries::redeliver::redeliver_webhook)
            .service(webhooks::deliveries::cancel::cancel_webhook_delivery)
            .service(webhooks::endpoints::create::create_webhook)
            .service(webhooks::endpoints::list::list_webhooks)
            .service(webhooks::endpoints::get::get_webhook)
            .service(webhooks::endpoints::patch::patch_webhook)
            .service(webhooks::endpoints::delete::delete_webhook)
            .service(webhooks::endpoints::events::list_webhook_events)
            .service(webhooks::endpoints::test::test_webhook)
            .service(webhooks::endpoints::rotate::rotate_webhook_secret)
            .service(webhooks::endpoints::replay::replay_webhook)
            .service(webhooks::endpoints::deliveries::list_webhook_deliveries)
            .service(webhooks::endpoints::logs::list_webhook_logs)
            .service(webhooks::public_events::list_public_events)
            .service(auth::login::sign_in)
            .service(auth::refresh::refresh)
            .service(auth::revoke::revoke)
            .service(auth::revoke::revoke_all)
            .service(auth::me::get_me)
            .service(auth::clients::list::list_clients)
            .service(auth::clients::create::create_client)
            .service(auth::clients::get::get_client)
            .service(auth::clients::patch::patch_client)
            .service(auth::clients::events::list_client_events)
            .service(auth::users::create::create_user)
            .service(auth::users::list::list_users)
            .service(auth::users::get::get_user)
            .service(auth::users::patch::patch_user)
            .service(auth::users::delete::delete_user)
            .service(auth::users::events::list_user_events)
            .service(auth::keys::create::create_api_key)
            .service(auth::keys::list::list_api_keys)
            .service(auth::keys::get::get_api_key)
            .service(auth::keys::patch::patch_api_key)
            .service(auth::keys::delete::delete_api_key)
            .service(auth::keys::revoke::revoke_api_key)
            .service(auth::keys::rotate::rotate_api_key)
            .service(auth::keys::stats::get_api_key_stats)
            .service(auth::keys::events::list_api_key_events)
            .service(auth::providers::list::list_providers)
            .service(auth::providers::patch::patch_provider)
            .service(auth::providers::remove::remove_provider)
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
