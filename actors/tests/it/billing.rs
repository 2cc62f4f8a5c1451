//! Calls that are covered in advance, watched while they last, and charged at their end.

use std::time::Duration;

use actors::Session;
use actors::billing::{ChargeError, CoverError, Covered};
use domain::billing::account::{Change, CreditAccount, CreditEvent, CreditRequest, Posted, TransactionKind};
use domain::billing::price_book::{PriceBook, PriceBookCommand};
use domain::billing::{
    BillingTerms, Component, CostItem, Currency, LedgerAccount, Price, Rated, Rounding, Unit,
};
use domain::call::CallEvent;
use domain::call::report::{CarrierFact, HangUp, HangUpCause, HangUpSource};
use domain::call::terms::{EndReason, EndedBy};
use domain::envelope::Version;
use domain::ids::{CallId, CheckoutId, CreditAccountId, PriceBookId, TransactionId};
use domain::money::Money;
use domain::ports::event_store::{Direction as Way, EventStore};
use domain::wire::DomainEvent;
use futures::future::join_all;
use uuid::Uuid;

use crate::world::{CLIENT, World};

fn priced(component: Component, unit: Unit, per: u64, price: i64) -> Price {
    let (provider, model, rounding) = (None, None, Rounding::HalfUp);
    Price { component, provider, model, unit, per, price, increment: 1, minimum: 0, rounding }
}

async fn set_prices(world: &World, prices: Vec<Price>) {
    let mut session = Session::<PriceBook>::new(world.runtime.clone(), PriceBookId::OF_NODE.stream());
    let (currency, now) = (Currency::USD, world.runtime.clock.now());
    let set = PriceBookCommand::Set { client: None, currency, prices, effective_from: None, now };
    session.execute(&set, &world.context(), None).await.unwrap();
}

/// A minute of the carrier costs 60 000 millionths, by the second; or the carrier's own charge and a fifth.
pub async fn price(world: &World, markup: bool) {
    let mut prices = vec![priced(Component::Carrier, Unit::Second, 60, 60_000)];
    if markup {
        prices.push(priced(Component::Carrier, Unit::Cost, 100, 120));
    }
    set_prices(world, prices).await;
}

async fn grant(world: &World, amount: i64) {
    let (id, now) = (TransactionId(world.runtime.ids.next()), world.runtime.clock.now());
    let (currency, terms) = (Some(Currency::USD), BillingTerms::default());
    let change = Change::Grant { amount, reason: "a test".to_owned() };
    let request = CreditRequest { id, currency, terms, change, now };
    world.billing.ledger.post(CLIENT, request, None).await.unwrap();
}

fn prepaid(world: &World) {
    *world.terms.0.lock().unwrap() = BillingTerms { prepaid: true, ..BillingTerms::default() };
}

async fn posted(world: &World) -> Vec<Posted> {
    let stream = CreditAccountId::of(CLIENT).stream();
    let events = world.store.read_stream(&stream, Version::NONE, Way::Forwards, 10_000).await.unwrap();
    let decode = |event: &domain::envelope::Recorded| match CreditEvent::decode(
        &event.event_type,
        event.schema,
        &event.payload,
    )
    .unwrap()
    {
        CreditEvent::Posted(posted) => Some(posted),
        _ => None,
    };
    events.iter().filter_map(decode).collect()
}

async fn kinds(world: &World) -> Vec<(&'static str, i64)> {
    posted(world).await.iter().map(|one| (one.kind.as_str(), one.amount())).collect()
}

/// Available and held credit, by the log itself.
async fn credit(world: &World) -> (i64, i64) {
    let stream = CreditAccountId::of(CLIENT).stream();
    let mut session = Session::<CreditAccount>::new(world.runtime.clone(), stream);
    session.refresh().await.unwrap();
    let balances = session.state().balances();
    assert_eq!(balances.sum(), 0);
    (balances.of(LedgerAccount::Available), balances.of(LedgerAccount::Held))
}

fn hung_up() -> CarrierFact {
    CarrierFact::HungUp(HangUp {
        cause: HangUpCause::Normal,
        source: HangUpSource::Caller,
        provider_code: "normal_clearing".into(),
        sip_code: Some(200),
    })
}

