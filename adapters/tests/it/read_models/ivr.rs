//! Menus and sessions in them, on every database.

use std::time::Duration;

use adapters::testing::call_lives::{client, new_event, start};
use domain::envelope::{StreamId, Time};
use domain::ids::{CallId, ClientId, IvrSessionId, MenuId};
use domain::ivr::action::Action;
use domain::ivr::menu::{MenuCreated, MenuDeleted, MenuEvent, MenuUpdated};
use domain::ivr::session::{
    EndCause, MenuEntered, SessionEnded, SessionEvent, SessionStarted, SessionStatus, Via,
};
use domain::ports::event_store::Expected;
use domain::privacy::policy::{PolicyEvent, RetentionKind, RetentionRan};
use domain::testing::ids::sequential;
use domain::testing::ivr::{item, menu};
use domain::wire::DomainEvent;
use projections::analytics::{AnalyticsQueries, Range, Wanted};
use projections::document::{DocumentQueries as _, table_of};
use projections::ivr_menus::{IvrMenus, MenuRow};
use projections::ivr_sessions::{IvrSessions, SessionFilter, SessionQueries, SessionRow, SessionView};
use projections::page::{Order, PageRequest};
use projections::rollup::{Counted, Span};
use projections::runner::rebuild;
use projections::store::{Generation, ViewRows};
use projections::view::View;

use super::{World, brisk, on_every_database};

on_every_database!(
    sessions_are_found_by_all_filters_at_once,
    sessions_that_ended_long_ago_are_kept_and_not_shown,
    a_run_of_retention_takes_old_sessions_away_and_their_counts_stay,
    clients_never_see_each_others_menus_and_sessions,
    rebuilt_views_are_the_same_byte_for_byte,
);

const MENU: MenuId = MenuId(uuid::Uuid::from_u128(5));

fn at(hours: u64) -> Time {
    start() + Duration::from_secs(hours * 3_600)
}

fn session(n: u64) -> IvrSessionId {
    IvrSessionId(sequential(30_000 + n))
}

async fn append(world: &World, n: u64, whose: ClientId, stream: &StreamId, fact: impl DomainEvent) {
    let event = new_event(n, 0, whose, &fact);
    world.log.append(stream, Expected::Any, vec![event]).await.unwrap();
}

fn started(n: u64, call: Option<CallId>) -> SessionEvent {
    let external_id = Some(format!("case {n}").into());
    SessionStarted { session: session(n), menu: MENU, call, external_id, cause: sequential(n), at: at(n) }
        .into()
}

fn entered(n: u64) -> SessionEvent {
    let stack = vec![MENU];
    MenuEntered { menu: MENU, version: 1, via: Via::Start, stack, open: true, zone_data: None, at: at(n) }
        .into()
}

fn ended(n: u64) -> SessionEvent {
    SessionEnded {
        status: SessionStatus::Abandoned,
        cause: EndCause::HangUp,
        outcome: None,
        menu: Some(MENU),
        farewell: None,
        order: None,
        end_reason: None,
        told_by: None,
        at: at(n),
    }
    .into()
}

/// Six sessions of client 1, an hour apart, of which the odd ones ended half a day later; one of client 2. A menu of
/// each, and one that is gone.
async fn history(world: &World) {
    let mut next = 1;
    for n in 1..=6 {
        let call = (n == 3).then_some(CallId(sequential(77)));
        let mut facts = vec![started(n, call), entered(n)];
        facts.extend((n % 2 == 1).then(|| ended(n + 12)));
        for fact in facts {
            append(world, next, client(1), &session(n).stream(), fact).await;
            next += 1;
        }
    }
    append(world, next, client(2), &session(9).stream(), started(9, None)).await;
    let terms = menu("Main", vec![item("1", Action::Hangup)]);
    let created = |terms| MenuEvent::from(MenuCreated { terms: Box::new(terms), at: at(1) });
    let edited = menu("Edited", vec![]);
    let updated = MenuUpdated { before: Box::new(terms.clone()), after: Box::new(edited), at: at(2) };
    append(world, next + 1, client(1), &MENU.stream(), created(terms.clone())).await;
    append(world, next + 2, client(1), &MENU.stream(), MenuEvent::from(updated)).await;
    let (theirs, gone) = (MenuId(sequential(8)).stream(), MenuId(sequential(9)).stream());
    append(world, next + 3, client(2), &theirs, created(terms.clone())).await;
    append(world, next + 4, client(1), &gone, created(terms)).await;
    append(world, next + 5, client(1), &gone, MenuEvent::from(MenuDeleted { at: at(3) })).await;
    world.catch_up().await;
}

async fn found(world: &World, whose: ClientId, filter: &SessionFilter, since: Time) -> Vec<u64> {
    let page = PageRequest { order: Order::Asc, ..PageRequest::default() };
    let page = world.views.ivr_sessions(whose, filter, since, &page).await.unwrap();
    let id = |json: &String| serde_json::from_str::<SessionView>(json).unwrap().id;
    page.items.iter().map(|json| (1..10).find(|n| session(*n) == id(json)).unwrap()).collect()
}

