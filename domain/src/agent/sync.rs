//! The copy of an agent at a hosted voice runtime: where it is, which version it holds, and what differs there.
//!
//! An agent has one copy. When its client's account changes, the next copy is made in the new account; the earlier one
//! stays listed until it is deleted there.

use std::convert::Infallible;

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::envelope::{Time, Version};
use crate::ids::{AgentId, AgentSyncId};
use crate::origin::Origin;
use crate::wire::events;

/// Most differences that are kept of a comparison.
pub const MAX_DIFFERENCES: usize = 50;
/// Most characters of a differing value that are kept.
pub const MAX_SHOWN: usize = 500;

events! {
    pub enum SyncEvent {
        /// Somebody asked for the copy to be made again, or compared.
        Requested(SyncRequested) = "agent_sync.requested" v 1,
        /// The runtime has this version of the agent.
        Copied(AgentCopied) = "agent_sync.copied" v 1,
        /// The copy was compared with what we wrote.
        Compared(CopyCompared) = "agent_sync.compared" v 1,
        /// A copy was deleted at the runtime, or was found gone.
        Removed(CopyRemoved) = "agent_sync.removed" v 1,
        /// The copy cannot be made, and nobody tries again until something changes.
        Failed(SyncFailed) = "agent_sync.failed" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncRequested {
    /// Whether what was edited there is overwritten; otherwise it is only compared.
    pub overwrite: bool,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

/// A copy of an agent, in an account with the runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentCopy {
    /// Version of the client's provider account that reached it; 0 for the node's own account.
    pub account: u64,
    /// The runtime's id of the copy.
    pub remote_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentCopied {
    pub copy: AgentCopy,
    /// Version of the agent that it holds.
    pub version: Version,
    /// The runtime's id of the revision, where it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// How many requests there had been when it was begun: later ones are still open.
    pub answers: u64,
    #[serde(with = "micros")]
    pub at: Time,
}

/// A field that reads otherwise at the runtime; values are JSON, cut to [`MAX_SHOWN`] characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Path of the field, for example `callTemplate.systemPrompt`.
    pub field: String,
    pub ours: String,
    /// `None` where the field is missing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theirs: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopyCompared {
    /// At most [`MAX_DIFFERENCES`]; empty where it is as we wrote it.
    pub differences: Vec<Difference>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CopyRemoved {
    pub copy: AgentCopy,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncFailed {
    /// Why, for example `no_account` or the runtime's status `http_400`.
    pub code: String,
    /// How many requests there had been when it was begun: later ones are still open.
    pub answers: u64,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum SyncCommand {
    Request { overwrite: bool, origin: Origin, now: Time },
    Copy(AgentCopied),
    Compare { differences: Vec<Difference>, now: Time },
    Remove { copy: AgentCopy, now: Time },
    Fail { code: String, answers: u64, now: Time },
}

/// State of an agent's copy, folded from its events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentSync {
    current: Option<AgentCopied>,
    left: Vec<AgentCopy>,
    differences: Vec<Difference>,
    failure: Option<SyncFailed>,
    /// Whether a request waits, and to overwrite.
    wanted: Option<bool>,
    /// How many requests there were.
    asked: u64,
    at: Option<Time>,
}

impl AgentSync {
    /// The copy that calls use.
    #[must_use]
    pub fn current(&self) -> Option<&AgentCopied> {
        self.current.as_ref()
    }

    /// Copies in earlier accounts that are still to be deleted.
    #[must_use]
    pub fn left(&self) -> &[AgentCopy] {
        &self.left
    }

    /// What was edited at the runtime since we wrote it.
    #[must_use]
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// Why the last attempt failed; `None` after a success.
    #[must_use]
    pub fn failure(&self) -> Option<&SyncFailed> {
        self.failure.as_ref()
    }

    /// The request that waits: whether to overwrite what was edited there.
    #[must_use]
    pub fn wanted(&self) -> Option<bool> {
        self.wanted
    }

    /// How many requests there were so far: what is done now answers these, and none that comes later.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// What was begun after so many requests is done.
    fn answered(&mut self, answers: u64) {
        if answers >= self.asked {
            self.wanted = None;
        }
    }

    /// When something of it was last known; `None` before anything was.
    #[must_use]
    pub fn at(&self) -> Option<Time> {
        self.at
    }
}

impl AgentSyncId {
    /// The stream of the agent's copy: it shares the agent's UUID.
    #[must_use]
    pub const fn of(agent: AgentId) -> Self {
        Self(agent.0)
    }

    /// The agent whose copy it is.
    #[must_use]
    pub const fn agent(self) -> AgentId {
        AgentId(self.0)
    }
}

impl Aggregate for AgentSync {
    const CATEGORY: &'static str = AgentSyncId::CATEGORY;
    type Command = SyncCommand;
    type Event = SyncEvent;
    type Refusal = Infallible;

    fn decide(&self, command: &SyncCommand) -> Result<Vec<SyncEvent>, Infallible> {
        Ok(match command {
            SyncCommand::Request { overwrite, origin, now } => {
                // a comparison is on its way; a copy that is being written now may have been begun too early
                if self.wanted.is_some() && !overwrite {
                    return Ok(vec![]);
                }
                vec![SyncRequested { overwrite: *overwrite, origin: origin.clone(), at: *now }.into()]
            }
            SyncCommand::Copy(copied) => {
                let same = self.current.as_ref().is_some_and(|before| {
                    (&before.copy, before.version, &before.revision)
                        == (&copied.copy, copied.version, &copied.revision)
                });
                let settled = self.failure.is_none() && self.differences.is_empty() && self.wanted.is_none();
                if same && settled { vec![] } else { vec![copied.clone().into()] }
            }
            SyncCommand::Compare { differences, now } => {
                let mut differences = differences.clone();
                differences.truncate(MAX_DIFFERENCES);
                if self.differences == differences && self.wanted != Some(false) {
                    return Ok(vec![]);
                }
                vec![CopyCompared { differences, at: *now }.into()]
            }
            SyncCommand::Remove { copy, now } => {
                let known = self.current.as_ref().is_some_and(|current| current.copy == *copy)
                    || self.left.contains(copy);
                if known { vec![CopyRemoved { copy: copy.clone(), at: *now }.into()] } else { vec![] }
            }
            SyncCommand::Fail { code, answers, now } => {
                let same = self.failure.as_ref().is_some_and(|failure| failure.code == *code);
                if same && self.wanted.is_none() {
                    return Ok(vec![]);
                }
                vec![SyncFailed { code: code.clone(), answers: *answers, at: *now }.into()]
            }
        })
    }

    fn evolve(&mut self, event: &SyncEvent) {
        match event {
            SyncEvent::Requested(requested) => {
                self.wanted = Some(requested.overwrite || self.wanted == Some(true));
                self.asked += 1;
                self.at = Some(requested.at);
            }
            SyncEvent::Copied(copied) => {
                // reached by a newer key it is still the same copy: the runtime's ids are unique
                let same = |copy: &AgentCopy| copy.remote_id == copied.copy.remote_id;
                self.left.extend(self.current.take().map(|before| before.copy));
                self.left.retain(|left| !same(left));
                self.current = Some(copied.clone());
                self.differences.clear();
                (self.failure, self.at) = (None, Some(copied.at));
                self.answered(copied.answers);
            }
            SyncEvent::Compared(compared) => {
                self.differences.clone_from(&compared.differences);
                self.wanted = self.wanted.filter(|overwrite| *overwrite);
                self.at = Some(compared.at);
            }
            SyncEvent::Removed(removed) => {
                self.left.retain(|left| *left != removed.copy);
                if self.current.as_ref().is_some_and(|current| current.copy == removed.copy) {
                    self.current = None;
                    self.differences.clear();
                    (self.failure, self.wanted) = (None, None);
                }
                self.at = Some(removed.at);
            }
            SyncEvent::Failed(failed) => {
                (self.failure, self.at) = (Some(failed.clone()), Some(failed.at));
                self.answered(failed.answers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::{Scenario, scenario};

    fn copied(account: u64, remote_id: &str, version: u64) -> SyncCommand {
        let copy = AgentCopy { account, remote_id: remote_id.to_owned() };
        SyncCommand::Copy(AgentCopied {
            copy,
            version: Version(version),
            revision: None,
            answers: 1,
            at: at(1),
        })
    }

    fn request(overwrite: bool) -> SyncCommand {
        SyncCommand::Request { overwrite, origin: Origin::default(), now: at(2) }
    }

    fn compare(fields: &[&str]) -> SyncCommand {
        let of = |field: &&str| Difference { field: (*field).to_owned(), ours: "1".into(), theirs: None };
        SyncCommand::Compare { differences: fields.iter().map(of).collect(), now: at(3) }
    }

    fn there() -> Scenario<AgentSync> {
        scenario::<AgentSync>().after([copied(1, "a", 2)])
    }

    #[test]
    fn the_same_copy_again_is_no_news_unless_something_was_open() {
        there().when(copied(1, "a", 2)).then_nothing();
        there().when(copied(1, "a", 3)).then_types(["agent_sync.copied"]);
        there().after([compare(&["name"])]).when(copied(1, "a", 2)).then_types(["agent_sync.copied"]);
        let failed = SyncCommand::Fail { code: "http_400".into(), answers: 1, now: at(4) };
        there().after([failed.clone()]).when(failed.clone()).then_nothing();
        let again = there().after([failed]).when(copied(1, "a", 2)).then_types(["agent_sync.copied"]).and();
        assert_eq!(again.state().failure(), None);
    }

    #[test]
    fn a_copy_in_another_account_leaves_the_earlier_one_to_be_deleted() {
        let moved = there().after([copied(5, "b", 2)]);
        let left = AgentCopy { account: 1, remote_id: "a".into() };
        assert_eq!(moved.state().left(), std::slice::from_ref(&left));
        let remove = SyncCommand::Remove { copy: left, now: at(6) };
        let gone = moved.when(remove.clone()).then_types(["agent_sync.removed"]).and();
        assert!(gone.state().left().is_empty());
        assert_eq!(gone.state().current().map(|copied| &*copied.copy.remote_id), Some("b"));
        gone.when(remove).then_nothing();
        let back = there().after([copied(5, "b", 2), copied(1, "a", 2)]);
        assert_eq!(back.state().left(), [AgentCopy { account: 5, remote_id: "b".into() }]);
    }

    #[test]
    fn a_copy_that_a_newer_key_reaches_is_the_same_one() {
        let rotated = there().when(copied(5, "a", 2)).then_types(["agent_sync.copied"]).and();
        assert_eq!(
            (rotated.state().left(), rotated.state().current().map(|now| now.copy.account)),
            (&[][..], Some(5))
        );
    }

    #[test]
    fn a_comparison_is_told_when_it_was_asked_for_or_says_something_new() {
        there().when(compare(&[])).then_nothing();
        there().after([request(false)]).when(compare(&[])).then_types(["agent_sync.compared"]);
        let drifted = there().when(compare(&["name"])).then_types(["agent_sync.compared"]).and();
        drifted.clone().when(compare(&["name"])).then_nothing();
        assert_eq!(drifted.state().differences().len(), 1);
        drifted.when(compare(&[])).then_types(["agent_sync.compared"]);
    }

    #[test]
    fn a_weaker_request_waits_for_a_stronger_one() {
        there().after([request(true)]).when(request(false)).then_nothing();
        there().after([request(false)]).when(request(false)).then_nothing();
        let both = there().after([request(false)]).when(request(true)).then_types(["agent_sync.requested"]);
        assert_eq!(both.state().wanted(), Some(true));
        assert_eq!(there().after([request(true), compare(&["x"])]).state().wanted(), Some(true));
    }

    #[test]
    fn what_was_begun_before_a_request_does_not_answer_it() {
        let again =
            there().after([request(true)]).when(request(true)).then_types(["agent_sync.requested"]).and();
        assert_eq!(again.state().asked(), 2);
        let open = again.clone().after([copied(2, "b", 2)]);
        assert_eq!(open.state().wanted(), Some(true), "begun after the first of two");
        let failed = |answers| SyncCommand::Fail { code: "http_401".into(), answers, now: at(4) };
        assert_eq!(again.clone().after([failed(1)]).state().wanted(), Some(true));
        assert_eq!(again.after([failed(2)]).state().wanted(), None);
    }
}
