//! Customers and what is linked to them, on every database.

use std::time::Duration;

use adapters::testing::call_lives::{call, client, new_event, start};
use domain::call::{CallEvent, CallMetadata, Queued};
use domain::conversation::{Channel, ConversationEvent, ConversationStarted};
use domain::customer::{CustomerCreated, CustomerDeleted, CustomerEvent, Profile, ProfilePatch};
use domain::envelope::{StreamId, Time};
use domain::ids::{ClientId, ConversationId, CustomerId};
use domain::phone::Party;
use domain::ports::event_store::Expected;
use domain::testing::ids::sequential;
use domain::wire::DomainEvent;
use projections::customers::{
    CustomerFilter, CustomerKey, CustomerQueries as _, CustomerRow, CustomerView, Customers, Links,
    TimelineKind,
};
use projections::page::{Order, PageRequest};
use projections::runner::rebuild;
use projections::store::{Generation, ViewRows};
use projections::view::View as _;

use super::{World, brisk, on_every_database};

on_every_database!(
    customers_are_found_by_all_they_have_and_by_parts_of_their_names,
    a_timeline_merges_all_that_is_linked_in_pages_both_ways,
    a_number_that_two_have_links_nothing,
    rebuilt_customers_are_the_same_and_old_ones_leave_nothing,
);

const PHONE: &str = "+12025550101";
const OTHER: &str = "+12025550102";

fn at(minutes: u64) -> Time {
    start() + Duration::from_secs(minutes * 60)
}

fn customer(n: u64) -> CustomerId {
    CustomerId(sequential(60_000 + n))
}

fn talk(n: u64) -> ConversationId {
    ConversationId(sequential(70_000 + n))
}

async fn append(world: &World, n: u64, whose: ClientId, stream: &StreamId, fact: impl DomainEvent) {
    world.log.append(stream, Expected::Any, vec![new_event(n, 0, whose, &fact)]).await.unwrap();
}

async fn add(world: &World, n: u64, whose: ClientId, name: &str, phones: &[&str]) {
    let patch = ProfilePatch {
        external_id: Some(Some(format!("crm-{n}"))),
        name: Some(Some(name.to_owned())),
        phones: Some(phones.iter().map(|phone| phone.parse().unwrap()).collect()),
        emails: Some(vec![format!("c{n}@example.com").parse().unwrap()]),
        ..ProfilePatch::default()
    };
    let created = CustomerCreated { profile: patch.on(&Profile::default()), at: at(n) };
    append(world, 5_000 + n, whose, &customer(n).stream(), CustomerEvent::from(created)).await;
}

async fn dial(world: &World, n: u64, whose: ClientId, to: &str, customer_id: Option<CustomerId>) {
    let queued = Queued {
        command_id: sequential(n),
        to: Party::new(to).into(),
        from: None,
        agent_id: None,
        menu_id: None,
        metadata: CallMetadata::new().into(),
        customer_id,
        max_duration_ms: 60_000,
        ring_timeout_ms: 5_000,
        record: false,
        runtime: domain::agent::AgentRuntime::Carrier,
        at: at(n),
    };
    append(world, n, whose, &call(n).stream(), CallEvent::from(queued)).await;
}

async fn chat(world: &World, n: u64, user: Option<&str>, customer_id: Option<CustomerId>) {
    let started = ConversationStarted {
        agent: None,
        channel: Channel::Api,
        call: None,
        user: user.map(|user| user.to_owned().into()),
        metadata: None,
        customer_id,
        at: at(n),
    };
    append(world, 7_000 + n, client(1), &talk(n).stream(), ConversationEvent::from(started)).await;
}

async fn links(world: &World, n: u64) -> Links {
    let stored = world.one::<Customers>(client(1), customer(n)).await.unwrap().unwrap();
    serde_json::from_str::<CustomerView>(&stored.json).unwrap().links()
}

