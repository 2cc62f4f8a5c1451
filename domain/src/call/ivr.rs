//! A call led by an IVR session: the commands it carries out, and what it notifies the session of.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::{CallRefusal, GatherOrder, MAX_SPEECH_CHARS};
use super::decide::Decision;
use super::event::{
    CallEvent, DigitsGathered, DtmfReceived, GatherRequested, HangUpPlanned, HangUpRequested, IvrNews,
    IvrNotified, IvrSessionRequested, SpeechRequested,
};
use super::keys::Keys;
use super::report::{CarrierFact, CarrierReport};
use super::state::{Call, Transfer};
use super::terms::{CommandKind, Direction, EndReason, EndedBy};
use crate::envelope::Time;
use crate::ids::{IvrSessionId, MenuId, derive};
use crate::ivr::action::MAX_INPUT;
use crate::ivr::session::{Keyed, speech};
use crate::number::Route;
use crate::personal::Personal;

/// How much longer than its speaking time a farewell may take.
const FAREWELL_GRACE: Duration = Duration::from_secs(10);

/// A prompt to speak and keys to collect, as sent to the carrier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatherSpec {
    pub text: Personal<String>,
    /// The gather ends after so many keys.
    pub max_digits: u32,
    /// Key that ends the entry early, for example `#`.
    pub terminator: Option<char>,
    /// Longest wait for the first key.
    pub timeout: Duration,
    /// Longest wait for each further key.
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

/// The latest gather and its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Gather {
    id: Uuid,
    /// Keys the carrier collects: those wanted minus those pressed ahead.
    max_digits: u32,
    terminator: Option<char>,
    secret: bool,
    /// Whether the session received the result.
    told: bool,
    /// The whole entry once it is known; a secret key is `None`.
    entry: Option<Vec<Option<char>>>,
}

/// What a call knows of its IVR session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ivr {
    session: IvrSessionId,
    news: u32,
    gather: Option<Gather>,
    /// Effect id of the latest transfer.
    pub(super) transfer: Option<Uuid>,
    keys: Keys,
    /// Gathers whose end the carrier has not reported, oldest first.
    due: Vec<Uuid>,
    /// Gathers of secret keys. Once there is one, the call stores no single key any more: it may be a late
    /// key of that gather.
    secret: BTreeSet<Uuid>,
}

/// Most gathers in `due`; beyond that the call forgets the oldest.
const MOST_DUE: usize = 16;

impl Ivr {
    pub(super) fn of(requested: &IvrSessionRequested) -> Self {
        Self {
            session: requested.session_id,
            news: 0,
            gather: None,
            transfer: None,
            keys: Keys::since(requested.at),
            due: vec![],
            secret: BTreeSet::new(),
        }
    }

    pub(super) fn asked(&mut self, request: &GatherRequested) {
        let GatherRequested { effect_id: id, max_digits, terminator, secret, .. } = *request;
        self.leave();
        self.keys.drop_secret();
        self.gather = Some(Gather { id, max_digits, terminator, secret, told: false, entry: None });
        if self.due.len() >= MOST_DUE {
            self.due.remove(0);
        }
        self.due.push(id);
        if secret {
            self.secret.insert(id);
        }
    }

    /// Drops the keys of a gather that the session stopped waiting for without a result.
    fn leave(&mut self) {
        if self.gather.as_ref().is_some_and(|gather| !gather.told) {
            self.keys.drop_all();
        }
    }

    pub(super) fn told(&mut self, told: &IvrNotified) {
        self.news += 1;
        let (IvrNews::Gathered { ask, .. } | IvrNews::Keyed { ask, .. }) = &told.news else { return };
        if let Some(ahead) = told.ahead {
            self.keys.take_ahead(usize::try_from(ahead).unwrap_or(usize::MAX));
        }
        if let Some(gather) = self.gather.as_mut().filter(|gather| gather.id == *ask || told.ahead.is_some())
        {
            gather.told = true;
        }
    }

    pub(super) fn gather_ended(&mut self, end: &DigitsGathered) {
        let open = self.open(end.gather).map(|gather| (gather.terminator, gather.secret, gather.max_digits));
        if let Some(gather) = end.gather {
            self.due.retain(|due| *due != gather);
        }
        let keys = keys_of(end);
        let Some((terminator, secret, max_digits)) = open else {
            return self.keys.gathered_late(&keys, end.at);
        };
        let entry = self.keys.gathered(&keys, end.at, terminator.filter(|_| max_digits > 1));
        if secret {
            self.keys.drop_secret();
        }
        if let Some(gather) = &mut self.gather {
            gather.entry = Some(entry);
        }
    }

