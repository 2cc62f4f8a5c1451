//! A client's day: what the match found, as of its last run.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use chrono::NaiveDate;
use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::finding::{Finding, MatchState};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::{BillingMatchId, ClientId, derive};
use crate::wire::events;

events! {
    pub enum MatchEvent {
        /// A finding, in place of what was listed under its id.
        Listed(MatchListed) = "billing_match.listed" v 1,
        /// A record that only the carrier had is there no longer or a call has it, or a call turned out to be none.
        Settled(MatchSettled) = "billing_match.settled" v 1,
        /// A run over the day is complete.
        Ran(MatchRan) = "billing_match.ran" v 1,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchListed {
    pub id: Uuid,
    pub finding: Finding,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchSettled {
    pub id: Uuid,
    #[serde(with = "micros")]
    pub at: Time,
}

/// Number of calls and records of a day by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchCounts {
    pub matched: u64,
    pub ours_only: u64,
    pub theirs_only: u64,
    pub differs: u64,
    /// Calls that neither side charges for.
    pub unbilled: u64,
    /// Calls that had not ended.
    pub open: u64,
    /// Calls that went through an account whose records are not read: it failed, was removed, or is another one now.
    #[serde(default)]
    pub unread: u64,
}

impl MatchCounts {
    /// Counts one more in this state.
    pub fn add(&mut self, state: MatchState) {
        match state {
            MatchState::Matched => self.matched += 1,
            MatchState::OursOnly => self.ours_only += 1,
            MatchState::TheirsOnly => self.theirs_only += 1,
            MatchState::Differs => self.differs += 1,
        }
    }

    /// Number of calls and records in a state.
    #[must_use]
    pub fn of(&self, state: MatchState) -> u64 {
        match state {
            MatchState::Matched => self.matched,
            MatchState::OursOnly => self.ours_only,
            MatchState::TheirsOnly => self.theirs_only,
            MatchState::Differs => self.differs,
        }
    }

    /// Adds the counts of another client.
    pub fn take(&mut self, other: &Self) {
        self.matched += other.matched;
        self.ours_only += other.ours_only;
        self.theirs_only += other.theirs_only;
        self.differs += other.differs;
        self.unbilled += other.unbilled;
        self.open += other.open;
        self.unread += other.unread;
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchRan {
    /// The day in UTC.
    pub day: NaiveDate,
    /// Name of the carrier, for example `telnyx`.
    pub provider: String,
    pub counts: MatchCounts,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum MatchCommand {
    /// Lists findings; those that are listed alike change nothing. One that matches is listed only in place of another.
    List {
        findings: Vec<Finding>,
        id: BillingMatchId,
        at: Time,
    },
    /// Settles what is listed and is no finding any more: records that are gone or have a call, calls without a charge.
    Settle {
        ids: Vec<Uuid>,
        at: Time,
    },
    Finish(MatchRan),
}

/// A day refuses nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatchRefusal {}

/// State of a client's day, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct MatchDay {
    /// By its id, what is listed and does not match.
    open: BTreeMap<Uuid, OpenFinding>,
    ran: Option<MatchRan>,
}

/// A finding that is listed and does not match.
#[derive(Debug, Clone, Copy)]
struct OpenFinding {
    hash: u64,
    /// Whether the carrier alone has it.
    theirs_only: bool,
}

fn hash_of(finding: &Finding) -> u64 {
    let mut hasher = DefaultHasher::new();
    finding.hash(&mut hasher);
    hasher.finish()
}

impl MatchDay {
    /// The stream of a client's day with a carrier.
    #[must_use]
    pub fn id(client: ClientId, provider: &str, day: NaiveDate) -> BillingMatchId {
        BillingMatchId(derive(client.0, &format!("match:{provider}:{day}")))
    }

    /// Whether something is listed under this id that does not match.
    #[must_use]
    pub fn is_open(&self, id: Uuid) -> bool {
        self.open.contains_key(&id)
    }

    /// Ids of all that is listed and does not match.
    pub fn open(&self) -> impl Iterator<Item = Uuid> {
        self.open.keys().copied()
    }

    /// Ids of what is listed as the carrier's alone.
    pub fn open_records(&self) -> impl Iterator<Item = Uuid> {
        self.open.iter().filter(|(_, open)| open.theirs_only).map(|(id, _)| *id)
    }

    /// Whether a finding would be listed: it is new, or was listed otherwise.
    #[must_use]
    pub fn is_news(&self, id: Uuid, finding: &Finding) -> bool {
        match (self.open.get(&id), finding.state) {
            (None, MatchState::Matched) => false,
            (Some(_), MatchState::Matched) | (None, _) => true,
            (Some(listed), _) => listed.hash != hash_of(finding),
        }
    }

    /// The last run; `None` before the first.
    #[must_use]
    pub fn ran(&self) -> Option<&MatchRan> {
        self.ran.as_ref()
    }
}

impl Aggregate for MatchDay {
    const CATEGORY: &'static str = BillingMatchId::CATEGORY;
    type Command = MatchCommand;
    type Event = MatchEvent;
    type Refusal = MatchRefusal;

    fn decide(&self, command: &MatchCommand) -> Result<Vec<MatchEvent>, MatchRefusal> {
        Ok(match command {
            MatchCommand::List { findings, id: day, at } => {
                let news = findings.iter().map(|finding| (finding.id(*day), finding));
                let news = news.filter(|(id, finding)| self.is_news(*id, finding));
                news.map(|(id, finding)| MatchListed { id, finding: *finding, at: *at }.into()).collect()
            }
            MatchCommand::Settle { ids, at } => {
                let open = ids.iter().filter(|id| self.open.contains_key(id));
                open.map(|id| MatchSettled { id: *id, at: *at }.into()).collect()
            }
            MatchCommand::Finish(ran) => vec![ran.clone().into()],
        })
    }

    fn evolve(&mut self, event: &MatchEvent) {
        match event {
            MatchEvent::Listed(listed) if listed.finding.state == MatchState::Matched => {
                self.open.remove(&listed.id);
            }
            MatchEvent::Listed(listed) => {
                let theirs_only = listed.finding.state == MatchState::TheirsOnly;
                let open = OpenFinding { hash: hash_of(&listed.finding), theirs_only };
                self.open.insert(listed.id, open);
            }
            MatchEvent::Settled(settled) => {
                self.open.remove(&settled.id);
            }
            MatchEvent::Ran(ran) => self.ran = Some(ran.clone()),
        }
    }
}
