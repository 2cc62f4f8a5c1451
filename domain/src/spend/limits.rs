//! The limits of a client, its keys and its agents.

use std::collections::BTreeMap;

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use super::destinations::Destinations;
use crate::aggregate::Aggregate;
use crate::billing::MOST_CREDIT;
use crate::envelope::Time;
use crate::ids::{AgentId, ApiKeyId, SpendLimitsId};
use crate::origin::Origin;
use crate::wire::events;

/// Most keys and agents with limits of their own.
const MAX_SCOPES: usize = 500;
/// Most entries of a list of destinations.
const MAX_DESTINATIONS: usize = 500;
/// Highest limit of calls: so many calls of an hour are remembered.
pub(super) const MOST_CALLS: u32 = 10_000;

events! {
    pub enum SpendLimitsEvent {
        Changed(SpendLimitsChanged) = "spend_limits.changed" v 1,
    }
}

/// What limits are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpendScope {
    /// All calls of the client.
    Client,
    /// Calls that were placed with an API key.
    Key(ApiKeyId),
    /// Calls of an agent.
    Agent(AgentId),
}

impl SpendScope {
    /// Name of the kind as stored and shown, for example `agent`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Key(_) => "key",
            Self::Agent(_) => "agent",
        }
    }
}

/// Limits of one scope; what is `None` is not limited. Amounts are millionths of the ledger's currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendLimits {
    #[serde(default, skip_serializing_if = "Destinations::is_empty")]
    pub destinations: Destinations,
    /// Highest price of a minute of a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rate_per_minute: Option<i64>,
    /// What the calls of a day of UTC may cost in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_spend: Option<i64>,
    /// Calls that may be placed within any minute, 0 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_minute: Option<u32>,
    /// Calls that may be placed to one number within any hour, 0 to 10,000: it breaks loops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_number: Option<u32>,
}

/// Changes to limits: `None` leaves a limit as it is, `Some(None)` lifts it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpendLimitsPatch {
    pub destinations: Option<Destinations>,
    pub max_rate_per_minute: Option<Option<i64>>,
    pub daily_spend: Option<Option<i64>>,
    pub calls_per_minute: Option<Option<u32>>,
    pub calls_per_number: Option<Option<u32>>,
}

impl SpendLimits {
    /// These limits with `patch` applied.
    #[must_use]
    pub fn patched(&self, patch: SpendLimitsPatch) -> Self {
        Self {
            destinations: patch.destinations.unwrap_or_else(|| self.destinations.clone()),
            max_rate_per_minute: patch.max_rate_per_minute.unwrap_or(self.max_rate_per_minute),
            daily_spend: patch.daily_spend.unwrap_or(self.daily_spend),
            calls_per_minute: patch.calls_per_minute.unwrap_or(self.calls_per_minute),
            calls_per_number: patch.calls_per_number.unwrap_or(self.calls_per_number),
        }
    }

    fn check(&self) -> Result<(), SpendRefusal> {
        let Destinations { allow, deny } = &self.destinations;
        if allow.len().max(deny.len()) > MAX_DESTINATIONS {
            return Err(SpendRefusal::Destinations);
        }
        for (name, amount) in
            [("max_rate_per_minute", self.max_rate_per_minute), ("daily_spend", self.daily_spend)]
        {
            if amount.is_some_and(|amount| !(0..=MOST_CREDIT).contains(&amount)) {
                return Err(SpendRefusal::Amount(name));
            }
        }
        for (name, calls) in
            [("calls_per_minute", self.calls_per_minute), ("calls_per_number", self.calls_per_number)]
        {
            if calls.is_some_and(|calls| calls > MOST_CALLS) {
                return Err(SpendRefusal::Calls(name));
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpendLimitsChanged {
    pub scope: SpendScope,
    pub before: SpendLimits,
    pub after: SpendLimits,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum SpendLimitsCommand {
    Change { scope: SpendScope, patch: SpendLimitsPatch, origin: Origin, now: Time },
}

/// Why limits are not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpendRefusal {
    #[error("a list of destinations has at most 500 entries")]
    Destinations,
    #[error("an amount is 0 to {MOST_CREDIT} millionths")]
    Amount(&'static str),
    #[error("a limit of calls is 0 to 10,000")]
    Calls(&'static str),
    #[error("at most 500 keys and agents have limits of their own: lift the limits of one of them first")]
    TooMany,
}

/// State of the limits, folded from their events.
#[derive(Debug, Clone, Default)]
pub struct SpendRules {
    limits: BTreeMap<SpendScope, SpendLimits>,
}

impl SpendRules {
    /// Whether there is no limit at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// The limits of one scope; none, if it has none of its own.
    #[must_use]
    pub fn of(&self, scope: SpendScope) -> SpendLimits {
        self.limits.get(&scope).cloned().unwrap_or_default()
    }

    /// Everything that has limits, the client first.
    pub fn scopes(&self) -> impl Iterator<Item = SpendScope> + '_ {
        self.limits.keys().copied()
    }

    /// The limits that hold for a call of this key and agent, the client's first.
    #[must_use]
    pub fn for_call(&self, key: Option<ApiKeyId>, agent: Option<AgentId>) -> Vec<(SpendScope, SpendLimits)> {
        let scopes = [Some(SpendScope::Client), key.map(SpendScope::Key), agent.map(SpendScope::Agent)];
        let own = |scope: SpendScope| Some((scope, self.limits.get(&scope)?.clone()));
        scopes.into_iter().flatten().filter_map(own).collect()
    }
}

impl Aggregate for SpendRules {
    const CATEGORY: &'static str = SpendLimitsId::CATEGORY;
    type Command = SpendLimitsCommand;
    type Event = SpendLimitsEvent;
    type Refusal = SpendRefusal;

    fn decide(&self, command: &SpendLimitsCommand) -> Result<Vec<SpendLimitsEvent>, SpendRefusal> {
        let SpendLimitsCommand::Change { scope, patch, origin, now } = command;
        let before = self.of(*scope);
        let after = before.patched(patch.clone());
        after.check()?;
        if after == before {
            return Ok(vec![]);
        }
        let others = self.limits.keys().filter(|of| **of != SpendScope::Client).count();
        if others >= MAX_SCOPES && *scope != SpendScope::Client && !self.limits.contains_key(scope) {
            return Err(SpendRefusal::TooMany);
        }
        let changed = SpendLimitsChanged { scope: *scope, before, after, origin: origin.clone(), at: *now };
        Ok(vec![changed.into()])
    }

    fn evolve(&mut self, event: &SpendLimitsEvent) {
        let SpendLimitsEvent::Changed(changed) = event;
        if changed.after == SpendLimits::default() {
            self.limits.remove(&changed.scope);
        } else {
            self.limits.insert(changed.scope, changed.after.clone());
        }
    }
}