async fn sessions_are_found_by_all_filters_at_once(world: World) {
    history(&world).await;
    let of = async |filter: SessionFilter| found(&world, client(1), &filter, at(0)).await;
    assert_eq!(of(SessionFilter::default()).await, [1, 2, 3, 4, 5, 6]);
    let active = || SessionFilter { status: Some(SessionStatus::Active), ..SessionFilter::default() };
    assert_eq!(of(active()).await, [2, 4, 6]);
    let call_id = Some(CallId(sequential(77)));
    assert_eq!(of(SessionFilter { call_id, ..SessionFilter::default() }).await, [3]);
    assert_eq!(of(SessionFilter { call_id, ..active() }).await, [] as [u64; 0]);
    let named = |name: &str| SessionFilter { session_id: Some(name.to_owned()), ..SessionFilter::default() };
    assert_eq!(of(named("case 4")).await, [4]);
    assert_eq!(of(named("nul\0nul")).await, [] as [u64; 0]);
    let (created_after, created_before) = (Some(at(2)), Some(at(6)));
    assert_eq!(of(SessionFilter { created_after, created_before, ..active() }).await, [4]);
    let elsewhere = SessionFilter { menu_id: Some(MenuId(sequential(8))), ..SessionFilter::default() };
    assert_eq!(of(elsewhere).await, [] as [u64; 0]);
}

async fn sessions_that_ended_long_ago_are_kept_and_not_shown(world: World) {
    history(&world).await;
    let all = SessionFilter::default();
    // 1, 3 and 5 ended in the hours 13, 15 and 17
    assert_eq!(found(&world, client(1), &all, at(15)).await, [2, 3, 4, 5, 6]);
    assert_eq!(found(&world, client(1), &all, at(99)).await, [2, 4, 6], "who is under way is shown");
    let one = async |n, since| world.views.ivr_session(client(1), session(n), since).await.unwrap().is_some();
    assert_eq!((one(1, at(13)).await, one(1, at(14)).await, one(2, at(99)).await), (true, false, true));
}

async fn a_run_of_retention_takes_old_sessions_away_and_their_counts_stay(world: World) {
    history(&world).await;
    let all = SessionFilter::default();
    let range = Range { span: Span::Day, from: at(0) - Duration::from_secs(86_400 * 2), to: at(99) };
    let wanted = Wanted { counted: Counted::Ivr, range, subject: None, sketches: true };
    let counts = async || world.views.rollups(client(1), wanted).await.unwrap();
    let counted = counts().await;
    assert!(!counted.is_empty());
    let kind = RetentionKind::IvrSessions;
    let ran = RetentionRan { run: sequential(1), kind, before: Some(at(16)), destroyed: 0, at: at(50) };
    append(&world, 900, client(9), &kind.stream(), PolicyEvent::from(ran)).await;
    // what comes to a session that is gone does not bring it back
    append(&world, 901, client(1), &session(1).stream(), entered(60)).await;
    world.catch_up().await;
    // 1 and 3 ended in the hours 13 and 15
    assert_eq!(found(&world, client(1), &all, at(0)).await, [2, 4, 5, 6]);
    assert_eq!(counts().await[..counted.len()], counted);
    let before = ViewRows::<SessionRow>::digest(&world.views, Generation(1)).await.unwrap();
    let report = rebuild(&world.deps("operator"), &brisk(), IvrSessions::NAME, &mut |_| {}).await.unwrap();
    assert!(report.difference.is_equal(), "{:?}", report.difference);
    assert_eq!(ViewRows::<SessionRow>::digest(&world.views, Generation(2)).await.unwrap(), before);
}

async fn clients_never_see_each_others_menus_and_sessions(world: World) {
    history(&world).await;
    assert_eq!(found(&world, client(2), &SessionFilter::default(), at(0)).await, [9]);
    assert!(world.views.ivr_session(client(2), session(1), at(0)).await.unwrap().is_none());
    assert!(world.one::<IvrMenus>(client(2), MENU).await.unwrap().is_none());
    let mine =
        world.views.documents(table_of::<IvrMenus>(), client(1), &PageRequest::default()).await.unwrap();
    assert_eq!(mine.items.len(), 1, "one is another client's, one is gone");
    assert!(mine.items[0].contains(r#""name":"Edited""#), "{}", mine.items[0]);
    let menus = table_of::<IvrMenus>();
    let all = world.views.every_document(menus, None, 10).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(world.views.every_document(menus, Some(all[0].id), 10).await.unwrap(), all[1..]);
}

async fn rebuilt_views_are_the_same_byte_for_byte(world: World) {
    history(&world).await;
    for name in [IvrMenus::NAME, IvrSessions::NAME] {
        let report = rebuild(&world.deps("operator"), &brisk(), name, &mut |_| {}).await.unwrap();
        assert!(report.difference.is_equal(), "{name}: {:?}", report.difference);
    }
    let menus = ViewRows::<MenuRow>::digest(&world.views, Generation(2)).await.unwrap();
    let sessions = ViewRows::<SessionRow>::digest(&world.views, Generation(2)).await.unwrap();
    assert_eq!((menus.rows, sessions.rows), (3, 7));
    let keys: Vec<_> = (1..=6).map(|n| session(n).0).collect();
    let rows = ViewRows::<SessionRow>::load(&world.views, Generation(2), &keys).await.unwrap();
    assert!(rows.len() == 6 && rows.iter().all(|row| row.client == client(1) && row.menu == MENU));
}
