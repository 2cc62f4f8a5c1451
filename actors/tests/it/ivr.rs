//! Callers in menus: the call, the session and the carrier together.

use std::time::Duration;

use actors::Session;
use domain::call::report::{CarrierFact, CarrierReport, HangUp, HangUpCause, HangUpSource};
use domain::call::{Call, CallEvent};
use domain::ids::{CallId, IvrSessionId};
use domain::ivr::action::{Action, Webhook};
use domain::ivr::menu::{Menu, MenuCommand, MenuTerms};
use domain::ivr::session::{Asked, IvrSession, SessionStatus, StepAnswer, WebhookOutcome};
use domain::phone::Party;
use domain::ports::clock::Clock;
use domain::ports::telephony::CarrierError;
use domain::testing::ivr::{item, menu};
use domain::zones::Zones;

use crate::world::{MENU, MENU_NUMBER, World};

fn terms() -> MenuTerms {
    let url = "https://hooks.example.test/".to_owned();
    let webhook = Webhook { url, timeout_ms: 3_000, on_error: Action::Say { text: "Too bad.".to_owned() } };
    menu(
        "Main",
        vec![
            item("1", Action::Say { text: "Hello.".to_owned() }),
            item("8", Action::Transfer { to: Party::new("+12025550155").into() }),
            item("9", Action::Webhook(Box::new(webhook))),
            item("0", Action::Hangup),
        ],
    )
}

impl World {
    /// A node with a menu, and its process manager at work.
    async fn with_menu() -> Self {
        let world = Self::new();
        let mut session = Session::<Menu>::new(world.runtime.clone(), MENU.stream());
        let create =
            MenuCommand::Create { terms: Box::new(terms()), zones: Zones::bundled(), now: world.clock.now() };
        session.execute(&create, &world.context(), None).await.unwrap();
        world.start_work();
        world
    }

    fn to_menu(&self, n: u32, fact: CarrierFact) -> CarrierReport {
        let mut report = self.report("a", n, fact);
        report.to = Some(Party::new(MENU_NUMBER));
        report
    }

    /// The caller is in the menu.
    async fn caller(&self) -> (CallId, IvrSessionId) {
        let mut initiated = self.initiated("a");
        initiated.to = Some(Party::new(MENU_NUMBER));
        self.take(initiated).await;
        self.settle().await;
        self.take(self.to_menu(2, CarrierFact::Answered)).await;
        self.asked("Gather", 1).await;
        let call = self.only_call().await;
        (call, self.calls.inspect(call).await.unwrap().ivr_session().unwrap())
    }

    /// Waits until the carrier was asked so often.
    async fn asked(&self, name: &str, times: usize) {
        for _ in 0..1_000_000 {
            if self.carrier.asked_names().iter().filter(|asked| *asked == name).count() >= times {
                return self.settle().await;
            }
            tokio::task::yield_now().await;
        }
        panic!("the carrier was asked {:?}", self.carrier.asked_names());
    }

    async fn session(&self, id: IvrSessionId) -> IvrSession {
        self.ivr.sessions.inspect(id, true).await.unwrap().0
    }

    async fn session_when(&self, id: IvrSessionId, wanted: impl Fn(&IvrSession) -> bool) -> IvrSession {
        for _ in 0..100_000 {
            let session = self.session(id).await;
            if wanted(&session) {
                return session;
            }
            tokio::task::yield_now().await;
        }
        panic!("the session is {:?}", self.session(id).await);
    }

    fn gathered(&self, n: u32, digits: &str, status: &str) -> CarrierReport {
        let fact = CarrierFact::Gathered { digits: digits.to_owned().into(), status: status.to_owned() };
        self.to_menu(n, fact)
    }
}

fn prompt(session: &IvrSession) -> &str {
    match session.waiting().map(|waiting| &waiting.asked) {
        Some(Asked::Keys(ask)) => &ask.text,
        other => panic!("{other:?}"),
    }
}

fn hung_up() -> CarrierFact {
    CarrierFact::HungUp(HangUp {
        cause: HangUpCause::Normal,
        source: HangUpSource::Caller,
        provider_code: "normal_clearing".into(),
        sip_code: Some(200),
    })
}

#[actix::test]
async fn a_caller_is_led_through_the_menu_to_its_end() {
    let world = World::with_menu().await;
    let (_, session) = world.caller().await;
    world.take(world.gathered(3, "1", "valid")).await;
    world.asked("Gather", 2).await;
    assert_eq!(prompt(&world.session(session).await), "Hello. Main.");
    world.take(world.gathered(4, "0", "valid")).await;
    world.asked("HangUp", 1).await;
    assert_eq!(world.session(session).await.status(), SessionStatus::Completed);
    assert_eq!(world.carrier.asked_names(), ["Answer", "Gather", "Gather", "HangUp"]);
}

#[actix::test]
async fn the_same_webhook_again_and_a_late_one_change_nothing() {
    let world = World::with_menu().await;
    let (_, session) = world.caller().await;
    let first = world.session(session).await.waiting().unwrap().ask;
    let mut report = world.gathered(3, "1", "valid");
    report.ask = Some(first);
    assert!(world.take(report.clone()).await.is_some());
    world.asked("Gather", 2).await;
    assert!(world.take(report).await.is_none());
    let mut late = world.gathered(5, "0", "valid");
    late.ask = Some(first);
    world.take(late).await;
    world.pass(Duration::from_secs(2)).await;
    let session = world.session(session).await;
    assert_eq!((session.turns(), session.status()), (1, SessionStatus::Active));
}