fn charged(amount_micros: i64) -> CarrierFact {
    CarrierFact::Cost(Money { amount_micros, currency: "USD".to_owned() })
}

/// A call that is answered, lasts 30 seconds, and ends.
async fn talk(world: &World) -> CallId {
    world.take(world.initiated("a")).await;
    world.settle().await;
    world.take(world.report("a", 2, CarrierFact::Answered)).await;
    world.pass(Duration::from_secs(30)).await;
    world.take(world.report("a", 3, hung_up())).await;
    world.settle().await;
    world.only_call().await
}

#[actix::test]
async fn a_call_is_charged_once_at_its_end_and_corrected_by_the_carriers_own_charge() {
    let world = World::new();
    price(&world, true).await;
    world.start_work();
    let call = talk(&world).await;
    assert_eq!(kinds(&world).await, [("usage", -30_000)]);
    world.take(world.report("a", 4, charged(20_000))).await;
    world.settle().await;
    assert_eq!(kinds(&world).await, [("usage", -30_000), ("correction", 6_000)]);
    let all = posted(&world).await;
    assert_eq!(all[1].corrects, Some(all[0].id));
    assert_eq!((all[0].source.id, all[1].net(LedgerAccount::Payable)), (call.0, 20_000));
    // the same again changes nothing
    world.billing.charge(CLIENT, call).await.unwrap();
    assert_eq!(posted(&world).await.len(), 2);
    assert_eq!(credit(&world).await, (-24_000, 0));
}

#[actix::test]
async fn without_prices_nothing_is_posted_and_later_prices_do_not_reach_back() {
    let world = World::new();
    world.start_work();
    let call = talk(&world).await;
    world.pass(Duration::from_secs(1)).await;
    price(&world, false).await;
    world.billing.charge(CLIENT, call).await.unwrap();
    assert_eq!(kinds(&world).await, []);
}

#[actix::test]
async fn a_prepaid_call_is_held_for_and_the_rest_is_given_back() {
    let world = World::new();
    price(&world, false).await;
    prepaid(&world);
    grant(&world, 1_000_000).await;
    world.start_work();
    world.take(world.initiated("a")).await;
    // the carrier sends its webhook twice
    world
        .take(world.report(
            "a",
            9,
            CarrierFact::Initiated { direction: domain::call::terms::Direction::Inbound },
        ))
        .await;
    world.settle().await;
    assert_eq!(credit(&world).await, (880_000, 120_000));
    world.take(world.report("a", 2, CarrierFact::Answered)).await;
    world.pass(Duration::from_secs(100)).await;
    let (available, held) = credit(&world).await;
    assert!(held > 200_000 && available + held == 1_000_000, "{available} {held}");
    world.take(world.report("a", 3, hung_up())).await;
    world.settle().await;
    assert_eq!(credit(&world).await, (900_000, 0));
}

#[actix::test]
async fn an_inbound_call_without_cover_is_refused_for_that_reason() {
    let world = World::new();
    price(&world, false).await;
    prepaid(&world);
    grant(&world, 119_999).await;
    world.start_work();
    world.take(world.initiated("a")).await;
    world.settle().await;
    assert_eq!(world.carrier.asked_names(), ["Reject"]);
    *world.carrier.leg_gone.lock().unwrap() = true;
    world.pass(Duration::from_secs(90)).await;
    let CallEvent::Ended(ended) = world.last(world.only_call().await).await else { panic!("not ended") };
    assert_eq!((ended.reason, ended.ended_by), (EndReason::InsufficientCredits, EndedBy::System));
    assert_eq!(credit(&world).await, (119_999, 0));
}

