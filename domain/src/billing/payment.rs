//! A payment as the payment provider tells it: what was refunded of it, what is disputed, and which checkout it paid.
//!
//! Its facts come several times and in any order; the checkout may become known last.

use std::collections::BTreeMap;

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::currency::Currency;
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::{CheckoutId, ClientId, PaymentId, derive};
use crate::wire::events;

/// Most disputes of a payment that are remembered.
const MAX_DISPUTES: usize = 20;

events! {
    pub enum PaymentEvent {
        Bound(PaymentBound) = "payment.bound" v 1,
        Refunded(PaymentRefunded) = "payment.refunded" v 1,
        Disputed(PaymentDisputed) = "payment.disputed" v 1,
        DisputeClosed(DisputeClosed) = "payment.dispute_closed" v 1,
    }
}

/// The checkout that the payment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentBound {
    pub checkout: CheckoutId,
    pub client: ClientId,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentRefunded {
    /// Refunded in all, in the smallest units of the currency.
    pub minor_units: i64,
    /// Currency in lower case, as the provider writes it; `None`: it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentDisputed {
    /// The provider's id of the dispute.
    pub dispute: String,
    /// Claimed back, in the smallest units of the currency.
    pub minor_units: i64,
    /// Currency in lower case, as the provider writes it; `None`: it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DisputeClosed {
    /// The provider's id of the dispute.
    pub dispute: String,
    /// Claimed back, in the smallest units of the currency.
    pub minor_units: i64,
    /// Currency in lower case, as the provider writes it; `None`: it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Whether the payment stays with us.
    pub won: bool,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PaymentCommand {
    Bind {
        checkout: CheckoutId,
        client: ClientId,
        now: Time,
    },
    /// So much was refunded in all.
    Refund {
        minor_units: i64,
        currency: Option<String>,
        now: Time,
    },
    Dispute {
        dispute: String,
        minor_units: i64,
        currency: Option<String>,
        now: Time,
    },
    CloseDispute {
        dispute: String,
        minor_units: i64,
        currency: Option<String>,
        won: bool,
        now: Time,
    },
}

/// Why a payment refuses a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaymentRefusal {
    #[error("an amount is negative")]
    Negative,
    #[error("the payment has too many disputes")]
    TooMany,
    #[error("the payment is bound to another checkout")]
    OtherCheckout,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    minor_units: i64,
    currency: Option<String>,
    closed: bool,
    won: bool,
}

/// State of a payment, folded from its events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Payment {
    bound: Option<(CheckoutId, ClientId)>,
    refunded: i64,
    refund_currency: Option<String>,
    disputes: BTreeMap<String, Claim>,
}

impl PaymentId {
    /// The id of a payment of a provider: always the same.
    #[must_use]
    pub fn of(provider: &str, id: &str) -> Self {
        const SPACE: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0012);
        Self(derive(SPACE, &format!("{provider} payment {id}")))
    }
}

impl Payment {
    /// The checkout that was paid with it, and its client; `None` until it is known.
    #[must_use]
    pub fn bound(&self) -> Option<(CheckoutId, ClientId)> {
        self.bound
    }

    /// Refunded in all in the currency, in its smallest units.
    #[must_use]
    pub fn refunded(&self, currency: Currency) -> i64 {
        if is_in(self.refund_currency.as_deref(), currency) { self.refunded } else { 0 }
    }

    /// Claimed back in the currency by disputes that are open or lost, in its smallest units.
    #[must_use]
    pub fn disputed(&self, currency: Currency) -> i64 {
        let claims = self.disputes.values().filter(|claim| !(claim.closed && claim.won));
        let claims = claims.filter(|claim| is_in(claim.currency.as_deref(), currency));
        claims.fold(0, |sum, claim| sum.saturating_add(claim.minor_units))
    }

    /// Whether something was refunded or is disputed in another currency than this one.
    #[must_use]
    pub fn has_other_currency(&self, currency: Currency) -> bool {
        let refunded = self.refunded > 0 && !is_in(self.refund_currency.as_deref(), currency);
        refunded || self.disputes.values().any(|claim| !is_in(claim.currency.as_deref(), currency))
    }

    fn room(&self, dispute: &str) -> Result<(), PaymentRefusal> {
        let known = self.disputes.contains_key(dispute);
        if known || self.disputes.len() < MAX_DISPUTES { Ok(()) } else { Err(PaymentRefusal::TooMany) }
    }
}

fn is_in(told: Option<&str>, currency: Currency) -> bool {
    told.is_none_or(|told| told.eq_ignore_ascii_case(currency.as_str()))
}

/// As much of a name of a currency as is kept.
fn cut(currency: Option<&String>) -> Option<String> {
    currency.map(|name| name.chars().take(8).collect())
}

impl Aggregate for Payment {
    const CATEGORY: &'static str = PaymentId::CATEGORY;
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Refusal = PaymentRefusal;

