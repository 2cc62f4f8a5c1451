//! The closed sets of words in the API, each a schema of its own in the OpenAPI document. The
//! domain defines the words.
//!
//! `#[schema(value_type = words::CallStatus)]` says that a field holds one of them.

use domain::call::terms as call;
use domain::ivr::{action, lint, session};
use domain::ports::embeddings;
use domain::{
    agent, billing, conversation, knowledge, memory, model, privacy, provider, spend, tool, user, webhook,
};

use crate::analytics::{Grouping, Metric};
use crate::audit_log::AuditActor;
use crate::rollup::Span;

/// Defines types that stand for sets of words in the OpenAPI document: `/// Description.` `Name = list of words;`.
#[macro_export]
macro_rules! closed_sets {
    ($($(#[doc = $doc:literal])+ $name:ident = $words:expr;)*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub enum $name {}

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some([$($doc),+].map(str::trim).join(" ")))
                    .enum_values(Some($words.to_vec()))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

/// The words of all members of a set.
pub fn each<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().copied().map(word).collect()
}

fn public_events() -> Vec<&'static str> {
    webhook::public::PUBLIC_TYPES.iter().map(|kind| kind.name).collect()
}

closed_sets! {
    /// Whether a call came in or was placed.
    CallDirection = each(call::Direction::ALL, call::Direction::as_str);
    /// Where a call stands; `ended` and `failed` are final.
    CallStatus = each(call::Status::ALL, call::Status::as_str);
    /// Why a call is over.
    CallEndReason = each(call::EndReason::ALL, call::EndReason::as_str);
    /// Who ended a call.
    CallEndedBy = each(call::EndedBy::ALL, call::EndedBy::as_str);
    /// Who is at fault for the end of a call.
    CallFault = each(call::Fault::ALL, call::Fault::as_str);
    /// Who or what answered a call.
    AnsweredBy = each(call::AnsweredBy::ALL, call::AnsweredBy::as_str);
    /// Whether there is a recording, and whether it is available.
    RecordingStatus = each(call::RecordingStatus::ALL, call::RecordingStatus::as_str);
    /// Who keeps the file of a recording.
    RecordingStorage = each(call::RecordingStorage::ALL, call::RecordingStorage::as_str);
    /// What a file of a call is.
    ArtifactKind = ["recording"];
    /// Where a file of a call stands.
    ArtifactState = each(crate::calls::FileState::ALL, crate::calls::FileState::as_str);
    /// Why a file of a call will never be stored.
    ArtifactFailure = each(call::LostBecause::ALL, call::LostBecause::as_str);
    /// Speaker of a transcript line.
    TranscriptRole = each(call::Speaker::ALL, call::Speaker::as_str);
    /// Kind of a transcript line.
    TranscriptKind = each(call::LineKind::ALL, call::LineKind::as_str);

    /// Provider that embeds texts; `hashed` is built in.
    EmbeddingProvider = embeddings::EmbeddingProvider::ALL.map(embeddings::EmbeddingProvider::as_str);
    /// What the documents of a knowledge base come to.
    KnowledgeBaseStatus = crate::knowledge::BASE_STATUSES;
    /// Kind of source of a document.
    DocumentSourceType = crate::knowledge::SOURCES;
    /// Step at which the newest content of a document is.
    DocumentStatus = each(&knowledge::DocumentStatus::ALL, knowledge::DocumentStatus::as_str);
    /// Why the content of a document cannot be read or found.
    DocumentFailure = each(&knowledge::DocumentFault::ALL, knowledge::DocumentFault::as_str);
    /// What came of looking passages up for an answer.
    Grounds = each(&knowledge::Grounds::ALL, knowledge::Grounds::as_str);
    /// What is remembered of a customer.
    MemoryKind = each(&memory::MemoryKind::ALL, memory::MemoryKind::as_str);
    /// Whether what is remembered still holds.
    MemoryStatus = each(&memory::MemoryStatus::ALL, memory::MemoryStatus::as_str);
    /// What a transaction of a ledger is.
    TransactionKind = each(billing::account::TransactionKind::ALL, billing::account::TransactionKind::as_str);
    /// Kind of what a transaction is because of.
    TransactionSourceKind = ["call", "checkout", "grant"];
    /// Part of what a call costs.
    CostComponent = each(billing::Component::ALL, billing::Component::as_str);
    /// What a price counts.
    PriceUnit = each(billing::Unit::ALL, billing::Unit::as_str);
    /// How an amount becomes a whole number of millionths.
    PriceRounding = ["half_up", "up", "down"];
    /// Limit of what calls may spend.
    SpendLimitKind = each(spend::LimitKind::ALL, spend::LimitKind::as_str);
    /// Kind of what spend limits are of.
    SpendScopeKind = ["client", "key", "agent"];
    /// What a payment does not fit in.
    CheckoutMismatch = each(billing::checkout::Mismatch::ALL, billing::checkout::Mismatch::as_str);
    /// How a call and the carrier's records of it agree.
    MatchState = each(billing::matching::MatchState::ALL, billing::matching::MatchState::as_str);
    /// Where a purchase of credit stands.
    CheckoutStatus = ["requested", "open", "paid", "failed", "expired", "mismatched"];

    /// Channel on which a conversation takes place.
    ConversationChannel = each(conversation::Channel::ALL, conversation::Channel::as_str);
    /// Whether a conversation goes on or has ended.
    ConversationStatus = crate::conversations::STATUSES;
    /// Sentiment of a person's messages in a word.
    SentimentLabel = crate::conversations::SENTIMENTS;
    /// Author of a conversation's message.
    MessageRole = each(conversation::MessageRole::ALL, conversation::MessageRole::as_str);
    /// Form of a message: text, or keys that were pressed.
    MessageKind = each(conversation::MessageKind::ALL, conversation::MessageKind::as_str);
    /// Why a model's answer ended.
    FinishReason = each(conversation::Finish::ALL, conversation::Finish::as_str);
    /// Outcome of a tool call.
    ToolOutcome = each(conversation::ToolOutcome::ALL, conversation::ToolOutcome::as_str);
    /// Why a model did not answer.
    ModelFault = each(conversation::TurnFault::ALL, conversation::TurnFault::as_str);
    /// Code of a failure in an `error.occurred` event.
    ErrorCode = crate::webhooks::ERROR_CODES;
    /// Command that a carrier is given.
    CarrierCommand = each(call::CommandKind::ALL, call::CommandKind::as_str);

    /// Provider of language models.
    LlmProvider = each(&model::Provider::ALL, model::Provider::as_str);
    /// How much of a call is kept.
    ContentLevel = each(&privacy::content::ContentLevel::ALL, privacy::content::ContentLevel::as_str);
    /// Whether a version of an agent was deployed.
    AgentStatus = crate::agents::STATUSES;
    /// What talks on an agent's calls.
    AgentRuntime = each(&agent::AgentRuntime::ALL, agent::AgentRuntime::as_str);
    /// State of an agent's copy at a hosted voice runtime.
    AgentSyncStatus = ["synced", "pending", "drifted", "failed"];
    /// HTTP method of a tool's requests.
    ToolMethod = each(&tool::ToolMethod::ALL, tool::ToolMethod::as_str);
    /// How requests to a tool are authenticated.
    ToolAuthType = each(&tool::AuthKind::ALL, tool::AuthKind::as_str);

    /// Action of an IVR menu.
    IvrActionType = action::Action::NAMES;
    /// Status of an IVR session.
    IvrSessionStatus = each(session::SessionStatus::ALL, session::SessionStatus::as_str);
    /// What an IVR session waits for.
    IvrWaitingFor = crate::ivr_sessions::WAITS;
    /// Why an IVR session is over.
    IvrEndCause = each(session::EndCause::ALL, session::EndCause::as_str);
    /// How bad a finding is: with an `error` callers get stuck or lost, with a `warning` they may.
    IvrSeverity = each(&lint::Severity::ALL, lint::Severity::as_str);
    /// Problem that a check of the menus finds.
    IvrFindingCode = lint::FINDING_CODES;

    /// Role, which decides what a user may do.
    UserRole = each(&user::Role::ALL, user::Role::as_str);
    /// What a provider account is used for.
    ProviderKind = each(&provider::ProviderKind::ALL, provider::ProviderKind::as_str);

    /// Name of a public event.
    PublicEventType = public_events();
    /// What an endpoint can ask for: a public event by its name, all of a family (`call.*`), or all (`*`).
    WebhookEventFilter = webhook::public::patterns();
    /// Name of an event that is delivered: a public event, or the `webhook.test` that a test sends.
    DeliveredEventType = [public_events(), vec![webhook::public::TEST_TYPE]].concat();
    /// Why a delivery or an attempt failed.
    WebhookError = each(&webhook::delivery::ErrorClass::ALL, webhook::delivery::ErrorClass::as_str);
    /// Status of a webhook delivery.
    WebhookDeliveryStatus = each(&webhook::delivery::DeliveryStatus::ALL, webhook::delivery::DeliveryStatus::as_str);
    /// Order in which events are delivered.
    WebhookOrdering = each(&webhook::endpoint::Ordering::ALL, webhook::endpoint::Ordering::as_str);
    /// Why the node disabled an endpoint.
    WebhookDisabledReason = each(&webhook::endpoint::DisabledFor::ALL, webhook::endpoint::DisabledFor::as_str);

    /// Metric that a time series shows.
    AnalyticsMetric = each(Metric::ALL, Metric::as_str);
    /// What a metric can be grouped by.
    AnalyticsGrouping = each(Grouping::ALL, Grouping::as_str);
    /// Length of time that each point of a series covers.
    AnalyticsInterval = each(&Span::ALL, Span::as_str);

    /// Kind of actor in the audit log.
    AuditActorType = AuditActor::KINDS;
    /// What a privacy job does.
    PrivacyJobKind = each(&privacy::job::JobKind::ALL, privacy::job::JobKind::as_str);
    /// Status of a privacy job.
    PrivacyJobStatus = each(&privacy::job::JobStatus::ALL, privacy::job::JobStatus::as_str);
    /// What a person was named by in a privacy request.
    PrivacyNamedBy = each(&privacy::job::NamedBy::ALL, privacy::job::NamedBy::as_str);
}

#[cfg(test)]
mod tests {
    use domain::conversation::Channel;
    use serde_json::{Value, json};
    use utoipa::PartialSchema as _;

    use super::*;

    #[test]
    fn a_set_has_the_words_that_are_written() {
        let schema = serde_json::to_value(ConversationChannel::schema()).unwrap();
        let written: Vec<Value> = Channel::ALL.iter().map(|channel| json!(channel)).collect();
        assert_eq!((&schema["type"], &schema["enum"]), (&json!("string"), &json!(written)));
        assert_eq!(schema["description"], "Channel on which a conversation takes place.");
    }

    /// Where a list of words stands beside an enum, it holds the words that serde writes for the enum.
    #[test]
    fn lists_beside_enums_agree_with_what_serde_writes() {
        assert_eq!(
            json!(webhook::endpoint::DisabledFor::ALL),
            json!(each(&webhook::endpoint::DisabledFor::ALL, webhook::endpoint::DisabledFor::as_str))
        );
        assert_eq!(
            json!(webhook::endpoint::Ordering::ALL),
            json!(each(&webhook::endpoint::Ordering::ALL, webhook::endpoint::Ordering::as_str))
        );
        assert_eq!(json!(tool::AuthKind::ALL), json!(each(&tool::AuthKind::ALL, tool::AuthKind::as_str)));
        assert_eq!(json!(model::Provider::ALL), json!(each(&model::Provider::ALL, model::Provider::as_str)));
    }
}
