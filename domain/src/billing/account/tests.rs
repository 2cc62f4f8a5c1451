//! Tests of the ledger's rules, and of what holds whatever happens.

use proptest::prelude::*;
use uuid::Uuid;

use super::super::currency::Currency;
use super::super::entry::{Balances, Component, LedgerAccount};
use super::super::price::Unit;
use super::super::rating::{CostItem, Rated};
use super::super::terms::{BillingTerms, MOST_CREDIT};
use super::*;
use crate::aggregate::Aggregate as _;
use crate::ids::{CallId, CheckoutId, TransactionId};
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, Then, scenario};

const PREPAID: BillingTerms = BillingTerms { prepaid: true, credit_line: 0, low_at: None };

fn call(n: u128) -> CallId {
    CallId(Uuid::from_u128(n))
}

fn checkout(n: u128) -> CheckoutId {
    CheckoutId(Uuid::from_u128(n))
}

fn request(id: u128, terms: BillingTerms, change: Change) -> CreditRequest {
    let id = TransactionId(Uuid::from_u128(id));
    CreditRequest { id, currency: Some(Currency::USD), terms, change, now: at(1) }
}

fn post(id: u128, change: Change) -> CreditCommand {
    CreditCommand::Post(vec![request(id, PREPAID, change)])
}

fn grant(amount: i64) -> Change {
    Change::Grant { amount, reason: "a test".to_owned() }
}

fn rated(carrier: i64, llm: i64, provider_cost: i64) -> Rated {
    let item = |component, amount| CostItem {
        component,
        provider: String::new(),
        model: String::new(),
        quantity: 1,
        unit: Unit::Request,
        price: amount,
        per: 1,
        amount,
    };
    let items = [(Component::Carrier, carrier), (Component::Llm, llm)];
    let items = items.into_iter().filter(|(_, amount)| *amount > 0).map(|(of, amount)| item(of, amount));
    Rated { currency: Currency::USD, items: items.collect(), provider_cost }
}

fn charge(n: u128, rated: Rated) -> Change {
    charge_at(1, n, rated)
}

fn charge_at(seen: u64, n: u128, rated: Rated) -> Change {
    Change::Charge { call: call(n), seen, rated, agent: None }
}

/// Available credit and held credit.
fn credit(account: &Scenario<CreditAccount>) -> (i64, i64) {
    let balances = account.state().balances();
    (balances.of(LedgerAccount::Available), balances.of(LedgerAccount::Held))
}

fn funded(amount: i64) -> Scenario<CreditAccount> {
    scenario().after([post(1, grant(amount))])
}

#[test]
fn a_call_is_held_for_extended_and_charged_once() {
    let account = funded(100).after([post(2, Change::Hold { call: call(7), amount: 30 })]);
    assert_eq!(credit(&account), (70, 30));
    account.clone().when(post(3, Change::Hold { call: call(7), amount: 30 })).then_nothing();
    let account = account.after([post(4, Change::Extend { call: call(7), to: 50 })]);
    assert_eq!(credit(&account), (50, 50));
    account.clone().when(post(5, Change::Extend { call: call(7), to: 50 })).then_nothing();
    let ended = account.when(post(6, charge(7, rated(20, 5, 15))));
    let ended = ended.then_types(["credit_account.posted", "credit_account.posted"]).and();
    assert_eq!(credit(&ended), (75, 0));
    let balances = ended.state().balances();
    let of = |account| balances.of(account);
    assert_eq!(of(LedgerAccount::Revenue(Component::Carrier)), 20);
    assert_eq!(of(LedgerAccount::Revenue(Component::Llm)), 5);
    assert_eq!((of(LedgerAccount::ProviderCost), of(LedgerAccount::Payable)), (-15, 15));
    for late in [charge(7, rated(20, 5, 15)), Change::Hold { call: call(7), amount: 9 }] {
        ended.clone().when(post(8, late)).then_nothing();
    }
}

