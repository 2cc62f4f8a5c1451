//! Values of the events of credit and costs.

use domain::billing::account::{
    CreditAlert, CreditEvent, CreditsExhausted, CreditsLow, Posted, Source, SourceKind, SumsConfirmed,
    TransactionKind,
};
use domain::billing::checkout::{
    CheckoutEvent, CheckoutExpired, CheckoutFailed, CheckoutMismatched, CheckoutOpened, CheckoutPaid,
    CheckoutPaymentFailed, CheckoutRequested, Mismatch,
};
use domain::billing::payment::{DisputeClosed, PaymentBound, PaymentDisputed, PaymentEvent, PaymentRefunded};
use domain::billing::price_book::{PriceBookEvent, PricesSet};
use domain::billing::{Component, CostItem, Currency, Entry, LedgerAccount, Price, Rounding, Side, Unit};
use domain::ids::{AgentId, CheckoutId, ClientId, TransactionId};

use super::samples::{at, id};

pub fn credit() -> Vec<CreditEvent> {
    let entry = |account, side, micros| Entry { account, side, micros };
    let item = CostItem {
        component: Component::Llm,
        provider: "groq".to_owned(),
        model: "example-8b".to_owned(),
        quantity: 2_000,
        unit: Unit::InputToken,
        price: 150_000,
        per: 1_000_000,
        amount: 300,
    };
    let alert = CreditAlert { credit: 5_000, limit: 10_000, currency: Currency::USD, at: at(1) };
    vec![
        Posted {
            id: TransactionId(id(51)),
            kind: TransactionKind::Correction,
            source: Source { kind: SourceKind::Call, id: id(52) },
            corrects: Some(TransactionId(id(53))),
            seen: Some(12),
            currency: Currency::USD,
            entries: vec![
                entry(LedgerAccount::Available, Side::Debit, 300),
                entry(LedgerAccount::Revenue(Component::Llm), Side::Credit, 300),
            ],
            available_after: 999_700,
            held_after: 24_000,
            opens: true,
            items: vec![item],
            agent: Some(AgentId(id(54))),
            reason: Some("welcome".to_owned()),
            at: at(0),
        }
        .into(),
        SumsConfirmed { source: Source { kind: SourceKind::Checkout, id: id(58) }, seen: 13, at: at(1) }
            .into(),
        CreditsLow(alert).into(),
        CreditsExhausted(alert).into(),
    ]
}

pub fn price_book() -> Vec<PriceBookEvent> {
    let price = Price {
        component: Component::Carrier,
        provider: Some("telnyx".to_owned()),
        model: Some("standard".to_owned()),
        unit: Unit::Second,
        per: 60,
        price: 12_000,
        increment: 6,
        minimum: 30,
        rounding: Rounding::Up,
    };
    let (client, currency, prices) = (Some(ClientId(id(55))), Currency::USD, vec![price]);
    vec![PricesSet { client, currency, prices, effective_from: at(1), at: at(0) }.into()]
}

pub fn checkout() -> Vec<CheckoutEvent> {
    let (session, url) = ("cs_test_1".to_owned(), "https://checkout.example/cs_test_1".to_owned());
    vec![
        CheckoutRequested { amount: 50_000_000, currency: Currency::USD, at: at(0) }.into(),
        CheckoutOpened { session, url, at: at(1) }.into(),
        CheckoutFailed { code: "api_key_expired".to_owned(), at: at(2) }.into(),
        CheckoutPaid { payment: Some("pi_1".to_owned()), at: at(3) }.into(),
        CheckoutPaymentFailed { at: at(4) }.into(),
        CheckoutExpired { at: at(5) }.into(),
        CheckoutMismatched {
            mismatch: Mismatch::Amount,
            minor_units: Some(4_999),
            currency: Some("usd".to_owned()),
            at: at(6),
        }
        .into(),
    ]
}

pub fn payment() -> Vec<PaymentEvent> {
    let dispute = || "dp_1".to_owned();
    let euros = || Some("eur".to_owned());
    vec![
        PaymentBound { checkout: CheckoutId(id(56)), client: ClientId(id(57)), at: at(0) }.into(),
        PaymentRefunded { minor_units: 100, currency: euros(), at: at(1) }.into(),
        PaymentDisputed { dispute: dispute(), minor_units: 300, currency: euros(), at: at(2) }.into(),
        DisputeClosed { dispute: dispute(), minor_units: 300, currency: euros(), won: true, at: at(3) }
            .into(),
    ]
}