    fn decide(&self, command: &PaymentCommand) -> Result<Vec<PaymentEvent>, PaymentRefusal> {
        Ok(match command {
            PaymentCommand::Bind { checkout, client, now } => match self.bound {
                None => vec![PaymentBound { checkout: *checkout, client: *client, at: *now }.into()],
                Some(bound) if bound == (*checkout, *client) => vec![],
                Some(_) => return Err(PaymentRefusal::OtherCheckout),
            },
            PaymentCommand::Refund { minor_units, .. }
            | PaymentCommand::Dispute { minor_units, .. }
            | PaymentCommand::CloseDispute { minor_units, .. }
                if *minor_units < 0 =>
            {
                return Err(PaymentRefusal::Negative);
            }
            // the provider's sum only grows: a smaller one came late
            PaymentCommand::Refund { minor_units, .. } if *minor_units <= self.refunded => vec![],
            PaymentCommand::Refund { minor_units, currency, now } => {
                let currency = cut(currency.as_ref());
                vec![PaymentRefunded { minor_units: *minor_units, currency, at: *now }.into()]
            }
            PaymentCommand::Dispute { dispute, .. } if self.disputes.contains_key(dispute) => vec![],
            PaymentCommand::Dispute { dispute, minor_units, currency, now } => {
                self.room(dispute)?;
                let (dispute, minor_units) = (dispute.clone(), *minor_units);
                vec![
                    PaymentDisputed { dispute, minor_units, currency: cut(currency.as_ref()), at: *now }
                        .into(),
                ]
            }
            PaymentCommand::CloseDispute { dispute, .. }
                if self.disputes.get(dispute).is_some_and(|claim| claim.closed) =>
            {
                vec![]
            }
            PaymentCommand::CloseDispute { dispute, minor_units, currency, won, now } => {
                self.room(dispute)?;
                let (dispute, minor_units, won) = (dispute.clone(), *minor_units, *won);
                let currency = cut(currency.as_ref());
                vec![DisputeClosed { dispute, minor_units, currency, won, at: *now }.into()]
            }
        })
    }

    fn evolve(&mut self, event: &PaymentEvent) {
        match event {
            PaymentEvent::Bound(bound) => self.bound = Some((bound.checkout, bound.client)),
            PaymentEvent::Refunded(refunded) => {
                self.refunded = refunded.minor_units;
                self.refund_currency.clone_from(&refunded.currency);
            }
            PaymentEvent::Disputed(disputed) => {
                let currency = disputed.currency.clone();
                let claim = Claim { minor_units: disputed.minor_units, currency, closed: false, won: false };
                self.disputes.insert(disputed.dispute.clone(), claim);
            }
            PaymentEvent::DisputeClosed(closed) => {
                let (currency, won) = (closed.currency.clone(), closed.won);
                let claim = Claim { minor_units: closed.minor_units, currency, closed: true, won };
                self.disputes.insert(closed.dispute.clone(), claim);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::scenario;

    fn facts() -> Vec<PaymentCommand> {
        let dispute = |dispute: &str| PaymentCommand::Dispute {
            dispute: dispute.to_owned(),
            minor_units: 300,
            currency: Some("usd".to_owned()),
            now: at(1),
        };
        let close = |dispute: &str, won| {
            let (dispute, minor_units) = (dispute.to_owned(), 300);
            let currency = Some("usd".to_owned());
            PaymentCommand::CloseDispute { dispute, minor_units, currency, won, now: at(2) }
        };
        let (checkout, client) = (CheckoutId(Uuid::from_u128(1)), ClientId(Uuid::from_u128(2)));
        vec![
            PaymentCommand::Bind { checkout, client, now: at(1) },
            PaymentCommand::Refund { minor_units: 100, currency: None, now: at(1) },
            PaymentCommand::Refund { minor_units: 250, currency: Some("usd".to_owned()), now: at(1) },
            dispute("dp_1"),
            close("dp_1", true),
            dispute("dp_2"),
            close("dp_2", false),
        ]
    }

    #[test]
    fn the_facts_of_a_payment_add_up_alike_in_any_order_and_number() {
        let facts = facts();
        for order in [[0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0], [4, 6, 2, 0, 5, 1, 3]] {
            let payment = scenario::<Payment>().after(order.map(|at| facts[at].clone()));
            let (state, euros) = (payment.state(), "EUR".parse().unwrap());
            assert_eq!((state.refunded(Currency::USD), state.disputed(Currency::USD)), (250, 300));
            assert_eq!((state.refunded(euros), state.disputed(euros)), (0, 0));
            assert!(state.has_other_currency(euros) && !state.has_other_currency(Currency::USD));
            assert!(payment.state().bound().is_some());
            for fact in &facts {
                payment.clone().when(fact.clone()).then_nothing();
            }
        }
    }

    #[test]
    fn a_payment_pays_one_checkout_and_amounts_are_not_negative() {
        let bound = scenario::<Payment>().after([facts().remove(0)]);
        let (checkout, client) = (CheckoutId(Uuid::from_u128(9)), ClientId(Uuid::from_u128(2)));
        let other = PaymentCommand::Bind { checkout, client, now: at(3) };
        bound.clone().when(other).then_refused(PaymentRefusal::OtherCheckout);
        let negative = PaymentCommand::Refund { minor_units: -1, currency: None, now: at(3) };
        bound.when(negative).then_refused(PaymentRefusal::Negative);
    }
}
