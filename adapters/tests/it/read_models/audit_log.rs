//! What the audit log answers, and to whom.

use std::time::Duration;

use adapters::testing::call_lives::{call, client, new_event, start};
use domain::api_key::{ApiKeyCreated, ApiKeyDeleted, ApiKeyEvent, ApiKeyRevoked};
use domain::call::terms::{EndReason, EndedBy};
use domain::call::{CallEvent, HangUpRequested};
use domain::envelope::{Actor, Position, StreamId, Time};
use domain::ids::{ApiKeyId, ClientId, NumberId, UserId};
use domain::number::{NumberAdded, NumberEvent, NumberRemoved, NumberRerouted, Route};
use domain::origin::Origin;
use domain::ports::event_store::Expected;
use domain::privacy::policy::{PolicyEvent, RetentionKind, RetentionRan};
use domain::testing::ids::sequential;
use domain::wire::DomainEvent;
use projections::audit_log::{AuditEntry, AuditFilter, AuditLog, AuditQueries, AuditRow, By, On};
use projections::page::{Order, PageRequest};
use projections::runner::rebuild;
use projections::store::{Generation, ViewRows};
use projections::view::View;

use super::{World, brisk, on_every_database};

on_every_database!(
    filters_hold_all_at_once,
    pages_have_no_gap_and_no_repeat,
    clients_never_see_each_others_actions,
    entries_before_the_retention_are_kept_and_not_shown,
    a_run_of_retention_takes_old_entries_away_and_a_rebuild_leaves_out_the_same,
    odd_words_in_filters_find_nothing_and_do_no_harm,
    a_rebuilt_log_is_the_same_byte_for_byte,
);

const ANN: Actor = Actor::User(uuid::Uuid::from_u128(71));
const KEY: Actor = Actor::ApiKey(uuid::Uuid::from_u128(72));

fn at(n: u64) -> Time {
    start() + Duration::from_secs(n)
}

fn number(n: u64) -> NumberId {
    NumberId(sequential(10_000 + n))
}

fn key(n: u64) -> ApiKeyId {
    ApiKeyId(sequential(20_000 + n))
}

async fn append(
    world: &World,
    n: u64,
    whose: ClientId,
    stream: &StreamId,
    by: Actor,
    fact: impl DomainEvent,
) {
    let mut event = new_event(n, 0, whose, &fact);
    event.metadata.actor = by;
    event.metadata.request_id = Some(format!("req-{n}"));
    event.recorded_at = at(n);
    world.log.append(stream, Expected::Any, vec![event]).await.unwrap();
}

fn added() -> NumberEvent {
    let number = "+12025550101".parse::<domain::phone::E164>().unwrap().into();
    NumberAdded { number, route: Route::Reject, own_account: false, at: start() }.into()
}

/// Seven actions of client 1 in as many seconds, one of client 2, and calls that are no actions.
async fn history(world: &World) {
    let (mine, theirs) = (client(1), client(2));
    let (n1, k1) = (number(1).stream(), key(1).stream());
    let system = Actor::System("bootstrap".to_owned());
    let origin = || Origin::at(Some("203.0.113.7".to_owned()));
    let created = ApiKeyCreated {
        name: "desk".to_owned(),
        key_prefix: "vx_abcdefg".to_owned(),
        key_hash: vec![7; 32].into(),
        scopes: vec!["calls:read".to_owned()],
        rate_limit: None,
        usage_quota: None,
        expires_at: None,
        origin: origin(),
        at: start(),
    };
    append(world, 1, mine, &k1, system, ApiKeyEvent::from(created)).await;
    append(world, 2, mine, &n1, ANN, added()).await;
    world.lives(1_000..1_020).await;
    let route = Route::Agent { id: None };
    let rerouted = NumberRerouted { before: Some(Route::Reject), route, at: start() };
    append(world, 3, mine, &n1, KEY, NumberEvent::from(rerouted)).await;
    append(world, 4, mine, &number(2).stream(), ANN, added()).await;
    append(world, 5, mine, &n1, ANN, NumberEvent::from(NumberRemoved { at: start() })).await;
    append(world, 6, mine, &k1, ANN, ApiKeyEvent::from(ApiKeyRevoked { origin: origin(), at: start() }))
        .await;
    let hang_up = HangUpRequested {
        effect_id: sequential(1),
        reason: EndReason::ApiHangup,
        by: EndedBy::Operator,
        at: start(),
    };
    append(world, 7, mine, &call(5_000).stream(), KEY, CallEvent::from(hang_up)).await;
    append(world, 8, theirs, &number(3).stream(), ANN, added()).await;
    world.catch_up().await;
}

