//! Registers the endpoints and collects their OpenAPI documentation.

use actix_web::web::{ServiceConfig, scope};
use utoipa::OpenApi;

use super::agents::AgentResource;
use super::auth::{KeyResource, UserResource};
use super::calls::CallResource;
use super::conversations::ConversationResource;
use super::customers::CustomerResource;
use super::ivr::{MenuResource, SessionResource};
use super::knowledge::KnowledgeBaseResource;
use super::memories::MemoryResource;
use super::numbers::NumberResource;
use super::recipe::Endpoint::{Events, List, One};
use super::recipe::{describe, describe_delete, serve, serve_delete};
use super::tools::ToolResource;
use super::webhooks::EndpointResource;
use super::{
    agents, analytics, audit, auth, billing, calls, conversations, customers, ivr, knowledge, llm, memories,
    numbers, objects, privacy, tools, webhooks,
};
use crate::middleware::{Admitted, Idempotent};

/// Names each endpoint once, for its route and for the document.
macro_rules! endpoints {
    ($($($segment:ident)::+),+ $(,)?) => {
        #[derive(OpenApi)]
        #[openapi(paths($($($segment)::+),+))]
        struct Docs;

        fn register(config: &mut ServiceConfig) {
            $(config.service($($segment)::+);)+
        }
    };
}

/// The same for the endpoints that come from a resource's recipe.
macro_rules! resources {
    ($($resource:ty: $endpoints:expr),+ ; delete $($deleted:ty),+ $(,)?) => {
        fn register_resources(config: &mut ServiceConfig) {
            $(serve::<$resource>(&$endpoints, config);)+
            $(serve_delete::<$deleted>(config);)+
        }

        fn describe_resources(document: &mut utoipa::openapi::OpenApi) {
            $(describe::<$resource>(&$endpoints, document);)+
            $(describe_delete::<$deleted>(document);)+
        }
    };
}

