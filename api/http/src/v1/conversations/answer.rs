//! Public form of a turn's answer.

use actors::conversation::{Answer as Told, Failed};
use domain::conversation::TurnFault;
use domain::envelope::Position;
use domain::ids::{ClientId, ConversationId};
use projections::conversations::MessageView;
use serde::Serialize;
use utoipa::ToSchema;

use crate::backend::Backend;
use crate::problem::{ApiError, Code};

/// Tokens that a turn used, tool calls included.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = TokenUsage)]
pub(crate) struct UsageShown {
    /// Tokens that the model read.
    pub(super) tokens_input: u64,
    /// Tokens that the model wrote.
    pub(super) tokens_output: u64,
    /// Tokens read and written, together.
    pub(super) tokens_total: u64,
    /// Whether at least one figure is an estimate, because the provider did not report it.
    pub(super) tokens_estimated: bool,
}

pub(super) struct Shown {
    pub(super) message: MessageView,
    pub(super) usage: UsageShown,
}

/// Public form of an answer. An answer that the actor only remembers has no log position, and is read from
/// the views in full.
pub(super) async fn shown(
    backend: &Backend,
    client: ClientId,
    conversation: ConversationId,
    told: Told,
) -> Result<Shown, ApiError> {
    let remembered = told.position.is_none();
    let (mut message, mut usage) = (MessageView::from(told.completed), told.usage);
    if remembered {
        let stored = backend.views.message(client, conversation, message.id).await;
        if let Some(stored) = stored.map_err(ApiError::unavailable)? {
            message = serde_json::from_str(&stored).map_err(ApiError::internal)?;
            usage.input = message.tokens_input.unwrap_or_default();
            usage.output = message.tokens_output.unwrap_or_default();
            usage.estimated = message.tokens_estimated;
        }
    }
    let (tokens_input, tokens_output, tokens_estimated) = (usage.input, usage.output, usage.estimated);
    let usage = UsageShown {
        tokens_input,
        tokens_output,
        tokens_total: tokens_input + tokens_output,
        tokens_estimated,
    };
    Ok(Shown { message, usage })
}

fn because(fault: TurnFault) -> &'static str {
    match fault {
        TurnFault::NotConfigured => "there are no credentials for the provider of the agent's model",
        TurnFault::Credentials => "the provider does not take the credentials",
        TurnFault::Billing => "the account with the provider is used up",
        TurnFault::UnknownModel => "the provider does not know the model",
        TurnFault::BadRequest => "the provider does not take the request",
        TurnFault::TooLong => "what was said is longer than the model takes",
        TurnFault::RateLimited => "the provider takes no more requests just now",
        TurnFault::Unavailable => "the provider cannot be reached, or is overloaded",
        TurnFault::TimedOut => "the provider did not answer in time",
        TurnFault::Protocol => "the provider's answer makes no sense",
        TurnFault::Abandoned => "the node stopped before there was an answer: say it again",
    }
}

/// Waits until the message that has no answer can be read, and makes the error.
pub(super) async fn unanswered(backend: &Backend, asked: Option<Position>, failed: &Failed) -> ApiError {
    if let Some(position) = asked {
        backend.caught_up(position).await;
    }
    failure(failed)
}

/// The error for a turn that produced no answer.
pub(super) fn failure(failed: &Failed) -> ApiError {
    let Some(fault) = failed.fault else {
        return ApiError::conflict("the answer was cancelled, or the conversation went on without it");
    };
    let mut detail = because(fault).to_owned();
    // every model that was tried before is listed: missing credentials are for the API client to fix
    let asked = failed.passed_over.iter().map(|one| format!("{}: {}", one.model, one.fault.as_str()));
    let asked: Vec<String> = asked.collect();
    if !asked.is_empty() {
        detail.push_str(&format!(" ({})", asked.join(", ")));
    }
    match fault {
        TurnFault::NotConfigured => ApiError::new(Code::ProviderNotConfigured, detail),
        TurnFault::Abandoned => ApiError::new(Code::Unavailable, detail),
        _ => ApiError::new(Code::ProviderFailed, detail),
    }
}