#[test]
fn a_late_cost_corrects_the_charge_by_a_transaction_that_names_it() {
    let account = funded(100).after([post(2, charge(7, rated(20, 5, 0)))]);
    let corrected = account.when(post(3, charge(7, rated(24, 5, 16))));
    let [CreditEvent::Posted(posted)] = corrected.facts() else { panic!("{:?}", corrected.facts()) };
    assert_eq!(
        (posted.kind, posted.corrects),
        (TransactionKind::Correction, Some(TransactionId(Uuid::from_u128(2))))
    );
    assert_eq!((posted.amount(), posted.net(LedgerAccount::ProviderCost)), (-4, -16));
    let account = corrected.and();
    account.clone().when(post(4, charge(7, rated(24, 5, 16)))).then_nothing();
    // and back again: the first transaction stays the one that is named
    let back = account.when(post(5, charge(7, rated(20, 5, 16))));
    let [CreditEvent::Posted(posted)] = back.facts() else { panic!("{:?}", back.facts()) };
    assert_eq!((posted.amount(), posted.corrects), (4, Some(TransactionId(Uuid::from_u128(2)))));
}

#[test]
fn without_cover_a_prepaid_call_is_refused_and_another_clients_is_not_held_for() {
    let hold = |amount| Change::Hold { call: call(7), amount };
    let short = CreditRefusal::Insufficient { available: 10, needed: 11 };
    funded(10).when(post(2, hold(11))).then_refused(short);
    let with_line = BillingTerms { credit_line: 1, ..PREPAID };
    let command = CreditCommand::Post(vec![request(2, with_line, hold(11))]);
    funded(10).when(command).then_types(["credit_account.posted"]);
    // where nothing is charged by time there must still be some credit
    funded(10).when(post(2, hold(0))).then_nothing();
    let none = CreditRefusal::Insufficient { available: 0, needed: 1 };
    scenario::<CreditAccount>().when(post(2, hold(0))).then_refused(none);
    let free = CreditCommand::Post(vec![request(2, BillingTerms::default(), hold(99))]);
    scenario::<CreditAccount>().when(free).then_nothing();
}

#[test]
fn of_many_calls_in_one_command_as_many_are_held_for_as_there_is_cover() {
    let holds = (0..500).map(|n| request(1_000 + n, PREPAID, Change::Hold { call: call(n), amount: 10 }));
    let account = funded(105).when(CreditCommand::Post(holds.collect()));
    // holding is no spending: nothing is exhausted by it
    assert_eq!(account.facts().len(), 10);
    assert_eq!(credit(&account.and()), (5, 100));
}

#[test]
fn low_and_exhausted_are_told_once_for_each_time_the_credit_falls() {
    let terms = BillingTerms { prepaid: true, credit_line: 5, low_at: Some(50) };
    let command = |id, change| CreditCommand::Post(vec![request(id, terms, change)]);
    let spend = |id, n, amount| command(id, charge(n, rated(amount, 0, 0)));
    let account = scenario::<CreditAccount>().when(command(1, grant(100)));
    let account = account.then_types(["credit_account.posted"]).and();
    let account =
        account.when(spend(2, 1, 50)).then_types(["credit_account.posted", "credit_account.low"]).and();
    let account = account.when(spend(3, 2, 10)).then_types(["credit_account.posted"]).and();
    let account =
        account.when(spend(4, 3, 45)).then_types(["credit_account.posted", "credit_account.exhausted"]).and();
    let account = account.when(spend(5, 4, 1)).then_types(["credit_account.posted"]).and();
    let account = account.when(command(6, grant(100))).then_types(["credit_account.posted"]).and();
    account.when(spend(7, 5, 60)).then_types(["credit_account.posted", "credit_account.low"]);
}

#[test]
fn a_purchase_is_credited_once_and_reversed_by_what_refunds_and_disputes_add_up_to() {
    let buy = Change::Purchase { checkout: checkout(5), amount: 100 };
    let back = |refunded, disputed| Change::Reverse { checkout: checkout(5), seen: 1, refunded, disputed };
    // what comes before the purchase waits for it
    scenario::<CreditAccount>().when(post(1, back(10, 0))).then_nothing();
    let account = scenario::<CreditAccount>().after([post(1, buy.clone())]);
    account.clone().when(post(2, buy)).then_nothing();
    let account = account.after([post(3, back(30, 0)), post(4, back(30, 0)), post(5, back(50, 20))]);
    assert_eq!(credit(&account), (30, 0));
    // no more is taken back than was credited
    assert_eq!(credit(&account.clone().after([post(6, back(80, 30))])), (0, 0));
    assert_eq!(credit(&account.clone().after([post(6, back(180, 0))])), (0, 0));
    // a dispute that was won gives the credit back
    let account = account.after([post(7, back(50, 0))]);
    assert_eq!(credit(&account), (50, 0));
}

