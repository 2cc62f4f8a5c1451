//! Spend limits that several nodes hold calls to.

use actors::CommandError;
use actors::billing::{Dialled, SpendError};
use domain::ids::{ApiKeyId, CallId};
use domain::origin::Origin;
use domain::phone::Party;
use domain::ports::clock::Clock as _;
use domain::spend::{Destinations, LimitKind, SpendLimitsCommand, SpendLimitsPatch, SpendScope};
use futures::future::join_all;
use uuid::Uuid;

use crate::billing::price;
use crate::world::{CLIENT, World};

async fn limit(world: &World, patch: SpendLimitsPatch) {
    let (scope, now) = (SpendScope::Client, world.clock.now());
    let change = SpendLimitsCommand::Change { scope, patch, origin: Origin::default(), now };
    world.billing.guards.change(change, &world.context(), None).await.unwrap();
}

fn dialled(n: u128) -> Dialled {
    let call = CallId(Uuid::from_u128(n));
    Dialled { call, key: None, agent: None, to: Party::new("+12025550123") }
}

#[actix::test]
async fn of_200_calls_that_race_on_two_nodes_as_many_are_admitted_as_the_day_has_money_for() {
    let one = World::new();
    let two = World::beside(one.store.clone(), one.work.clone(), one.clock.clone(), "node-2");
    price(&one, false).await;
    limit(&one, SpendLimitsPatch { daily_spend: Some(Some(1_200_000)), ..SpendLimitsPatch::default() }).await;
    let admits = (0..200).map(|n| {
        let world = if n % 2 == 0 { &one } else { &two };
        async move {
            // another node wrote first, again and again
            loop {
                match world.billing.admit(dialled(10_000 + n), "telnyx", &world.context()).await {
                    Err(SpendError::Guard(CommandError::Contended)) => {}
                    outcome => return outcome,
                }
            }
        }
    });
    let outcomes = join_all(admits).await;
    let admitted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = outcomes.iter().filter(|outcome| {
        matches!(outcome, Err(SpendError::Reached(breach)) if breach.limit == LimitKind::DailySpend)
    });
    assert_eq!((admitted, refused.count()), (10, 190));
    for world in [&one, &two] {
        let standing = world.billing.guards.standing(CLIENT, SpendScope::Client).await.unwrap();
        assert_eq!((standing.spent_today, standing.calls_within_a_minute), (1_200_000, 10));
    }
    // a call that was not placed after all makes room on both
    forgoes(&two, &outcomes).await;
    one.billing.admit(dialled(20_000), "telnyx", &one.context()).await.unwrap();
}

/// The first call that was admitted is not placed.
async fn forgoes(world: &World, outcomes: &[Result<(), SpendError>]) {
    let first = outcomes.iter().position(Result::is_ok).unwrap() as u128;
    world.billing.guards.forgone(CLIENT, dialled(10_000 + first).call).await.unwrap();
}

#[actix::test]
async fn limits_hold_on_another_node_within_a_second() {
    let one = World::new();
    let two = World::beside(one.store.clone(), one.work.clone(), one.clock.clone(), "node-2");
    two.billing.admit(dialled(1), "telnyx", &two.context()).await.unwrap();
    limit(&one, SpendLimitsPatch { calls_per_minute: Some(Some(0)), ..SpendLimitsPatch::default() }).await;
    let refused = one.billing.admit(dialled(2), "telnyx", &one.context()).await;
    assert!(matches!(refused, Err(SpendError::Reached(_))), "{refused:?}");
    one.clock.advance(std::time::Duration::from_secs(1));
    let refused = two.billing.admit(dialled(3), "telnyx", &two.context()).await;
    assert!(matches!(refused, Err(SpendError::Reached(_))), "{refused:?}");
}

#[actix::test]
async fn what_one_node_admitted_another_one_settles_and_counts() {
    let one = World::new();
    let two = World::beside(one.store.clone(), one.work.clone(), one.clock.clone(), "node-2");
    price(&one, false).await;
    limit(&one, SpendLimitsPatch { daily_spend: Some(Some(240_000)), ..SpendLimitsPatch::default() }).await;
    // the other node has looked at the guard before anything was admitted
    let transfer = async |world: &World, n| world.billing.may_transfer(dialled(n), &world.context()).await;
    transfer(&two, 9).await.unwrap();
    one.billing.admit(dialled(1), "telnyx", &one.context()).await.unwrap();
    two.billing.guards.charged(CLIENT, dialled(1).call, None, 0, one.clock.now()).await.unwrap();
    for n in [2, 3] {
        one.billing.admit(dialled(n), "telnyx", &one.context()).await.unwrap();
    }
    let refused = transfer(&two, 9).await;
    assert!(matches!(refused, Err(SpendError::Reached(_))), "{refused:?}");
}

#[actix::test]
async fn the_limits_of_the_key_that_placed_a_call_hold_for_its_transfers() {
    let world = World::new();
    let key = ApiKeyId(Uuid::from_u128(71));
    let only = Destinations { allow: vec!["+1".parse().unwrap()], deny: vec![] };
    let patch = SpendLimitsPatch { destinations: Some(only), ..SpendLimitsPatch::default() };
    let (scope, now) = (SpendScope::Key(key), world.clock.now());
    let change = SpendLimitsCommand::Change { scope, patch, origin: Origin::default(), now };
    world.billing.guards.change(change, &world.context(), None).await.unwrap();
    let placed = Dialled { key: Some(key), ..dialled(1) };
    world.billing.admit(placed, "telnyx", &world.context()).await.unwrap();
    let abroad = Dialled { to: Party::new("+5371234567"), ..dialled(1) };
    let refused = world.billing.may_transfer(abroad, &world.context()).await;
    assert!(matches!(refused, Err(SpendError::Reached(breach)) if breach.scope == SpendScope::Key(key)));
}