fn everything() -> AuditFilter {
    AuditFilter::since(at(0))
}

async fn entries(
    world: &World,
    whose: ClientId,
    filter: &AuditFilter,
    mut page: PageRequest,
) -> Vec<AuditEntry> {
    let mut entries = Vec::new();
    loop {
        let found = world.views.audit_log(whose, filter, &page).await.unwrap();
        assert!(found.items.len() <= page.capped_limit());
        entries.extend(found.items.iter().map(|json| serde_json::from_str::<AuditEntry>(json).unwrap()));
        let Some(next) = found.next else { return entries };
        page.after = Some(next.to_string().parse().unwrap());
    }
}

/// The numbers of client 1's events that fit, oldest first.
async fn found(world: &World, filter: AuditFilter) -> Vec<u64> {
    let page = PageRequest { order: Order::Asc, limit: 2, ..PageRequest::default() };
    let entries = entries(world, client(1), &filter, page).await;
    entries.iter().map(|entry| (1..100).find(|n| at(*n) == entry.at).unwrap()).collect()
}

async fn filters_hold_all_at_once(world: World) {
    history(&world).await;
    let world = &world;
    assert_eq!(found(world, everything()).await, [1, 2, 3, 4, 5, 6, 7]);
    let actions = |words: &[&str]| words.iter().map(|word| word.parse().unwrap()).collect();
    let only = |words: &[&str]| AuditFilter { actions: actions(words), ..everything() };
    assert_eq!(found(world, only(&["NUMBER_ADDED"])).await, [2, 4]);
    assert_eq!(found(world, only(&["API_KEY_CREATED", "NUMBER_REMOVED"])).await, [1, 5]);
    assert_eq!(found(world, only(&["USER_LOGIN"])).await, [] as [u64; 0]);
    let by = |word: &str| AuditFilter { actor: Some(By::from(word.to_owned())), ..everything() };
    let ann = UserId(uuid::Uuid::from_u128(71)).to_string();
    assert_eq!(found(world, by(&ann)).await, [2, 4, 5, 6]);
    assert_eq!(found(world, by("bootstrap")).await, [1]);
    assert_eq!(found(world, by("api_key")).await, [3, 7]);
    assert_eq!(found(world, by("system")).await, [1]);
    let on = |word: &str| AuditFilter { resource: Some(On::from(word.to_owned())), ..everything() };
    assert_eq!(found(world, on(&number(1).to_string())).await, [2, 3, 5]);
    assert_eq!(found(world, on(&number(3).to_string())).await, [] as [u64; 0], "another client's");
    assert_eq!(found(world, on("api_key")).await, [1, 6]);
    assert_eq!(found(world, on("call")).await, [7]);
    let between = AuditFilter { from: Some(at(3)), to: Some(at(5)), ..everything() };
    assert_eq!(found(world, between.clone()).await, [3, 4], "the first moment counts, the last does not");
    let all_at_once = AuditFilter {
        actions: actions(&["NUMBER_ADDED", "NUMBER_REMOVED"]),
        actor: Some(By::One(ann)),
        resource: Some(On::One(number(1).to_string())),
        from: Some(at(3)),
        ..everything()
    };
    assert_eq!(found(world, all_at_once).await, [5]);
    let counted = PageRequest { limit: 2, with_total: true, ..PageRequest::default() };
    let page = world.views.audit_log(client(1), &everything(), &counted).await.unwrap();
    assert_eq!((page.items.len(), page.total), (2, Some(7)), "the total counts beyond the page");
}

async fn pages_have_no_gap_and_no_repeat(world: World) {
    history(&world).await;
    let wanted: Vec<Time> = (1..8).map(at).collect();
    for limit in [1, 2, 3, 7, 200] {
        for order in [Order::Asc, Order::Desc] {
            let page = PageRequest { limit, order, ..PageRequest::default() };
            let entries = entries(&world, client(1), &everything(), page).await;
            let mut times: Vec<_> = entries.iter().map(|entry| entry.at).collect();
            if order == Order::Desc {
                times.reverse();
            }
            assert_eq!(times, wanted, "{limit} {order:?}");
        }
    }
}

async fn clients_never_see_each_others_actions(world: World) {
    history(&world).await;
    let theirs = entries(&world, client(2), &everything(), PageRequest::default()).await;
    assert_eq!(theirs.iter().map(|entry| entry.at).collect::<Vec<_>>(), [at(8)]);
    for filter in [
        AuditFilter { resource: Some(On::One(number(1).to_string())), ..everything() },
        AuditFilter { actor: Some(By::Kind("api_key".to_owned())), ..everything() },
    ] {
        assert!(entries(&world, client(2), &filter, PageRequest::default()).await.is_empty());
    }
    assert!(entries(&world, client(77), &everything(), PageRequest::default()).await.is_empty());
}