    pub(super) fn key(&mut self, received: &DtmfReceived) {
        let none_before = self.keys.left().is_empty();
        self.keys.pressed(received.digit.reveal().copied(), received.at);
        // of several keys only the carrier knows the order
        let only = |gather: &&mut Gather| {
            !gather.told && gather.entry.is_none() && gather.max_digits == 1 && !gather.secret
        };
        let Some(gather) = self.gather.as_mut().filter(only).filter(|_| none_before) else { return };
        if let Some(key) = self.keys.ahead().first() {
            self.keys.take_ahead(1);
            gather.entry = Some(vec![Some(*key)]);
        }
    }

    /// The gather `ask`, if the session still waits for its keys.
    fn open(&self, ask: Option<Uuid>) -> Option<&Gather> {
        self.gather.as_ref().filter(|gather| Some(gather.id) == ask && !gather.told)
    }

    /// Applies a fact and returns what to notify the session of.
    fn hears(&mut self, fact: &CallEvent) -> Option<IvrNews> {
        let transfer = self.transfer.unwrap_or_default();
        Some(match fact {
            CallEvent::DigitsGathered(gathered) => {
                self.gather_ended(gathered);
                let gather = self.open(gathered.gather)?;
                let (ask, entry) = (gather.id, gather.entry.as_ref()?);
                let plain = || entry.iter().copied().collect::<Option<String>>();
                let digits = if gather.secret { None } else { plain() }.map(Into::into);
                let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
                IvrNews::Gathered { ask, digits, length, status: gathered.status.clone() }
            }
            CallEvent::DtmfReceived(received) => {
                self.key(received);
                let gather = self.gather.as_ref().filter(|gather| !gather.told)?;
                let key = (*gather.entry.as_ref()?.first()?)?;
                IvrNews::Keyed { ask: gather.id, digit: key.into() }
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

    fn notice(&self, news: IvrNews, ahead: Option<u32>, at: Time) -> IvrNotified {
        let id = derive(self.session.0, &format!("news {}", self.news + 1));
        IvrNotified { id, session_id: self.session, news, ahead, at }
    }

    /// Compares the keys pressed ahead with a new gather. `Ok`: they are the whole entry; the news for the
    /// session, and how many keys it consumes. `Err`: how many keys of the entry there are so far.
    fn ahead(&self, order: &GatherOrder) -> Result<(IvrNews, u32), u32> {
        let unheard = self.gather.as_ref().is_some_and(|gather| !gather.told);
        let keys = if unheard { vec![] } else { self.keys.ahead() };
        let most = usize::try_from(order.max_digits).unwrap_or(usize::MAX);
        let end = order.terminator.and_then(|end| keys.iter().position(|key| *key == end));
        let length = end.unwrap_or(keys.len()).min(most);
        let whole = length == most || end == Some(length);
        let count = |keys: usize| u32::try_from(keys).unwrap_or(u32::MAX);
        if !whole || keys.is_empty() {
            return Err(count(length));
        }
        let news = match keys.first() {
            Some(key) if most == 1 && !order.secret => IvrNews::Keyed { ask: order.id, digit: (*key).into() },
            _ => {
                let digits = keys.iter().take(length).collect::<String>();
                let digits = (!order.secret).then(|| digits.into());
                let status = "valid".to_owned();
                IvrNews::Gathered { ask: order.id, digits, length: count(length), status }
            }
        };
        Ok((news, count(length + usize::from(end == Some(length)))))
    }
}

fn keys_of(end: &DigitsGathered) -> Vec<Option<char>> {
    match end.digits.reveal() {
        Some(digits) => digits.chars().take(MAX_INPUT).map(Some).collect(),
        None => vec![None; usize::try_from(end.length.unwrap_or(0)).map_or(0, |n| n.min(MAX_INPUT))],
    }
}

impl Call {
    /// The call's IVR session, also after it ended.
    #[must_use]
    pub fn ivr_session(&self) -> Option<IvrSessionId> {
        self.ivr.as_ref().map(|ivr| ivr.session)
    }

    /// Keys pressed for a gather whose end the carrier has not reported; `None` when there are none.
    #[must_use]
    pub fn keys_heard(&self, ask: Uuid) -> Option<Keyed> {
        let ivr = self.ivr.as_ref()?;
        ivr.open(Some(ask))?;
        let keys = ivr.keys.left();
        if keys.is_empty() {
            return None;
        }
        let masked = || Keyed::Masked(u32::try_from(keys.len()).unwrap_or(u32::MAX));
        let plain: Option<String> = keys.iter().copied().collect();
        Some(plain.map_or_else(masked, |keys| Keyed::Plain(keys.into())))
    }

    /// Whether the report contains keys that are or may be secret.
    pub(super) fn hides(&self, report: &CarrierReport) -> bool {
        let Some(ivr) = &self.ivr else { return false };
        match (&report.fact, report.ask) {
            (CarrierFact::Dtmf(_), _) => !ivr.secret.is_empty(),
            (CarrierFact::Gathered { .. }, Some(ask)) => ivr.secret.contains(&ask),
            (CarrierFact::Gathered { .. }, None) => {
                ivr.due.iter().any(|ask| ivr.secret.contains(ask))
                    || ivr.gather.as_ref().is_some_and(|gather| gather.secret)
            }
            _ => false,
        }
    }

    /// Keys of a gather that no DTMF webhook reported; empty when the call has no session.
    pub(super) fn untold_keys(&self, digits: &Personal<String>, at: Time) -> String {
        let (Some(ivr), Some(digits)) = (&self.ivr, digits.reveal()) else { return String::new() };
        let keys: Vec<_> = digits.chars().take(MAX_INPUT).map(Some).collect();
        ivr.keys.untold(&keys, at).into_iter().flatten().collect()
    }

    /// Whether a gather reported this press before.
    pub(super) fn is_repeated_key(&self, digit: &Personal<char>, at: Time) -> bool {
        self.ivr.as_ref().is_some_and(|ivr| ivr.keys.is_repeated(digit.reveal().copied(), at))
    }

    /// The gather a report belongs to: the one it names. A gather webhook that names none belongs to the open
    /// gather if it has keys that were not taken yet, else to the oldest gather whose end is due.
    pub(super) fn gather_of(&self, report: &CarrierReport) -> Option<Uuid> {
        let ivr = self.ivr.as_ref()?;
        let open = ivr.gather.as_ref().filter(|gather| !gather.told).map(|gather| gather.id);
        match (&report.fact, report.ask) {
            // the next gather cancels this one; by then the leg's state names the next one
            (CarrierFact::Gathered { status, .. }, _) if status == "cancelled" => {
                ivr.due.iter().copied().find(|due| Some(*due) != open)
            }
            (_, Some(ask)) => Some(ask),
            (CarrierFact::Gathered { digits, .. }, None) => {
                let keys: Vec<_> = digits.reveal().iter().flat_map(|keys| keys.chars()).map(Some).collect();
                let at = report.occurred_at;
                match keys.is_empty() {
                    _ if ivr.keys.are_past(at) => None,
                    true => ivr.due.first().copied(),
                    false if open.is_some() && ivr.keys.are_news(&keys, at) => open,
                    false => ivr.due.iter().copied().find(|due| Some(*due) != open),
                }
            }
            _ => open,
        }
    }

    /// Facts that follow from these: the start of a session or conversation, notices to them,
    /// and a planned hang-up.
    pub(super) fn follow_up(&self, facts: &[CallEvent]) -> Vec<CallEvent> {
        let mut followed = vec![];
        if let Some(ivr) = &self.ivr {
            let mut ivr = ivr.clone();
            for fact in facts {
                let Some(news) = ivr.hears(fact) else { continue };
                let told = ivr.notice(news, None, time_of(fact, facts));
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
        let talking =
            self.answered_at.is_some() && !self.is_over() && self.hang_up.is_none() && !self.foreign;
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
        let known = match self.ivr.as_ref().map(|ivr| (ivr, ivr.ahead(order))) {
            // the caller keyed the entry ahead and need not hear the prompt
            Some((ivr, Ok((news, ahead)))) => {
                return Ok(vec![ivr.notice(news, Some(ahead), order.now).into()]);
            }
            Some((_, Err(known))) => known,
            None => 0,
        };
        Ok(vec![
            GatherRequested {
                effect_id: order.id,
                session_id: order.session,
                seq: self.lines + 1,
                text: order.text.chars().take(MAX_SPEECH_CHARS).collect::<String>().into(),
                max_digits: order.max_digits.saturating_sub(known),
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

/// Facts that can make the call answered or its route known.
fn may_begin_ivr(fact: &CallEvent) -> bool {
    matches!(fact, CallEvent::Answered(_) | CallEvent::LegIdentified(_) | CallEvent::Received(_))
}

/// When a fact happened; for one without a time, that of the first fact with one.
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
