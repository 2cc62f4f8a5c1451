use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, init_service, read_body};
use actix_web::{App, Error, HttpResponse, web};
use adapters::database::Database;
use adapters::ids::RandomIds;
use adapters::keys::{KeyVault, KeysDb, MasterKey};
use async_trait::async_trait;
use bytes::Bytes;
use conformance::fakes::clock::ManualClock;
use conformance::fakes::idempotency::MemoryIdempotency;
use domain::envelope::Time;
use domain::ids::{ApiKeyId, ClientId};
use domain::ports::StoreUnavailable;
use domain::ports::idempotency::{Ask, Begun, Finished, IdempotencyKeys, Reservation};
use domain::ports::ids::Ids as _;
use domain::ports::vault::Sealed;
use futures::future::join_all;
use tempfile::TempDir;
use tokio::sync::Notify;
use uuid::Uuid;

use super::service::LOCK;
use super::{IDEMPOTENT_REPLAYED, Idempotency, Idempotent};
use crate::auth::{
    Authenticator, Bearer, Bounds, Directory, Guest, KeyHash, KeyProblem, PlainKey, Principal, Scopes,
    Tokens, Watched, Who,
};
use crate::context::{self, RequestContext};
use crate::problem::ApiError;
use crate::{BodyLimit, NewIds, RawBody};

/// Callers 1 and 2 belong to one client, caller 3 to another.
#[derive(Debug)]
struct Callers;

fn plain_key(caller: u8) -> String {
    PlainKey::generate(|| [caller; 32]).reveal().to_owned()
}

impl Directory for Callers {
    fn key(&self, hash: &KeyHash) -> Result<Principal, KeyProblem> {
        let caller = (1..=3).find(|caller| PlainKey::generate(|| [*caller; 32]).hash() == *hash);
        let caller = u128::from(caller.ok_or(KeyProblem::Unknown)?);
        Ok(Principal {
            client: ClientId(Uuid::from_u128(caller / 3)),
            who: Who::Key { id: ApiKeyId(Uuid::from_u128(caller)), bounds: Bounds::default() },
            scopes: Scopes::EVERYTHING,
            platform: false,
        })
    }

    fn bearer(&self, _: &Bearer) -> Option<Principal> {
        None
    }

    fn guest(&self, _: &Guest) -> Option<Principal> {
        None
    }

    fn end_of_key(&self, _: &KeyHash) -> Option<Time> {
        None
    }

    fn watch(&self, _: &Principal) -> Option<Watched> {
        None
    }
}

/// What the handlers under test did and wait for.
#[derive(Default)]
struct Work {
    /// The id that each executed request drew.
    drawn: RefCell<Vec<Uuid>>,
    status: Cell<u16>,
    /// Whether a request appends to the log before it is answered.
    appends: Cell<bool>,
    entered: Notify,
    gate: Notify,
}

impl Work {
    fn draw(&self, ids: &NewIds) -> Uuid {
        let id = ids.next();
        self.drawn.borrow_mut().push(id);
        id
    }

    fn drawn(&self) -> Vec<Uuid> {
        self.drawn.borrow().clone()
    }
}

struct World {
    app: Idempotency,
    clock: Arc<ManualClock>,
    keys: Arc<MemoryIdempotency>,
    work: web::Data<Work>,
    _folder: TempDir,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let db = KeysDb::open(&Database::Sqlite(folder.path().join("keys.db"))).await.unwrap();
    let clock = Arc::new(ManualClock::default());
    let vault = KeyVault::new(db, MasterKey::new([1; 32]), clock.clone(), Arc::new(RandomIds));
    let keys = Arc::new(MemoryIdempotency::default());
    let app = Idempotency {
        keys: keys.clone(),
        vault: Arc::new(vault),
        clock: clock.clone(),
        ids: Arc::new(RandomIds),
    };
    let work = web::Data::new(Work { status: Cell::new(201), appends: Cell::new(true), ..Work::default() });
    World { app, clock, keys, work, _folder: folder }
}

async fn plain(work: web::Data<Work>, ids: NewIds, RawBody(body): RawBody) -> HttpResponse {
    let id = work.draw(&ids);
    if work.appends.get() {
        context::appends().begin();
    }
    let mut response = HttpResponse::build(StatusCode::from_u16(work.status.get()).unwrap());
    response.insert_header(("location", format!("/{id}"))).insert_header(("etag", "\"1\""));
    response.content_type("application/json").body([ids.next().as_bytes().as_slice(), &body].concat())
}