async fn entries_before_the_retention_are_kept_and_not_shown(world: World) {
    history(&world).await;
    let since = |n| AuditFilter::since(at(n));
    assert_eq!(found(&world, since(5)).await, [5, 6, 7]);
    let earlier = AuditFilter { from: Some(at(1)), to: Some(at(6)), ..since(5) };
    assert_eq!(found(&world, earlier).await, [5], "asking for more does not show more");
    assert_eq!(found(&world, since(90)).await, [] as [u64; 0]);
    assert_eq!(found(&world, since(0)).await.len(), 7, "nothing was deleted");
}

async fn a_run_of_retention_takes_old_entries_away_and_a_rebuild_leaves_out_the_same(world: World) {
    history(&world).await;
    let ran = |kind, n| {
        let before = Some(at(n));
        PolicyEvent::from(RetentionRan { run: sequential(n), kind, before, destroyed: 0, at: at(90) })
    };
    let runs = |kind: RetentionKind| kind.stream();
    let system = || Actor::System("privacy".to_owned());
    let (audit, sessions) = (RetentionKind::AuditLog, RetentionKind::IvrSessions);
    append(&world, 90, client(9), &runs(sessions), system(), ran(sessions, 7)).await;
    append(&world, 91, client(9), &runs(audit), system(), ran(audit, 4)).await;
    // one told late, of before: the next run takes it
    let mut late = new_event(94, 0, client(1), &added());
    (late.metadata.actor, late.recorded_at) = (ANN, at(2));
    world.log.append(&number(7).stream(), Expected::Any, vec![late]).await.unwrap();
    append(&world, 92, client(1), &number(8).stream(), ANN, added()).await;
    world.catch_up().await;
    assert_eq!(found(&world, everything()).await, [2, 4, 5, 6, 7, 92]);
    let before = ViewRows::<AuditRow>::digest(&world.views, Generation(1)).await.unwrap();
    let report = rebuild(&world.deps("operator"), &brisk(), AuditLog::NAME, &mut |_| {}).await.unwrap();
    assert!(report.difference.is_equal(), "{:?}", report.difference);
    assert_eq!(ViewRows::<AuditRow>::digest(&world.views, Generation(2)).await.unwrap(), before);
    append(&world, 93, client(9), &runs(audit), system(), ran(audit, 5)).await;
    world.catch_up().await;
    assert_eq!(found(&world, everything()).await, [5, 6, 7, 92]);
}

async fn odd_words_in_filters_find_nothing_and_do_no_harm(world: World) {
    history(&world).await;
    for odd in ["'; DROP TABLE audit_log; --", "nul\0nul", "%", "?", "$1", "num_", "usr_nonsense", "🙂"] {
        let actor = Some(By::from(odd.to_owned()));
        assert_eq!(found(&world, AuditFilter { actor, ..everything() }).await, [] as [u64; 0]);
        let resource = Some(On::from(odd.to_owned()));
        assert_eq!(found(&world, AuditFilter { resource, ..everything() }).await, [] as [u64; 0]);
    }
    assert_eq!(found(&world, everything()).await.len(), 7);
}

async fn a_rebuilt_log_is_the_same_byte_for_byte(world: World) {
    history(&world).await;
    let key_two = ApiKeyEvent::from(ApiKeyDeleted { origin: Origin::default(), at: start() });
    append(&world, 9, client(1), &key(2).stream(), Actor::System("nul\0nul".to_owned()), key_two).await;
    world.catch_up().await;
    let before = ViewRows::<AuditRow>::digest(&world.views, Generation(1)).await.unwrap();
    assert_eq!(before.rows, 9);
    let report = rebuild(&world.deps("operator"), &brisk(), AuditLog::NAME, &mut |_| {}).await.unwrap();
    assert!(report.difference.is_equal(), "{:?}", report.difference);
    assert_eq!(ViewRows::<AuditRow>::digest(&world.views, Generation(2)).await.unwrap(), before);
    // and rows come back as they were written
    let entries = entries(&world, client(1), &everything(), PageRequest::default()).await;
    let positions: Vec<_> = entries.iter().map(|entry| Position(entry.position)).collect();
    let rows = ViewRows::<AuditRow>::load(&world.views, Generation(2), &positions).await.unwrap();
    assert_eq!(rows.len(), 8);
    assert!(rows.iter().all(|row| row.client == client(1) && entries.contains(&row.view)));
}
