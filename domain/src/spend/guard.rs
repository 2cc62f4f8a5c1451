//! Which calls were admitted, what they cost, and which limits were reached.

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;
use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::limits::{MOST_CALLS, SpendLimits, SpendScope};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::{AgentId, ApiKeyId, CallId, SpendGuardId};
use crate::phone::Party;
use crate::wire::events;

/// So many calls are remembered with what they count.
const KEPT_CALLS: usize = 10_000;
/// So many transfers are remembered, each until the carrier has answered to it.
const KEPT_TRANSFERS: usize = 1_000;
/// A limit that stays reached is told again after this.
const TELL_AGAIN: TimeDelta = TimeDelta::hours(1);
/// How long calls to one number count together.
const NUMBER_WINDOW: TimeDelta = TimeDelta::hours(1);
const MINUTE: TimeDelta = TimeDelta::minutes(1);

events! {
    pub enum SpendGuardEvent {
        Admitted(CallAdmitted) = "spend_guard.call_admitted" v 1,
        Forgone(CallForgone) = "spend_guard.call_forgone" v 1,
        Transfer(TransferAdmitted) = "spend_guard.transfer_admitted" v 1,
        Charged(CallCharged) = "spend_guard.call_charged" v 1,
        Reached(LimitReached) = "spend_guard.limit_reached" v 1,
    }
}

/// A call may be placed. Until it is charged it counts with an estimate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAdmitted {
    pub call: CallId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ApiKeyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Twenty bits of a keyed hash of who is called.
    pub to: u32,
    /// What it may cost, in millionths.
    pub estimate: i64,
    #[serde(with = "micros")]
    pub at: Time,
}

/// A call that was admitted is not placed after all, and counts no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallForgone {
    pub call: CallId,
    #[serde(with = "micros")]
    pub at: Time,
}

/// A call may be transferred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferAdmitted {
    /// The command that the carrier gets.
    pub effect: Uuid,
    pub call: CallId,
    #[serde(with = "micros")]
    pub at: Time,
}

/// What a call was charged in all, or a charge that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCharged {
    pub call: CallId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// What it was charged in all, in millionths.
    pub amount: i64,
    /// When the call ended: a call that was not admitted counts for that day.
    #[serde(with = "micros")]
    pub ended: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

/// The limit that a call met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    Destination,
    RatePerMinute,
    CallsPerMinute,
    CallsPerNumber,
    DailySpend,
}

impl LimitKind {
    pub const ALL: &'static [LimitKind] = &[
        Self::Destination,
        Self::RatePerMinute,
        Self::CallsPerMinute,
        Self::CallsPerNumber,
        Self::DailySpend,
    ];

    /// Name as stored and shown, for example `daily_spend`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Destination => "destination",
            Self::RatePerMinute => "rate_per_minute",
            Self::CallsPerMinute => "calls_per_minute",
            Self::CallsPerNumber => "calls_per_number",
            Self::DailySpend => "daily_spend",
        }
    }
}

/// Why a call may not be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("the limit `{}` of the {} is reached", self.limit.as_str(), self.scope.as_str())]
pub struct Breach {
    pub scope: SpendScope,
    pub limit: LimitKind,
    /// What the limit allows: millionths or calls; 0 for a destination.
    pub allowed: i64,
    /// What there is already, or what the call would cost; 0 for a destination.
    pub found: i64,
}

/// A call was refused. A limit that stays reached is noted again after an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitReached {
    pub breach: Breach,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ApiKeyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    #[serde(with = "micros")]
    pub at: Time,
}

/// A call that is to be placed, or transferred to somebody.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub call: CallId,
    pub key: Option<ApiKeyId>,
    pub agent: Option<AgentId>,
    pub to: Party,
    /// Keyed hash of who is called, of which twenty bits are kept.
    pub to_hash: u32,
    /// Price of its first minute, in millionths.
    pub rate_per_minute: i64,
    /// What it counts until it is charged, in millionths.
    pub estimate: i64,
}

