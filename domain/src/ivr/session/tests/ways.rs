//! Random menus and random callers: whatever they do, the session ends, and its events rebuild its state.

use proptest::prelude::*;

use super::super::super::hours::{Hours, Window};
use super::super::super::menu::Globals;
use super::*;

const MENUS: u128 = 5;

fn action() -> impl Strategy<Value = Action> {
    let leaf = prop_oneof![
        (0..MENUS + 2).prop_map(submenu),
        Just(Action::Back),
        Just(Action::Main),
        Just(Action::Repeat),
        Just(Action::Say { text: "Said.".to_owned() }),
        Just(Action::Agent { agent: None }),
        Just(Action::Transfer { to: Party::new(COLLEAGUE).into() }),
        Just(Action::Hangup),
    ];
    leaf.prop_recursive(3, 6, 1, |inner| {
        prop_oneof![
            inner.clone().prop_map(webhook),
            (any::<bool>(), inner).prop_map(|(secret, then)| collect(secret, then)),
        ]
    })
}

fn terms() -> impl Strategy<Value = MenuTerms> {
    let keys = proptest::collection::btree_map("[0-9#*]{1,2}", action(), 0..6);
    let closed = prop_oneof![4 => Just(None), 1 => action().prop_map(Some)];
    (keys, action(), 1..4_u32, closed, proptest::option::of("[0-9*]")).prop_map(
        |(keys, exhausted, retries, closed, back)| {
            let mut terms = menu("Any", keys.iter().map(|(key, action)| item(key, action.clone())).collect());
            terms.max_retries = retries;
            terms.on_exhausted = exhausted;
            terms.globals = Globals { back, ..Globals::default() };
            terms.hours = closed.map(|closed| {
                let weekly = std::array::from_fn(|day| vec![Window { from: 0, to: 1 + day as u16 * 100 }]);
                Hours { timezone: "Europe/Berlin".to_owned(), weekly, overrides: vec![], closed }
            });
            terms
        },
    )
}

#[derive(Debug, Clone)]
enum Move {
    Keys(String),
    Gathered(String),
    Late(String),
    Silence,
    Timer(bool),
    Back,
    Answer(u8),
    HangUp,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => "[0-9#*]{1,4}".prop_map(Move::Keys),
        4 => "[0-9#*]{0,4}".prop_map(Move::Gathered),
        1 => "[0-9]{1,2}".prop_map(Move::Late),
        2 => Just(Move::Silence),
        3 => any::<bool>().prop_map(Move::Timer),
        1 => Just(Move::Back),
        4 => (0..6_u8).prop_map(Move::Answer),
        1 => Just(Move::HangUp),
    ];
    proptest::collection::vec(one, 0..80)
}

fn answer(n: u8) -> StepAnswer {
    let (outcome, action) = match n {
        0 => (WebhookOutcome::Answered, None),
        1 => (WebhookOutcome::Answered, Some(submenu(2))),
        2 => (WebhookOutcome::Answered, Some(webhook(Action::Repeat))),
        3 => (WebhookOutcome::Failed, None),
        _ => (WebhookOutcome::TimedOut, None),
    };
    StepAnswer { outcome, status: None, action }
}

fn command(play: &Move, n: usize, session: &IvrSession, book: &Arc<Book>) -> SessionCommand {
    let now = at(n as i64 * 3);
    let (ask, until) = session.waiting().map_or((Uuid::nil(), now), |w| (w.ask, w.until));
    let (id, book) = (id(1_000 + n as u128), book.clone());
    let from = Source::Carrier { ask };
    match play {
        Move::Keys(keys) => {
            SessionCommand::Input { id, keyed: plain(keys), whole: false, source: Source::Api, book, now }
        }
        Move::Gathered(keys) => {
            SessionCommand::Input { id, keyed: plain(keys), whole: true, source: from, book, now }
        }
        Move::Late(keys) => {
            let source = Source::Carrier { ask: Uuid::nil() };
            SessionCommand::Input { id, keyed: plain(keys), whole: true, source, book, now }
        }
        Move::Silence => SessionCommand::Silence { id, source: from, book, now },
        Move::Timer(keys) => {
            let heard = keys.then(|| plain("1"));
            SessionCommand::TimerFired { set_for: until, heard, book, now: until.max(now) }
        }
        Move::Back => SessionCommand::Back { id, book, now },
        Move::Answer(n) if *n < 5 => SessionCommand::WebhookAnswered { ask, answer: answer(*n), book, now },
        Move::Answer(_) => SessionCommand::CallAnswered { id, ask, answer: Answered::Failed, book, now },
        Move::HangUp => SessionCommand::CallEnded { id, by_caller: true, now },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_way_ends_stays_within_the_stack_and_is_told_whole_by_its_events(
        menus in proptest::collection::vec(terms(), 1..=MENUS as usize),
        live in any::<bool>(),
        moves in moves(),
    ) {
        use crate::aggregate::Aggregate as _;
        use crate::wire::DomainEvent as _;
        let book = Arc::new(book((0..).zip(menus)));
        let mut state = IvrSession::default();
        let mut log = vec![];
        let take = |state: &mut IvrSession, log: &mut Vec<SessionEvent>, command: &SessionCommand| {
            let Ok(facts) = state.decide(command) else { return };
            for fact in facts {
                state.evolve(&fact);
                log.push(fact);
                prop_assert_ok(state);
            }
            // a repeat changes nothing, unless it is refused now
            if let Ok(again) = state.decide(command) {
                assert_eq!(again, vec![], "{command:?} again");
            }
        };
        take(&mut state, &mut log, &start_in(&book, live.then_some(CALL)));
        for (n, play) in moves.iter().enumerate() {
            let command = command(play, n, &state, &book);
            take(&mut state, &mut log, &command);
        }
        // left alone it ends by its timers
        for n in 0..2 * MAX_TURNS as usize + 2 {
            let command = command(&Move::Timer(false), 100 + n, &state, &book);
            take(&mut state, &mut log, &command);
        }
        prop_assert_ne!(state.status(), SessionStatus::Active);
        prop_assert_eq!(log.iter().filter(|fact| matches!(fact, SessionEvent::Ended(_))).count(), 1);
        let mut replayed = IvrSession::default();
        for fact in &log {
            replayed.evolve(&SessionEvent::decode(fact.event_type(), fact.schema(), &fact.encode()).unwrap());
        }
        prop_assert_eq!(replayed, state);
    }
}

fn prop_assert_ok(state: &IvrSession) {
    assert!(state.stack().len() <= MAX_STACK, "the stack is {} deep", state.stack().len());
    assert!(state.turns() <= MAX_TURNS + 1, "{} turns", state.turns());
    assert!(state.waiting().is_none() || state.status() == SessionStatus::Active);
}
