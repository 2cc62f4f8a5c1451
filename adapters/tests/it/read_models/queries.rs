//! What can be asked, and by whom.

use std::collections::BTreeSet;
use std::time::Duration;

use adapters::testing::call_lives::{call, client, new_event, start};
use domain::api_key::{ApiKeyCreated, ApiKeyEvent, ApiKeyUsed, KeyUsage, KeyUsageEvent};
use domain::billing::BillingTerms;
use domain::call::terms::{Direction, EndReason, Status};
use domain::call::{CallEvent, CallMetadata, Queued};
use domain::client::{ClientCreated, ClientEvent, ClientLimits, ClientLimitsChanged};
use domain::envelope::NewEvent;
use domain::ids::{AgentId, ApiKeyId, ClientId, MenuId, NumberId};
use domain::number::{NumberAdded, NumberEvent, NumberRemoved, NumberRerouted, Route};
use domain::origin::Origin;
use domain::phone::Party;
use domain::ports::event_store::Expected;
use domain::testing::ids::sequential;
use projections::api_keys::{ApiKeyEntry, ApiKeyQueries, KeyHash};
use projections::calls::{CallFilter, CallQueries, CallView};
use projections::clients::{ClientEntry, ClientQueries};
use projections::document::{DocumentQueries as _, table_of};
use projections::numbers::{NumberEntry, NumberView, Numbers, RouteView};
use projections::page::{Order, PageRequest};
use projections::said::SaidPage;
use projections::transcripts::TranscriptQueries;
use serde_json::json;

use super::{World, on_every_database};

on_every_database!(
    filters_hold_all_at_once,
    odd_texts_in_filters_and_rows_do_no_harm,
    pages_have_no_gap_and_no_repeat_under_equal_times,
    tenants_never_meet,
    a_transcript_comes_in_pages,
    numbers_are_read_rerouted_and_removed,
    clients_and_keys_are_read,
    a_key_that_is_used_for_the_first_time_after_a_restart_keeps_what_it_was,
    what_clients_have_under_way_and_stored_is_counted,
);

async fn all(world: &World, whose: ClientId, filter: &CallFilter, page: PageRequest) -> Vec<CallView> {
    let mut page = page;
    let mut calls = Vec::new();
    loop {
        let found = world.views.calls(whose, filter, &page).await.unwrap();
        assert!(found.items.len() <= page.capped_limit());
        calls.extend(found.items.iter().map(|json| serde_json::from_str::<CallView>(json).unwrap()));
        let Some(next) = found.next else { return calls };
        // as clients send it back
        page.after = Some(next.to_string().parse().unwrap());
    }
}

async fn ids(world: &World, filter: CallFilter) -> Vec<u64> {
    let oldest_first = PageRequest { order: Order::Asc, limit: 3, ..PageRequest::default() };
    let found = all(world, client(1), &filter, oldest_first).await;
    found.iter().map(|view| (1..2_000).find(|n| call(*n) == view.id).unwrap()).collect()
}

async fn append(world: &World, events: impl IntoIterator<Item = (domain::envelope::StreamId, NewEvent)>) {
    for (stream, event) in events {
        world.log.append(&stream, Expected::Any, vec![event]).await.unwrap();
    }
}

fn queued(n: u64, to: &str, agent: Option<u64>, metadata: serde_json::Value) -> CallEvent {
    let metadata: CallMetadata = serde_json::from_value(metadata).unwrap();
    Queued {
        command_id: sequential(n),
        to: Party::new(to).into(),
        from: None,
        agent_id: agent.map(|n| AgentId(sequential(n))),
        menu_id: None,
        metadata: metadata.into(),
        customer_id: None,
        max_duration_ms: 60_000,
        ring_timeout_ms: 30_000,
        record: false,
        runtime: domain::agent::AgentRuntime::Carrier,
        at: start() + Duration::from_secs(3_600 + n),
    }
    .into()
}