#[test]
fn sums_of_an_older_version_change_nothing() {
    let buy = Change::Purchase { checkout: checkout(5), amount: 100 };
    let back = |seen, refunded| Change::Reverse { checkout: checkout(5), seen, refunded, disputed: 0 };
    let account = scenario::<CreditAccount>().after([post(1, buy), post(2, back(3, 50))]);
    account.clone().when(post(3, back(2, 30))).then_nothing();
    let account = account.after([post(4, charge_at(9, 7, rated(10, 0, 8)))]);
    account.when(post(5, charge_at(8, 7, rated(20, 0, 0)))).then_nothing();
}

#[test]
fn newer_sums_that_are_the_same_are_noted_so_that_older_ones_change_nothing_later() {
    let buy = Change::Purchase { checkout: checkout(5), amount: 100 };
    let back = |seen, refunded| Change::Reverse { checkout: checkout(5), seen, refunded, disputed: 0 };
    let account = scenario::<CreditAccount>().after([post(1, buy), post(2, back(1, 50))]);
    let account = account.after([post(3, charge_at(1, 7, rated(10, 0, 8)))]);
    let confirms = |account: &Then<CreditAccount>, of| {
        let [CreditEvent::Confirmed(confirmed)] = account.facts() else { panic!("{:?}", account.facts()) };
        assert_eq!((confirmed.source.kind, confirmed.seen), (of, 3));
    };
    let account = account.when(post(4, back(3, 50)));
    confirms(&account, SourceKind::Checkout);
    let account = account.and().when(post(5, charge_at(3, 7, rated(10, 0, 8))));
    confirms(&account, SourceKind::Call);
    let account = account.and();
    for late in [back(2, 30), charge_at(2, 7, rated(20, 0, 0)), back(3, 50), charge_at(3, 7, rated(10, 0, 8))]
    {
        account.clone().when(post(6, late)).then_nothing();
    }
}

#[test]
fn a_correction_is_of_every_component_and_a_call_that_costs_nothing_after_all_is_given_back() {
    let account = funded(100).after([post(2, charge_at(1, 7, rated(20, 5, 3)))]);
    let account = account.after([post(3, charge_at(2, 7, rated(4, 30, 3)))]);
    assert_eq!(credit(&account), (66, 0));
    let account = account.when(post(4, charge_at(3, 7, rated(0, 0, 0))));
    let [CreditEvent::Posted(posted)] = account.facts() else { panic!("{:?}", account.facts()) };
    assert_eq!((posted.amount(), posted.kind, posted.seen), (34, TransactionKind::Correction, Some(3)));
    assert_eq!(credit(&account.and()), (100, 0));
}

#[test]
fn a_request_without_a_currency_is_in_that_of_the_account() {
    let euros: Currency = "EUR".parse().unwrap();
    let of = |id, currency, change| {
        CreditCommand::Post(vec![CreditRequest { currency, ..request(id, PREPAID, change) }])
    };
    let account = scenario::<CreditAccount>().after([of(1, Some(euros), grant(50))]);
    let hold = || Change::Hold { call: call(7), amount: 20 };
    account
        .clone()
        .when(of(2, Some(Currency::USD), hold()))
        .then_refused(CreditRefusal::OtherCurrency(euros));
    let account = account.after([of(3, None, hold())]);
    assert_eq!((credit(&account), account.state().currency()), ((30, 20), Some(euros)));
}

