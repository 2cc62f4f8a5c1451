//! Tests of the views of credit.

use domain::billing::account::{Change, CreditAccount, CreditCommand, CreditEvent, CreditRequest};
use domain::billing::matching::{
    CarrierSide, Charge, Finding, MatchEvent, MatchListed, MatchSettled, MatchState, OurSide,
};
use domain::billing::{BillingTerms, Component, CostItem, Currency, Rated, Unit};
use domain::ids::{CallId, ClientId, TransactionId};
use domain::testing::calls::at;
use domain::testing::scenario::scenario;
use uuid::Uuid;

use super::*;
use crate::view::{At, View as _};

fn facts() -> Vec<CreditEvent> {
    let call = CallId(Uuid::from_u128(7));
    let request = |id, change| {
        let (id, terms) =
            (TransactionId(Uuid::from_u128(id)), BillingTerms { prepaid: true, ..Default::default() });
        CreditRequest { id, currency: Some(Currency::USD), terms, change, now: at(id.0.as_u128() as i64) }
    };
    let item = |component, unit, amount| CostItem {
        component,
        provider: "telnyx".to_owned(),
        model: String::new(),
        quantity: 60,
        unit,
        price: amount,
        per: 60,
        amount,
    };
    let items = vec![item(Component::Carrier, Unit::Second, 20), item(Component::Platform, Unit::Second, 5)];
    let rated = Rated { currency: Currency::USD, items, provider_cost: 15 };
    let requests = vec![
        request(1, Change::Grant { amount: 100, reason: "welcome".to_owned() }),
        request(2, Change::Hold { call, amount: 30 }),
        request(3, Change::Charge { call, seen: 1, rated, agent: None }),
    ];
    scenario::<CreditAccount>().when(CreditCommand::Post(requests)).facts().to_vec()
}

#[test]
fn the_account_is_as_the_last_transaction_left_it() {
    let (mut row, mut version) = (None, 0);
    for fact in facts() {
        version += 1;
        CreditAccounts::apply(&mut row, &moment(version), fact);
    }
    let view = row.unwrap().view;
    assert_eq!((view.available, view.held, view.version), (75, 0, 4));
    assert_eq!((view.created_at, view.updated_at), (at(1), at(3)));
}

#[test]
fn a_transaction_shows_what_it_is_and_what_it_is_because_of() {
    let mut rows = Vec::new();
    for fact in facts() {
        let CreditEvent::Posted(posted) = fact else { continue };
        let mut row = None;
        CreditTransactions::apply(&mut row, &moment(1), posted);
        rows.extend(row);
    }
    let kinds: Vec<_> =
        rows.iter().map(|row| (row.view.kind.as_str(), row.view.amount.amount_micros)).collect();
    assert_eq!(kinds, [("grant", 100), ("hold", 0), ("release", 0), ("usage", -25)]);
    let usage = &rows[3];
    assert_eq!(usage.components, [20, 0, 0, 0, 0, 5]);
    assert_eq!(usage.view.source.id, CallId(Uuid::from_u128(7)).to_string());
    let items: i64 = usage.view.items.iter().map(|item| item.amount.amount_micros).sum();
    assert_eq!(items, 25);
    let sides = |of: fn(&EntryView) -> Option<i64>| usage.view.entries.iter().filter_map(of).sum::<i64>();
    assert_eq!(sides(|entry| entry.debit), sides(|entry| entry.credit));
    assert_eq!((day_of(at(0)), day_of(at(86_400)) - day_of(at(0))), (day_of(at(0)), 1));
}

#[test]
fn a_finding_stays_when_it_matches_and_keeps_when_it_was_found() {
    let charge = |micros| Charge { micros, currency: Some(Currency::USD) };
    let call = CallId(Uuid::from_u128(7));
    let finding = Finding {
        state: MatchState::OursOnly,
        call: Some(call),
        leg: None,
        began_at: at(0),
        ours: Some(OurSide { seconds: 61, charge: Some(charge(9_600)) }),
        carrier: None,
        ledger: Some(Charge { micros: 0, currency: None }),
        seconds: -61,
        micros: Some(-9_600),
    };
    let id = Uuid::from_u128(8);
    let listed = |finding, second| MatchEvent::from(MatchListed { id, finding, at: at(second) });
    let mut row = None;
    BillingMatches::apply(&mut row, &moment(1), listed(finding, 1));
    let view = &row.as_ref().unwrap().view;
    assert_eq!((view.call_id, view.state, view.carrier.is_some()), (Some(call), MatchState::OursOnly, false));
    let lacking = view.difference.amount.as_ref().unwrap();
    assert_eq!(
        (view.difference.seconds, lacking.amount_micros, lacking.currency.as_str()),
        (-61, -9_600, "USD")
    );
    assert_eq!(view.ledger.as_ref().unwrap().currency, "XXX");
    let carrier = CarrierSide { seconds: Some(61), billed_seconds: Some(120), charge: charge(9_600) };
    let agrees = Finding {
        state: MatchState::Matched,
        carrier: Some(carrier),
        seconds: 0,
        micros: Some(0),
        ..finding
    };
    BillingMatches::apply(&mut row, &moment(2), listed(agrees, 2));
    let view = &row.as_ref().unwrap().view;
    assert_eq!((view.state, view.found_at, view.changed_at), (MatchState::Matched, at(1), at(2)));
    BillingMatches::apply(&mut row, &moment(3), listed(finding, 3));
    BillingMatches::apply(&mut row, &moment(4), MatchSettled { id, at: at(4) }.into());
    let row = row.unwrap();
    assert_eq!((row.view.state, row.view.changed_at), (MatchState::Matched, at(4)));
    let difference = &row.view.difference;
    assert_eq!(
        (difference.seconds, difference.amount.as_ref().unwrap().amount_micros),
        (0, 0),
        "nothing is lacking"
    );
    assert_eq!(row.position, domain::envelope::Position(4));
}

fn moment(version: u64) -> At {
    let client = ClientId(Uuid::from_u128(9));
    let (position, version) = (domain::envelope::Position(version), domain::envelope::Version(version));
    At { id: client.0, client, position, version, recorded_at: at(1) }
}