#[actix::test]
async fn a_hang_up_in_the_menu_abandons_the_session() {
    let world = World::with_menu().await;
    let (call, session) = world.caller().await;
    world.take(world.to_menu(3, hung_up())).await;
    let ended = world.session_when(session, |session| !session.is_active()).await;
    assert_eq!(ended.status(), SessionStatus::Abandoned);
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(world.carrier.asked_names(), ["Answer", "Gather"]);
    assert_eq!(world.calls.inspect(call).await.unwrap().ivr_session(), Some(session));
}

#[actix::test]
async fn silence_that_nobody_reports_is_found_by_the_timer_and_lost_keys_are_found_by_it_too() {
    let world = World::with_menu().await;
    let (_, session) = world.caller().await;
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(prompt(&world.session(session).await), "Silence. Main.");
    // two keys, of which only the carrier knows the order, and its word about them is lost
    let mut several = terms();
    several.items[0].digit = "12".to_owned();
    let mut edit = Session::<Menu>::new(world.runtime.clone(), MENU.stream());
    let patch = domain::ivr::menu::MenuPatch { items: Some(several.items), ..Default::default() };
    let update =
        MenuCommand::Update { patch: Box::new(patch), zones: Zones::bundled(), now: world.clock.now() };
    edit.execute(&update, &world.context(), None).await.unwrap();
    assert_eq!(
        world.session(session).await.pins()[&MENU].0,
        1,
        "the caller stays in the version they entered"
    );
    world.take(world.to_menu(4, CarrierFact::Dtmf('1'.into()))).await;
    world.asked("Gather", 3).await;
    assert_eq!(
        prompt(&world.session(session).await),
        "Hello. Main.",
        "a single key needs no word of the carrier's"
    );
}

#[actix::test]
async fn a_prompt_the_carrier_refuses_counts_as_silence_until_it_is_the_end() {
    let world = World::with_menu().await;
    let refused = || CarrierError::Refused {
        because: domain::ports::telephony::RefusedBecause::Other,
        status: 422,
        code: "90010".to_owned(),
        title: "Invalid".to_owned(),
    };
    let (_, session) = world.caller().await;
    world.carrier.fails_next([refused(), refused()]);
    world.take(world.gathered(3, "1", "valid")).await;
    world.asked("Gather", 4).await;
    assert_eq!(world.session(session).await.turns(), 3);
    assert!(world.session(session).await.is_active());
}

#[actix::test]
async fn a_transfer_that_fails_leads_back_into_the_menu() {
    let world = World::with_menu().await;
    let (_, session) = world.caller().await;
    world.carrier.fails_next([CarrierError::Refused {
        because: domain::ports::telephony::RefusedBecause::BadNumber,
        status: 422,
        code: "10016".to_owned(),
        title: "Invalid".to_owned(),
    }]);
    world.take(world.gathered(3, "8", "valid")).await;
    world.asked("Gather", 2).await;
    assert_eq!(world.carrier.asked_names(), ["Answer", "Gather", "Transfer", "Gather"]);
    world.take(world.gathered(4, "8", "valid")).await;
    world.asked("Transfer", 2).await;
    world.take(world.to_menu(5, CarrierFact::Bridged)).await;
    let ended = world.session_when(session, |session| !session.is_active()).await;
    assert_eq!(ended.status(), SessionStatus::Completed);
}

#[actix::test]
async fn the_clients_own_system_is_asked_and_its_answer_followed() {
    let world = World::with_menu().await;
    let (call, session) = world.caller().await;
    let (action, status) = (Some(Action::Say { text: "It says hello.".to_owned() }), Some(200));
    let answer = StepAnswer { outcome: WebhookOutcome::Answered, status, action };
    world.webhooks.answers.lock().unwrap().push_back(answer);
    world.take(world.gathered(3, "9", "valid")).await;
    world.asked("Gather", 2).await;
    assert_eq!(prompt(&world.session(session).await), "It says hello. Main.");
    let asked = world.webhooks.asked.lock().unwrap().clone();
    assert_eq!((asked.len(), asked[0].session, asked[0].call), (1, session, Some(call)));
    // and when nobody answers, the menu says what comes
    world.take(world.gathered(4, "9", "valid")).await;
    world.asked("Gather", 3).await;
    assert_eq!(prompt(&world.session(session).await), "Too bad. Main.");
}

#[actix::test]
async fn what_was_lost_with_a_node_is_done_by_the_next_one_once() {
    let world = World::with_menu().await;
    let (call, session) = world.caller().await;
    // the news are in the log, and the node died before anybody told the session
    let mut lost = Session::<Call>::new(world.runtime.clone(), call.stream());
    let report = Box::new(world.gathered(3, "1", "valid"));
    let role = domain::call::report::LegRole::Main;
    let command = domain::call::CallCommand::Report { report, role, routing: None };
    lost.execute(&command, &world.context(), None).await.unwrap();
    world.pass(Duration::from_secs(2)).await;
    assert_eq!(prompt(&world.session(session).await), "Hello. Main.");
    assert_eq!(world.carrier.asked_names(), ["Answer", "Gather", "Gather"]);
    let events = world.events(call).await;
    let gathers = events.iter().filter(|event| event.event_type == "call.gather_requested").count();
    assert_eq!(gathers, 2);
    let CallEvent::CommandAccepted(_) = world.last(call).await else { panic!("not settled") };
}

#[actix::test]
async fn a_call_whose_menu_is_gone_is_ended() {
    let world = World::new();
    world.start_work();
    let mut initiated = world.initiated("a");
    initiated.to = Some(Party::new(MENU_NUMBER));
    world.take(initiated).await;
    world.settle().await;
    world.take(world.to_menu(2, CarrierFact::Answered)).await;
    world.asked("HangUp", 1).await;
    assert_eq!(world.carrier.asked_names(), ["Answer", "HangUp"]);
}
