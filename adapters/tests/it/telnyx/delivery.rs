//! Webhooks on their way: signed, tried again, doubled, late, lost, and not always from Telnyx.

use std::time::Duration;

use adapters::telephony::telnyx::{SIGNATURE_HEADER, Signer, TIMESTAMP_HEADER};
use domain::call::report::CarrierFact;
use domain::ports::clock::Clock;
use domain::ports::telephony::{LegAction, Telephony};
use simulator::fake_telnyx::{CallScript, CalleeScript, RawHeaders};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{Heard, World, dial, order, repeats};

const CALLER: &str = "+12025550123";
const OURS: &str = "+12025550188";
const EVENT: &str = r#"{"data":{"id":"raw-1","event_type":"call.answered","payload":{"call_leg_id":"l"}}}"#;

fn abandoned() -> CallScript {
    CallScript::new(CALLER, OURS).gives_up_after(Duration::ZERO)
}

fn named<'a>(heard: &'a [Heard], event_type: &'a str) -> impl Iterator<Item = &'a Heard> {
    heard.iter().filter(move |heard| heard.event_type() == event_type)
}

#[actix_web::test]
async fn a_failed_webhook_is_tried_again_as_the_same_event_and_elsewhere_after_two_failures() {
    let mut world = World::answering([503, 429, 500, 408, 500, 502, 503], |config| {
        config.attempts = 8;
        config.failover_url = Some(config.webhook_url.replace("/telnyx", "/failover"));
    })
    .await;
    world.fake.place_call(abandoned()).await.ended().await.unwrap();
    let heard = world.rest();
    assert!(heard.iter().any(|heard| heard.path.ends_with("/failover")), "7 failures of 3 events");
    for (id, count) in repeats(&heard) {
        let attempts: Vec<_> = heard.iter().filter(|heard| heard.event_id() == id).collect();
        for (index, attempt) in attempts.iter().enumerate() {
            assert_eq!(attempt.body["meta"]["attempt"], index + 1, "{id} of {count}");
            let elsewhere = attempt.path.ends_with("/failover");
            assert_eq!(elsewhere, index >= 2);
        }
    }
    let ledger = world.stop().await;
    assert_eq!((ledger.totals.attempts, ledger.totals.given_up), (ledger.totals.webhooks + 7, 0));
    assert_eq!(ledger.webhooks.iter().filter(|hook| hook.status == Some(503)).count(), 2);
}

#[actix_web::test]
async fn a_refused_webhook_is_not_tried_again_and_an_unanswered_one_is() {
    let world = World::answering([400], |_| {}).await;
    world.fake.place_call(abandoned()).await.ended().await.unwrap();
    let totals = world.stop().await.totals;
    assert_eq!((totals.attempts, totals.accepted), (totals.webhooks, totals.webhooks - 1));

    let world = World::answering([0], |config| config.webhook_timeout = Duration::from_millis(100)).await;
    world.fake.place_call(abandoned()).await.ended().await.unwrap();
    let ledger = world.stop().await;
    assert_eq!(ledger.totals.accepted, ledger.totals.webhooks, "each was taken once, in the end");
    assert!(ledger.webhooks.iter().any(|hook| hook.status.is_none()));
}

#[actix_web::test]
async fn a_server_that_never_takes_a_webhook_cannot_know() {
    let world = World::answering([500; 9], |config| config.attempts = 3).await;
    let record = world.fake.place_call(abandoned()).await.ended().await.unwrap();
    assert_eq!((record.webhooks, record.given_up, record.expected.certain), (3, 3, false));
    world.stop().await;
}

#[actix_web::test]
async fn a_lost_webhook_is_never_sent() {
    let mut world = World::with(|config| config.mischief.lose = 1.0).await;
    let record = world.fake.place_call(abandoned()).await.ended().await.unwrap();
    assert_eq!((record.lost, record.expected.certain), (3, false));
    assert!(world.rest().is_empty());
    world.stop().await;
}

#[actix_web::test]
async fn a_doubled_webhook_is_one_event() {
    let mut world = World::with(|config| config.mischief.duplicate = 1.0).await;
    world.fake.place_call(abandoned()).await.ended().await.unwrap();
    let heard = world.rest();
    let counts = repeats(&heard);
    assert_eq!((counts.len(), heard.len()), (3, 6));
    assert!(counts.values().all(|count| *count == 2));
    world.stop().await;
}

#[actix_web::test]
async fn a_shuffled_webhook_is_overtaken() {
    let mut world = World::with(|config| config.mischief.shuffle = 1.0).await;
    world.fake.place_call(abandoned()).await.ended().await.unwrap();
    let order: Vec<_> = world.rest().iter().map(|heard| heard.event_type().to_owned()).collect();
    assert_eq!(order, ["call.hangup", "call.initiated", "call.cost"]);
    world.stop().await;
}