#[test]
fn bad_amounts_and_currencies_are_refused() {
    for amount in [0, -1, i64::MIN] {
        scenario::<CreditAccount>().when(post(1, grant(amount))).then_refused(CreditRefusal::NotPositive);
        let buy = Change::Purchase { checkout: checkout(5), amount };
        scenario::<CreditAccount>().when(post(1, buy)).then_refused(CreditRefusal::NotPositive);
    }
    funded(MOST_CREDIT).when(post(2, grant(MOST_CREDIT + 1))).then_refused(CreditRefusal::TooLarge);
    let buy = Change::Purchase { checkout: checkout(5), amount: i64::MAX };
    funded(1).when(post(2, buy)).then_refused(CreditRefusal::Overflow);
    let euros = CreditRequest { currency: "EUR".parse().ok(), ..request(2, PREPAID, grant(5)) };
    let other = CreditRefusal::OtherCurrency(Currency::USD);
    funded(10).when(CreditCommand::Post(vec![euros])).then_refused(other);
    let blank = Change::Grant { amount: 5, reason: " ".to_owned() };
    scenario::<CreditAccount>().when(post(1, blank)).then_refused(CreditRefusal::Reason);
}

#[test]
fn a_refused_charge_leaves_nothing_for_the_next_request_of_the_command() {
    let account = funded(100).after([post(2, Change::Hold { call: call(7), amount: 40 })]);
    let absurd = Rated { provider_cost: i64::MAX, ..rated(1, 0, 0) };
    let account = account.after([post(3, charge(1, Rated { provider_cost: 5, ..rated(1, 0, 0) }))]);
    let both = CreditCommand::Post(vec![
        request(4, PREPAID, charge(7, absurd)),
        request(5, PREPAID, Change::Hold { call: call(8), amount: 60 }),
    ]);
    // the hold of the refused charge is still held
    account.when(both).then_refused(CreditRefusal::Overflow);
}

#[test]
fn old_calls_are_forgotten_and_no_longer_charged() {
    // ids of calls that began one second after the other, from a day in 2026 on
    let began = |n: u64| CallId(Uuid::from_u128(u128::from(1_767_225_600_000 + n) << 80 | 7));
    let mut account = CreditAccount::default();
    for n in 0..42_000_u64 {
        let change =
            Change::Charge { call: began(n), seen: 9, rated: rated(90_000, 9_000, 900), agent: None };
        let decided =
            account.decide_one(&request(u128::from(n) + 1, BillingTerms::default(), change)).unwrap();
        decided.iter().for_each(|event| account.evolve(event));
    }
    let again = |account: &CreditAccount, n| {
        let change =
            Change::Charge { call: began(n), seen: 9, rated: rated(90_000, 9_000, 900), agent: None };
        account.decide_one(&request(99_999_999, BillingTerms::default(), change))
    };
    assert_eq!(again(&account, 1_999), Err(CreditRefusal::TooOld));
    assert_eq!(again(&account, 2_000), Ok(vec![]));
    assert_eq!(again(&account, 41_999), Ok(vec![]));
    let bytes = account.to_snapshot().unwrap();
    assert!(bytes.len() < 4 << 20, "{} bytes", bytes.len());
    assert_eq!(CreditAccount::from_snapshot(&bytes), Some(account));
}

/// Changes as they may come: few calls and purchases, so that they meet and repeat.
fn changes() -> impl Strategy<Value = Change> {
    let (calls, amounts) = (0_u128..6, -5_i64..200);
    prop_oneof![
        amounts.clone().prop_map(grant),
        (0_u128..3, amounts.clone())
            .prop_map(|(n, amount)| Change::Purchase { checkout: checkout(n), amount }),
        (0_u128..3, 0_u64..5, amounts.clone(), amounts.clone()).prop_map(|(n, seen, refunded, disputed)| {
            Change::Reverse { checkout: checkout(n), seen, refunded, disputed }
        }),
        (calls.clone(), amounts.clone()).prop_map(|(n, amount)| Change::Hold { call: call(n), amount }),
        (calls.clone(), amounts.clone()).prop_map(|(n, to)| Change::Extend { call: call(n), to }),
        calls.clone().prop_map(|n| Change::Release { call: call(n) }),
        (calls, 0_u64..5, amounts.clone(), 0_i64..50, 0_i64..50)
            .prop_map(|(n, seen, carrier, llm, cost)| charge_at(seen, n, rated(carrier, llm, cost))),
    ]
}