async fn slow(work: web::Data<Work>, ids: NewIds) -> HttpResponse {
    let id = work.draw(&ids);
    work.entered.notify_one();
    work.gate.notified().await;
    HttpResponse::Created().body(id.to_string())
}

async fn boom(work: web::Data<Work>, ids: NewIds) -> HttpResponse {
    work.draw(&ids);
    panic!("on purpose")
}

async fn stream(work: web::Data<Work>, ids: NewIds) -> HttpResponse {
    work.draw(&ids);
    HttpResponse::Ok().streaming(futures::stream::iter([Ok::<_, ApiError>(Bytes::from_static(b"x"))]))
}

/// An app with one handler of each kind.
macro_rules! serve {
    ($world:expr) => {{
        let scope = web::scope("/api/v1")
            .wrap(Idempotent)
            .route("/plain", web::post().to(plain))
            .route("/plain", web::put().to(plain))
            .route("/slow", web::post().to(slow))
            .route("/boom", web::post().to(boom))
            .route("/stream", web::post().to(stream));
        init_service(
            App::new()
                .app_data(web::Data::new($world.app.clone()))
                .app_data(web::Data::new(Authenticator {
                    directory: Arc::new(Callers),
                    tokens: Arc::new(Tokens::new([1; 32], $world.clock.clone())),
                    guests: None,
                    clock: $world.clock.clone(),
                }))
                .app_data($world.work.clone())
                .app_data(BodyLimit(100))
                .wrap_fn(|request, service| {
                    let context = RequestContext::new(Arc::from("r-1"), Arc::from(""), None);
                    let _entered = context.enter();
                    context::keep(service.call(request))
                })
                .service(scope),
        )
        .await
    }};
}

/// A request of caller 1.
fn post(path: &str, key: &str) -> TestRequest {
    as_caller(1, TestRequest::post().uri(path).insert_header(("idempotency-key", key)).set_payload("body"))
}

fn as_caller(caller: u8, request: TestRequest) -> TestRequest {
    request.insert_header(("x-api-key", plain_key(caller)))
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    headers: Vec<Option<String>>,
    replayed: bool,
    body: Bytes,
}

impl Seen {
    fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The same answer as a replay.
    fn again(self) -> Self {
        Self { replayed: true, ..self }
    }
}

async fn send<S, R>(app: &S, request: R) -> Seen
where
    S: Service<R, Response = ServiceResponse, Error = Error>,
{
    let response = app.call(request).await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    Seen {
        status: response.status().as_u16(),
        headers: ["content-type", "location", "etag"].map(header).to_vec(),
        replayed: header(IDEMPOTENT_REPLAYED.as_str()).as_deref() == Some("true"),
        body: read_body(response).await,
    }
}

#[actix_web::test]
async fn the_same_key_and_request_replay_status_headers_and_bytes() {
    let world = world().await;
    let app = serve!(world);
    let first = send(&app, post("/api/v1/plain", "k").to_request()).await;
    assert_eq!((first.status, first.replayed), (201, false));
    assert!(first.headers.iter().all(Option::is_some) && first.body.ends_with(b"body"));
    world.work.status.set(200);
    let again = send(&app, post("/api/v1/plain", "k").to_request()).await;
    assert_eq!(again, first.again());
    let other_name = TestRequest::post().uri("/api/v1/plain").insert_header(("x-idempotency-key", "k"));
    assert_eq!(send(&app, as_caller(1, other_name.set_payload("body")).to_request()).await, again);
    assert_eq!(world.work.drawn().len(), 1);
    // after a day it is a new request; a moment before, it is not
    world.clock.advance(Duration::from_secs(86_400) - Duration::from_micros(1));
    assert_eq!(send(&app, post("/api/v1/plain", "k").to_request()).await, again);
    world.clock.advance(Duration::from_micros(1));
    let anew = send(&app, post("/api/v1/plain", "k").to_request()).await;
    assert_eq!((anew.status, anew.replayed), (200, false));
}