#[actix_web::test]
async fn an_answer_can_be_so_late_that_the_whole_call_is_over() {
    let mut world = World::with(|config| {
        config.mischief.late_answer = 1.0;
        config.mischief.late_by = Duration::from_millis(300);
    })
    .await;
    world.fake.set_callee("+12025550151", CalleeScript::Busy);
    let call = world.client.dial(&dial(1, "+12025550151")).await.unwrap();
    let heard = world.rest();
    assert!(heard.iter().any(|heard| heard.event_type() == "call.hangup"), "before the answer: {heard:?}");
    assert!(heard.iter().all(|heard| heard.body["data"]["payload"]["call_leg_id"] == *call.leg_id));
    world.stop().await;
}

#[actix_web::test]
async fn a_webhook_can_outrun_the_answer_to_its_command() {
    let mut world = World::with(|config| config.mischief.webhook_first = 1.0).await;
    for id in 0..20 {
        let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
        world.next_of(&call.leg_id, "call.initiated").await;
        world.client.command(&order(id, &call.control_id, LegAction::Answer)).await.unwrap();
        assert_eq!(named(&world.rest(), "call.answered").count(), 1, "it was there before the answer");
    }
    world.stop().await;
}

#[actix_web::test]
async fn unheard_of_events_and_fields_and_missing_state_are_read() {
    for (unknown, missing) in [(1.0, 1.0), (0.0, 0.0)] {
        let mut world = World::with(|config| {
            config.mischief.unknown_event = unknown;
            config.mischief.unknown_field = 1.0;
            config.mischief.missing_client_state = missing;
            config.mischief.null_client_state = 1.0;
        })
        .await;
        let call = world.fake.place_call(CallScript::new(CALLER, OURS)).await;
        world.client.command(&order(1, &call.control_id, LegAction::Answer)).await.unwrap();
        let answered = world.next_that(|heard| heard.event_type() == "call.answered").await;
        assert_eq!(answered.report().unwrap().tag, None);
        assert_eq!(answered.body["data"]["payload"].get("client_state").is_some(), missing == 0.0);
        assert!(answered.body["data"]["payload"]["x_preview"].is_object());
        world.client.command(&order(2, &call.control_id, LegAction::HangUp)).await.unwrap();
        call.ended().await.unwrap();
        let heard = world.rest();
        let previews: Vec<_> = named(&heard, "call.preview.of_tomorrow").collect();
        assert_eq!(previews.is_empty(), unknown == 0.0);
        assert!(
            previews
                .iter()
                .filter_map(|heard| heard.report())
                .all(|report| report.fact == CarrierFact::Noted)
        );
        world.stop().await;
    }
}

#[actix_web::test]
async fn a_forged_a_stale_and_a_malformed_webhook_are_refused() {
    let world = World::start().await;
    let now = world.clock.now().timestamp();
    let forger = Signer::from_seed(&[9; 32]);
    let named = |signature: &str, timestamp: &str| {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        RawHeaders::Exactly(vec![pair(SIGNATURE_HEADER, signature), pair(TIMESTAMP_HEADER, timestamp)])
    };
    for (body, headers, status) in [
        (EVENT, RawHeaders::Signed, 200),
        (EVENT, RawHeaders::SignedAt(now - 290), 200),
        (EVENT, RawHeaders::SignedAt(now - 302), 401),
        (EVENT, RawHeaders::SignedAt(now + 310), 401),
        (EVENT, RawHeaders::Exactly(Vec::new()), 401),
        (EVENT, named(&forger.sign(&now.to_string(), EVENT.as_bytes()), &now.to_string()), 401),
        (EVENT, named("!", &now.to_string()), 401),
        (EVENT, named("!", "soon"), 401),
        ("{", RawHeaders::Signed, 400),
        (r#"{"event_type":"call_initiated","payload":{}}"#, RawHeaders::Signed, 400),
    ] {
        assert_eq!(world.fake.send_raw(body, headers.clone()).await, Some(status), "{body} {headers:?}");
    }
    world.stop().await;
}

#[actix_web::test]
async fn header_names_know_no_case() {
    let world = World::start().await;
    let timestamp = world.clock.now().timestamp().to_string();
    let signature = Signer::from_seed(b"a fake carrier's not secret seed").sign(&timestamp, EVENT.as_bytes());
    let host = world.url.trim_start_matches("http://").split('/').next().unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!(
        "POST /hooks/telnyx HTTP/1.1\r\nHOST: {host}\r\nTELNYX-SIGNATURE-ED25519: {signature}\r\n\
         TELNYX-TIMESTAMP: {timestamp}\r\nCONTENT-LENGTH: {}\r\nCONNECTION: close\r\n\r\n{EVENT}",
        EVENT.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    world.stop().await;
}