/// The minutes of everything on a timeline, read in pages of three.
async fn timeline(world: &World, links: &Links, order: Order) -> Vec<u64> {
    let (mut after, mut minutes) = (None, Vec::new());
    loop {
        let page = PageRequest { limit: 3, after, order, ..PageRequest::default() };
        let page = world.views.timeline(client(1), links, &TimelineKind::ALL, &page).await.unwrap();
        minutes.extend(page.entries.iter().map(|entry| (entry.at - start()).num_minutes() as u64));
        after = page.next;
        if after.is_none() {
            return minutes;
        }
    }
}

async fn customers_are_found_by_all_they_have_and_by_parts_of_their_names(world: World) {
    add(&world, 1, client(1), "Ann O'Neil 100%", &[PHONE, OTHER]).await;
    add(&world, 2, client(1), "ÄNNE_B", &[PHONE]).await;
    add(&world, 3, client(2), "Ann of another client", &[PHONE]).await;
    add(&world, 4, client(1), "Ann who is gone", &[PHONE]).await;
    let gone = CustomerEvent::from(CustomerDeleted { erasure: None, at: at(9) });
    append(&world, 5_009, client(1), &customer(4).stream(), gone).await;
    world.catch_up().await;
    let found = async |filter: CustomerFilter| {
        let page = PageRequest { order: Order::Asc, with_total: true, ..PageRequest::default() };
        let page = world.views.customers(client(1), &filter, &page).await.unwrap();
        assert_eq!(page.total, Some(page.items.len() as u64));
        let id = |json: &String| serde_json::from_str::<CustomerView>(json).unwrap().id;
        page.items.iter().map(|json| (1..9).find(|n| customer(*n) == id(json)).unwrap()).collect::<Vec<_>>()
    };
    let all = CustomerFilter::default;
    let by = |key: CustomerKey| CustomerFilter { keys: vec![key], ..all() };
    assert_eq!(found(all()).await, [1, 2]);
    assert_eq!(found(by(CustomerKey::Phone(PHONE.to_owned()))).await, [1, 2]);
    assert_eq!(found(by(CustomerKey::Phone(OTHER.to_owned()))).await, [1]);
    assert_eq!(found(by(CustomerKey::Email("c2@example.com".to_owned()))).await, [2]);
    assert_eq!(found(by(CustomerKey::ExternalId("crm-1".to_owned()))).await, [1]);
    assert_eq!(found(by(CustomerKey::ExternalId(PHONE.to_owned()))).await, [] as [u64; 0]);
    for (part, expected) in
        [("ann", &[1][..]), ("änne", &[2]), ("N", &[1, 2]), ("%", &[1]), ("_", &[2]), ("!", &[])]
    {
        let filter = CustomerFilter { name_part: Some(part.to_owned()), ..all() };
        assert_eq!(found(filter).await, expected, "{part}");
    }
    let either = CustomerFilter {
        name_part: Some("o'neil".to_owned()),
        or_keys: vec![CustomerKey::Email("c2@example.com".to_owned())],
        ..all()
    };
    assert_eq!(found(either).await, [1, 2]);
    let with = async |whose, limit| {
        world.views.customers_with(whose, &CustomerKey::Phone(PHONE.to_owned()), limit).await.unwrap()
    };
    assert_eq!(with(client(1), 9).await, [customer(1), customer(2)]);
    assert_eq!(with(client(1), 1).await, [customer(1)]);
    assert_eq!(with(client(2), 9).await, [customer(3)]);
}

