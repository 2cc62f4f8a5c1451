//! Commands and rules of a credit account.

use serde::{Deserialize, Serialize};

use super::super::currency::Currency;
use super::super::entry::{Balances, Component, Entry, LedgerAccount, transfer};
use super::super::rating::{CostItem, Rated};
use super::super::terms::{BillingTerms, MOST_CREDIT};
use super::draft::{Charged, Draft, Tables};
use super::event::{
    CreditAlert, CreditEvent, CreditsExhausted, CreditsLow, Posted, Source, SourceKind, SumsConfirmed,
    TransactionKind,
};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::{AgentId, CallId, CheckoutId, CreditAccountId, TransactionId, derive};

use LedgerAccount::{Available, Bonus, Held, Payable, Payments, ProviderCost, Refunds, Revenue};

/// So many charged calls are remembered, so that a charge that is repeated is recognised. They bound the snapshot:
/// with more it would grow beyond what is saved.
const KEPT_CALLS: usize = 40_000;
/// So many grants are remembered.
const KEPT_GRANTS: usize = 10_000;
/// Longest reason of a grant, in characters.
const MAX_REASON: usize = 500;

/// A request to change the account.
#[derive(Debug, Clone)]
pub struct CreditRequest {
    /// Id that the transaction will have.
    pub id: TransactionId,
    /// Currency of the amounts; `None`: that of the account, or US dollars before it has one.
    pub currency: Option<Currency>,
    /// Terms of the client at that time.
    pub terms: BillingTerms,
    pub change: Change,
    pub now: Time,
}

/// What is to be changed. Amounts are millionths.
#[derive(Debug, Clone)]
pub enum Change {
    /// The platform gives credit.
    Grant { amount: i64, reason: String },
    /// A checkout was paid.
    Purchase { checkout: CheckoutId, amount: i64 },
    /// So much of a purchase was refunded and is disputed in all, at version `seen` of its payment. What is more than was
    /// credited is not taken back; sums of an older version change nothing.
    Reverse { checkout: CheckoutId, seen: u64, refunded: i64, disputed: i64 },
    /// Keeps credit for a call, before it is placed or taken.
    Hold { call: CallId, amount: i64 },
    /// Keeps more credit for a call under way, so much in all.
    Extend { call: CallId, to: i64 },
    /// Gives back what was kept for a call that never was.
    Release { call: CallId },
    /// Charges a call that is over, and gives back what was kept for it. Rated otherwise at a later version, it corrects
    /// what was charged; an older version changes nothing. `seen` adds up the versions of the call and its conversation.
    Charge { call: CallId, seen: u64, rated: Rated, agent: Option<AgentId> },
}

#[derive(Debug, Clone)]
pub enum CreditCommand {
    /// Decides requests one after the other, each alone: a refused one does not stop the others.
    Post(Vec<CreditRequest>),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreditRefusal {
    #[error("the credit does not cover it: {available} millionths are available, {needed} are needed")]
    Insufficient {
        /// What may be spent, the credit line included.
        available: i64,
        needed: i64,
    },
    #[error("the account is in {0}: amounts in another currency cannot be posted")]
    OtherCurrency(Currency),
    #[error("an amount must be above zero")]
    NotPositive,
    #[error("a grant is at most {MOST_CREDIT} millionths")]
    TooLarge,
    #[error("the amounts do not fit into the ledger")]
    Overflow,
    #[error("a reason has 1 to 500 characters")]
    Reason,
    /// It can no longer be told whether the call was charged before.
    #[error("the call is too old to be charged")]
    TooOld,
}

/// Whether a request was carried out, by an event or because it is no news.
pub type CreditOutcome = Result<(), CreditRefusal>;

/// State of an account, folded from its events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CreditAccount {
    currency: Option<Currency>,
    balances: Balances,
    tables: Tables,
    /// Charged calls up to this one may be forgotten.
    forgotten: Option<CallId>,
}

impl CreditAccount {
    /// The account's currency; `None` before the first transaction.
    #[must_use]
    pub fn currency(&self) -> Option<Currency> {
        self.currency
    }

    #[must_use]
    pub fn balances(&self) -> &Balances {
        &self.balances
    }

    /// Credit kept for a call, in millionths.
    #[must_use]
    pub fn held_for(&self, call: CallId) -> i64 {
        self.tables.holds.get(&call).copied().unwrap_or(0)
    }

