//! A call that is led through menus: what it does for the session, and what the session hears of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::{CallRefusal, GatherOrder, MAX_SPEECH_CHARS};
use super::decide::Decision;
use super::event::{
    CallEvent, GatherRequested, HangUpPlanned, HangUpRequested, IvrNews, IvrNotified, IvrSessionRequested,
    SpeechRequested,
};
use super::report::{CarrierFact, CarrierReport};
use super::state::{Call, Transfer};
use super::terms::{CommandKind, Direction, EndReason, EndedBy};
use crate::envelope::Time;
use crate::ids::{IvrSessionId, MenuId, derive};
use crate::ivr::session::{Keyed, speech};
use crate::number::Route;
use crate::personal::Personal;

/// How much longer than it takes to say them the last words may take.
const FAREWELL_GRACE: Duration = Duration::from_secs(10);

/// A prompt to speak and keys to take, as the carrier is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatherSpec {
    /// The prompt.
    pub text: Personal<String>,
    /// Most keys.
    pub max_digits: u32,
    /// The key that ends them before.
    pub terminator: Option<char>,
    /// How long to wait for the first key.
    pub timeout: Duration,
    /// How long to wait for the next one.
    pub inter_digit_timeout: Duration,
}

impl GatherSpec {
    pub(super) fn of(request: &GatherRequested) -> Self {
        Self {
            text: request.text.clone(),
            max_digits: request.max_digits,
            terminator: request.terminator,
            timeout: Duration::from_millis(request.timeout_ms),
            inter_digit_timeout: Duration::from_millis(request.inter_digit_timeout_ms),
        }
    }
}

/// What was asked of the caller last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Gather {
    id: Uuid,
    at: Time,
    max_digits: u32,
    secret: bool,
    /// Whether the session knows what came of it.
    told: bool,
    /// Keys heard since, in whatever order the carrier told of them; nothing of secret ones.
    keys: Vec<(Time, Option<char>)>,
}

/// What a call knows of the session that leads it through menus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ivr {
    session: IvrSessionId,
    news: u32,
    gather: Option<Gather>,
    /// The transfer that was asked for last.
    pub(super) transfer: Option<Uuid>,
    /// A secret gather the carrier has not told the end of.
    open_secret: Option<Uuid>,
    /// Once keys were secret, no single key is kept any more: it may be a late one of those.
    had_secret: bool,
}

impl Ivr {
    pub(super) fn of(session: IvrSessionId) -> Self {
        Self { session, news: 0, gather: None, transfer: None, open_secret: None, had_secret: false }
    }

    pub(super) fn asked(&mut self, request: &GatherRequested) {
        let GatherRequested { effect_id: id, max_digits, secret, at, .. } = *request;
        self.gather = Some(Gather { id, at, max_digits, secret, told: false, keys: vec![] });
        if secret {
            self.open_secret = Some(id);
            self.had_secret = true;
        }
    }

    pub(super) fn told(&mut self, told: &IvrNotified) {
        self.news += 1;
        if let (IvrNews::Gathered { ask, .. } | IvrNews::Keyed { ask, .. }, Some(gather)) =
            (&told.news, &mut self.gather)
        {
            gather.told |= gather.id == *ask;
        }
    }

    pub(super) fn gather_ended(&mut self, gather: Uuid) {
        self.open_secret = self.open_secret.filter(|open| *open != gather);
    }

    pub(super) fn key(&mut self, gather: Uuid, at: Time, key: Option<char>) {
        if let Some(current) = self.gather.as_mut().filter(|current| current.id == gather) {
            current.keys.push((at, key));
        }
    }

    /// The gather that waits for keys.
    fn open(&self, ask: Option<Uuid>) -> Option<&Gather> {
        self.gather.as_ref().filter(|gather| Some(gather.id) == ask && !gather.told)
    }

