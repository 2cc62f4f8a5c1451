//! The list of all views: a new one stands here and nowhere else.

/// Calls a macro with the types of all views.
macro_rules! every_view {
    ($with:ident) => {
        $with! {
            crate::calls::Calls,
            crate::transcripts::Transcripts,
            crate::numbers::Numbers,
            crate::clients::Clients,
            crate::api_keys::ApiKeys,
            crate::users::Users,
            crate::audit_log::AuditLog,
            crate::webhooks::Endpoints,
            crate::ivr_menus::IvrMenus,
            crate::ivr_sessions::IvrSessions,
            crate::agents::Agents,
            crate::tools::Tools,
            crate::conversations::Conversations,
            crate::conversations::Messages,
            crate::customers::Customers,
            crate::knowledge::KnowledgeBases,
            crate::knowledge::KnowledgeDocuments,
            crate::memories::Memories,
            crate::billing::CreditAccounts,
            crate::billing::CreditTransactions,
            crate::billing::BillingMatches,
        }
    };
}

pub(crate) use every_view;