    /// Decides one request on the state as it is.
    pub fn decide_one(&self, request: &CreditRequest) -> Result<Vec<CreditEvent>, CreditRefusal> {
        self.request(&mut self.draft(), request)
    }

    /// Decides requests one after the other, each on the state after those before it. Answers all facts, and for each
    /// request, in their order, whether it was refused.
    #[must_use]
    pub fn decide_each(&self, requests: &[CreditRequest]) -> (Vec<CreditEvent>, Vec<CreditOutcome>) {
        let (mut draft, mut facts) = (self.draft(), Vec::new());
        let mut decide = |request: &CreditRequest| {
            let more = self.request(&mut draft, request).inspect_err(|_| {
                // a part of it may have been drafted
                if matches!(request.change, Change::Charge { .. } | Change::Reverse { .. }) {
                    draft = self.draft();
                    draft.replay(&facts);
                }
            })?;
            facts.extend(more);
            Ok(())
        };
        let outcomes = requests.iter().map(&mut decide).collect();
        (facts, outcomes)
    }

    /// As `decide_each`. Fails with the first refusal if there is no fact: that is only certain on the newest state, which
    /// an append would prove.
    pub fn decide_all(
        &self,
        requests: &[CreditRequest],
    ) -> Result<(Vec<CreditEvent>, Vec<CreditOutcome>), CreditRefusal> {
        let (facts, outcomes) = self.decide_each(requests);
        match outcomes.iter().find_map(|outcome| outcome.err()) {
            Some(refusal) if facts.is_empty() => Err(refusal),
            _ => Ok((facts, outcomes)),
        }
    }

    fn draft(&self) -> Draft<'_> {
        Draft::new(&self.tables, &self.balances, self.currency)
    }

    fn request(
        &self,
        draft: &mut Draft<'_>,
        request: &CreditRequest,
    ) -> Result<Vec<CreditEvent>, CreditRefusal> {
        let own = draft.currency.or(request.currency).unwrap_or(Currency::USD);
        if request.currency.is_some_and(|asked| asked != own) {
            return Err(CreditRefusal::OtherCurrency(own));
        }
        let mut posting = Posting { request, currency: own, facts: Vec::new() };
        let before = draft.credit();
        match &request.change {
            Change::Grant { amount, reason } => {
                if !(1..=MAX_REASON).contains(&reason.trim().chars().count()) {
                    return Err(CreditRefusal::Reason);
                }
                if *amount > MOST_CREDIT {
                    return Err(CreditRefusal::TooLarge);
                }
                if draft.granted(request.id) {
                    return Ok(vec![]);
                }
                let source = Source { kind: SourceKind::Grant, id: request.id.0 };
                let grant = transfer(Bonus, Available, positive(*amount)?);
                let with = Details { reason: Some(reason.trim().to_owned()), ..Details::default() };
                posting.add(draft, request.id, TransactionKind::Grant, source, grant, with)?;
            }
            Change::Purchase { checkout, amount } => {
                let amount = positive(*amount)?;
                if draft.bought(*checkout).is_none() {
                    let entries = transfer(Payments, Available, amount);
                    let (kind, source) = (TransactionKind::Purchase, of_checkout(*checkout));
                    posting.add(draft, request.id, kind, source, entries, Details::default())?;
                }
            }
            Change::Reverse { checkout, seen, refunded, disputed } => {
                posting.reverse(draft, *checkout, *seen, *refunded, *disputed)?;
            }
            Change::Hold { call, amount } => {
                if !request.terms.prepaid || draft.hold(*call) != 0 || draft.charged(*call).is_some() {
                    return Ok(vec![]);
                }
                posting.hold(draft, *call, *amount)?;
            }
            Change::Extend { call, to } => {
                let more = to.saturating_sub(draft.hold(*call));
                if !request.terms.prepaid || more <= 0 || draft.charged(*call).is_some() {
                    return Ok(vec![]);
                }
                posting.hold(draft, *call, more)?;
            }
            Change::Release { call } => posting.release(draft, *call)?,
            Change::Charge { call, seen, rated, agent } => {
                let charged = draft.charged(*call);
                if charged.is_none() && self.may_be_forgotten(*call) && draft.hold(*call) == 0 {
                    return Err(CreditRefusal::TooOld);
                }
                posting.release(draft, *call)?;
                if charged.is_none_or(|charged| charged.seen <= *seen) {
                    posting.charge(draft, *call, *seen, charged, rated, *agent)?;
                }
            }
        }
        posting.alerts(before, draft.credit());
        Ok(posting.facts)
    }

    fn may_be_forgotten(&self, call: CallId) -> bool {
        self.forgotten.is_some_and(|newest| call <= newest)
    }

    /// Forgets the oldest calls and grants when there are many. Ids begin with the time they were made.
    fn tidy(&mut self) {
        while self.tables.calls.len() > KEPT_CALLS {
            let Some((oldest, _)) = self.tables.calls.pop_first() else { break };
            self.forgotten = self.forgotten.max(Some(oldest));
        }
        while self.tables.grants.len() > KEPT_GRANTS {
            self.tables.grants.pop_first();
        }
    }
}

