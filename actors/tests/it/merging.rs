//! Webhooks without our tag that overtake what says whose leg they are about.

use std::time::Duration;

use domain::call::report::{
    CarrierFact, CarrierReport, HangUp, HangUpCause, HangUpSource, LegRef, LegRole, LegTag,
};
use domain::call::terms::{Direction, EndReason, Status};
use domain::call::{Call, CallCommand, CallEvent};
use domain::envelope::Position;
use domain::ids::{CallId, ClientId};
use domain::phone::Party;
use domain::ports::clock::Clock;
use domain::ports::event_store::EventStore;
use domain::wire::DomainEvent;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::world::{CLIENT, World, leg};

/// Longer than a webhook waits for the answer to a dial.
const TOO_LONG: Duration = Duration::from_secs(1);
const OTHER_CLIENT: ClientId = ClientId(Uuid::from_u128(2));

fn busy() -> CarrierFact {
    CarrierFact::HungUp(HangUp {
        cause: HangUpCause::Busy,
        source: HangUpSource::Callee,
        provider_code: "user_busy".to_owned(),
        sip_code: Some(486),
    })
}

const RINGS: CarrierFact = CarrierFact::Initiated { direction: Direction::Outbound };

impl World {
    /// A world in which a call is being dialled: the carrier has it, and does not answer before the token says so.
    async fn dialling() -> (Self, CallId, CancellationToken) {
        let world = Self::new();
        let answers = CancellationToken::new();
        *world.carrier.answers_dials.lock().unwrap() = Some(answers.clone());
        world.start_work();
        let call = world.queue().await;
        while world.carrier.asked_names().is_empty() {
            tokio::task::yield_now().await;
        }
        (world, call, answers)
    }

    /// Takes a webhook that waits in vain for the answer to the dial.
    async fn take_late(&self, report: CarrierReport) {
        let waits = async {
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            self.clock.advance(TOO_LONG);
        };
        tokio::join!(self.take(report), waits);
    }

    async fn state(&self, call: CallId) -> Call {
        self.calls.inspect(call).await.unwrap()
    }

    /// The only call besides this one.
    async fn other_than(&self, call: CallId) -> CallId {
        let others: Vec<_> = self.all_calls().await.into_iter().filter(|other| *other != call).collect();
        assert_eq!(others.len(), 1, "{others:?}");
        others[0]
    }

    /// Asserts that a call ended because it is another one.
    async fn is_merged(&self, stranger: CallId, into: CallId) {
        let state = self.state(stranger).await;
        assert_eq!((state.status(), state.merged_into()), (Status::Ended, Some(into)));
        let end = match self.last(stranger).await {
            CallEvent::Ended(end) => end,
            CallEvent::EndCorrected(end) => end.0,
            other => panic!("the last event is {other:?}"),
        };
        assert_eq!(end.reason, EndReason::Merged);
    }

    /// How many webhooks a call took.
    async fn taken_by(&self, call: CallId) -> usize {
        let events = self.events(call).await;
        events.iter().filter(|event| event.event_type == "call.carrier_event_received").count()
    }
}

#[actix::test]
async fn a_webhook_of_an_unknown_leg_waits_for_the_answer_to_a_dial() {
    let (world, call, answers) = World::dialling().await;
    let answered = async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.only_call().await, call, "it waits");
        answers.cancel();
    };
    tokio::join!(world.take(world.report("dialled", 1, CarrierFact::Answered)), answered);
    world.settle().await;
    assert_eq!(world.only_call().await, call);
    assert_eq!(world.state(call).await.status(), Status::InProgress);
}

#[actix::test]
async fn a_webhook_of_an_unknown_leg_waits_for_nothing_where_nothing_is_dialled() {
    let world = World::new();
    world.start_work();
    world.take(world.report("strange", 1, RINGS)).await;
    world.take(world.report("strange", 2, CarrierFact::Answered)).await;
    let call = world.only_call().await;
    world.pass(Duration::from_secs(90)).await;
    assert_eq!(world.state(call).await.status(), Status::InProgress, "it is somebody else's");
}

#[actix::test]
async fn an_offered_call_waits_for_no_dial() {
    let (world, call, _answers) = World::dialling().await;
    world.take(world.initiated("offered")).await;
    let offered = world.other_than(call).await;
    assert_eq!(world.state(offered).await.status(), Status::Ringing);
}

