//! Failures that clients are informed about: the content of an `error.occurred` event.

use domain::billing::checkout::CheckoutEvent;
use domain::call::CallEvent;
use domain::conversation::{TurnFailed, TurnFault};
use domain::ids::{AgentId, CallId, CheckoutId, ConversationId, EndpointId, IvrSessionId, MessageId};
use domain::ivr::session::{SessionEvent, WebhookOutcome};
use domain::webhook::endpoint::EndpointEvent;
use serde::Serialize;
use utoipa::ToSchema;

use crate::agents::ModelView;

/// The carrier did not carry out a command.
const COMMAND_FAILED: &str = "carrier_command_failed";
/// A recording was lost.
const RECORDING_FAILED: &str = "recording_failed";
/// The party that a call was to be transferred to could not be reached.
const TRANSFER_FAILED: &str = "transfer_failed";
/// The client's own system did not answer a menu webhook properly.
const MENU_WEBHOOK_FAILED: &str = "menu_webhook_failed";
/// The client's own system did not answer a menu webhook in time.
const MENU_WEBHOOK_TIMED_OUT: &str = "menu_webhook_timed_out";
/// The node disabled a webhook endpoint.
const WEBHOOK_DISABLED: &str = "webhook_disabled";

/// The payment of a checkout, or what was taken back of it, does not fit what was asked for.
const PAYMENT_MISMATCHED: &str = "payment_mismatched";

const OTHERS: [&str; 7] = [
    COMMAND_FAILED,
    RECORDING_FAILED,
    TRANSFER_FAILED,
    MENU_WEBHOOK_FAILED,
    MENU_WEBHOOK_TIMED_OUT,
    WEBHOOK_DISABLED,
    PAYMENT_MISMATCHED,
];

/// Every code of an `error.occurred` event: the faults of models, and the others.
pub const ERROR_CODES: [&str; TurnFault::ALL.len() + OTHERS.len()] = {
    let mut codes = [""; TurnFault::ALL.len() + OTHERS.len()];
    let mut n = 0;
    while n < codes.len() {
        codes[n] = match n < TurnFault::ALL.len() {
            true => TurnFault::ALL[n].as_str(),
            false => OTHERS[n - TurnFault::ALL.len()],
        };
        n += 1;
    }
    codes
};

/// A model that was asked and did not answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PassedOverModel)]
pub struct PassedOverView {
    /// Model that was asked.
    pub model: ModelView,
    /// Why the model did not answer.
    #[schema(value_type = crate::words::ModelFault)]
    pub error: TurnFault,
}

/// A failure. Every field is always present; what does not apply to it is `null`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Occurrence)]
pub struct ErrorView {
    /// Code of the failure, for example `carrier_command_failed`.
    #[schema(value_type = crate::words::ErrorCode)]
    pub code: &'static str,
    /// Call on which it happened: TypeID `call_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub call_id: Option<CallId>,
    /// IVR session in which it happened: TypeID `ivrs_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub ivr_session_id: Option<IvrSessionId>,
    /// Conversation in which it happened: TypeID `conv_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub conversation_id: Option<ConversationId>,
    /// Webhook endpoint that it concerns: TypeID `whe_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub webhook_id: Option<EndpointId>,
    /// Agent of the call or conversation: TypeID `agt_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub agent_id: Option<AgentId>,
    /// Message that has no answer: TypeID `msg_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub message_id: Option<MessageId>,
    /// Command that the carrier did not carry out.
    #[schema(value_type = Option<crate::words::CarrierCommand>, required)]
    pub command: Option<&'static str>,
    /// Code or reason of the carrier; for a command that was given up without one, the node's.
    #[schema(required)]
    pub provider_code: Option<String>,
    /// HTTP status that the client's system answered with.
    #[schema(required, minimum = 100, maximum = 599)]
    pub status_code: Option<u16>,
    /// Why the endpoint was disabled.
    #[schema(value_type = Option<crate::words::WebhookDisabledReason>, required)]
    pub reason: Option<&'static str>,
    /// Checkout that it concerns: TypeID `chk_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub checkout_id: Option<CheckoutId>,
    /// What the payment of the checkout does not fit in.
    #[schema(value_type = Option<crate::words::CheckoutMismatch>, required)]
    pub mismatch: Option<&'static str>,
    /// Models that were asked and did not answer.
    pub models: Vec<PassedOverView>,
}