async fn a_timeline_merges_all_that_is_linked_in_pages_both_ways(world: World) {
    add(&world, 1, client(1), "Ann", &[PHONE]).await;
    add(&world, 2, client(1), "Bob", &[OTHER]).await;
    for n in 10..17 {
        dial(&world, n, client(1), PHONE, None).await;
    }
    dial(&world, 17, client(1), "sip:+12025550101@pbx.example.test", None).await;
    dial(&world, 18, client(2), PHONE, None).await;
    dial(&world, 19, client(1), PHONE, Some(customer(2))).await;
    dial(&world, 20, client(1), OTHER, Some(customer(1))).await;
    chat(&world, 21, Some("crm-1"), None).await;
    chat(&world, 22, Some(PHONE), None).await;
    chat(&world, 23, Some("crm-1"), Some(customer(2))).await;
    chat(&world, 24, None, Some(customer(1))).await;
    chat(&world, 25, Some("nobody"), None).await;
    world.catch_up().await;
    let hers: Vec<u64> = (10..18).chain([20, 21, 22, 24]).collect();
    let ann = links(&world, 1).await;
    assert_eq!(timeline(&world, &ann, Order::Asc).await, hers);
    assert_eq!(timeline(&world, &ann, Order::Desc).await, hers.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(timeline(&world, &links(&world, 2).await, Order::Asc).await, [19, 23]);
    let within = PageRequest {
        created_after: Some(at(15)),
        created_before: Some(at(22)),
        order: Order::Asc,
        ..PageRequest::default()
    };
    let page = world.views.timeline(client(1), &ann, &[TimelineKind::Conversation], &within).await.unwrap();
    assert_eq!(
        page.entries.iter().map(|entry| (entry.kind, entry.id)).collect::<Vec<_>>(),
        [(TimelineKind::Conversation, talk(21).0)]
    );
    let none = world.views.timeline(client(1), &ann, &[], &PageRequest::default()).await.unwrap();
    assert!(none.entries.is_empty() && none.next.is_none());
    // another client's question finds nothing of it
    let theirs =
        world.views.timeline(client(2), &ann, &TimelineKind::ALL, &PageRequest::default()).await.unwrap();
    assert_eq!(theirs.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [call(18).0]);
}

async fn a_number_that_two_have_links_nothing(world: World) {
    add(&world, 1, client(1), "Ann", &[PHONE, OTHER]).await;
    add(&world, 2, client(1), "Bob", &[PHONE]).await;
    dial(&world, 10, client(1), PHONE, None).await;
    dial(&world, 11, client(1), OTHER, None).await;
    chat(&world, 12, Some(PHONE), None).await;
    world.catch_up().await;
    let ann = links(&world, 1).await;
    let page =
        world.views.timeline(client(1), &ann, &TimelineKind::ALL, &PageRequest::default()).await.unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [call(11).0]);
    assert_eq!(page.shared_phones, [PHONE]);
}

async fn rebuilt_customers_are_the_same_and_old_ones_leave_nothing(world: World) {
    for n in 1..30 {
        add(&world, n, client(1), "Ann", &[PHONE]).await;
    }
    world.catch_up().await;
    let before = ViewRows::<CustomerRow>::digest(&world.views, Generation(1)).await.unwrap();
    let report = rebuild(&world.deps("operator"), &brisk(), Customers::NAME, &mut |_| {}).await.unwrap();
    assert!(report.difference.is_equal(), "{:?}", report.difference);
    let after = ViewRows::<CustomerRow>::digest(&world.views, Generation(2)).await.unwrap();
    assert_eq!((before, after.rows), (after, 29));
    let key = CustomerKey::Phone(PHONE.to_owned());
    assert_eq!(world.views.customers_with(client(1), &key, 100).await.unwrap().len(), 29);
    // written again, a row is found once
    let patch = ProfilePatch { phones: Some(vec![OTHER.parse().unwrap()]), ..ProfilePatch::default() };
    let changed = domain::customer::CustomerUpdated {
        fields: vec!["phones".to_owned()],
        profile: patch.on(&Profile::default()),
        at: at(40),
    };
    append(&world, 6_000, client(1), &customer(1).stream(), CustomerEvent::from(changed)).await;
    world.catch_up().await;
    assert_eq!(world.views.customers_with(client(1), &key, 100).await.unwrap().len(), 28);
    while ViewRows::<CustomerRow>::discard(&world.views, Generation(1), 10).await.unwrap() > 0 {}
    assert_eq!(world.views.customers_with(client(1), &key, 100).await.unwrap().len(), 28);
}
