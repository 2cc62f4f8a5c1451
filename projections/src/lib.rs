//! The read models of Voxledger: what the REST API reads, derived from the log alone.
//!
//! A [`View`] turns events into rows by a pure function. The [`runner`] feeds it, keeps its
//! checkpoint, and rebuilds it without downtime. The traits in [`store`] hide where rows are kept; one small
//! `…Queries` trait for each view holds its queries.

pub mod agents;
pub mod analytics;
pub mod api_keys;
pub mod audit_log;
pub mod billing;
pub mod calls;
pub mod clients;
pub mod conversations;
pub mod customers;
pub mod document;
pub mod edge;
mod every;
pub mod ivr_menus;
pub mod ivr_sessions;
pub mod knowledge;
pub mod memories;
pub mod numbers;
pub mod page;
pub mod rollup;
pub mod runner;
pub mod said;
pub mod store;
pub mod tools;
pub mod transcripts;
pub mod users;
pub mod view;
pub mod webhooks;
pub mod words;

use domain::ids::{ClientId, TypedId};
use domain::ports::StoreUnavailable;

use crate::document::table_of;
use crate::page::Stored;
use crate::view::{Shown, View};

/// The queries of all views.
pub trait Queries:
    std::fmt::Debug
    + document::DocumentQueries
    + calls::CallQueries
    + transcripts::TranscriptQueries
    + ivr_sessions::SessionQueries
    + clients::ClientQueries
    + api_keys::ApiKeyQueries
    + users::UserQueries
    + audit_log::AuditQueries
    + conversations::ConversationQueries
    + customers::CustomerQueries
    + knowledge::KnowledgeQueries
    + memories::MemoryQueries
    + billing::BillingQueries
    + billing::MatchQueries
    + analytics::AnalyticsQueries
{
}

impl<T> Queries for T where
    T: std::fmt::Debug
        + document::DocumentQueries
        + calls::CallQueries
        + transcripts::TranscriptQueries
        + ivr_sessions::SessionQueries
        + clients::ClientQueries
        + api_keys::ApiKeyQueries
        + users::UserQueries
        + audit_log::AuditQueries
        + conversations::ConversationQueries
        + customers::CustomerQueries
        + knowledge::KnowledgeQueries
        + memories::MemoryQueries
        + billing::BillingQueries
        + billing::MatchQueries
        + analytics::AnalyticsQueries
{
}

impl dyn Queries {
    /// One resource of the client, as JSON; `None` when the client has no such resource.
    pub async fn one<V: View<Row: Shown>>(
        &self,
        client: ClientId,
        id: impl TypedId + Send,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        self.document(table_of::<V>(), client, id.uuid()).await
    }
}