endpoints! {
    webhooks::telnyx::take_telnyx_webhook,
    webhooks::telnyx::take_clients_telnyx_webhook,
    webhooks::ultravox::take_ultravox_webhook,
    webhooks::ultravox::take_clients_ultravox_webhook,
    webhooks::hubspot::take_hubspot_webhook,
    webhooks::hubspot::take_clients_hubspot_webhook,
    webhooks::stripe::take_stripe_webhook,
    webhooks::event_types::list_event_types,
    webhooks::deliveries::get::get_webhook_delivery,
    webhooks::deliveries::events::list_webhook_delivery_events,
    webhooks::deliveries::redeliver::redeliver_webhook,
    webhooks::deliveries::cancel::cancel_webhook_delivery,
    webhooks::endpoints::create::create_webhook,
    webhooks::endpoints::patch::patch_webhook,
    webhooks::endpoints::test::test_webhook,
    webhooks::endpoints::rotate::rotate_webhook_secret,
    webhooks::endpoints::replay::replay_webhook,
    webhooks::endpoints::deliveries::list_webhook_deliveries,
    webhooks::endpoints::logs::list_webhook_logs,
    webhooks::public_events::list_public_events,
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
    auth::users::patch::patch_user,
    auth::keys::create::create_api_key,
    auth::keys::patch::patch_api_key,
    auth::keys::revoke::revoke_api_key,
    auth::keys::rotate::rotate_api_key,
    auth::keys::stats::get_api_key_stats,
    auth::providers::list::list_providers,
    auth::providers::get::get_provider,
    auth::providers::patch::patch_provider,
    auth::providers::remove::remove_provider,
    auth::providers::events::list_provider_events,
    billing::balance::get_balance,
    billing::transactions::list_transactions,
    billing::usage::get_usage,
    billing::statement::get_statement,
    billing::prices::get_prices,
    billing::prices::put_prices,
    billing::spend::get_spend_limits,
    billing::spend::patch_spend_limits,
    billing::grant::create_grant,
    billing::matches::list_billing_matches,
    billing::matches::get_billing_match_day,
    billing::matches::create_billing_match,
    billing::checkouts::create_checkout,
    billing::checkouts::get_checkout,
    billing::checkouts::list_checkout_events,
    calls::create::create_call,
    calls::list::list_calls,
    calls::watch::stream_calls,
    calls::patch::patch_call,
    calls::hang_up::hang_up_call,
    calls::transfer::transfer_call,
    calls::say::say_on_call,
    calls::dtmf::send_dtmf,
    calls::transcript::get_transcript,
    calls::recording::get_recording,
    calls::artifacts::list_artifacts,
    objects::get::download_object,
    objects::put::upload_object,
    calls::stream::stream_call_events,
    numbers::create::create_number,
    numbers::patch::patch_number,
    customers::create::create_customer,
    customers::import::import_customers,
    customers::list::list_customers,
    customers::patch::patch_customer,
    customers::delete::delete_customer,
    customers::merge::merge_customers,
    customers::merge::unmerge_customers,
    customers::timeline::list_customer_timeline,
    memories::create::create_memory,
    memories::list::list_customer_memories,
    memories::context::get_customer_context,
    memories::patch::patch_memory,
    memories::delete::delete_memory,
    ivr::menus::create::create_ivr_menu,
    ivr::menus::patch::patch_ivr_menu,
    ivr::menus::delete::delete_ivr_menu,
    ivr::menus::lint::lint_ivr_menu,
    ivr::menus::simulate::simulate_ivr_menu,
    ivr::sessions::create::start_ivr_session,
    ivr::sessions::list::list_ivr_sessions,
    ivr::sessions::get::get_ivr_session,
    ivr::sessions::input::input_to_ivr_session,
    ivr::sessions::timeout::timeout_ivr_session,
    ivr::sessions::back::back_in_ivr_session,
    ivr::sessions::end::end_ivr_session,
    conversations::one_call::converse,
    conversations::create::create_conversation,
    conversations::list::list_conversations,
    conversations::messages::list_messages,
    conversations::say::send_message,
    conversations::stream::stream_conversation,
    conversations::end::end_conversation,
    agents::create::create_agent,
    agents::patch::patch_agent,
    agents::deploy::deploy_agent,
    agents::sync::get_agent_sync,
    agents::sync::sync_agent,
    tools::create::create_tool,
    tools::patch::patch_tool,
    tools::rotate::rotate_tool_secret,
    knowledge::create::create_knowledge_base,
    knowledge::read::list_knowledge_bases,
    knowledge::read::get_knowledge_base,
    knowledge::patch::patch_knowledge_base,
    knowledge::presign::presign_document,
    knowledge::ingest::ingest_documents,
    knowledge::search::search_knowledge_base,
    knowledge::documents::list_documents,
    knowledge::documents::get_document,
    knowledge::documents::list_document_events,
    knowledge::documents::delete_document,
    knowledge::documents::retry_document,
    llm::providers::list_llm_providers,
    audit::log::list_audit_log,
    analytics::overview::get_analytics_overview,
    analytics::timeseries::get_analytics_timeseries,
    analytics::menu::get_menu_analytics,
    analytics::unanswered::list_unanswered,
    audit::checkpoints::list_checkpoints,
    audit::checkpoints::get_latest_checkpoint,
    audit::proofs::prove_inclusion,
    audit::proofs::prove_consistency,
    audit::events::list_audit_events,
    audit::exports::create_export,
    audit::exports::get_export,
    audit::exports::list_export_events,
    audit::exports::download_export,
    privacy::erase::erase_subject,
    privacy::export::export_subject,
    privacy::get::get_privacy_job,
    privacy::events::list_privacy_job_events,
    privacy::result::get_subject_export,
    privacy::settings::get_privacy_settings,
    privacy::settings::patch_privacy_settings,
    privacy::events::list_privacy_settings_events,
}

resources! {
    AgentResource: [One, List, Events],
    KeyResource: [One, List, Events],
    UserResource: [One, List, Events],
    CallResource: [One, Events],
    ConversationResource: [One, Events],
    MenuResource: [One, List, Events],
    SessionResource: [Events],
    NumberResource: [One, List, Events],
    CustomerResource: [One, Events],
    MemoryResource: [One, Events],
    ToolResource: [One, List, Events],
    KnowledgeBaseResource: [Events],
    EndpointResource: [One, List, Events];
    delete KeyResource, UserResource, NumberResource, ToolResource, EndpointResource,
        KnowledgeBaseResource,
}

/// OpenAPI document of the endpoints under `/api/v1`.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Docs::openapi();
    describe_resources(&mut document);
    document
}

/// Registers the endpoints. Handlers need [`Backend`](crate::backend::Backend) in the app
/// data, the authentication needs [`Authenticator`](crate::auth::Authenticator), and
/// the middleware needs [`Idempotency`](crate::middleware::Idempotency).
pub fn configure(config: &mut ServiceConfig) {
    let api = scope("/api/v1").wrap(Idempotent).wrap(Admitted);
    // the recipes' paths end in ids, which would match others, such as `/calls/stream`: they come last
    config.service(api.configure(register).configure(register_resources));
}
