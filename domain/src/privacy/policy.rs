//! A client's privacy policy, and the runs of retention.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::content::ContentLevel;
use crate::aggregate::Aggregate;
use crate::envelope::{StreamId, Time};
use crate::ids::ClientId;
use crate::origin::Origin;
use crate::wire::events;

events! {
    pub enum PolicyEvent {
        /// Another content level holds for what is written from then on.
        Changed(PolicyChanged) = "privacy_policy.changed" v 1,
        /// Retention made unreadable, or removed, what is older than its time.
        RetentionRan(RetentionRan) = "privacy_policy.retention_ran" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyChanged {
    /// How much of calls is kept; `None` is the node's setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_content: Option<ContentLevel>,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

/// What a run of retention covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionKind {
    /// Content of calls and sessions that are over.
    CallContent,
    /// Lines of the audit log.
    AuditLog,
    /// Webhook deliveries and their attempts, and what was delivered.
    WebhookAttempts,
    /// Rows of IVR sessions that are over.
    IvrSessions,
}

impl RetentionKind {
    /// The stream of the runs over a node's rows, for all clients together. Runs over content are in a
    /// stream of their own.
    #[must_use]
    pub fn stream(self) -> StreamId {
        StreamId::new("retention", Uuid::from_u128(self as u128))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetentionRan {
    /// Id of the run; a repeat has the same one.
    pub run: Uuid,
    pub kind: RetentionKind,
    /// Rows older than this are gone. The views under retention remove theirs when they read this event, so that a
    /// rebuild leaves out the same.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "chrono::serde::ts_microseconds_option"
    )]
    pub before: Option<Time>,
    /// Number of destroyed keys (each that of a call or session), or of removed rows of deliveries and attempts.
    /// Rows that views remove are not counted.
    pub destroyed: u64,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum PolicyCommand {
    Change {
        /// `None` is the node's own setting.
        call_content: Option<ContentLevel>,
        origin: Origin,
        now: Time,
    },
    /// Records a run of retention.
    Ran(RetentionRan),
}

/// A policy refuses nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {}

/// State of a privacy policy, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct PrivacyPolicy {
    call_content: Option<ContentLevel>,
    last_run: Option<Uuid>,
    ran_at: Option<Time>,
}

impl PrivacyPolicy {
    /// The stream of a client's policy.
    #[must_use]
    pub fn stream(client: ClientId) -> StreamId {
        StreamId::new(Self::CATEGORY, client.0)
    }

    /// When retention last ran, on a stream of runs.
    #[must_use]
    pub fn ran_at(&self) -> Option<Time> {
        self.ran_at
    }

    /// How much of calls is kept; `None` is the node's setting.
    #[must_use]
    pub fn call_content(&self) -> Option<ContentLevel> {
        self.call_content
    }
}

impl Aggregate for PrivacyPolicy {
    const CATEGORY: &'static str = "privacy_policy";
    type Command = PolicyCommand;
    type Event = PolicyEvent;
    type Refusal = PolicyRefusal;

    fn decide(&self, command: &PolicyCommand) -> Result<Vec<PolicyEvent>, PolicyRefusal> {
        Ok(match command.clone() {
            PolicyCommand::Change { call_content, .. } if call_content == self.call_content => vec![],
            PolicyCommand::Change { call_content, origin, now } => {
                vec![PolicyChanged { call_content, origin, at: now }.into()]
            }
            PolicyCommand::Ran(ran) if self.last_run == Some(ran.run) => vec![],
            PolicyCommand::Ran(ran) => vec![ran.into()],
        })
    }

    fn evolve(&mut self, event: &PolicyEvent) {
        match event {
            PolicyEvent::Changed(changed) => self.call_content = changed.call_content,
            PolicyEvent::RetentionRan(ran) => {
                (self.last_run, self.ran_at) = (Some(ran.run), Some(ran.at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::scenario;

    #[test]
    fn a_level_is_changed_when_it_really_changes_and_a_run_is_told_once() {
        let change = |call_content, seconds| PolicyCommand::Change {
            call_content,
            origin: Origin::default(),
            now: at(seconds),
        };
        let basic = Some(ContentLevel::BasicAttributesOnly);
        let fact = PolicyChanged { call_content: basic, origin: Origin::default(), at: at(1) };
        scenario::<PrivacyPolicy>().when(change(None, 1)).then_nothing();
        let there = scenario::<PrivacyPolicy>().when(change(basic, 1)).then([fact.into()]).and();
        there.clone().when(change(basic, 2)).then_nothing();
        let ran = RetentionRan {
            run: Uuid::from_u128(1),
            kind: RetentionKind::CallContent,
            before: None,
            destroyed: 3,
            at: at(3),
        };
        let there = there.when(PolicyCommand::Ran(ran.clone())).then([ran.clone().into()]).and();
        there.when(PolicyCommand::Ran(ran)).then_nothing();
    }
}