#[actix::test]
async fn when_the_credit_is_used_up_the_caller_hears_it_and_the_call_ends() {
    let world = World::new();
    price(&world, false).await;
    prepaid(&world);
    grant(&world, 150_000).await;
    world.start_work();
    world.take(world.initiated("a")).await;
    world.settle().await;
    world.take(world.report("a", 2, CarrierFact::Answered)).await;
    world.pass(Duration::from_secs(110)).await;
    let call = world.only_call().await;
    assert_eq!(credit(&world).await, (0, 150_000));
    assert!(
        !world.types(call).await.contains(&"hangup_planned".to_owned()),
        "what is paid for is not cut off"
    );
    world.pass(Duration::from_secs(40)).await;
    let events = world.events(call).await;
    let spoken = events.iter().filter(|event| event.event_type == "call.speech_requested").count();
    assert_eq!(spoken, 2, "the greeting and the farewell: {:?}", world.types(call).await);
    let asked = world.types(call).await;
    assert!(
        asked.contains(&"hangup_planned".to_owned()) || asked.contains(&"hangup_requested".to_owned()),
        "{asked:?}"
    );
    world.pass(Duration::from_secs(60)).await;
    world.take(world.report("a", 3, hung_up())).await;
    world.settle().await;
    let CallEvent::Ended(ended) = world.last(call).await else { panic!("not ended") };
    assert_eq!((ended.reason, ended.ended_by), (EndReason::InsufficientCredits, EndedBy::System));
    let (_, held) = credit(&world).await;
    assert_eq!(held, 0);
}

#[actix::test]
async fn what_is_spoken_on_a_call_is_covered_while_it_lasts() {
    let world = World::new();
    set_prices(&world, vec![priced(Component::Tts, Unit::Character, 1, 1_000)]).await;
    prepaid(&world);
    grant(&world, 1_000_000).await;
    world.start_work();
    world.take(world.initiated("a")).await;
    world.settle().await;
    // nothing goes by time: it is watched by what may be kept least
    assert_eq!(credit(&world).await, (999_999, 1));
    world.take(world.report("a", 2, CarrierFact::Answered)).await;
    world.pass(Duration::from_secs(20)).await;
    let (_, held) = credit(&world).await;
    world.take(world.report("a", 3, hung_up())).await;
    world.settle().await;
    let spent =
        -kinds(&world).await.iter().filter(|(kind, _)| *kind == "usage").map(|(_, of)| of).sum::<i64>();
    assert!(spent > 0);
    assert_eq!(held, spent);
    assert_eq!(credit(&world).await, (1_000_000 - spent, 0));
}

#[actix::test]
async fn credit_held_for_a_call_that_never_was_is_given_back() {
    let world = World::new();
    price(&world, false).await;
    prepaid(&world);
    grant(&world, 1_000_000).await;
    world.start_work();
    let ghost = CallId(Uuid::from_u128(77));
    assert_eq!(world.billing.cover(CLIENT, ghost, "telnyx").await.unwrap(), Covered::Held);
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(credit(&world).await, (880_000, 120_000));
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(credit(&world).await, (1_000_000, 0));
}

#[actix::test]
async fn credit_held_for_a_call_that_is_over_is_given_back() {
    let world = World::new();
    price(&world, false).await;
    world.start_work();
    world.take(world.initiated("a")).await;
    world.settle().await;
    world.take(world.report("a", 3, hung_up())).await;
    world.settle().await;
    let call = world.only_call().await;
    prepaid(&world);
    grant(&world, 1_000_000).await;
    // the call was asked for once more, after the node forgot that it had been
    assert_eq!(world.billing.cover(CLIENT, call, "telnyx").await.unwrap(), Covered::Held);
    assert_eq!(credit(&world).await, (880_000, 120_000));
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(credit(&world).await, (1_000_000, 0));
}

#[actix::test]
async fn with_credit_in_another_currency_than_the_prices_no_call_is_taken_and_what_was_held_comes_back() {
    let world = World::new();
    prepaid(&world);
    let euros: Currency = "EUR".parse().unwrap();
    let (id, now) = (TransactionId(world.runtime.ids.next()), world.runtime.clock.now());
    let change = Change::Grant { amount: 500_000, reason: "a test".to_owned() };
    let terms = BillingTerms { prepaid: true, ..BillingTerms::default() };
    let request = CreditRequest { id, currency: Some(euros), terms, change, now };
    world.billing.ledger.post(CLIENT, request.clone(), None).await.unwrap();
    let call = CallId(Uuid::from_u128(77));
    let change = Change::Hold { call, amount: 100_000 };
    let id = TransactionId(world.runtime.ids.next());
    world.billing.ledger.post(CLIENT, CreditRequest { id, change, ..request }, None).await.unwrap();
    price(&world, false).await;
    world.start_work();
    world.take(world.initiated("a")).await;
    world.settle().await;
    assert_eq!(world.carrier.asked_names(), ["Reject"]);
    world.billing.release(CLIENT, call).await.unwrap();
    assert_eq!(credit(&world).await, (500_000, 0));
}

