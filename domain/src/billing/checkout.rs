//! A purchase of credit at a payment provider.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use super::currency::Currency;
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::CheckoutId;
use crate::wire::events;

/// Largest purchase, in millionths: 999 999.99, the most that Stripe takes in one payment.
pub const MAX_AMOUNT: i64 = 999_999_990_000;

events! {
    pub enum CheckoutEvent {
        Requested(CheckoutRequested) = "checkout.requested" v 1,
        /// The provider opened a page for the payment.
        Opened(CheckoutOpened) = "checkout.opened" v 1,
        /// The provider opened none.
        Failed(CheckoutFailed) = "checkout.failed" v 1,
        Paid(CheckoutPaid) = "checkout.paid" v 1,
        PaymentFailed(CheckoutPaymentFailed) = "checkout.payment_failed" v 1,
        Expired(CheckoutExpired) = "checkout.expired" v 1,
        /// What the provider says does not fit what was asked for: nothing is credited.
        Mismatched(CheckoutMismatched) = "checkout.mismatched" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckoutRequested {
    /// Millionths to pay, above zero.
    pub amount: i64,
    pub currency: Currency,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckoutOpened {
    /// The provider's id of it.
    pub session: String,
    /// Page where it is paid.
    pub url: String,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckoutFailed {
    /// The provider's code, or our own.
    pub code: String,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckoutPaid {
    /// The provider's id of the payment; `None` where it names none.
    pub payment: Option<String>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckoutPaymentFailed {
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckoutExpired {
    #[serde(with = "micros")]
    pub at: Time,
}

/// Why a payment is not credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    Amount,
    Currency,
    /// Another session than the one that was opened.
    Session,
    /// More is refunded and disputed than was paid.
    ReversedTooMuch,
    /// A payment without money where money is expected, or the reverse.
    LiveMode,
    /// The session is of another client.
    Client,
    /// The client's credit is in another currency, or grows beyond what fits.
    Account,
    /// Something was refunded or is disputed in another currency.
    ReversedCurrency,
}

impl Mismatch {
    pub const ALL: &'static [Mismatch] = &[
        Mismatch::Client,
        Mismatch::Session,
        Mismatch::LiveMode,
        Mismatch::Currency,
        Mismatch::Amount,
        Mismatch::Account,
        Mismatch::ReversedTooMuch,
        Mismatch::ReversedCurrency,
    ];

    /// Whether it is about money that was taken back: the purchase itself stays credited.
    const fn is_of_reversal(self) -> bool {
        matches!(self, Self::ReversedTooMuch | Self::ReversedCurrency)
    }

    /// Name as stored and shown, for example `amount`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::Session => "session",
            Self::ReversedTooMuch => "reversed_too_much",
            Self::LiveMode => "live_mode",
            Self::Client => "client",
            Self::Account => "account",
            Self::ReversedCurrency => "reversed_currency",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckoutMismatched {
    pub mismatch: Mismatch,
    /// What the provider says was paid, in its smallest units; `None`: it does not say.
    pub minor_units: Option<i64>,
    /// The provider's name of the currency, cut to 8 characters.
    pub currency: Option<String>,
    #[serde(with = "micros")]
    pub at: Time,
}

/// What the provider says of a session that was completed.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionReport {
    /// The provider's id of the session.
    pub session: String,
    /// Whether the session names another client than the checkout's.
    pub other_client: bool,
    /// The provider's id of the payment.
    pub payment: Option<String>,
    /// Amount paid, in the smallest units of the currency.
    pub minor_units: Option<i64>,
    /// Currency, in lower case as providers write it.
    pub currency: Option<String>,
    /// Whether real money was paid.
    pub live: bool,
}

#[derive(Debug, Clone)]
pub enum CheckoutCommand {
    Request {
        amount: i64,
        currency: Currency,
        now: Time,
    },
    Open {
        session: String,
        url: String,
        now: Time,
    },
    Fail {
        code: String,
        now: Time,
    },
    /// The provider says that it is paid. `live`: whether this node expects real money; `None`: unknown.
    Pay {
        report: Box<SessionReport>,
        live: Option<bool>,
        now: Time,
    },
    FailPayment {
        now: Time,
    },
    Expire {
        now: Time,
    },
    /// Notes what does not fit and was found when it was booked.
    Note {
        mismatch: Mismatch,
        now: Time,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckoutRefusal {
    #[error("the checkout does not exist")]
    Unknown,
    #[error("the checkout exists already")]
    Exists,
    #[error("give an amount above zero, of whole smallest units of the currency and at most 999999.99")]
    Amount,
}

/// Where a checkout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckoutStatus {
    /// The provider has not opened a page yet.
    Requested,
    Open,
    Paid,
    Failed,
    Expired,
    /// It was paid otherwise than asked: somebody must look.
    Mismatched,
}

/// State of a checkout, folded from its events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkout {
    asked: Option<(i64, Currency)>,
    created_at: Option<Time>,
    session: Option<String>,
    url: Option<String>,
    status: Option<CheckoutStatus>,
    payment: Option<String>,
    noted: Vec<Mismatch>,
}

impl Checkout {
    /// Amount in millionths, and currency; `None` before it exists.
    #[must_use]
    pub fn asked(&self) -> Option<(i64, Currency)> {
        self.asked
    }

    #[must_use]
    pub fn status(&self) -> Option<CheckoutStatus> {
        self.status
    }

    /// The provider's id of the payment, once it is paid.
    #[must_use]
    pub fn payment(&self) -> Option<&str> {
        self.payment.as_deref()
    }

    /// When it was asked for; `None` before it exists.
    #[must_use]
    pub fn created_at(&self) -> Option<Time> {
        self.created_at
    }

    /// Page where it is paid, while it is open.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref().filter(|_| self.status == Some(CheckoutStatus::Open))
    }

    /// What did not fit, in the order it was noted.
    #[must_use]
    pub fn mismatches(&self) -> &[Mismatch] {
        &self.noted
    }

    /// Whether it was paid as asked.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.status == Some(CheckoutStatus::Paid)
    }

    fn mismatch(&self, report: &SessionReport, live: Option<bool>) -> Option<Mismatch> {
        let (amount, currency) = self.asked?;
        let told = report.currency.as_deref().map(str::to_ascii_uppercase);
        if report.other_client {
            return Some(Mismatch::Client);
        }
        if self.session.as_ref().is_some_and(|session| *session != report.session) {
            return Some(Mismatch::Session);
        }
        if live.is_some_and(|live| live != report.live) {
            return Some(Mismatch::LiveMode);
        }
        if told.as_deref() != Some(currency.as_str()) {
            return Some(Mismatch::Currency);
        }
        let paid = report.minor_units.and_then(|units| currency.micros_of(units));
        (paid != Some(amount)).then_some(Mismatch::Amount)
    }

    fn note(&self, mismatch: Mismatch, report: Option<&SessionReport>, now: Time) -> Vec<CheckoutEvent> {
        if self.noted.contains(&mismatch) {
            return vec![];
        }
        let currency = report.and_then(|report| report.currency.as_ref());
        let currency = currency.map(|currency| currency.chars().take(8).collect());
        let minor_units = report.and_then(|report| report.minor_units);
        vec![CheckoutMismatched { mismatch, minor_units, currency, at: now }.into()]
    }
}

impl Aggregate for Checkout {
    const CATEGORY: &'static str = CheckoutId::CATEGORY;
    type Command = CheckoutCommand;
    type Event = CheckoutEvent;
    type Refusal = CheckoutRefusal;

    fn decide(&self, command: &CheckoutCommand) -> Result<Vec<CheckoutEvent>, CheckoutRefusal> {
        if let CheckoutCommand::Request { amount, currency, now } = command {
            // the same request again: its answer was lost
            match self.asked {
                Some(asked) if asked == (*amount, *currency) => return Ok(vec![]),
                Some(_) => return Err(CheckoutRefusal::Exists),
                None => {}
            }
            if !(1..=MAX_AMOUNT).contains(amount) || currency.minor_units_of(*amount).is_none() {
                return Err(CheckoutRefusal::Amount);
            }
            return Ok(vec![CheckoutRequested { amount: *amount, currency: *currency, at: *now }.into()]);
        }
        let status = self.status.ok_or(CheckoutRefusal::Unknown)?;
        Ok(match command {
            CheckoutCommand::Request { .. } => vec![],
            CheckoutCommand::Open { session, url, now } if self.session.is_none() => {
                vec![CheckoutOpened { session: session.clone(), url: url.clone(), at: *now }.into()]
            }
            CheckoutCommand::Fail { code, now } if status == CheckoutStatus::Requested => {
                vec![CheckoutFailed { code: code.chars().take(100).collect(), at: *now }.into()]
            }
            // money counts, whatever was told before; but only once, and not what could not be credited
            CheckoutCommand::Pay { report, live, now } => match self.mismatch(report, *live) {
                Some(mismatch) => self.note(mismatch, Some(report), *now),
                None if self.noted.contains(&Mismatch::Account) => vec![],
                None if status == CheckoutStatus::Paid && self.payment == report.payment => vec![],
                None if status == CheckoutStatus::Paid => self.note(Mismatch::Session, Some(report), *now),
                None => vec![CheckoutPaid { payment: report.payment.clone(), at: *now }.into()],
            },
            CheckoutCommand::FailPayment { now } if is_open(status) => {
                vec![CheckoutPaymentFailed { at: *now }.into()]
            }
            CheckoutCommand::Expire { now } if is_open(status) => {
                vec![CheckoutExpired { at: *now }.into()]
            }
            CheckoutCommand::Note { mismatch, now } => self.note(*mismatch, None, *now),
            _ => vec![],
        })
    }

    fn evolve(&mut self, event: &CheckoutEvent) {
        match event {
            CheckoutEvent::Requested(asked) => {
                self.asked = Some((asked.amount, asked.currency));
                self.created_at = Some(asked.at);
                self.status = Some(CheckoutStatus::Requested);
            }
            CheckoutEvent::Opened(opened) => {
                self.session = Some(opened.session.clone());
                self.url = Some(opened.url.clone());
                if self.status == Some(CheckoutStatus::Requested) {
                    self.status = Some(CheckoutStatus::Open);
                }
            }
            CheckoutEvent::Failed(_) | CheckoutEvent::PaymentFailed(_) => {
                self.status = Some(CheckoutStatus::Failed);
            }
            CheckoutEvent::Expired(_) => self.status = Some(CheckoutStatus::Expired),
            CheckoutEvent::Paid(paid) => {
                self.payment.clone_from(&paid.payment);
                self.status = Some(CheckoutStatus::Paid);
            }
            CheckoutEvent::Mismatched(mismatched) => {
                self.noted.push(mismatched.mismatch);
                // what was paid as asked stays paid, whatever else is told of it
                let paid = self.is_paid() && mismatched.mismatch != Mismatch::Account;
                if !paid && !mismatched.mismatch.is_of_reversal() {
                    self.status = Some(CheckoutStatus::Mismatched);
                }
            }
        }
    }
}

fn is_open(status: CheckoutStatus) -> bool {
    matches!(status, CheckoutStatus::Requested | CheckoutStatus::Open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::{Scenario, scenario};

    fn requested() -> Scenario<Checkout> {
        let (amount, currency) = (50_000_000, Currency::USD);
        scenario().after([CheckoutCommand::Request { amount, currency, now: at(1) }])
    }

    fn opened() -> Scenario<Checkout> {
        let (session, url) = ("cs_1".to_owned(), "https://pay.test/cs_1".to_owned());
        requested().after([CheckoutCommand::Open { session, url, now: at(2) }])
    }

    fn report() -> SessionReport {
        SessionReport {
            session: "cs_1".to_owned(),
            other_client: false,
            payment: Some("pi_1".to_owned()),
            minor_units: Some(5_000),
            currency: Some("usd".to_owned()),
            live: false,
        }
    }

    fn pay(report: SessionReport) -> CheckoutCommand {
        CheckoutCommand::Pay { report: Box::new(report), live: Some(false), now: at(3) }
    }

    #[test]
    fn a_checkout_is_paid_once_whatever_came_before() {
        let paid = opened().when(pay(report())).then_types(["checkout.paid"]).and();
        assert_eq!(paid.state().payment(), Some("pi_1"));
        for late in [
            pay(report()),
            CheckoutCommand::Expire { now: at(9) },
            CheckoutCommand::FailPayment { now: at(9) },
        ] {
            paid.clone().when(late).then_nothing();
        }
        // the answer to the opening was lost, or the payment failed first
        requested().when(pay(report())).then_types(["checkout.paid"]);
        let failed = opened().after([CheckoutCommand::FailPayment { now: at(3) }]);
        failed.when(pay(report())).then_types(["checkout.paid"]);
    }

    #[test]
    fn what_does_not_fit_is_noted_once_and_not_paid() {
        let bad = [
            (Mismatch::Amount, SessionReport { minor_units: Some(4_999), ..report() }),
            (Mismatch::Amount, SessionReport { minor_units: Some(i64::MAX), ..report() }),
            (Mismatch::Amount, SessionReport { minor_units: None, ..report() }),
            (Mismatch::Currency, SessionReport { currency: Some("eur".to_owned()), ..report() }),
            (Mismatch::Session, SessionReport { session: "cs_2".to_owned(), ..report() }),
            (Mismatch::LiveMode, SessionReport { live: true, ..report() }),
            (Mismatch::Client, SessionReport { other_client: true, ..report() }),
        ];
        for (mismatch, report) in bad {
            let noted = opened().when(pay(report.clone())).then_types(["checkout.mismatched"]).and();
            assert_eq!(noted.state().status(), Some(CheckoutStatus::Mismatched), "{mismatch:?}");
            noted.when(pay(report)).then_nothing();
        }
    }

    #[test]
    fn another_clients_session_pays_no_checkout_wherever_it_stands() {
        let other = || pay(SessionReport { other_client: true, ..report() });
        let refused = requested().when(other()).then_types(["checkout.mismatched"]).and();
        // the right one still does
        let paid = refused.when(pay(report())).then_types(["checkout.paid"]).and();
        let noted = paid.when(pay(SessionReport { payment: Some("pi_2".to_owned()), ..report() }));
        let noted = noted.then_types(["checkout.mismatched"]).and();
        assert_eq!((noted.state().is_paid(), noted.state().payment()), (true, Some("pi_1")));
    }

    #[test]
    fn what_cannot_be_credited_is_noted_and_not_tried_again() {
        let note = CheckoutCommand::Note { mismatch: Mismatch::Account, now: at(4) };
        let noted = opened().after([pay(report()), note]);
        assert_eq!(noted.state().status(), Some(CheckoutStatus::Mismatched));
        noted.when(pay(report())).then_nothing();
    }

    #[test]
    fn the_same_request_again_is_no_news_and_another_is_refused() {
        let ask = |amount| CheckoutCommand::Request { amount, currency: Currency::USD, now: at(9) };
        let (amount, _) = requested().state().asked().unwrap();
        requested().when(ask(amount)).then_nothing();
        requested().when(ask(amount + 10_000)).then_refused(CheckoutRefusal::Exists);
    }

    #[test]
    fn an_amount_is_of_whole_smallest_units() {
        for amount in [0, -10_000, 5_000, 10_001, MAX_AMOUNT + 10_000] {
            let request = CheckoutCommand::Request { amount, currency: Currency::USD, now: at(1) };
            scenario::<Checkout>().when(request).then_refused(CheckoutRefusal::Amount);
        }
        scenario::<Checkout>().when(pay(report())).then_refused(CheckoutRefusal::Unknown);
    }
}