#[actix::test]
async fn a_call_that_began_before_the_dial_was_answered_is_merged_into_the_dialled_one() {
    let (world, call, answers) = World::dialling().await;
    world.take_late(world.report("dialled", 1, RINGS)).await;
    world.take(world.report("dialled", 2, CarrierFact::Answered)).await;
    let stranger = world.other_than(call).await;
    assert_eq!(world.state(stranger).await.status(), Status::InProgress);
    answers.cancel();
    world.settle().await;
    world.is_merged(stranger, call).await;
    assert_eq!(
        world.types(call).await,
        ["queued", "dial_started", "dial_accepted", "leg_identified", "ringing", "answered"]
    );
    assert_eq!(world.types(stranger).await, ["received", "answered", "merged", "ended"]);
    // what comes from now on is the dialled call's, a repeat is nobody's
    let again = world.report("dialled", 2, CarrierFact::Answered);
    assert_eq!(world.take(again).await, None);
    world.take(world.report("dialled", 3, CarrierFact::Noted)).await;
    assert_eq!((world.taken_by(call).await, world.taken_by(stranger).await), (3, 2));
    // and its timers run on
    world.pass(Duration::from_secs(601)).await;
    assert_eq!(world.carrier.asked_names(), ["dial", "HangUp"]);
}

#[actix::test]
async fn a_call_that_was_over_before_the_dial_was_answered_is_merged_all_the_same() {
    let (world, call, answers) = World::dialling().await;
    world.take_late(world.report("dialled", 1, RINGS)).await;
    world.take(world.report("dialled", 2, busy())).await;
    let stranger = world.other_than(call).await;
    assert!(world.state(stranger).await.is_over());
    answers.cancel();
    world.settle().await;
    world.is_merged(stranger, call).await;
    let CallEvent::Ended(end) = world.last(call).await else { panic!("not ended") };
    assert_eq!((end.reason, end.sip_code), (EndReason::Busy, Some(486)));
}

#[actix::test]
async fn both_calls_of_a_leg_whose_webhooks_carry_one_name_each_are_merged() {
    let (world, call, answers) = World::dialling().await;
    let mut by_control_id = world.report("dialled", 1, RINGS);
    by_control_id.leg = LegRef { leg_id: "v3:dialled".to_owned(), ..leg("dialled") };
    let mut by_leg_id = world.report("dialled", 2, CarrierFact::Answered);
    by_leg_id.leg.control_id = None;
    world.take_late(by_control_id).await;
    world.take_late(by_leg_id).await;
    let strangers: Vec<_> = world.all_calls().await.into_iter().filter(|other| *other != call).collect();
    assert_eq!(strangers.len(), 2);
    answers.cancel();
    world.settle().await;
    for stranger in strangers {
        world.is_merged(stranger, call).await;
    }
    let state = world.state(call).await;
    assert_eq!((state.status(), state.control_id()), (Status::InProgress, Some("v3:dialled")));
}

#[actix::test]
async fn a_merger_goes_on_wherever_the_node_before_died() {
    // after the names were bound; after the call was ended, too
    for ended in [false, true] {
        let world = World::new();
        let call = world.queue().await;
        let CallEvent::Queued(queued) = world.last(call).await else { panic!("not queued") };
        let start = CallCommand::StartDial { effect_id: queued.command_id, now: world.clock.now() };
        world.calls.execute(call, start, world.context(), None).await.unwrap();
        world.take(world.report("dialled", 1, RINGS)).await;
        world.take(world.report("dialled", 2, CarrierFact::Answered)).await;
        let stranger = world.other_than(call).await;
        world.inbox.bind_own("telnyx", &leg("dialled"), call, CLIENT).await.unwrap();
        if ended {
            let into = CallCommand::MergeInto { into: call, role: LegRole::Main, now: world.clock.now() };
            world.calls.execute(stranger, into, world.context(), None).await.unwrap();
        }
        world.start_work();
        world.settle().await;
        world.is_merged(stranger, call).await;
        assert_eq!(world.state(call).await.status(), Status::InProgress, "ended: {ended}");
        assert_eq!((world.taken_by(call).await, world.taken_by(stranger).await), (2, 2));
        assert!(!world.carrier.asked_names().contains(&"dial".to_owned()), "never dialled blindly");
    }
}

#[actix::test]
async fn a_node_that_still_takes_the_leg_for_the_merged_call_finds_the_right_one() {
    let (world, call, answers) = World::dialling().await;
    let second = World::beside(world.store.clone(), world.work.clone(), world.clock.clone(), "node-2");
    // this node knows of no dial
    second.take(world.report("dialled", 1, RINGS)).await;
    world.carrier.webhooks.lock().unwrap().extend(second.carrier.webhooks.lock().unwrap().clone());
    let stranger = world.other_than(call).await;
    answers.cancel();
    world.settle().await;
    world.is_merged(stranger, call).await;
    second.take(world.report("dialled", 2, CarrierFact::Answered)).await;
    assert_eq!(world.state(call).await.status(), Status::InProgress);
    assert_eq!(world.taken_by(stranger).await, 1);
}

