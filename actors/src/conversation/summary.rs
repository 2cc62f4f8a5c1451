//! Summaries of the messages that no longer fit into a model's context window.

use domain::conversation::{Conversation, ConversationCommand, MessageRole};
use domain::ids::ConversationId;
use domain::model::{ModelRef, Provider};
use domain::ports::llm::{ChatMessage, ChatRequest};

use super::service::ConversationService;
use crate::context::CommandContext;

/// Longest summary, in characters.
const LONGEST: usize = 4_000;
/// Characters of a message that a summary made without a model keeps.
const BEGINNING: usize = 160;
const TASK: &str = "Sum up the conversation below for the agent that goes on with it. Keep names, numbers, dates, \
    wishes, what was promised and what is still open. At most 250 words, plain text, no introduction.";

/// The messages to summarize, oldest first, as role and text.
fn lines(state: &Conversation, through: u32) -> Vec<(MessageRole, String)> {
    let old = state.window().take_while(|one| one.seq <= through);
    let told = old.filter(|one| matches!(one.role, MessageRole::User | MessageRole::Assistant));
    told.filter_map(|one| Some((one.role, one.content.reveal()?.clone())))
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

/// A summary made without a model: the beginning of each message. When it gets too long, lines in
/// the middle are dropped.
fn extract(before: Option<&str>, lines: &[(MessageRole, String)]) -> String {
    let mut all: Vec<String> = before.into_iter().flat_map(str::lines).map(str::to_owned).collect();
    all.extend(lines.iter().map(|(role, text)| {
        let beginning: String = text.replace('\n', " ").chars().take(BEGINNING).collect();
        format!("{}: {beginning}", role.as_str())
    }));
    while all.iter().map(|line| line.chars().count() + 1).sum::<usize>() > LONGEST && all.len() > 2 {
        all.remove(all.len() / 2);
    }
    all.join("\n")
}

impl ConversationService {
    /// Summarizes what no longer fits into the window, when enough has accumulated. Errors are not reported; the
    /// next turn tries again.
    pub(super) async fn sum_up(&self, id: ConversationId, models: &[ModelRef], context: &CommandContext) {
        let limit = self.options().window_tokens;
        let look = move |state: &Conversation| {
            let through = state.to_sum_up(limit)?;
            let before = state.summary().and_then(|summary| summary.reveal().cloned());
            Some((through, before, lines(state, through)))
        };
        let Ok(Some((through, before, lines))) = self.look(id, look).await else { return };
        let scripted = models.iter().all(|model| model.provider == Provider::Scripted);
        let by_model =
            if scripted { None } else { self.summary_by(models, before.as_deref(), &lines, context).await };
        let (by, summary) = match by_model {
            Some((by, summary)) => (Some(by), summary),
            None => (None, extract(before.as_deref(), &lines)),
        };
        let now = self.runtime().clock.now();
        let summarise = ConversationCommand::Summarise { through, summary: summary.into(), by, now };
        if let Err(error) = self.command(id, summarise, context).await {
            tracing::info!(error = &error as &dyn std::error::Error, "a summary is put off");
        }
    }

    async fn summary_by(
        &self,
        models: &[ModelRef],
        before: Option<&str>,
        lines: &[(MessageRole, String)],
        context: &CommandContext,
    ) -> Option<(ModelRef, String)> {
        let mut text = before.map_or_else(String::new, |before| format!("Earlier: {before}\n\n"));
        for (role, line) in lines {
            text.push_str(&format!("{}: {line}\n", role.as_str()));
        }
        let request = ChatRequest {
            system: Some(TASK.to_owned()),
            messages: vec![ChatMessage::User(text)],
            max_tokens: Some(600),
            ..ChatRequest::default()
        };
        let (by, completion) = self.models().complete(context.client, models, &request).await.ok()?;
        let summary: String = completion.text.trim().chars().take(LONGEST).collect();
        (!summary.is_empty()).then_some((by, summary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_that_no_model_wrote_keeps_the_beginning_and_the_end() {
        let line = |n: usize| (MessageRole::User, format!("message {n} {}", "x".repeat(300)));
        let first = vec![(MessageRole::User, "My name is Ada.".to_owned())];
        let lines: Vec<_> = first.into_iter().chain((0..100).map(line)).collect();
        let summary = extract(Some("earlier"), &lines);
        assert!(summary.chars().count() <= LONGEST);
        assert!(summary.starts_with("earlier\nuser: My name is Ada.") && summary.contains("message 99"));
    }
}