proptest! {
    /// Σ debits = Σ credits, balances are the fold of the transactions, a statement is the sum of its transactions, and
    /// a command that is repeated changes nothing.
    #[test]
    fn the_ledger_adds_up_whatever_is_asked(
        batches in prop::collection::vec(prop::collection::vec((changes(), any::<bool>()), 1..6), 1..30)
    ) {
        let (mut account, mut posted, mut id) = (CreditAccount::default(), Vec::new(), 0);
        for batch in batches {
            let requests: Vec<_> = batch.into_iter().map(|(change, prepaid)| {
                id += 1;
                request(id, BillingTerms { prepaid, credit_line: 20, low_at: Some(10) }, change)
            }).collect();
            let one_by_one = requests.iter().fold((account.clone(), Vec::new()), |(mut state, mut facts), request| {
                for fact in state.decide_one(request).unwrap_or_default() {
                    state.evolve(&fact);
                    facts.push(fact);
                }
                (state, facts)
            });
            let facts = account.decide(&CreditCommand::Post(requests.clone())).unwrap_or_default();
            prop_assert_eq!(&one_by_one.1, &facts);
            for fact in &facts {
                account.evolve(fact);
                if let CreditEvent::Posted(fact) = fact {
                    posted.push(fact.clone());
                    prop_assert_eq!(account.balances().of(LedgerAccount::Available), fact.available_after);
                    prop_assert_eq!(account.balances().of(LedgerAccount::Held), fact.held_after);
                }
            }
            prop_assert_eq!(&one_by_one.0, &account);
            prop_assert_eq!(account.balances().sum(), 0);
            prop_assert!(account.balances().of(LedgerAccount::Held) >= 0);
            // grants, purchases and charges of the same command again are no news
            for request in &requests {
                let repeats = matches!(request.change, Change::Grant { .. } | Change::Purchase { .. });
                if repeats && account.decide_one(request).is_ok() {
                    prop_assert_eq!(account.decide_one(request), Ok(vec![]));
                }
            }
            if let Some(CreditRequest { change: change @ Change::Charge { .. }, .. }) = requests.last() {
                let again = request(1_000_000 + id, PREPAID, change.clone());
                prop_assert_eq!(account.decide_one(&again).unwrap_or_default(), vec![]);
            }
        }
        let folded = posted.iter().try_fold(Balances::default(), |balances, one| balances.after(&one.entries));
        prop_assert_eq!(folded.as_ref(), Ok(account.balances()));
        let statement: i64 = posted.iter().map(Posted::amount).sum();
        let (available, held) = (LedgerAccount::Available, LedgerAccount::Held);
        prop_assert_eq!(statement, account.balances().of(available) + account.balances().of(held));
        let mut ids: Vec<_> = posted.iter().map(|one| one.id).collect();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), posted.len());
    }

    /// Whatever order the sums of a call and of a payment come in, split into whatever commands, those of the newest
    /// version stand in the end.
    #[test]
    fn the_newest_sums_stand_in_whatever_order_they_come(
        order in Just((1_u64..8).collect::<Vec<_>>()).prop_shuffle(),
        costs in prop::collection::vec((0_i64..50, 0_i64..50), 8),
        together in 1_usize..4,
    ) {
        let mut account = CreditAccount::default();
        let buy = request(1, PREPAID, Change::Purchase { checkout: checkout(5), amount: 1_000 });
        account.decide_one(&buy).unwrap().iter().for_each(|fact| account.evolve(fact));
        // at first each costs something: what costs nothing at all leaves no trace
        let of = |seen: u64| (costs[seen as usize].0 + 1, costs[seen as usize].1 + 1);
        let mut requests = Vec::new();
        for seen in order {
            let ((carrier, llm), id) = (of(seen), u128::from(seen) * 10);
            requests.push(request(id, PREPAID, charge_at(seen, 7, rated(carrier, llm, 0))));
            let back = Change::Reverse { checkout: checkout(5), seen, refunded: carrier, disputed: llm };
            requests.push(request(id + 1, PREPAID, back));
        }
        for batch in requests.chunks(together) {
            let (facts, outcomes) = account.decide_each(batch);
            prop_assert!(outcomes.iter().all(Result::is_ok));
            facts.iter().for_each(|fact| account.evolve(fact));
        }
        let ((carrier, llm), balances) = (of(7), account.balances());
        let earned = |of| balances.of(LedgerAccount::Revenue(of));
        prop_assert_eq!((earned(Component::Carrier), earned(Component::Llm)), (carrier, llm));
        prop_assert_eq!(balances.of(LedgerAccount::Refunds), carrier + llm);
    }
}