async fn filters_hold_all_at_once(world: World) {
    world.lives(1..30).await; // the even ones are client 1's
    append(
        &world,
        [
            (
                call(100).stream(),
                new_event(100, 0, client(1), &queued(100, "+12025550100", Some(7), json!({"vip": true}))),
            ),
            (
                call(101).stream(),
                new_event(
                    101,
                    0,
                    client(1),
                    &queued(101, "+12025550100", None, json!({"vip": "true", "n": 5})),
                ),
            ),
            (
                call(102).stream(),
                new_event(
                    102,
                    0,
                    client(1),
                    &queued(102, "sip:desk@pbx.test", Some(8), json!({"nested": {"a": [1]}})),
                ),
            ),
        ],
    )
    .await;
    world.catch_up().await;
    let filter = CallFilter::default;
    let everyone: Vec<u64> = (2..30).filter(|n| n % 2 == 0).chain([100, 101, 102]).collect();
    assert_eq!(ids(&world, filter()).await, everyone);
    let status = vec![Status::Queued];
    assert_eq!(ids(&world, CallFilter { status, ..filter() }).await, [100, 101, 102]);
    let status = vec![Status::Queued, Status::Failed];
    assert_eq!(ids(&world, CallFilter { status, ..filter() }).await, [14, 28, 100, 101, 102]);
    // also together with others, and the newest first
    let status = vec![Status::Failed, Status::Ringing, Status::Queued];
    let agent_id = Some(AgentId(sequential(8)));
    assert_eq!(ids(&world, CallFilter { status: status.clone(), agent_id, ..filter() }).await, [102]);
    let newest_first = PageRequest { limit: 2, with_total: true, ..PageRequest::default() };
    let some = CallFilter { status, ..filter() };
    assert_eq!(world.views.calls(client(1), &some, &newest_first).await.unwrap().total, Some(5));
    let found = all(&world, client(1), &some, newest_first).await;
    let found: Vec<_> = found.iter().map(|view| view.id).collect();
    assert_eq!(found, [102, 101, 100, 28, 14].map(call));
    let direction = Some(Direction::Inbound);
    assert_eq!(ids(&world, CallFilter { direction, ..filter() }).await, [6, 12, 18, 24]);
    let to = Some("+12025550100".to_owned());
    assert_eq!(ids(&world, CallFilter { to: to.clone(), ..filter() }).await, [100, 101]);
    let from = Some("+12026000004".to_owned());
    assert_eq!(ids(&world, CallFilter { from, ..filter() }).await, [4]);
    let agent_id = Some(AgentId(sequential(7)));
    assert_eq!(ids(&world, CallFilter { agent_id, ..filter() }).await, [100]);
    let end_reason = vec![EndReason::NoAnswer, EndReason::Busy];
    assert_eq!(ids(&world, CallFilter { end_reason, ..filter() }).await, [14, 28]);
    let created_after = Some(start() + Duration::from_millis(40));
    let created_before = Some(start() + Duration::from_millis(100));
    let between = CallFilter { created_after, created_before, ..filter() };
    assert_eq!(ids(&world, between).await, [6, 8], "both ends are left out");
    let has = |pairs: &[(&str, &str)]| CallFilter {
        metadata: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..filter()
    };
    assert_eq!(ids(&world, has(&[("vip", "true")])).await, [100, 101], "text and JSON of the same words");
    assert_eq!(ids(&world, has(&[("vip", "true"), ("n", "5")])).await, [101]);
    assert_eq!(ids(&world, has(&[("nested", r#"{"a":[1]}"#)])).await, [102]);
    assert_eq!(ids(&world, has(&[("order", "8"), ("tier", "gold")])).await, [8]);
    assert_eq!(ids(&world, has(&[("vip", "false")])).await, [] as [u64; 0]);
    let several = CallFilter {
        status: vec![Status::Queued],
        to,
        direction: Some(Direction::Outbound),
        ..has(&[("vip", "true")])
    };
    assert_eq!(ids(&world, several).await, [100, 101]);
    let counted = PageRequest { limit: 2, with_total: true, ..PageRequest::default() };
    let page = world.views.calls(client(1), &has(&[("tier", "gold")]), &counted).await.unwrap();
    assert_eq!((page.items.len(), page.total), (2, Some(10)), "the total counts beyond the page");
}

async fn odd_texts_in_filters_and_rows_do_no_harm(world: World) {
    let odd = [
        "$.a",
        "[0]",
        "a\"b",
        "it's",
        "100%",
        "a.b",
        "-",
        "\\",
        "né",
        "🙂",
        "nul\0nul",
        "'; DROP TABLE calls; --",
        "?",
    ];
    for (n, text) in odd.iter().enumerate() {
        let n = n as u64 + 1;
        let event = queued(n, text, None, json!({ *text: text }));
        append(&world, [(call(n).stream(), new_event(n, 0, client(1), &event))]).await;
    }
    world.catch_up().await;
    for (n, text) in odd.iter().enumerate() {
        let n = n as u64 + 1;
        let metadata = vec![((*text).to_owned(), (*text).to_owned())];
        assert_eq!(
            ids(&world, CallFilter { metadata, ..CallFilter::default() }).await,
            [n],
            "{text:?} in metadata"
        );
        let to = Some((*text).to_owned());
        assert_eq!(ids(&world, CallFilter { to, ..CallFilter::default() }).await, [n], "{text:?} as party");
        let stored = world.one::<projections::calls::Calls>(client(1), call(n)).await.unwrap().unwrap();
        let view: CallView = serde_json::from_str(&stored.json).unwrap();
        assert_eq!(view.to.as_deref(), Some(*text), "shown as it came");
        assert_eq!(view.metadata[*text], **text);
    }
}

async fn pages_have_no_gap_and_no_repeat_under_equal_times(world: World) {
    // forty calls of three moments, made in no order of their ids
    for n in 1..41_u64 {
        let mut event = queued(n, "+12025550100", None, json!({}));
        let CallEvent::Queued(queued) = &mut event else { panic!() };
        queued.at = start() + Duration::from_secs(n * 7 % 3);
        append(&world, [(call(n * 17 % 41).stream(), new_event(n, 0, client(1), &event))]).await;
    }
    world.catch_up().await;
    let mut orders = Vec::new();
    for order in [Order::Asc, Order::Desc] {
        for limit in [1, 2, 7, 13, 40, 200] {
            let page = PageRequest { limit, order, ..PageRequest::default() };
            let found = all(&world, client(1), &CallFilter::default(), page).await;
            let mut keys: Vec<_> = found.iter().map(|view| (view.created_at, view.id)).collect();
            assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 40, "limit {limit}, {order:?}");
            if order == Order::Desc {
                keys.reverse();
            }
            assert!(keys.is_sorted(), "limit {limit}, {order:?}");
            orders.push(keys);
        }
    }
    assert!(orders.windows(2).all(|two| two[0] == two[1]));
    let exactly = PageRequest { limit: 40, ..PageRequest::default() };
    let page = world.views.calls(client(1), &CallFilter::default(), &exactly).await.unwrap();
    assert_eq!(page.next, None, "a full last page has no next one");
}

async fn tenants_never_meet(world: World) {
    world.lives(1..20).await;
    for n in 1..5_u64 {
        let whose = client(n % 2 + 1);
        let id = NumberId(sequential(500_000 + n));
        let added = NumberAdded {
            number: format!("+1202555010{n}").parse::<domain::phone::E164>().unwrap().into(),
            route: Route::Reject,
            own_account: false,
            at: start(),
        };
        append(&world, [(id.stream(), new_event(600 + n, 0, whose, &NumberEvent::from(added)))]).await;
        let id = ApiKeyId(sequential(500_000 + n));
        append(&world, [(id.stream(), new_event(700 + n, 0, whose, &key(n)))]).await;
    }
    world.catch_up().await;
    let (page, nothing) = (PageRequest::default(), CallFilter::default());
    for n in 1..20 {
        let (owner, stranger) = (client(n % 2 + 1), client(2 - n % 2));
        assert!(world.one::<projections::calls::Calls>(owner, call(n)).await.unwrap().is_some());
        assert_eq!(world.one::<projections::calls::Calls>(stranger, call(n)).await.unwrap(), None);
        assert!(world.views.call_files(owner, call(n)).await.unwrap().is_some());
        assert_eq!(world.views.call_files(stranger, call(n)).await.unwrap(), None);
        let foreign = world.views.transcript(stranger, call(n), SaidPage::default()).await.unwrap();
        assert!(foreign.items.is_empty());
        for view in all(&world, owner, &nothing, page.clone()).await {
            assert_eq!(world.one::<projections::calls::Calls>(stranger, view.id).await.unwrap(), None);
        }
    }
    for n in 1..5_u64 {
        let (owner, stranger) = (client(n % 2 + 1), client(2 - n % 2));
        let (number, key) = (NumberId(sequential(500_000 + n)), ApiKeyId(sequential(500_000 + n)));
        assert!(world.one::<Numbers>(owner, number).await.unwrap().is_some());
        assert_eq!(world.one::<Numbers>(stranger, number).await.unwrap(), None);
        assert!(world.one::<projections::api_keys::ApiKeys>(owner, key).await.unwrap().is_some());
        assert_eq!(world.one::<projections::api_keys::ApiKeys>(stranger, key).await.unwrap(), None);
        assert_eq!(world.views.documents(table_of::<Numbers>(), owner, &page).await.unwrap().items.len(), 2);
        assert_eq!(
            world
                .views
                .documents(table_of::<projections::api_keys::ApiKeys>(), owner, &page)
                .await
                .unwrap()
                .items
                .len(),
            2
        );
    }
    assert!(all(&world, client(77), &nothing, page.clone()).await.is_empty());
}

async fn a_transcript_comes_in_pages(world: World) {
    world.lives(1..2).await;
    world.catch_up().await;
    let ask = async |limit, after, order| {
        let lines =
            world.views.transcript(client(2), call(1), SaidPage { limit, after, order }).await.unwrap();
        let seqs: Vec<_> = lines
            .items
            .iter()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap())
            .collect();
        (seqs, lines.next)
    };
    let (first, next) = ask(2, None, Order::Asc).await;
    assert_eq!((first, next.map(|place| place.seq)), (vec![1, 2], Some(2)));
    assert_eq!(ask(2, next, Order::Asc).await, (vec![3], None));
    let (last, next) = ask(2, None, Order::Desc).await;
    assert_eq!((last, next.map(|place| place.seq)), (vec![3, 2], Some(2)));
    assert_eq!(ask(2, next, Order::Desc).await, (vec![1], None));
    assert_eq!(ask(3, None, Order::Asc).await, (vec![1, 2, 3], None));
}

async fn numbers_are_read_rerouted_and_removed(world: World) {
    let (first, second) = (NumberId(sequential(900_001)), NumberId(sequential(900_002)));
    let added = |number: &str| {
        let number = number.parse::<domain::phone::E164>().unwrap().into();
        NumberEvent::from(NumberAdded {
            number,
            route: Route::Agent { id: None },
            own_account: false,
            at: start(),
        })
    };
    let menu = MenuId(sequential(4));
    let route = Route::IvrMenu { id: menu };
    let rerouted = NumberEvent::from(NumberRerouted { before: None, route, at: start() });
    let whose = client(1);
    append(
        &world,
        [
            (first.stream(), new_event(801, 0, whose, &added("+12025550101"))),
            (second.stream(), new_event(802, 0, whose, &added("+12025550102"))),
            (first.stream(), new_event(801, 1, whose, &rerouted)),
        ],
    )
    .await;
    world.catch_up().await;
    let stored = world.one::<Numbers>(whose, first).await.unwrap().unwrap();
    let view: NumberView = serde_json::from_str(&stored.json).unwrap();
    assert_eq!((view.version, view.route), (2, RouteView::IvrMenu { id: menu }));
    let json: serde_json::Value = serde_json::from_str(&stored.json).unwrap();
    assert_eq!(json["route"], json!({"type": "ivr_menu", "id": menu.to_string()}));
    assert_eq!(json["number"], "+12025550101");
    let numbers = table_of::<Numbers>();
    let all = world.views.every_document(numbers, None, 1).await.unwrap();
    assert_eq!((all.len(), all[0].id, all[0].client), (1, first.0, whose));
    let all = world.views.every_document(numbers, Some(first.0), 10).await.unwrap();
    let entry = NumberEntry::of(&all[0]).unwrap().unwrap();
    assert_eq!((all.len(), entry.id, entry.route), (1, second, Route::Agent { id: None }));

    let removed = NumberEvent::from(NumberRemoved { at: start() });
    append(&world, [(first.stream(), new_event(801, 2, whose, &removed))]).await;
    world.catch_up().await;
    assert_eq!(world.one::<Numbers>(whose, first).await.unwrap(), None);
    assert_eq!(
        world
            .views
            .documents(table_of::<Numbers>(), whose, &PageRequest::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    assert_eq!(world.views.every_document(numbers, None, 10).await.unwrap().len(), 1);
}

fn key(n: u64) -> ApiKeyEvent {
    ApiKeyCreated {
        name: format!("key {n}"),
        key_prefix: format!("vx_abc{n:04}"),
        key_hash: vec![n as u8; 32].into(),
        scopes: vec!["calls:read".to_owned()],
        rate_limit: None,
        usage_quota: None,
        expires_at: None,
        origin: Origin::default(),
        at: start(),
    }
    .into()
}

async fn clients_and_keys_are_read(world: World) {
    let created = ClientEvent::from(ClientCreated { name: "Example Ltd".to_owned(), at: start() });
    let id = ApiKeyId(sequential(900_009));
    append(
        &world,
        [
            (client(3).stream(), new_event(803, 0, client(3), &created)),
            (id.stream(), new_event(804, 0, client(3), &key(9))),
        ],
    )
    .await;
    world.catch_up().await;
    let stored = world.views.client(client(3)).await.unwrap().unwrap();
    let wanted = json!({"id": client(3).to_string(), "name": "Example Ltd",
                        "limits": {"requests_per_minute": null, "calls_per_day": null,
                                   "concurrent_calls": null, "storage_bytes": null},
                        "prepaid": false, "credit_line": 0, "low_at": null,
                        "created_at": "2026-01-01T00:00:00.000000Z", "version": 1});
    assert_eq!(serde_json::from_str::<serde_json::Value>(&stored.json).unwrap(), wanted);
    assert_eq!(world.views.clients(&PageRequest::default()).await.unwrap().items, [stored.json]);
    let row = world.views.api_key_row(client(3), id).await.unwrap().unwrap();
    assert_eq!((row.hash, row.client), (KeyHash([9; 32]), client(3)));
    assert_eq!(world.views.api_key_row(client(4), id).await.unwrap(), None);
    let entry = ApiKeyEntry::of(row);
    assert_eq!((entry.view.id, entry.view.scopes), (id, vec!["calls:read".to_owned()]));
    assert_eq!(entry.hashes, [(KeyHash([9; 32]), None)]);
    assert_eq!(world.views.api_key_directory(None, 10).await.unwrap().len(), 1);
    assert!(world.views.api_key_directory(Some(id), 10).await.unwrap().is_empty());
}

/// Its use is a stream of its own, whose first event finds a row that is there already.
async fn a_key_that_is_used_for_the_first_time_after_a_restart_keeps_what_it_was(world: World) {
    let id = ApiKeyId(sequential(900_009));
    append(&world, [(id.stream(), new_event(804, 0, client(3), &key(9)))]).await;
    world.catch_up().await;
    for (n, uses) in [(805, 3), (806, 4)] {
        let at = start() + Duration::from_secs(n);
        let used = ApiKeyUsed {
            count: uses,
            by_endpoint: [("GET /x".to_owned(), uses)].into(),
            last_used_at: at,
            at,
        };
        let event = new_event(n, 0, client(3), &KeyUsageEvent::from(used));
        append(&world, [(KeyUsage::stream(id), event)]).await;
        world.catch_up().await;
    }
    let row = world.views.api_key_row(client(3), id).await.unwrap().unwrap();
    assert_eq!((row.view.usage_count, row.view.name.as_str()), (7, "key 9"));
    assert_eq!(row.position, world.log.head().await.unwrap());
}

async fn what_clients_have_under_way_and_stored_is_counted(world: World) {
    let created = |name: &str| ClientEvent::from(ClientCreated { name: name.to_owned(), at: start() });
    let after = ClientLimits { calls_per_day: Some(3), ..ClientLimits::default() };
    let changed = ClientLimitsChanged {
        before: ClientLimits::default(),
        after,
        origin: Origin::default(),
        at: start(),
    };
    let clients = [client(1), client(2), client(3)];
    for (n, client) in (810..).zip(clients) {
        append(&world, [(client.stream(), new_event(n, 0, client, &created("Example Ltd")))]).await;
    }
    let limited = new_event(820, 0, client(2), &ClientEvent::from(changed));
    append(&world, [(client(2).stream(), limited)]).await;
    world.lives(1..30).await; // the even ones are client 1's, the others client 0's; all are over
    for (n, whose) in [(100, 1), (101, 1), (102, 2)] {
        let event = queued(n, "+12025550100", None, json!({}));
        append(&world, [(call(n).stream(), new_event(n, 0, client(whose), &event))]).await;
    }
    world.catch_up().await;

    let entries = world.views.client_directory(None, 10).await.unwrap();
    let mut wanted = clients.map(|id| ClientEntry {
        id,
        limits: ClientLimits::default(),
        billing: BillingTerms::default(),
    });
    wanted[1].limits = after;
    wanted.sort_by_key(|entry| entry.id);
    assert_eq!(entries, wanted);
    assert_eq!(world.views.client_directory(Some(wanted[0].id), 1).await.unwrap(), wanted[1..2]);

    let mut open = vec![(client(1), call(100)), (client(1), call(101)), (client(2), call(102))];
    open.sort_by_key(|(_, call)| *call);
    assert_eq!(world.views.open_calls(None, 10).await.unwrap(), open);
    assert_eq!(world.views.open_calls(Some(open[0].1), 1).await.unwrap(), open[1..2]);

    let since = start() + Duration::from_secs(3_600);
    let counts = world.views.calls_placed(since, None, 10).await.unwrap();
    let mut placed: Vec<_> = counts.iter().map(|count| (count.client, count.placed)).collect();
    placed.sort_unstable();
    let mut wanted = [(client(1), 2), (client(2), 1)];
    wanted.sort_unstable();
    assert_eq!(placed, wanted);
    let head = world.log.head().await.unwrap();
    assert!(counts.iter().all(|count| count.position == head), "{counts:?}");
    // what came in was not placed
    let outbound = CallFilter { direction: Some(Direction::Outbound), ..CallFilter::default() };
    let all_time = world.views.calls_placed(start(), None, 10).await.unwrap();
    let of_one = all_time.iter().find(|count| count.client == client(1)).unwrap();
    assert_eq!(of_one.placed, ids(&world, outbound).await.len() as u64);

    let mut bytes = 0;
    let page = PageRequest { limit: 200, ..PageRequest::default() };
    for json in world.views.calls(client(1), &CallFilter::default(), &page).await.unwrap().items {
        bytes += json.len() as u64;
        let id = serde_json::from_str::<CallView>(&json).unwrap().id;
        let lines = world.views.transcript(client(1), id, SaidPage::default());
        bytes += lines.await.unwrap().items.iter().map(|json| json.len() as u64).sum::<u64>();
    }
    assert_eq!(world.views.stored_bytes(client(1)).await.unwrap(), bytes);
    assert_eq!(world.views.stored_bytes(client(3)).await.unwrap(), 0);
}