    fn hears(&self, fact: &CallEvent) -> Option<IvrNews> {
        let transfer = self.transfer.unwrap_or_default();
        Some(match fact {
            CallEvent::DigitsGathered(gathered) => {
                let ask = self.open(gathered.gather)?.id;
                let digits = gathered.digits.reveal().cloned();
                let known = digits.as_ref().map_or(0, |keys| u32::try_from(keys.len()).unwrap_or(u32::MAX));
                let (length, status) = (gathered.length.unwrap_or(known), gathered.status.clone());
                IvrNews::Gathered { ask, digits: digits.map(Into::into), length, status }
            }
            // of several keys only the carrier knows the order
            CallEvent::DtmfReceived(received) => {
                let gather =
                    self.open(received.gather).filter(|gather| gather.max_digits == 1 && !gather.secret)?;
                received.digit.reveal()?;
                IvrNews::Keyed { ask: gather.id, digit: received.digit.clone() }
            }
            CallEvent::TransferConnected(_) => IvrNews::TransferConnected { ask: transfer },
            CallEvent::TransferFailed(_) => IvrNews::TransferFailed { ask: transfer },
            CallEvent::CommandFailed(failed) if failed.command == CommandKind::Gather => {
                IvrNews::OrderFailed { ask: failed.effect_id, gone: failed.gone }
            }
            CallEvent::Ended(ended) => IvrNews::Ended { by_caller: ended.ended_by == EndedBy::Caller },
            _ => return None,
        })
    }
}

impl Call {
    /// The session that leads the call through menus, if there was ever one.
    #[must_use]
    pub fn ivr_session(&self) -> Option<IvrSessionId> {
        self.ivr.as_ref().map(|ivr| ivr.session)
    }

    /// The keys heard of a gather whose end the carrier has not told; nothing when there are none.
    #[must_use]
    pub fn keys_heard(&self, ask: Uuid) -> Option<Keyed> {
        let gather = self.ivr.as_ref()?.open(Some(ask))?;
        let mut keys = gather.keys.clone();
        keys.sort_by_key(|(at, _)| *at);
        if keys.is_empty() {
            return None;
        }
        let plain: Option<String> = keys.iter().map(|(_, key)| *key).collect();
        let masked = || Keyed::Masked(u32::try_from(keys.len()).unwrap_or(u32::MAX));
        Some(plain.map_or_else(masked, |keys| Keyed::Plain(keys.into())))
    }

    /// Whether the report tells of keys that are secret, or may be.
    pub(super) fn hides(&self, report: &CarrierReport) -> bool {
        let Some(ivr) = &self.ivr else { return false };
        match &report.fact {
            CarrierFact::Dtmf(_) => ivr.had_secret,
            CarrierFact::Gathered { .. } => match report.ask {
                Some(ask) => {
                    ivr.open_secret == Some(ask)
                        || ivr.gather.as_ref().is_some_and(|g| g.secret && g.id == ask)
                }
                None => ivr.open_secret.is_some() || ivr.gather.as_ref().is_some_and(|gather| gather.secret),
            },
            _ => false,
        }
    }

    /// The gather a report belongs to: the one it names, or else the newest, unless it happened before that.
    pub(super) fn gather_of(&self, report: &CarrierReport) -> Option<Uuid> {
        let gather = self.ivr.as_ref()?.gather.as_ref()?;
        match report.ask {
            Some(ask) => Some(ask),
            None if report.occurred_at >= gather.at => Some(gather.id),
            None => None,
        }
    }

    /// What the session has to hear of these facts, or that there is to be one.
    pub(super) fn follow_up(&self, facts: &[CallEvent]) -> Vec<CallEvent> {
        let mut followed = vec![];
        if let Some(ivr) = &self.ivr {
            let mut ivr = ivr.clone();
            for fact in facts {
                let Some(news) = ivr.hears(fact) else { continue };
                let (at, session_id) = (time_of(fact, facts), ivr.session);
                let id = derive(session_id.0, &format!("news {}", ivr.news + 1));
                let told = IvrNotified { id, session_id, news, at };
                ivr.told(&told);
                followed.push(told.into());
            }
        } else if facts.iter().any(may_begin_ivr) {
            let mut after = self.clone();
            facts.iter().for_each(|fact| after.apply(fact));
            let at = facts.iter().rev().find(|fact| may_begin_ivr(fact)).map(|fact| time_of(fact, facts));
            followed.extend(at.and_then(|at| after.begin_ivr(at)));
        }
        if self.conversation.is_none() && facts.iter().any(may_begin_ivr) {
            let mut after = self.clone();
            facts.iter().for_each(|fact| after.apply(fact));
            let at = facts.iter().rev().find(|fact| may_begin_ivr(fact)).map(|fact| time_of(fact, facts));
            followed.extend(at.and_then(|at| after.begin_agent(at)));
        }
        followed.extend(self.tell_conversation(facts));
        let speech_is_over = |fact: &CallEvent| match (fact, &self.planned) {
            (CallEvent::SpeechEnded(_), Some(_)) => true,
            (CallEvent::CommandFailed(failed), Some(planned)) => {
                failed.effect_id == planned.after && !failed.gone
            }
            _ => false,
        };
        if let Some(over) = facts.iter().find(|fact| speech_is_over(fact)) {
            followed.extend(self.planned_hang_up(time_of(over, facts)));
        }
        followed
    }

