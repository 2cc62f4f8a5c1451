//! API keys created on another node a moment ago: before a key counts as unknown, the node reads the log
//! to its current end.

use std::fmt;
use std::future::{Ready, ready};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::AUTHORIZATION;
use actors::catch_up::CatchUp;
use domain::envelope::Position;
use domain::ports::clock::Clock;
use domain::ports::event_store::EventStore;
use futures::future::{Either, LocalBoxFuture};
use lru::LruCache;
use parking_lot::Mutex;
use projections::api_keys::KeyHash;
use tokio::sync::watch;

use crate::auth::{Directory, KeyProblem, PlainKey};

/// How long an unknown key is not checked against the log again.
const STILL_UNKNOWN: Duration = Duration::from_secs(1);
/// Most unknown keys that are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// Lets a request with an unknown key wait, once and for a bounded time, until the node has caught up with the log.
#[derive(Clone)]
pub struct Newcomers(Arc<Inner>);

struct Inner {
    directory: Arc<dyn Directory>,
    /// Waits until `directory` is as new as the log.
    catch_up: CatchUp,
    clock: Arc<dyn Clock>,
    unknown: Mutex<LruCache<KeyHash, Instant>>,
}

impl Newcomers {
    /// `followed` is the position up to which `directory` has applied `log`.
    #[must_use]
    pub fn new(
        directory: Arc<dyn Directory>,
        followed: watch::Receiver<Position>,
        log: Arc<dyn EventStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let catch_up = CatchUp::new(log, clock.clone(), followed);
        let unknown = Mutex::new(LruCache::new(REMEMBERED));
        Self(Arc::new(Inner { directory, catch_up, clock, unknown }))
    }

    /// Hash of the request's key, if the key is unknown and was not checked lately.
    fn newcomer(&self, request: &ServiceRequest) -> Option<KeyHash> {
        let headers = request.headers();
        let text = match headers.get(AUTHORIZATION) {
            Some(value) => value.to_str().ok()?.split_once(' ')?.1,
            None => headers.get("x-api-key")?.to_str().ok()?,
        };
        let hash = PlainKey::parse(text.trim()).ok()?.hash();
        if self.0.directory.key(&hash) != Err(KeyProblem::Unknown) {
            return None;
        }
        let now = self.0.clock.monotonic();
        let mut unknown = self.0.unknown.lock();
        let lately = unknown.get(&hash).is_some_and(|at| now.saturating_duration_since(*at) < STILL_UNKNOWN);
        if !lately {
            unknown.put(hash, now);
        }
        (!lately).then_some(hash)
    }
}

impl fmt::Debug for Newcomers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Newcomers").finish_non_exhaustive()
    }
}

impl<S, B> Transform<S, ServiceRequest> for Newcomers
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = NewcomersService<S>;
    type InitError = ();
    type Future = Ready<Result<NewcomersService<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(NewcomersService { newcomers: self.clone(), service: Rc::new(service) }))
    }
}

pub struct NewcomersService<S> {
    newcomers: Newcomers,
    service: Rc<S>,
}

impl<S> fmt::Debug for NewcomersService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.newcomers.fmt(f)
    }
}

impl<S, B> Service<ServiceRequest> for NewcomersService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Either<S::Future, LocalBoxFuture<'static, Result<ServiceResponse<B>, Error>>>;

    actix_web::dev::forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if self.newcomers.newcomer(&request).is_none() {
            return Either::Left(self.service.call(request));
        }
        let (newcomers, service) = (self.newcomers.clone(), self.service.clone());
        Either::Right(Box::pin(async move {
            newcomers.0.catch_up.wait().await;
            service.call(request).await
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, HttpResponse, web};
    use adapters::event_store::MemoryEventStore;
    use conformance::fakes::clock::ManualClock;
    use domain::envelope::{Metadata, NewEvent, StreamId, Time};
    use domain::ids::ClientId;
    use domain::ports::event_store::Expected;
    use domain::testing::ids::sequential;

    use super::*;
    use crate::auth::{Bearer, Guest, Principal, Watched};

    /// A directory that learns keys from their events.
    #[derive(Debug, Default)]
    struct Known(Mutex<HashSet<KeyHash>>, Mutex<u32>);

    impl Directory for Known {
        fn key(&self, hash: &KeyHash) -> Result<Principal, KeyProblem> {
            *self.1.lock() += 1;
            // the rights of a known key do not matter here
            Err(if self.0.lock().contains(hash) { KeyProblem::Disabled } else { KeyProblem::Unknown })
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

    async fn written() -> Arc<MemoryEventStore> {
        let log = Arc::new(MemoryEventStore::new());
        let event = NewEvent {
            id: sequential(1),
            event_type: "api_key.created".to_owned(),
            schema: 1,
            client_id: ClientId(sequential(2)),
            payload: vec![],
            metadata: Metadata::system("test", sequential(3)),
            recorded_at: Time::UNIX_EPOCH,
        };
        log.append(&StreamId::new("api_key", sequential(4)), Expected::Any, vec![event]).await.unwrap();
        log
    }

    #[actix_web::test]
    async fn a_key_the_log_holds_is_known_before_the_request_is_judged_and_a_bad_one_waits_once() {
        let (directory, log) = (Arc::new(Known::default()), written().await);
        let (tell, followed) = watch::channel(Position::START);
        let clock = Arc::new(ManualClock::default());
        let newcomers = Newcomers::new(directory.clone(), followed, log, clock.clone());
        let key = PlainKey::generate(|| [7; 32]);
        let seen = directory.clone();
        let hash = key.hash();
        let app =
            init_service(App::new().wrap(newcomers.clone()).default_service(web::to(move || {
                let known = seen.0.lock().contains(&hash);
                async move {
                    if known { HttpResponse::Ok().finish() } else { HttpResponse::Unauthorized().finish() }
                }
            })))
            .await;
        let ask = || TestRequest::get().insert_header(("x-api-key", key.reveal())).to_request();
        // the node follows the log while the request waits
        let follow = async {
            tokio::task::yield_now().await;
            directory.0.lock().insert(key.hash());
            tell.send_replace(Position(1));
        };
        let (answered, ()) = tokio::join!(call_service(&app, ask()), follow);
        assert_eq!(answered.status(), 200);

        let stranger = PlainKey::generate(|| [8; 32]);
        let ask =
            || TestRequest::get().insert_header(("authorization", format!("Bearer {}", stranger.reveal())));
        assert!(newcomers.newcomer(&ask().to_srv_request()).is_some());
        assert!(newcomers.newcomer(&ask().to_srv_request()).is_none(), "it was unknown a moment ago");
        clock.advance(STILL_UNKNOWN);
        assert!(newcomers.newcomer(&ask().to_srv_request()).is_some());
        let nobody = TestRequest::get().insert_header(("x-api-key", "vx_typo")).to_srv_request();
        assert!(newcomers.newcomer(&nobody).is_none());
    }
}