#[actix_web::test]
async fn a_key_stands_for_one_request_of_one_caller() {
    let world = world().await;
    let app = serve!(world);
    send(&app, post("/api/v1/plain", "k").to_request()).await;
    let others = [
        post("/api/v1/plain", "k").set_payload("another body"),
        post("/api/v1/plain?a=1", "k"),
        post("/api/v1/boom", "k"),
        post("/api/v1/plain", "k").insert_header(("content-type", "text/plain")),
        as_caller(2, post("/api/v1/plain", "k")),
    ];
    for other in others {
        let refused = send(&app, other.to_request()).await;
        assert_eq!((refused.status, refused.code().as_str()), (409, "idempotency_key_reused"));
    }
    assert_eq!(world.work.drawn().len(), 1);
    assert_eq!(send(&app, post("/api/v1/plain", "another").to_request()).await.status, 201);
    assert_eq!(send(&app, as_caller(3, post("/api/v1/plain", "k")).to_request()).await.status, 201);
    assert_eq!(world.work.drawn().len(), 3);
}

#[actix_web::test]
async fn final_answers_are_kept_and_others_may_be_tried_again_with_the_same_ids() {
    for status in [200, 201, 202, 204, 400, 404, 409, 412, 413, 422] {
        let world = world().await;
        let app = serve!(world);
        world.work.status.set(status);
        let first = send(&app, post("/api/v1/plain", "k").to_request()).await;
        assert_eq!(send(&app, post("/api/v1/plain", "k").to_request()).await, first.again(), "{status}");
        assert_eq!(world.work.drawn().len(), 1, "{status}");
    }
    for status in [401, 403, 408, 425, 429, 500, 502, 503, 302] {
        let world = world().await;
        let app = serve!(world);
        world.work.status.set(status);
        assert_eq!(send(&app, post("/api/v1/plain", "k").to_request()).await.status, status);
        world.work.status.set(201);
        let second = send(&app, post("/api/v1/plain", "k").to_request()).await;
        assert_eq!((second.status, second.replayed), (201, false), "{status}");
        let drawn = world.work.drawn();
        assert_eq!((drawn.len(), drawn[0]), (2, drawn[1]), "{status}");
        assert_eq!(send(&app, post("/api/v1/plain", "k").to_request()).await, second.again());
    }
}

#[actix_web::test]
async fn what_is_refused_before_anything_was_appended_frees_its_key_whatever_the_status() {
    for status in [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503] {
        let world = world().await;
        let app = serve!(world);
        world.work.status.set(status);
        world.work.appends.set(false);
        assert_eq!(send(&app, post("/api/v1/plain", "k").to_request()).await.status, status);
        assert_eq!(world.keys.count(), 0, "{status}");
        world.work.status.set(201);
        world.work.appends.set(true);
        let better = || post("/api/v1/plain", "k").set_payload("a better body").to_request();
        let done = send(&app, better()).await;
        assert_eq!((done.status, done.replayed), (201, false), "{status}");
        assert_eq!(send(&app, better()).await, done.again());
        assert_eq!(
            send(&app, post("/api/v1/plain", "k").to_request()).await.code(),
            "idempotency_key_reused"
        );
    }
    // a success is stored even if nothing was appended
    let world = world().await;
    let app = serve!(world);
    world.work.appends.set(false);
    let first = send(&app, post("/api/v1/plain", "k").to_request()).await;
    assert_eq!(send(&app, post("/api/v1/plain", "k").to_request()).await, first.again());
}

#[actix_web::test]
async fn what_somebody_began_before_is_not_freed() {
    let world = world().await;
    let app = serve!(world);
    // the first request appended to the log and then failed
    world.work.status.set(503);
    assert_eq!(send(&app, post("/api/v1/plain", "k").to_request()).await.status, 503);
    world.work.status.set(422);
    world.work.appends.set(false);
    let refused = send(&app, post("/api/v1/plain", "k").to_request()).await;
    assert_eq!((refused.status, refused.replayed), (422, false));
    assert_eq!(send(&app, post("/api/v1/plain", "k").to_request()).await, refused.again());
    let other = post("/api/v1/plain", "k").set_payload("a better body").to_request();
    assert_eq!(send(&app, other).await.code(), "idempotency_key_reused");
}

