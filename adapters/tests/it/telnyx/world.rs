//! A fake Telnyx, a client of it, and a receiver of its webhooks that checks every signature and reads every body.

use std::collections::{HashMap, VecDeque};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use adapters::clock::SystemClock;
use adapters::telephony::telnyx::{
    ApiKey, Ingress, SIGNATURE_HEADER, SignedParts, TIMESTAMP_HEADER, TelnyxClient, TelnyxConfig,
    WebhookVerifier, parse,
};
use async_trait::async_trait;
use chrono::TimeDelta;
use domain::agent::AgentRuntime;
use domain::call::report::{CarrierReport, LegRole, LegTag};
use domain::envelope::Time;
use domain::ids::{CallId, ClientId};
use domain::personal::Personal;
use domain::phone::Party;
use domain::ports::clock::Clock;
use domain::ports::telephony::{Dial, LegAction, LegCommand};
use simulator::fake_telnyx::{FakeConfig, FakeTelnyx};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// Whose calls they are.
pub const CLIENT: ClientId = ClientId(Uuid::from_u128(1));

/// The machine's clock, which can be put forward; whoever sleeps on it notices.
#[derive(Debug)]
pub struct TestClock {
    ahead: watch::Sender<TimeDelta>,
}

impl Default for TestClock {
    fn default() -> Self {
        Self { ahead: watch::Sender::new(TimeDelta::zero()) }
    }
}

impl TestClock {
    pub fn advance(&self, by: TimeDelta) {
        self.ahead.send_modify(|ahead| *ahead += by);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Time {
        SystemClock.now() + *self.ahead.borrow()
    }

    fn monotonic(&self) -> Instant {
        // what is put forward here is time that passes
        SystemClock.monotonic() + self.ahead.borrow().to_std().unwrap_or_default()
    }

    async fn sleep(&self, length: Duration) {
        self.sleep_until(self.now() + length).await;
    }

    async fn sleep_until(&self, at: Time) {
        let mut moved = self.ahead.subscribe();
        while self.now() < at {
            let ahead = *moved.borrow_and_update();
            tokio::select! {
                () = SystemClock.sleep_until(at - ahead) => {}
                _ = moved.changed() => {}
            }
        }
    }
}

/// What the receiver answers next; 200 once the list is used up, 0 means not at all.
pub type Answers = VecDeque<u16>;

struct Receiver {
    verifier: OnceLock<WebhookVerifier>,
    clock: Arc<TestClock>,
    answers: Mutex<Answers>,
    heard: mpsc::UnboundedSender<Heard>,
}

/// A webhook as it arrived, already verified and read.
#[derive(Debug)]
pub struct Heard {
    pub path: String,
    pub body: serde_json::Value,
    pub ingress: Ingress,
}

impl Heard {
    pub fn report(&self) -> Option<&CarrierReport> {
        match &self.ingress {
            Ingress::Report(report) => Some(report),
            Ingress::NoLeg { .. } => None,
        }
    }

    pub fn event_id(&self) -> &str {
        match &self.ingress {
            Ingress::Report(report) => &report.event_id,
            Ingress::NoLeg { event_id, .. } => event_id,
        }
    }

