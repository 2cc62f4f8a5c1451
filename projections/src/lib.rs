//! The read models of Voxledger: what the REST API reads, derived from the log and from nothing else.
//!
//! A [`View`](view::View) turns events into rows by a pure function; the [`runner`] feeds it, remembers how far
//! it has come, and rebuilds it without downtime. Where rows are kept is behind the traits in [`store`], and
//! what can be asked of them behind one small `…Queries` trait a view.

pub mod agents;
pub mod analytics;
pub mod api_keys;
pub mod audit_log;
pub mod calls;
pub mod clients;
pub mod conversations;
pub mod document;
pub mod edge;
pub mod ivr_menus;
pub mod ivr_sessions;
pub mod numbers;
pub mod page;
pub mod runner;
pub mod said;
pub mod store;
pub mod tally;
pub mod tools;
pub mod transcripts;
pub mod users;
pub mod view;
pub mod webhooks;
pub mod words;

/// Everything that can be asked of the views.
pub trait Queries:
    std::fmt::Debug
    + calls::CallQueries
    + transcripts::TranscriptQueries
    + numbers::NumberQueries
    + ivr_menus::MenuQueries
    + ivr_sessions::SessionQueries
    + clients::ClientQueries
    + api_keys::ApiKeyQueries
    + users::UserQueries
    + audit_log::AuditQueries
    + webhooks::WebhookQueries
    + agents::AgentQueries
    + tools::ToolQueries
    + conversations::ConversationQueries
    + analytics::AnalyticsQueries
{
}

impl<T> Queries for T where
    T: std::fmt::Debug
        + calls::CallQueries
        + transcripts::TranscriptQueries
        + numbers::NumberQueries
        + ivr_menus::MenuQueries
        + ivr_sessions::SessionQueries
        + clients::ClientQueries
        + api_keys::ApiKeyQueries
        + users::UserQueries
        + audit_log::AuditQueries
        + webhooks::WebhookQueries
        + agents::AgentQueries
        + tools::ToolQueries
        + conversations::ConversationQueries
        + analytics::AnalyticsQueries
{
}
