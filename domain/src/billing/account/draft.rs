//! An account while several requests are decided on it: what was decided before counts for the next one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::currency::Currency;
use super::super::entry::{Balances, Component, LedgerAccount};
use super::event::{CreditEvent, Posted, Source, SourceKind, SumsConfirmed, TransactionKind};
use crate::ids::{CallId, CheckoutId, TransactionId};

/// What a call was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Charged {
    /// Transaction that charged it first.
    pub(super) transaction: TransactionId,
    /// Newest version of the call and its conversation that it was rated at.
    pub(super) seen: u64,
    /// Charged for each component, in the order of `Component::ALL`, in millionths.
    amounts: [i64; Component::ALL.len()],
    /// Cost of the carrier, in millionths.
    pub(super) cost: i64,
}

impl Charged {
    /// Charged for a component, in millionths.
    pub(super) fn of(&self, component: Component) -> i64 {
        self.amounts[component as usize]
    }
}

/// A purchase and what became of it, in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bought {
    pub(super) credited: i64,
    pub(super) refunded: i64,
    pub(super) disputed: i64,
    /// Newest version of the payment that it was reversed at.
    pub(super) seen: u64,
}

/// What an account remembers of calls, purchases and grants.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tables {
    /// Credit held for calls, in millionths.
    pub(super) holds: BTreeMap<CallId, i64>,
    pub(super) calls: BTreeMap<CallId, Charged>,
    pub(super) checkouts: BTreeMap<CheckoutId, Bought>,
    pub(super) grants: BTreeSet<TransactionId>,
}

impl Tables {
    pub(super) fn apply(&mut self, posted: &Posted) {
        match posted.source.kind {
            SourceKind::Call => self.apply_call(CallId(posted.source.id), posted),
            SourceKind::Checkout => {
                let bought = self.checkouts.entry(CheckoutId(posted.source.id)).or_default();
                let amount = posted.amount();
                bought.seen = bought.seen.max(posted.seen.unwrap_or(0));
                match posted.kind {
                    TransactionKind::Purchase => bought.credited += amount,
                    TransactionKind::Refund => bought.refunded -= amount,
                    _ => bought.disputed -= amount,
                }
            }
            SourceKind::Grant => drop(self.grants.insert(posted.id)),
        }
    }

    pub(super) fn confirm(&mut self, confirmed: &SumsConfirmed) {
        let seen = match confirmed.source.kind {
            SourceKind::Call => {
                self.calls.get_mut(&CallId(confirmed.source.id)).map(|charged| &mut charged.seen)
            }
            SourceKind::Checkout => {
                self.checkouts.get_mut(&CheckoutId(confirmed.source.id)).map(|bought| &mut bought.seen)
            }
            SourceKind::Grant => None,
        };
        if let Some(seen) = seen {
            *seen = confirmed.seen.max(*seen);
        }
    }

    fn apply_call(&mut self, call: CallId, posted: &Posted) {
        let held = posted.net(LedgerAccount::Held);
        if held != 0 {
            *self.holds.entry(call).or_default() += held;
        }
        if matches!(posted.kind, TransactionKind::Usage | TransactionKind::Correction) {
            let fresh = Charged { transaction: posted.id, seen: 0, amounts: Default::default(), cost: 0 };
            let charged = self.calls.entry(call).or_insert(fresh);
            charged.seen = charged.seen.max(posted.seen.unwrap_or(0));
            for (component, amount) in Component::ALL.iter().zip(&mut charged.amounts) {
                *amount += posted.net(LedgerAccount::Revenue(*component));
            }
            charged.cost -= posted.net(LedgerAccount::ProviderCost);
        }
    }
}

/// The state that the next request of a batch is decided on.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    base: &'a Tables,
    /// What changed since the begin.
    changed: Tables,
    pub(super) balances: Balances,
    pub(super) currency: Option<Currency>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(base: &'a Tables, balances: &Balances, currency: Option<Currency>) -> Self {
        Self { base, changed: Tables::default(), balances: balances.clone(), currency }
    }

    pub(super) fn hold(&self, call: CallId) -> i64 {
        self.changed.holds.get(&call).or_else(|| self.base.holds.get(&call)).copied().unwrap_or(0)
    }

    pub(super) fn charged(&self, call: CallId) -> Option<Charged> {
        self.changed.calls.get(&call).or_else(|| self.base.calls.get(&call)).copied()
    }

    pub(super) fn bought(&self, checkout: CheckoutId) -> Option<Bought> {
        self.changed.checkouts.get(&checkout).or_else(|| self.base.checkouts.get(&checkout)).copied()
    }

    pub(super) fn granted(&self, grant: TransactionId) -> bool {
        self.changed.grants.contains(&grant) || self.base.grants.contains(&grant)
    }

    /// Credit of the client, held credit included, in millionths.
    pub(super) fn credit(&self) -> i64 {
        self.balances.of(LedgerAccount::Available).saturating_add(self.balances.of(LedgerAccount::Held))
    }

    /// Takes facts that were decided on the same state before.
    pub(super) fn replay(&mut self, facts: &[CreditEvent]) {
        for fact in facts {
            match fact {
                CreditEvent::Posted(posted) => {
                    let mut balances = self.balances.clone();
                    balances.apply(&posted.entries);
                    self.take(posted, balances);
                }
                CreditEvent::Confirmed(confirmed) => self.confirm(confirmed),
                CreditEvent::Low(_) | CreditEvent::Exhausted(_) => {}
            }
        }
    }

    /// Takes a transaction that was decided; `balances` are those after it.
    pub(super) fn take(&mut self, posted: &Posted, balances: Balances) {
        self.copy(posted.source);
        self.changed.apply(posted);
        self.balances = balances;
        self.currency = Some(posted.currency);
    }

    pub(super) fn confirm(&mut self, confirmed: &SumsConfirmed) {
        self.copy(confirmed.source);
        self.changed.confirm(confirmed);
    }

    /// Copies what is known of a call or a purchase to what may be changed.
    fn copy(&mut self, source: Source) {
        match source.kind {
            SourceKind::Call => {
                let call = CallId(source.id);
                self.changed.holds.insert(call, self.hold(call));
                if let Some(charged) = self.charged(call) {
                    self.changed.calls.insert(call, charged);
                }
            }
            SourceKind::Checkout => {
                let checkout = CheckoutId(source.id);
                self.changed.checkouts.insert(checkout, self.bought(checkout).unwrap_or_default());
            }
            SourceKind::Grant => {}
        }
    }
}