#[actix::test]
async fn a_first_webhook_that_is_still_on_its_way_when_the_names_are_bound_is_not_forgotten() {
    let world = World::new();
    let call = world.queue().await;
    world.inbox.bind_own("telnyx", &leg("dialled"), call, CLIENT).await.unwrap();
    // a node bound the leg to a call of its own, and has not written that call yet
    let stranger = CallId(world.runtime.ids.next());
    world.inbox.bind_own("telnyx", &leg("slow"), stranger, CLIENT).await.unwrap();
    world.inbox.bind_own("telnyx", &leg("slow"), call, CLIENT).await.unwrap();
    world.start_work();
    world.settle().await;
    let report = world.report("slow", 1, CarrierFact::Answered);
    world.carrier.webhooks.lock().unwrap().insert(report.raw.clone(), report.clone());
    let report = CallCommand::Report { report: Box::new(report), role: LegRole::Main, routing: None };
    world.calls.execute_on_new(stranger, report, world.context()).await.unwrap();
    world.pass(Duration::from_secs(2)).await;
    world.is_merged(stranger, call).await;
    assert_eq!(world.state(call).await.status(), Status::InProgress);
}

#[actix::test]
async fn the_leg_of_a_transfer_that_was_strange_at_first_is_the_transfers() {
    let world = World::new();
    world.start_work();
    let call = world.queue().await;
    world.settle().await;
    world.take(world.report("dialled", 1, CarrierFact::Answered)).await;
    let to = Party::new("+12025550199");
    let transfer = CallCommand::Transfer { id: world.runtime.ids.next(), to, now: world.clock.now() };
    world.calls.execute(call, transfer, world.context(), None).await.unwrap();
    world.settle().await;
    world.take(world.report("target", 1, RINGS)).await;
    world.take(world.report("target", 2, CarrierFact::Bridged)).await;
    let stranger = world.other_than(call).await;
    let mut tagged = world.report("target", 3, CarrierFact::Noted);
    tagged.tag = Some(LegTag { client: CLIENT, call, role: LegRole::TransferTarget });
    world.take(tagged).await;
    world.settle().await;
    world.is_merged(stranger, call).await;
    assert!(
        world.types(call).await.contains(&"transfer_connected".to_owned()),
        "the bridge is the transfer's"
    );
}

#[actix::test]
async fn an_account_cannot_put_words_into_the_calls_of_another_client() {
    let (world, call, answers) = World::dialling().await;
    world.take_from(world.report("dialled", 1, CarrierFact::Answered), Some(OTHER_CLIENT)).await;
    let forged = world.other_than(call).await;
    answers.cancel();
    world.pass(Duration::from_secs(30)).await;
    assert_eq!(world.state(forged).await.merged_into(), None);
    assert_eq!(world.taken_by(call).await, 0);
}

#[actix::test]
async fn a_call_that_was_offered_to_us_is_never_merged() {
    let world = World::new();
    world.start_work();
    world.take(world.initiated("leg")).await;
    let offered = world.only_call().await;
    let call = world.queue().await;
    let mut tagged = world.report("leg", 2, CarrierFact::Noted);
    tagged.tag = Some(LegTag { client: CLIENT, call, role: LegRole::Main });
    world.take(tagged).await;
    world.settle().await;
    let state = world.state(offered).await;
    assert_eq!((state.is_over(), state.merged_into()), (false, None));
}

#[actix::test]
async fn what_a_merged_call_took_says_where_it_came_from() {
    let (world, call, answers) = World::dialling().await;
    world.take_late(world.report("dialled", 1, RINGS)).await;
    let stranger = world.other_than(call).await;
    answers.cancel();
    world.settle().await;
    let first = world.events(stranger).await[0].id;
    let all = world.store.read_all(Position::START, 10_000).await.unwrap();
    let taken_over = all
        .iter()
        .find(|event| event.stream == call.stream() && event.event_type == "call.carrier_event_received");
    assert_eq!(taken_over.unwrap().metadata().unwrap().causation_id, Some(first));
    let merged = world.events(stranger).await.into_iter().find(|event| event.event_type == "call.merged");
    let merged =
        merged.map(|event| CallEvent::decode(&event.event_type, event.schema, &event.payload).unwrap());
    assert!(matches!(merged, Some(CallEvent::Merged(merged)) if merged.into == call));
}
