//! The closed sets of words of the API, each a schema of its own in the OpenAPI document. The words are the domain's.
//!
//! `#[schema(value_type = words::CallStatus)]` says that a field holds one of them.

use domain::call::terms as call;
use domain::ivr::{action, lint, session};
use domain::{conversation, model, privacy, provider, tool, user, webhook};

use crate::analytics::{Grouping, Metric};
use crate::audit_log::AuditActor;
use crate::tally::Span;

/// Defines types that stand for sets of words in the document: `/// What it is.` `Name = list of words;`.
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

closed_sets! {
    /// Who began a call.
    CallDirection = each(call::Direction::ALL, call::Direction::as_str);
    /// Where a call stands; `ended` and `failed` are final.
    CallStatus = each(call::Status::ALL, call::Status::as_str);
    /// Why a call is over.
    CallEndReason = each(call::EndReason::ALL, call::EndReason::as_str);
    /// Who ended a call.
    CallEndedBy = each(call::EndedBy::ALL, call::EndedBy::as_str);
    /// Whose fault the end of a call is.
    CallFault = each(call::Fault::ALL, call::Fault::as_str);
    /// Who or what took a call.
    AnsweredBy = each(call::AnsweredBy::ALL, call::AnsweredBy::as_str);
    /// Where a recording stands.
    RecordingStatus = each(call::RecordingStatus::ALL, call::RecordingStatus::as_str);
    /// Who said a line of a transcript.
    TranscriptRole = each(call::Speaker::ALL, call::Speaker::as_str);
    /// What a line of a transcript is.
    TranscriptKind = each(call::LineKind::ALL, call::LineKind::as_str);

    /// Where a conversation takes place.
    ConversationChannel = each(conversation::Channel::ALL, conversation::Channel::as_str);
    /// Whether a conversation goes on.
    ConversationStatus = crate::conversations::STATUSES;
    /// How what a person said was meant.
    SentimentLabel = crate::conversations::SENTIMENTS;
    /// Who says a message.
    MessageRole = each(conversation::MessageRole::ALL, conversation::MessageRole::as_str);
    /// How a message was said.
    MessageKind = each(conversation::MessageKind::ALL, conversation::MessageKind::as_str);
    /// How an answer ended.
    FinishReason = each(conversation::Finish::ALL, conversation::Finish::as_str);
    /// How the use of a tool ended.
    ToolOutcome = each(conversation::ToolOutcome::ALL, conversation::ToolOutcome::as_str);
    /// Why a model did not answer.
    ModelFault = each(conversation::TurnFault::ALL, conversation::TurnFault::as_str);
    /// What went wrong.
    ErrorCode = crate::webhooks::ERROR_CODES;
    /// What a carrier is asked to do.
    CarrierCommand = each(call::CommandKind::ALL, call::CommandKind::as_str);

    /// A provider of language models.
    LlmProvider = each(&model::Provider::ALL, model::Provider::as_str);
    /// How much of a call is kept.
    ContentLevel = each(&privacy::content::ContentLevel::ALL, privacy::content::ContentLevel::as_str);
    /// Whether a version of an agent is live.
    AgentStatus = crate::agents::STATUSES;
    /// How a tool is asked.
    ToolMethod = each(&tool::ToolMethod::ALL, tool::ToolMethod::as_str);
    /// How a tool is told who asks.
    ToolAuthType = each(&tool::AuthKind::ALL, tool::AuthKind::as_str);

    /// What a menu does.
    IvrActionType = action::Action::NAMES;
    /// Where a session stands.
    IvrSessionStatus = each(session::SessionStatus::ALL, session::SessionStatus::as_str);
    /// What a session waits for.
    IvrWaitingFor = crate::ivr_sessions::WAITS;
    /// Why a session is over.
    IvrEndCause = each(session::EndCause::ALL, session::EndCause::as_str);
    /// How bad a finding is: with an `error` callers get stuck or lost, with a `warning` they may.
    IvrSeverity = each(&lint::Severity::ALL, lint::Severity::as_str);
    /// What callers would stumble over.
    IvrFindingCode = lint::FINDING_CODES;

    /// What a user may do.
    UserRole = each(&user::Role::ALL, user::Role::as_str);
    /// What a provider is for.
    ProviderKind = each(&provider::ProviderKind::ALL, provider::ProviderKind::as_str);

    /// What a delivery or an attempt failed by.
    WebhookError = each(&webhook::delivery::ErrorClass::ALL, webhook::delivery::ErrorClass::as_str);
    /// Where a delivery stands.
    WebhookDeliveryStatus = each(&webhook::delivery::DeliveryStatus::ALL, webhook::delivery::DeliveryStatus::as_str);
    /// In which order events are delivered.
    WebhookOrdering = each(&webhook::endpoint::Ordering::ALL, webhook::endpoint::Ordering::as_str);
    /// Why the node stopped delivering.
    WebhookDisabledReason = each(&webhook::endpoint::DisabledFor::ALL, webhook::endpoint::DisabledFor::as_str);

    /// What is looked at.
    AnalyticsMetric = each(Metric::ALL, Metric::as_str);
    /// By what it is told apart.
    AnalyticsGrouping = each(Grouping::ALL, Grouping::as_str);
    /// How long what is added up lasts.
    AnalyticsInterval = each(&Span::ALL, Span::as_str);

    /// Who did something.
    AuditActorType = AuditActor::KINDS;
    /// What a privacy job does.
    PrivacyJobKind = each(&privacy::job::JobKind::ALL, privacy::job::JobKind::as_str);
    /// Where a privacy job stands.
    PrivacyJobStatus = each(&privacy::job::JobStatus::ALL, privacy::job::JobStatus::as_str);
    /// By what a person was named.
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
        assert_eq!(schema["description"], "Where a conversation takes place.");
    }

    /// Where a list of words stands beside an enum, it has what the enum is written as.
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