#[derive(Debug, Clone)]
pub enum GuardCommand {
    /// Asks for a call to be placed under these limits.
    Admit { attempt: Attempt, limits: Vec<(SpendScope, SpendLimits)>, now: Time },
    /// A call that was admitted is not placed after all.
    Forgo { call: CallId, now: Time },
    /// Asks for a call under way to be transferred: only the destination and what was spent count. With `effect`, the
    /// command that the carrier gets, the answer stays the same however often it is asked.
    Transfer { attempt: Attempt, effect: Option<Uuid>, limits: Vec<(SpendScope, SpendLimits)>, now: Time },
    /// What a call that `ended` then was charged in all; zero for one that cost nothing.
    Charge { call: CallId, agent: Option<AgentId>, amount: i64, ended: Time, now: Time },
}

/// What one call counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    key: Option<ApiKeyId>,
    agent: Option<AgentId>,
    /// Days since 1970, UTC.
    day: i64,
    amount: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Recent {
    call: CallId,
    key: Option<ApiKeyId>,
    agent: Option<AgentId>,
    to: u32,
    at: Time,
}

fn is_of(scope: SpendScope, key: Option<ApiKeyId>, agent: Option<AgentId>) -> bool {
    match scope {
        SpendScope::Client => true,
        SpendScope::Key(of) => key == Some(of),
        SpendScope::Agent(of) => agent == Some(of),
    }
}

/// State of the guard, folded from its events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpendGuard {
    /// Calls that were admitted within the last hour, oldest first.
    recent: VecDeque<Recent>,
    calls: BTreeMap<CallId, Counted>,
    /// The day whose spending is counted, in days since 1970, UTC.
    day: i64,
    spent: BTreeMap<SpendScope, i64>,
    told: Vec<(SpendScope, LimitKind, Time)>,
    /// Transfers that were admitted last, oldest first.
    transfers: VecDeque<Uuid>,
    /// Calls up to this one may be forgotten.
    forgotten: Option<CallId>,
}

fn day_of(at: Time) -> i64 {
    at.timestamp().div_euclid(86_400)
}

/// Enough of a hash to see a loop.
fn fingerprint(hash: u32) -> u32 {
    hash >> 12
}

impl SpendGuard {
    /// The key and the agent that an admitted call counts for.
    #[must_use]
    pub fn counts_for(&self, call: CallId) -> (Option<ApiKeyId>, Option<AgentId>) {
        self.calls.get(&call).map_or((None, None), |counted| (counted.key, counted.agent))
    }

    /// What the calls of the day of `now` cost so far, estimates included, in millionths.
    #[must_use]
    pub fn spent(&self, scope: SpendScope, now: Time) -> i64 {
        let day = day_of(now);
        let is_other = day > self.day || day < self.day - 1;
        if is_other { 0 } else { self.spent.get(&scope).copied().unwrap_or(0) }
    }

    /// Calls that were admitted within the minute before `now`.
    #[must_use]
    pub fn calls_within_a_minute(&self, scope: SpendScope, now: Time) -> usize {
        self.recent_of(scope, now - MINUTE).count()
    }

    fn recent_of(&self, scope: SpendScope, after: Time) -> impl Iterator<Item = &Recent> {
        // clocks of nodes differ: the order is not quite that of time
        self.recent.iter().filter(move |one| one.at > after && is_of(scope, one.key, one.agent))
    }

