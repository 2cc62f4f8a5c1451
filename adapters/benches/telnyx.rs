//! What a webhook costs: checking its signature, reading it, and how many the fake carrier can send.
//!
//! `cargo bench -p adapters --bench telnyx`

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use adapters::clock::SystemClock;
use adapters::telephony::telnyx::{
    SIGNATURE_HEADER, SignedParts, Signer, TIMESTAMP_HEADER, WebhookVerifier, parse,
};
use chrono::DateTime;
use domain::ports::clock::Clock;
use simulator::fake_telnyx::{CallScript, FakeConfig, FakeTelnyx, fictional_number};

const HANGUP: &str = r#"{"data":{"record_type":"event","event_type":"call.hangup","id":"e2a1f6d4-6f1a-4f36-8f0e-6f2f3a4b5c6d","occurred_at":"2026-01-15T10:21:02.400000Z","payload":{"call_control_id":"v3:ExAmPlE_0a1b2c3d4e5f-aaaa","call_leg_id":"0c9f1c52-f1f6-11f0-9a11-02420a0f0001","call_session_id":"0c9f0b10-f1f6-11f0-8b22-02420a0f0001","connection_id":"1900000000000000001","client_state":"eyJ2IjoxfQ==","from":"+12025550123","to":"+12025550188","start_time":"2026-01-15T10:20:30.123456Z","end_time":"2026-01-15T10:21:02.400000Z","hangup_cause":"normal_clearing","hangup_source":"caller","sip_hangup_cause":"200","call_quality_stats":{"inbound":{"jitter_max_variance":"1.20","jitter_packet_count":"0","mos":"4.50","packet_count":"1480","skip_packet_count":"3"},"outbound":{"packet_count":"900","skip_packet_count":"0"}}}},"meta":{"attempt":1,"delivered_to":"https://voice.example.test/hooks/telnyx"}}"#;
const CALLS: u64 = 20_000;

fn each(name: &str, rounds: u32, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        (0..rounds).for_each(|_| work());
        best = best.min(begin.elapsed() / rounds);
    }
    println!("{name:<40} {best:>10.2?}");
}

struct Server {
    verifier: WebhookVerifier,
    taken: AtomicU64,
}

async fn take(request: HttpRequest, server: Data<Server>, body: Bytes) -> HttpResponse {
    let header = |name| request.headers().get(name).map(|value| value.as_bytes());
    let parts =
        SignedParts { signature: header(SIGNATURE_HEADER), timestamp: header(TIMESTAMP_HEADER), body: &body };
    let now = SystemClock.now();
    if server.verifier.verify(&parts, now).is_ok() && parse(&body, now, None).is_ok() {
        server.taken.fetch_add(1, Ordering::Relaxed);
        return HttpResponse::Ok().finish();
    }
    HttpResponse::Unauthorized().finish()
}

async fn push() -> Outcome {
    let seed = [7; 32];
    let verifier = WebhookVerifier::from_base64(&Signer::from_seed(&seed).public_key_base64())?;
    let server = Data::new(Server { verifier, taken: AtomicU64::new(0) });
    let data = server.clone();
    let http =
        HttpServer::new(move || App::new().app_data(data.clone()).route("/hook", web::post().to(take)))
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))?;
    let url = format!("http://{}/hook", http.addrs()[0]);
    tokio::spawn(http.run());

    let mut config = FakeConfig::new(url);
    config.signing_seed = seed;
    config.ledger_capacity = 1000;
    let fake = FakeTelnyx::start(config, Arc::new(SystemClock)).await?;
    let begin = Instant::now();
    for index in 0..CALLS {
        let script = CallScript::new(fictional_number(index), "+12025550100").gives_up_after(Duration::ZERO);
        tokio::spawn(fake.place_call(script).await.ended());
    }
    fake.settled().await;
    let (taken, spent) = (server.taken.load(Ordering::Relaxed), begin.elapsed());
    let ledger = fake.shutdown().await;
    println!("{:<40} {:>10.0} /s", "webhooks sent, checked and read", taken as f64 / spent.as_secs_f64());
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
        println!(
            "  latency {name:<30} {:>10.2?}",
            Duration::from_micros(ledger.latency.value_at_quantile(quantile))
        );
    }
    assert_eq!(taken, ledger.totals.webhooks);
    Ok(())
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let signer = Signer::from_seed(&[7; 32]);
    let verifier = WebhookVerifier::from_base64(&signer.public_key_base64())?;
    let now = DateTime::from_timestamp(1_768_000_000, 0).unwrap_or_default();
    let timestamp = now.timestamp().to_string();
    let signature = signer.sign(&timestamp, HANGUP.as_bytes());
    let parts = SignedParts {
        signature: Some(signature.as_bytes()),
        timestamp: Some(timestamp.as_bytes()),
        body: HANGUP.as_bytes(),
    };
    each("signature of a webhook checked", 2_000, || {
        assert_eq!(black_box(verifier.verify(&parts, now)), Ok(()))
    });
    each("webhook signed", 2_000, || drop(black_box(signer.sign(&timestamp, HANGUP.as_bytes()))));
    each("webhook read (1.1 kB)", 20_000, || drop(black_box(parse(HANGUP.as_bytes(), now, None))));
    // two threads, as on the two cores the numbers in the documentation are from
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(push())
}