#[actix::test]
async fn what_was_held_for_a_call_that_cannot_be_charged_comes_back() {
    let world = World::new();
    prepaid(&world);
    let euros: Currency = "EUR".parse().unwrap();
    let post = |change| {
        let (id, now) = (TransactionId(world.runtime.ids.next()), world.runtime.clock.now());
        let terms = BillingTerms { prepaid: true, ..BillingTerms::default() };
        let request = CreditRequest { id, currency: Some(euros), terms, change, now };
        world.billing.ledger.post(CLIENT, request, None)
    };
    post(Change::Grant { amount: 500_000, reason: "a test".to_owned() }).await.unwrap();
    world.start_work();
    world.take(world.initiated("a")).await;
    world.settle().await;
    let call = world.only_call().await;
    post(Change::Hold { call, amount: 100_000 }).await.unwrap();
    // prices in another currency than the credit
    price(&world, false).await;
    world.take(world.report("a", 2, CarrierFact::Answered)).await;
    world.take(world.report("a", 3, hung_up())).await;
    world.settle().await;
    assert!(matches!(world.billing.charge(CLIENT, call).await, Err(ChargeError::Never(_))));
    assert_eq!(credit(&world).await, (500_000, 0));
}

#[actix::test]
async fn of_the_sums_that_race_for_one_call_and_one_purchase_the_newest_stand() {
    let world = World::new();
    let (call, checkout) = (CallId(Uuid::from_u128(77)), CheckoutId(Uuid::from_u128(78)));
    let item = |amount| CostItem {
        component: Component::Carrier,
        provider: "telnyx".to_owned(),
        model: String::new(),
        quantity: 1,
        unit: Unit::Request,
        price: amount,
        per: 1,
        amount,
    };
    let post = |change| {
        let (id, now) = (TransactionId(world.runtime.ids.next()), world.runtime.clock.now());
        let (currency, terms) = (Some(Currency::USD), BillingTerms::default());
        world.billing.ledger.post(CLIENT, CreditRequest { id, currency, terms, change, now }, None)
    };
    post(Change::Purchase { checkout, amount: 1_000_000 }).await.unwrap();
    let sums = [5_u64, 1, 4, 2, 6, 3].into_iter().flat_map(|seen| {
        let amount = i64::try_from(seen).unwrap() * 1_000;
        let rated = Rated { currency: Currency::USD, items: vec![item(amount)], provider_cost: 0 };
        [
            Change::Charge { call, seen, rated, agent: None },
            Change::Reverse { checkout, seen, refunded: amount, disputed: 0 },
        ]
    });
    // they are sent at once, so most share an append
    let outcomes = join_all(sums.map(post)).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(credit(&world).await, (1_000_000 - 6_000 - 6_000, 0));
    let mut ids: Vec<_> = posted(&world).await.iter().map(|one| one.id).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[actix::test]
async fn of_500_calls_that_race_on_two_nodes_as_many_are_covered_as_there_is_credit_for() {
    let one = World::new();
    let two = World::beside(one.store.clone(), one.work.clone(), one.clock.clone(), "node-2");
    price(&one, false).await;
    prepaid(&one);
    prepaid(&two);
    grant(&one, 1_200_000).await;
    let covers = (0..500).map(|n| {
        let world = if n % 2 == 0 { &one } else { &two };
        let call = CallId(Uuid::from_u128(10_000 + n));
        async move {
            // another node wrote first, again and again
            loop {
                match world.billing.cover(CLIENT, call, "telnyx").await {
                    Err(CoverError::Ledger(actors::CommandError::Contended)) => {}
                    outcome => return outcome,
                }
            }
        }
    });
    let outcomes = join_all(covers).await;
    let covered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused =
        outcomes.iter().filter(|outcome| matches!(outcome, Err(CoverError::Insufficient { .. }))).count();
    assert_eq!((covered, refused), (10, 490));
    assert_eq!(credit(&one).await, (0, 1_200_000));
    assert_eq!(posted(&two).await.iter().filter(|one| one.kind == TransactionKind::Hold).count(), 10);
}