#[actix_web::test]
async fn while_the_first_is_under_way_others_are_told_to_wait_and_then_get_its_answer() {
    let world = world().await;
    let app = serve!(world);
    let first = send(&app, post("/api/v1/slow", "k").set_payload("").to_request());
    let rest = async {
        world.work.entered.notified().await;
        let others = (0..50).map(|_| send(&app, post("/api/v1/slow", "k").set_payload("").to_request()));
        for other in join_all(others).await {
            assert_eq!((other.status, other.code().as_str()), (409, "idempotency_in_progress"));
        }
        let waiting = app.call(post("/api/v1/slow", "k").set_payload("").to_request()).await.unwrap();
        assert_eq!(waiting.headers().get("retry-after").unwrap(), "1");
        world.work.gate.notify_one();
    };
    let (first, ()) = tokio::join!(first, rest);
    let again = send(&app, post("/api/v1/slow", "k").set_payload("").to_request()).await;
    assert_eq!(again, first.again());
    assert_eq!(world.work.drawn().len(), 1);
}

#[actix_web::test]
async fn a_client_that_hangs_up_finds_the_answer_when_it_asks_again() {
    let world = world().await;
    let app = serve!(world);
    let mut first = Box::pin(app.call(post("/api/v1/slow", "k").to_request()));
    tokio::select! {
        _ = &mut first => panic!("answered too early"),
        () = world.work.entered.notified() => {}
    }
    drop(first);
    world.work.gate.notify_one();
    let again = loop {
        let again = send(&app, post("/api/v1/slow", "k").to_request()).await;
        match again.code().as_str() {
            "idempotency_in_progress" => tokio::task::yield_now().await,
            _ => break again,
        }
    };
    assert_eq!((again.status, again.replayed), (201, true));
    assert_eq!(again.body, world.work.drawn()[0].to_string());
    assert_eq!(world.work.drawn().len(), 1);
}

#[actix_web::test]
async fn a_request_whose_node_died_is_taken_over_with_the_same_ids_once_its_lock_is_over() {
    let world = world().await;
    let app = serve!(world);
    // dropping the task imitates a node that dies
    let mut first = Box::pin(app.call(post("/api/v1/slow", "k").to_request()));
    tokio::select! {
        _ = &mut first => panic!("answered too early"),
        () = world.work.entered.notified() => {}
    }
    world.clock.advance(LOCK - Duration::from_micros(1));
    assert_eq!(send(&app, post("/api/v1/slow", "k").to_request()).await.status, 409);
    world.clock.advance(Duration::from_micros(1));
    let second = send(&app, post("/api/v1/slow", "k").to_request());
    let release = async {
        world.work.entered.notified().await;
        world.work.gate.notify_waiters();
    };
    // both finish now and give the same answer
    let (second, (), first) = tokio::join!(second, release, first);
    let first = read_body(first.unwrap()).await;
    assert_eq!((second.status, &second.body), (201, &first));
    let drawn = world.work.drawn();
    assert_eq!((drawn.len(), drawn[0]), (2, drawn[1]));
}

#[actix_web::test]
async fn a_handler_that_panics_gives_the_key_back() {
    let world = world().await;
    let app = serve!(world);
    for _ in 0..2 {
        let call = std::panic::AssertUnwindSafe(app.call(post("/api/v1/boom", "k").to_request()));
        assert!(futures::FutureExt::catch_unwind(call).await.is_err());
    }
    let drawn = world.work.drawn();
    assert_eq!((drawn.len(), drawn[0]), (2, drawn[1]));
}

#[actix_web::test]
async fn an_answer_made_while_it_is_sent_is_not_kept() {
    let world = world().await;
    let app = serve!(world);
    for _ in 0..2 {
        let answer = send(&app, post("/api/v1/stream", "k").to_request()).await;
        assert_eq!((answer.status, answer.replayed, &answer.body[..]), (200, false, &b"x"[..]));
    }
    let drawn = world.work.drawn();
    assert_eq!((drawn.len(), drawn[0]), (2, drawn[1]));
}

#[actix_web::test]
async fn only_a_post_with_a_key_and_a_caller_is_touched() {
    let world = world().await;
    let app = serve!(world);
    let put =
        || as_caller(1, TestRequest::put().uri("/api/v1/plain").insert_header(("idempotency-key", "k")));
    let nobody = || TestRequest::post().uri("/api/v1/plain").insert_header(("idempotency-key", "k"));
    let keyless = || as_caller(1, TestRequest::post().uri("/api/v1/plain"));
    for request in [put, nobody, keyless] as [fn() -> TestRequest; 3] {
        for _ in 0..2 {
            let answer = send(&app, request().to_request()).await;
            assert_eq!((answer.status, answer.replayed), (201, false));
        }
    }
    let drawn: std::collections::BTreeSet<_> = world.work.drawn().into_iter().collect();
    assert_eq!(drawn.len(), 6);
    assert_eq!(world.keys.expire(Time::MAX_UTC, 10).await.unwrap(), 0, "nothing was kept");
}