impl ErrorView {
    fn new(code: &'static str) -> Self {
        Self {
            code,
            call_id: None,
            ivr_session_id: None,
            conversation_id: None,
            webhook_id: None,
            agent_id: None,
            message_id: None,
            command: None,
            provider_code: None,
            status_code: None,
            reason: None,
            checkout_id: None,
            mismatch: None,
            models: Vec::new(),
        }
    }

    pub(super) fn of_turn(
        conversation_id: ConversationId,
        agent_id: Option<AgentId>,
        fact: &TurnFailed,
    ) -> Self {
        let asked = fact.passed_over.iter();
        let asked = asked.map(|one| PassedOverView { model: (&one.model).into(), error: one.fault });
        Self {
            conversation_id: Some(conversation_id),
            agent_id,
            message_id: Some(fact.turn),
            models: asked.collect(),
            ..Self::new(fact.fault.as_str())
        }
    }

    /// The failure that an event of a call is; `None` when it is none. A command that came after the call's
    /// end is no failure.
    pub(super) fn of_call(call_id: CallId, agent_id: Option<AgentId>, fact: &CallEvent) -> Option<Self> {
        let of = |code| Self { call_id: Some(call_id), agent_id, ..Self::new(code) };
        Some(match fact {
            CallEvent::CommandFailed(failed) if !failed.gone => Self {
                command: Some(failed.command.as_str()),
                provider_code: Some(failed.code.clone()),
                ..of(COMMAND_FAILED)
            },
            CallEvent::RecordingFailed(lost) => {
                Self { provider_code: Some(lost.reason.clone()), ..of(RECORDING_FAILED) }
            }
            CallEvent::TransferFailed(failed) => {
                Self { provider_code: Some(failed.provider_code.clone()), ..of(TRANSFER_FAILED) }
            }
            _ => return None,
        })
    }

    /// The failure that an event of a session is; `None` when it is none.
    pub(super) fn of_session(
        session: IvrSessionId,
        call_id: Option<CallId>,
        fact: &SessionEvent,
    ) -> Option<Self> {
        let SessionEvent::WebhookAnswered(answered) = fact else { return None };
        let code = match answered.outcome {
            WebhookOutcome::Answered => return None,
            WebhookOutcome::Failed => MENU_WEBHOOK_FAILED,
            WebhookOutcome::TimedOut => MENU_WEBHOOK_TIMED_OUT,
        };
        Some(Self { ivr_session_id: Some(session), call_id, status_code: answered.status, ..Self::new(code) })
    }

    /// The failure that an event of a checkout is; `None` when it is none.
    pub(super) fn of_checkout(checkout: CheckoutId, fact: &CheckoutEvent) -> Option<Self> {
        let CheckoutEvent::Mismatched(mismatched) = fact else { return None };
        let mismatch = Some(mismatched.mismatch.as_str());
        Some(Self { checkout_id: Some(checkout), mismatch, ..Self::new(PAYMENT_MISMATCHED) })
    }

    /// The failure that an event of an endpoint is; `None` when it is none.
    pub(super) fn of_endpoint(endpoint: EndpointId, fact: &EndpointEvent) -> Option<Self> {
        let EndpointEvent::Disabled(disabled) = fact else { return None };
        let reason = Some(disabled.reason.as_str());
        Some(Self { webhook_id: Some(endpoint), reason, ..Self::new(WEBHOOK_DISABLED) })
    }
}