    /// The first limit that the attempt meets.
    fn judge(
        &self,
        attempt: &Attempt,
        limits: &[(SpendScope, SpendLimits)],
        is_placed: bool,
        now: Time,
    ) -> Result<(), Breach> {
        let to = fingerprint(attempt.to_hash);
        // what the call itself counts already is no reason against its transfer
        let own = self.calls.get(&attempt.call).filter(|own| own.day == self.day).map_or(0, |own| own.amount);
        for (scope, limits) in limits {
            let breach = |limit, allowed, found| Err(Breach { scope: *scope, limit, allowed, found });
            if !limits.destinations.allows(&attempt.to) {
                return breach(LimitKind::Destination, 0, 0);
            }
            if let Some(most) = limits.max_rate_per_minute
                && attempt.rate_per_minute > most
            {
                return breach(LimitKind::RatePerMinute, most, attempt.rate_per_minute);
            }
            if is_placed && let Some(most) = limits.calls_per_minute {
                let found = self.calls_within_a_minute(*scope, now);
                if found >= most as usize {
                    return breach(LimitKind::CallsPerMinute, most.into(), found as i64);
                }
            }
            if is_placed && let Some(most) = limits.calls_per_number {
                let found = self.recent_of(*scope, now - NUMBER_WINDOW).filter(|one| one.to == to).count();
                if found >= most as usize {
                    return breach(LimitKind::CallsPerNumber, most.into(), found as i64);
                }
            }
            if let Some(most) = limits.daily_spend {
                let (spent, more) = match is_placed {
                    true => (self.spent(*scope, now), attempt.estimate),
                    false => (self.spent(*scope, now).saturating_sub(own), 0),
                };
                if spent >= most || spent.saturating_add(more) > most {
                    return breach(LimitKind::DailySpend, most, spent);
                }
            }
        }
        Ok(())
    }

    /// The refusal by a limit: noted, unless it was lately.
    fn refuse(&self, attempt: &Attempt, breach: Breach, now: Time) -> Result<Vec<SpendGuardEvent>, Breach> {
        let Breach { scope, limit, .. } = breach;
        let lately = |(of, kind, at): &(SpendScope, LimitKind, Time)| {
            (*of, *kind) == (scope, limit) && now - *at < TELL_AGAIN && now >= *at
        };
        if self.told.iter().any(lately) {
            return Err(breach);
        }
        Ok(vec![LimitReached { breach, key: attempt.key, agent: attempt.agent, at: now }.into()])
    }

    fn count(&mut self, scopes: impl IntoIterator<Item = SpendScope>, day: i64, more: i64) {
        if day != self.day || more == 0 {
            return;
        }
        for scope in scopes {
            let spent = self.spent.entry(scope).or_default();
            *spent = spent.saturating_add(more);
        }
    }

    fn turn_to(&mut self, at: Time) {
        let day = day_of(at);
        // a clock that was more than a day ahead does not hold the days after it
        if day > self.day || day < self.day - 1 {
            self.day = day;
            self.spent.clear();
            // the charge of a call of the day before may still change
            self.calls.retain(|_, counted| (day - 1..=day).contains(&counted.day));
        }
    }

    fn keep(&mut self, call: CallId, counted: Counted) {
        self.calls.insert(call, counted);
        while self.calls.len() > KEPT_CALLS {
            let Some((oldest, _)) = self.calls.pop_first() else { break };
            self.forgotten = self.forgotten.max(Some(oldest));
        }
    }

    fn admit(&mut self, admitted: &CallAdmitted) {
        let CallAdmitted { call, key, agent, to, estimate, at } = *admitted;
        self.turn_to(at);
        let counted = Counted { key, agent, day: self.day, amount: estimate };
        self.count(scopes_of(key, agent), counted.day, estimate);
        self.keep(call, counted);
        self.recent.push_back(Recent { call, key, agent, to, at });
        while self.recent.len() > MOST_CALLS as usize
            || self.recent.front().is_some_and(|oldest| oldest.at <= at - NUMBER_WINDOW)
        {
            self.recent.pop_front();
        }
    }

    fn forgo(&mut self, call: CallId) {
        if let Some(Counted { key, agent, day, amount }) = self.calls.remove(&call) {
            self.count(scopes_of(key, agent), day, amount.saturating_neg());
        }
        self.recent.retain(|one| one.call != call);
    }

