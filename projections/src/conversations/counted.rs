//! What a conversation adds to the sums of the hour in which it began.

use domain::conversation::Channel;

use super::list::ConversationRow;
use crate::rollup::{Contribution, Counts};

/// The counts of a conversation, under its agent.
pub(super) fn count(row: &ConversationRow) -> Contribution {
    let view = &row.view;
    let mut counts = Counts::default();
    counts.one("conversations");
    counts.one(match view.channel {
        Channel::Api => "channel:api",
        Channel::Voice => "channel:voice",
    });
    if view.ended_at.is_some() {
        counts.one("ended");
    }
    counts.number("messages", i64::from(view.message_count));
    let tokens = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    counts.number("tokens:input", tokens(view.tokens_input));
    counts.number("tokens:output", tokens(view.tokens_output));
    // the mean over all messages needs their number and their sum, not the means of the conversations
    counts.number("judged", tokens(row.judged));
    counts.number("judged_permille", row.judged_sum);
    Contribution {
        client: row.client,
        at: view.created_at,
        subject: view.agent_id.map(|agent| agent.0),
        counts,
    }
}