    pub fn event_type(&self) -> &str {
        self.body["data"]["event_type"].as_str().unwrap()
    }
}

async fn receive(request: HttpRequest, receiver: Data<Receiver>, body: Bytes) -> HttpResponse {
    let header = |name| request.headers().get(name).map(|value| value.as_bytes());
    let parts =
        SignedParts { signature: header(SIGNATURE_HEADER), timestamp: header(TIMESTAMP_HEADER), body: &body };
    let now = receiver.clock.now();
    if let Err(error) = receiver.verifier.get().unwrap().verify(&parts, now) {
        return HttpResponse::Unauthorized().body(error.to_string());
    }
    let ingress = match parse(&body, now, None) {
        Ok(ingress) => ingress,
        Err(error) => return HttpResponse::BadRequest().body(error.to_string()),
    };
    let heard =
        Heard { path: request.path().to_owned(), body: serde_json::from_slice(&body).unwrap(), ingress };
    let status = receiver.answers.lock().unwrap().pop_front().unwrap_or(200);
    let _ = receiver.heard.send(heard);
    if status == 0 {
        std::future::pending::<()>().await;
    }
    HttpResponse::build(status.try_into().unwrap()).finish()
}

pub struct World {
    pub fake: FakeTelnyx,
    pub client: TelnyxClient,
    pub clock: Arc<TestClock>,
    pub url: String,
    heard: mpsc::UnboundedReceiver<Heard>,
    backlog: Vec<Heard>,
    receiver: ServerHandle,
}

impl World {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut FakeConfig)) -> Self {
        Self::answering([], change).await
    }

    pub async fn answering(answers: impl Into<Answers>, change: impl FnOnce(&mut FakeConfig)) -> Self {
        let clock = Arc::new(TestClock::default());
        let (way_in, heard) = mpsc::unbounded_channel();
        let receiver = Data::new(Receiver {
            verifier: OnceLock::new(),
            clock: clock.clone(),
            answers: Mutex::new(answers.into()),
            heard: way_in,
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hooks/telnyx", listener.local_addr().unwrap());
        let data = receiver.clone();
        let server =
            HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(receive)))
                .workers(1)
                .disable_signals()
                .listen(listener)
                .unwrap()
                .run();
        let handle = server.handle();
        tokio::spawn(server);

        let mut config = FakeConfig::new(&url);
        config.retry_backoff = Duration::from_millis(1);
        change(&mut config);
        let connection_id = config.connection_id.clone();
        let fake = FakeTelnyx::start(config, clock.clone()).await.unwrap();
        receiver.verifier.set(WebhookVerifier::from_base64(&fake.public_key_base64()).unwrap()).unwrap();
        let client = client(&fake, &clock, |config| config.connection_id = connection_id);
        Self { fake, client, clock, url, heard, backlog: Vec::new(), receiver: handle }
    }

    /// The next webhook of that type that was not asked for before.
    pub async fn next(&mut self, event_type: &str) -> CarrierReport {
        self.next_that(|heard| heard.event_type() == event_type).await.report().unwrap().clone()
    }

    /// The same of one leg.
    pub async fn next_of(&mut self, leg_id: &str, event_type: &str) -> CarrierReport {
        let matches = |heard: &Heard| heard.report().is_some_and(|report| report.leg.leg_id == leg_id);
        let heard = self.next_that(|heard| heard.event_type() == event_type && matches(heard)).await;
        heard.report().unwrap().clone()
    }

    pub async fn next_that(&mut self, wanted: impl Fn(&Heard) -> bool) -> Heard {
        if let Some(at) = self.backlog.iter().position(&wanted) {
            return self.backlog.remove(at);
        }
        loop {
            let heard = tokio::time::timeout(Duration::from_secs(20), self.heard.recv()).await;
            let heard = heard.expect("the webhook does not come").unwrap();
            if wanted(&heard) {
                return heard;
            }
            self.backlog.push(heard);
        }
    }

    /// Everything heard so far that was not asked for.
    pub fn rest(&mut self) -> Vec<Heard> {
        while let Ok(heard) = self.heard.try_recv() {
            self.backlog.push(heard);
        }
        std::mem::take(&mut self.backlog)
    }

    pub async fn stop(self) -> simulator::fake_telnyx::Ledger {
        let ledger = self.fake.shutdown().await;
        self.receiver.stop(false).await;
        ledger
    }
}

pub fn client(
    fake: &FakeTelnyx,
    clock: &Arc<TestClock>,
    change: impl FnOnce(&mut TelnyxConfig),
) -> TelnyxClient {
    let mut config = TelnyxConfig::new(ApiKey::new("KEYfake"), "1900000000000000001");
    config.api_base = fake.api_base().to_owned();
    config.caller_id = Some(Party::new("+12025550100"));
    change(&mut config);
    TelnyxClient::new(config, clock.clone()).unwrap()
}

pub fn tag(call: u128) -> LegTag {
    LegTag { client: CLIENT, call: CallId(Uuid::from_u128(call)), role: LegRole::Main }
}

pub fn order(id: u128, control_id: &str, action: LegAction) -> LegCommand {
    LegCommand {
        command_id: Uuid::from_u128(id),
        control_id: control_id.to_owned(),
        tag: tag(1),
        runtime: AgentRuntime::Carrier,
        action,
    }
}

pub fn speak(text: &str) -> LegAction {
    LegAction::Speak { text: Personal::new(text.to_owned()) }
}

pub fn dial(id: u128, to: &str) -> Dial {
    Dial {
        command_id: Uuid::from_u128(id),
        tag: tag(id),
        to: Personal::new(Party::new(to)),
        from: None,
        ring_timeout: Duration::from_secs(25),
        max_duration: Duration::from_secs(600),
        transcribe: false,
        record: false,
        runtime: AgentRuntime::Carrier,
        agent: None,
    }
}

/// How often each event id was heard.
pub fn repeats(heard: &[Heard]) -> HashMap<&str, usize> {
    heard.iter().fold(HashMap::new(), |mut counts, heard| {
        *counts.entry(heard.event_id()).or_default() += 1;
        counts
    })
}