    fn charge(&mut self, charged: &CallCharged) {
        let CallCharged { call, agent, amount, ended, at } = *charged;
        self.turn_to(at);
        let known = self.calls.get(&call).copied();
        let day = day_of(ended);
        let before = known.unwrap_or(Counted { key: None, agent, day, amount: 0 });
        self.count(scopes_of(before.key, before.agent), before.day, amount.saturating_sub(before.amount));
        // a menu may have handed the call to an agent meanwhile
        let joined = agent.filter(|_| before.agent.is_none());
        self.count(joined.map(SpendScope::Agent), before.day, amount);
        self.keep(call, Counted { amount, agent: before.agent.or(agent), ..before });
    }
}

fn scopes_of(key: Option<ApiKeyId>, agent: Option<AgentId>) -> impl Iterator<Item = SpendScope> {
    let scopes = [Some(SpendScope::Client), key.map(SpendScope::Key), agent.map(SpendScope::Agent)];
    scopes.into_iter().flatten()
}

impl Aggregate for SpendGuard {
    const CATEGORY: &'static str = SpendGuardId::CATEGORY;
    type Command = GuardCommand;
    type Event = SpendGuardEvent;
    /// The limit that is reached, where that was noted before.
    type Refusal = Breach;

    fn decide(&self, command: &GuardCommand) -> Result<Vec<SpendGuardEvent>, Breach> {
        match command {
            GuardCommand::Admit { attempt, limits, now } => {
                // the request may come again
                if self.calls.contains_key(&attempt.call) {
                    return Ok(vec![]);
                }
                if let Err(breach) = self.judge(attempt, limits, true, *now) {
                    return self.refuse(attempt, breach, *now);
                }
                let Attempt { call, key, agent, to_hash, estimate, .. } = *attempt;
                let to = fingerprint(to_hash);
                Ok(vec![CallAdmitted { call, key, agent, to, estimate, at: *now }.into()])
            }
            GuardCommand::Forgo { call, now } => match self.calls.contains_key(call) {
                true => Ok(vec![CallForgone { call: *call, at: *now }.into()]),
                false => Ok(vec![]),
            },
            GuardCommand::Transfer { attempt, effect, limits, now } => {
                if effect.is_some_and(|effect| self.transfers.contains(&effect)) {
                    return Ok(vec![]);
                }
                if let Err(breach) = self.judge(attempt, limits, false, *now) {
                    return self.refuse(attempt, breach, *now);
                }
                let admitted = effect.map(|effect| TransferAdmitted { effect, call: attempt.call, at: *now });
                Ok(admitted.map(SpendGuardEvent::from).into_iter().collect())
            }
            GuardCommand::Charge { call, agent, amount, ended, now } => {
                let known = self.calls.get(call);
                let is_old = self.forgotten.is_some_and(|newest| *call <= newest)
                    || day_of(*ended) < day_of(*now).max(self.day) - 1;
                if known.is_none() && is_old || known.map_or(0, |counted| counted.amount) == *amount {
                    return Ok(vec![]);
                }
                let (call, agent, amount, ended, at) = (*call, *agent, *amount, *ended, *now);
                Ok(vec![CallCharged { call, agent, amount, ended, at }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &SpendGuardEvent) {
        match event {
            SpendGuardEvent::Admitted(admitted) => self.admit(admitted),
            SpendGuardEvent::Forgone(forgone) => self.forgo(forgone.call),
            SpendGuardEvent::Transfer(admitted) => {
                self.transfers.push_back(admitted.effect);
                if self.transfers.len() > KEPT_TRANSFERS {
                    self.transfers.pop_front();
                }
            }
            SpendGuardEvent::Charged(charged) => self.charge(charged),
            SpendGuardEvent::Reached(LimitReached { breach, at, .. }) => {
                self.turn_to(*at);
                let same = |(of, kind, _): &(SpendScope, LimitKind, Time)| {
                    (*of, *kind) == (breach.scope, breach.limit)
                };
                self.told.retain(|told| !same(told) && *at - told.2 < TELL_AGAIN);
                self.told.push((breach.scope, breach.limit, *at));
            }
        }
    }

    fn to_snapshot(&self) -> Option<Vec<u8>> {
        rmp_serde::to_vec(self).ok()
    }

    fn from_snapshot(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}