    fn begin_ivr(&self, at: Time) -> Option<CallEvent> {
        let talking = self.answered_at.is_some() && !self.is_over() && self.hang_up.is_none();
        let routed = match (self.direction, self.route) {
            (Some(Direction::Inbound), Some(Route::IvrMenu { id })) => Some(id),
            _ => None,
        };
        let menu_id = routed.or(self.menu).filter(|_| talking)?;
        let purpose = "ivr_session";
        let id = self
            .order
            .as_ref()
            .map_or_else(|| self.effect_of_leg(purpose), |order| derive(order.dial_id, purpose));
        Some(IvrSessionRequested { session_id: IvrSessionId(id), menu_id, at }.into())
    }

    pub(super) fn planned_hang_up(&self, at: Time) -> Option<CallEvent> {
        let planned = self.planned.as_ref().filter(|_| !self.is_over() && self.hang_up.is_none())?;
        let HangUpPlanned { effect_id, reason, by, .. } = *planned;
        Some(HangUpRequested { effect_id, reason, by, at }.into())
    }

    pub(super) fn start_ivr(&self, session: IvrSessionId, menu_id: MenuId, now: Time) -> Decision {
        match self.ivr_session() {
            Some(known) if known == session => return Ok(vec![]),
            Some(_) => return Err(CallRefusal::IvrUnderWay),
            None => self.must_be_talking("start a session")?,
        }
        Ok(vec![IvrSessionRequested { session_id: session, menu_id, at: now }.into()])
    }

    pub(super) fn gather(&self, order: &GatherOrder) -> Decision {
        if self.handled.contains(&order.id) {
            return Ok(vec![]);
        }
        self.must_be_talking("gather")?;
        if self.transfer == Some(Transfer::Connected) {
            return Err(CallRefusal::TransferUnderWay);
        }
        Ok(vec![
            GatherRequested {
                effect_id: order.id,
                session_id: order.session,
                seq: self.lines + 1,
                text: order.text.chars().take(MAX_SPEECH_CHARS).collect::<String>().into(),
                max_digits: order.max_digits,
                terminator: order.terminator,
                secret: order.secret,
                timeout_ms: order.timeout_ms,
                inter_digit_timeout_ms: order.inter_digit_timeout_ms,
                at: order.now,
            }
            .into(),
        ])
    }

    pub(super) fn conclude(
        &self,
        id: Uuid,
        farewell: Option<&str>,
        reason: EndReason,
        by: EndedBy,
        now: Time,
    ) -> Decision {
        if self.is_over() || self.hang_up.is_some() || self.handled.contains(&id) {
            return Ok(vec![]); // what was asked for is so, or on its way
        }
        let Some(text) = farewell.filter(|_| self.answered_at.is_some()) else {
            return Ok(vec![HangUpRequested { effect_id: id, reason, by, at: now }.into()]);
        };
        let after = derive(id, "farewell");
        let overdue_at = now + speech(text) + FAREWELL_GRACE;
        Ok(vec![
            SpeechRequested { effect_id: after, seq: self.lines + 1, text: text.to_owned().into(), at: now }
                .into(),
            HangUpPlanned { effect_id: id, after, reason, by, overdue_at, at: now }.into(),
        ])
    }
}

/// Facts after which a call may be talked on and its route known.
fn may_begin_ivr(fact: &CallEvent) -> bool {
    matches!(fact, CallEvent::Answered(_) | CallEvent::LegIdentified(_) | CallEvent::Received(_))
}

/// When a fact happened.
fn time_of(fact: &CallEvent, facts: &[CallEvent]) -> Time {
    let own = |fact: &CallEvent| match fact {
        CallEvent::CarrierEventReceived(e) => Some(e.occurred_at),
        CallEvent::Received(e) => Some(e.at),
        CallEvent::LegIdentified(e) => Some(e.at),
        CallEvent::Answered(e) => Some(e.at),
        CallEvent::DigitsGathered(e) => Some(e.at),
        CallEvent::DtmfReceived(e) => Some(e.at),
        CallEvent::SpeechEnded(e) => Some(e.at),
        CallEvent::TransferConnected(e) => Some(e.at),
        CallEvent::TransferFailed(e) => Some(e.at),
        CallEvent::CommandFailed(e) => Some(e.at),
        CallEvent::Ended(e) => Some(e.at),
        _ => None,
    };
    own(fact).or_else(|| facts.iter().find_map(own)).unwrap_or_default()
}