#[actix_web::test]
async fn a_bad_key_or_a_body_that_is_too_long_is_refused_before_anything_is_done() {
    let world = world().await;
    let app = serve!(world);
    let long = post("/api/v1/plain", "k").set_payload(vec![b'x'; 101]).to_request();
    let long = send(&app, long).await;
    assert_eq!((long.status, long.code().as_str()), (413, "payload_too_large"));
    let most = post("/api/v1/plain", "k").set_payload(vec![b'x'; 100]).to_request();
    assert_eq!(send(&app, most).await.status, 201);
    for key in ["", "a b", &"k".repeat(256)] {
        let refused = send(&app, post("/api/v1/plain", key).to_request()).await;
        assert_eq!((refused.status, refused.code().as_str()), (422, "invalid_request"), "{key:?}");
        let problem: serde_json::Value = serde_json::from_slice(&refused.body).unwrap();
        assert_eq!(problem["errors"][0]["field"], "Idempotency-Key");
    }
    let two = post("/api/v1/plain", "a").insert_header(("x-idempotency-key", "b"));
    assert_eq!(send(&app, two.to_request()).await.status, 422);
    assert_eq!(world.work.drawn().len(), 1);
}

/// A key store that fails in chosen steps.
#[derive(Debug)]
struct FaultInjectingStore {
    keys: Arc<MemoryIdempotency>,
    begin: bool,
}

fn gone() -> StoreUnavailable {
    StoreUnavailable("gone".to_owned())
}

#[async_trait]
impl IdempotencyKeys for FaultInjectingStore {
    async fn begin(&self, ask: &Ask) -> Result<Begun, StoreUnavailable> {
        if self.begin { self.keys.begin(ask).await } else { Err(gone()) }
    }

    async fn finish(&self, _: &Reservation, _: &Sealed) -> Result<Finished, StoreUnavailable> {
        Err(gone())
    }

    async fn release(&self, _: &Reservation) -> Result<(), StoreUnavailable> {
        Err(gone())
    }

    async fn free(&self, _: &Reservation) -> Result<(), StoreUnavailable> {
        Err(gone())
    }

    async fn release_all(&self) -> Result<u64, StoreUnavailable> {
        Err(gone())
    }

    async fn forget_answers(&self, _: ClientId) -> Result<u64, StoreUnavailable> {
        Err(gone())
    }

    async fn expire(&self, _: Time, _: u32) -> Result<u64, StoreUnavailable> {
        Err(gone())
    }
}

#[actix_web::test]
async fn without_the_store_a_request_with_a_key_is_503_and_others_go_on() {
    let mut world = world().await;
    world.app.keys = Arc::new(FaultInjectingStore { keys: world.keys.clone(), begin: false });
    let app = serve!(world);
    let response = app.call(post("/api/v1/plain", "k").to_request()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers().get("retry-after").unwrap()),
        (503, &"1".parse().unwrap())
    );
    assert_eq!(world.work.drawn().len(), 0);
    let keyless = as_caller(1, TestRequest::post().uri("/api/v1/plain")).to_request();
    assert_eq!(send(&app, keyless).await.status, 201);
}

#[actix_web::test]
async fn an_answer_that_cannot_be_kept_is_given_and_a_repetition_makes_the_same_ids() {
    let mut world = world().await;
    world.app.keys = Arc::new(FaultInjectingStore { keys: world.keys.clone(), begin: true });
    let app = serve!(world);
    assert_eq!(send(&app, post("/api/v1/plain", "k").to_request()).await.status, 201);
    assert_eq!(send(&app, post("/api/v1/plain", "k").to_request()).await.status, 409);
    world.clock.advance(LOCK);
    assert_eq!(send(&app, post("/api/v1/plain", "k").to_request()).await.status, 201);
    let drawn = world.work.drawn();
    assert_eq!((drawn.len(), drawn[0]), (2, drawn[1]));
}