fn positive(amount: i64) -> Result<i64, CreditRefusal> {
    if amount > 0 { Ok(amount) } else { Err(CreditRefusal::NotPositive) }
}

fn of_call(call: CallId) -> Source {
    Source { kind: SourceKind::Call, id: call.0 }
}

fn of_checkout(checkout: CheckoutId) -> Source {
    Source { kind: SourceKind::Checkout, id: checkout.0 }
}

#[derive(Debug, Default)]
struct Details {
    corrects: Option<TransactionId>,
    seen: Option<u64>,
    items: Vec<CostItem>,
    agent: Option<AgentId>,
    reason: Option<String>,
}

/// The transactions that follow from one request.
struct Posting<'r> {
    request: &'r CreditRequest,
    currency: Currency,
    facts: Vec<CreditEvent>,
}

impl Posting<'_> {
    fn add(
        &mut self,
        draft: &mut Draft<'_>,
        id: TransactionId,
        kind: TransactionKind,
        source: Source,
        entries: Vec<Entry>,
        with: Details,
    ) -> Result<(), CreditRefusal> {
        if entries.is_empty() {
            return Ok(());
        }
        let opens = kind == TransactionKind::Hold && draft.hold(CallId(source.id)) == 0;
        let balances = draft.balances.after(&entries).map_err(|_| CreditRefusal::Overflow)?;
        let Details { corrects, seen, items, agent, reason } = with;
        let posted = Posted {
            id,
            kind,
            source,
            corrects,
            seen,
            currency: self.currency,
            entries,
            available_after: balances.of(Available),
            held_after: balances.of(Held),
            opens,
            items,
            agent,
            reason,
            at: self.request.now,
        };
        draft.take(&posted, balances);
        self.facts.push(posted.into());
        Ok(())
    }

    /// Notes that newer sums are those that are known, if nothing of them was posted.
    fn confirm(&mut self, draft: &mut Draft<'_>, source: Source, known: u64, seen: u64) {
        let posted =
            |fact: &CreditEvent| matches!(fact, CreditEvent::Posted(posted) if posted.seen.is_some());
        if seen > known && !self.facts.iter().any(posted) {
            let confirmed = SumsConfirmed { source, seen, at: self.request.now };
            draft.confirm(&confirmed);
            self.facts.push(confirmed.into());
        }
    }

    fn derived(&self, purpose: &str) -> TransactionId {
        TransactionId(derive(self.request.id.0, purpose))
    }

    /// Keeps credit for a call, if there is enough.
    fn hold(&mut self, draft: &mut Draft<'_>, call: CallId, amount: i64) -> Result<(), CreditRefusal> {
        if amount < 0 {
            return Err(CreditRefusal::NotPositive);
        }
        let available = draft.balances.of(Available).saturating_add(self.request.terms.credit_line);
        // where nothing has a price by time there must still be some credit
        let needed = amount.max(1);
        if available < needed {
            return Err(CreditRefusal::Insufficient { available, needed });
        }
        let entries = transfer(Available, Held, amount);
        self.add(draft, self.request.id, TransactionKind::Hold, of_call(call), entries, Details::default())
    }

    fn release(&mut self, draft: &mut Draft<'_>, call: CallId) -> Result<(), CreditRefusal> {
        let entries = transfer(Held, Available, draft.hold(call));
        let id = self.derived("release");
        self.add(draft, id, TransactionKind::Release, of_call(call), entries, Details::default())
    }

    /// Posts what a call costs, or the difference to what it was charged before.
    fn charge(
        &mut self,
        draft: &mut Draft<'_>,
        call: CallId,
        seen: u64,
        before: Option<Charged>,
        rated: &Rated,
        agent: Option<AgentId>,
    ) -> Result<(), CreditRefusal> {
        let (mut entries, mut changed) = (Vec::new(), Vec::new());
        for component in Component::ALL {
            let amount = rated.of(*component).map_err(|_| CreditRefusal::Overflow)?;
            if amount < 0 {
                return Err(CreditRefusal::NotPositive);
            }
            let more = amount - before.map_or(0, |charged| charged.of(*component));
            entries.extend(transfer(Available, Revenue(*component), more));
            if more != 0 {
                changed.push(*component);
            }
        }
        let cost = rated.provider_cost.checked_sub(before.map_or(0, |charged| charged.cost));
        entries.extend(transfer(ProviderCost, Payable, cost.ok_or(CreditRefusal::Overflow)?));
        let items = rated.items.iter().filter(|item| changed.contains(&item.component)).cloned().collect();
        let corrects = before.map(|charged| charged.transaction);
        let kind = if before.is_some() { TransactionKind::Correction } else { TransactionKind::Usage };
        let with = Details { corrects, seen: Some(seen), items, agent, reason: None };
        self.add(draft, self.request.id, kind, of_call(call), entries, with)?;
        if let Some(before) = before {
            self.confirm(draft, of_call(call), before.seen, seen);
        }
        Ok(())
    }

    fn reverse(
        &mut self,
        draft: &mut Draft<'_>,
        checkout: CheckoutId,
        seen: u64,
        refunded: i64,
        disputed: i64,
    ) -> Result<(), CreditRefusal> {
        // what was never credited is not taken back
        let Some(bought) = draft.bought(checkout) else { return Ok(()) };
        if refunded < 0 || disputed < 0 {
            return Err(CreditRefusal::NotPositive);
        }
        if seen < bought.seen {
            return Ok(());
        }
        let refunded = refunded.min(bought.credited);
        let disputed = disputed.min(bought.credited - refunded);
        let (source, with) = (of_checkout(checkout), || Details { seen: Some(seen), ..Details::default() });
        let back = transfer(Available, Refunds, refunded - bought.refunded);
        self.add(draft, self.request.id, TransactionKind::Refund, source, back, with())?;
        let back = transfer(Available, Refunds, disputed - bought.disputed);
        let id = self.derived("dispute");
        self.add(draft, id, TransactionKind::Dispute, source, back, with())?;
        self.confirm(draft, source, bought.seen, seen);
        Ok(())
    }

    /// Adds what is told when the credit falls to a limit, once for each time it does.
    fn alerts(&mut self, before: i64, after: i64) {
        let BillingTerms { prepaid, credit_line, low_at } = self.request.terms;
        let (currency, at) = (self.currency, self.request.now);
        let alert = |limit| CreditAlert { credit: after, limit, currency, at };
        let falls_to = |limit: i64| before > limit && after <= limit;
        if let Some(limit) = low_at.filter(|limit| falls_to(*limit)) {
            self.facts.push(CreditsLow(alert(limit)).into());
        }
        let end = credit_line.saturating_neg();
        if prepaid && falls_to(end) {
            self.facts.push(CreditsExhausted(alert(end)).into());
        }
    }
}

impl Aggregate for CreditAccount {
    const CATEGORY: &'static str = CreditAccountId::CATEGORY;
    type Command = CreditCommand;
    type Event = CreditEvent;
    type Refusal = CreditRefusal;

    fn decide(&self, command: &CreditCommand) -> Result<Vec<CreditEvent>, CreditRefusal> {
        let CreditCommand::Post(requests) = command;
        self.decide_all(requests).map(|(facts, _)| facts)
    }

    fn evolve(&mut self, event: &CreditEvent) {
        let posted = match event {
            CreditEvent::Posted(posted) => posted,
            CreditEvent::Confirmed(confirmed) => return self.tables.confirm(confirmed),
            CreditEvent::Low(_) | CreditEvent::Exhausted(_) => return,
        };
        self.currency = Some(posted.currency);
        self.balances.apply(&posted.entries);
        self.tables.apply(posted);
        if posted.source.kind == SourceKind::Call {
            let call = CallId(posted.source.id);
            if self.tables.holds.get(&call) == Some(&0) {
                self.tables.holds.remove(&call);
            }
        }
        self.tidy();
    }

    fn to_snapshot(&self) -> Option<Vec<u8>> {
        rmp_serde::to_vec(self).ok()
    }

    fn from_snapshot(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}
