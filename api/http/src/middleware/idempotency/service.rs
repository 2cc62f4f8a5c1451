//! The middleware that runs a request with an idempotency key once.

use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::Method;
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use domain::ports::clock::Clock;
use domain::ports::idempotency::{Ask, Begun, Finished, IdempotencyKeys, KeyName, Reservation};
use domain::ports::ids::Ids;
use domain::ports::vault::{Sealed, Vault, VaultError};
use futures::FutureExt as _;
use futures::future::{Either, LocalBoxFuture};
use tracing::{Instrument as _, warn};

use super::key;
use super::stored::{StoredAnswer, can_keep, is_final};
use crate::auth::{LetThrough, Principal, enforce_limits, identify, identify_again};
use crate::context::{self, RequestContext};
use crate::new_ids::NewIds;
use crate::problem::{ApiError, Code};
use crate::raw_body::{RawBody, ReadBody};

/// How long a request belongs to one node. That is far longer than a handler takes: its steps all have limits, and
/// it begins when the body is complete. If one takes longer all the same, the next node works with the same ids,
/// and the first answer counts.
pub(super) const LOCK: Duration = Duration::from_secs(30);
/// `Retry-After` while the first request with the key is under way.
const WAIT: Duration = Duration::from_secs(1);
/// Name of the vault's secret that ids derive from, together with the seed.
const SECRET: &str = "idempotency";

/// What the middleware needs, as app data: `app_data(web::Data::new(Idempotency { … }))`.
#[derive(Debug, Clone)]
pub struct Idempotency {
    pub keys: Arc<dyn IdempotencyKeys>,
    /// Encrypts stored answers: they may hold a new API key or a phone number.
    pub vault: Arc<dyn Vault>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

/// Middleware of the API's scope: `scope("/api/v1").wrap(Idempotent)`.
///
/// It acts on a POST that carries a key and valid credentials; all others pass, at the cost of a look at their
/// headers. A carrier's webhook has no credentials, so it passes, too.
///
/// The request runs in a task of its own: a client that disconnects loses the answer, but gets it when
/// it repeats the request.
#[derive(Debug, Clone, Copy)]
pub struct Idempotent;

impl<S> Transform<S, ServiceRequest> for Idempotent
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = IdempotentService<S>;
    type InitError = ();
    type Future = Ready<Result<IdempotentService<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(IdempotentService { service: Rc::new(service) }))
    }
}

#[derive(Debug)]
pub struct IdempotentService<S> {
    service: Rc<S>,
}

type ServiceResult = Result<ServiceResponse<BoxBody>, Error>;

impl<S> Service<ServiceRequest> for IdempotentService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Either<S::Future, LocalBoxFuture<'static, ServiceResult>>;

    actix_web::dev::forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if request.method() != Method::POST || !key::is_given(request.headers()) {
            return Either::Left(self.service.call(request));
        }
        // the handler answers requests without valid credentials
        let service = self.service.clone();
        match identify(request.request()) {
            Ok(caller) => Either::Right(Box::pin(take(service, request, caller.principal))),
            Err(nobody) => match nobody.look_again {
                None => Either::Left(self.service.call(request)),
                Some(guests) => Either::Right(Box::pin(async move {
                    match identify_again(request.request(), &guests).await {
                        Ok(caller) => take(service, request, caller.principal).await,
                        Err(_) => service.call(request).await,
                    }
                })),
            },
        }
    }
}

/// A request with an idempotency key.
struct Keyed {
    app: web::Data<Idempotency>,
    key: KeyName,
    /// Associated data that binds the encrypted answer to its key.
    place: String,
}

/// The reservation that lets this node execute the request.
struct Ours {
    held: Reservation,
    /// Whether another node held the reservation before, which may have done part of the work or all of it.
    taken_over: bool,
    /// Secret that ids derive from, together with the seed.
    secret: [u8; 32],
}

/// Outcome of [`Keyed::begin`] for a request that need not wait.
enum Begin {
    Ours(Ours),
    /// The request was answered before; this is the encrypted answer.
    Done(Sealed),
}

async fn take<S>(service: Rc<S>, mut request: ServiceRequest, caller: Principal) -> ServiceResult
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    // a replayed answer counts against the limits like any other request
    if let Err(error) = enforce_limits(request.request(), &caller) {
        return Ok(request.error_response(error));
    }
    request.extensions_mut().insert(LetThrough);
    let (keyed, ask) = match read(&mut request, &caller).await {
        Ok(read) => read,
        Err(error) => return Ok(request.error_response(error)),
    };
    let work = context::keep(async move { keyed.answer(&*service, request, ask).await });
    match actix_web::rt::spawn(work.in_current_span()).await {
        Ok(answered) => answered,
        // passes the panic on, so that the outermost middleware sees it
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(error) => Err(ApiError::unavailable(error).into()),
    }
}

/// Reads key and body, and puts the body back into the request.
async fn read(request: &mut ServiceRequest, caller: &Principal) -> Result<(Keyed, Ask), ApiError> {
    let app = request.app_data::<web::Data<Idempotency>>().cloned();
    let app = app.ok_or_else(|| ApiError::internal("the app has no idempotency keys"))?;
    let key = key::name(caller.client, key::read(request.headers())?);
    let mut payload = request.take_payload();
    let RawBody(body) = ReadBody::begin(request.request(), &mut payload).await?;
    let ask = Ask {
        key,
        request: key::request_hash(request.request(), caller, &body),
        seed: app.ids.next(),
        now: app.clock.now(),
        lock_for: LOCK,
        keep_for: key::keep_for(request.path()),
    };
    request.set_payload(whole(body));
    let hash: String = key.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((Keyed { app, key, place: format!("idempotency:{}:{hash}", key.client) }, ask))
}

/// A payload that is already complete.
pub(crate) fn whole(body: bytes::Bytes) -> Payload {
    Payload::Stream { payload: Box::pin(futures::stream::once(ready(Ok(body)))) }
}

impl Keyed {
    async fn answer<S>(&self, service: &S, request: ServiceRequest, ask: Ask) -> ServiceResult
    where
        S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
    {
        let Ours { held, taken_over, secret } = match self.begin(&ask).await {
            Ok(Begin::Ours(ours)) => ours,
            Ok(Begin::Done(answer)) => return Ok(self.replay(&answer, request.into_parts().0).await),
            Err(error) => return Ok(request.error_response(error)),
        };
        request.extensions_mut().insert(NewIds::derived(secret, held.seed));
        let appends = context::with(|context| context.map(RequestContext::count_appends)).unwrap_or_default();
        let done = AssertUnwindSafe(async { service.call(request).await }).catch_unwind().await;
        let untouched = !taken_over && appends.any() == Some(false);
        match done {
            // the refused request changed nothing, so its key becomes free for a corrected request
            Ok(refused) if untouched && is_refusal(&refused) => {
                self.free(&held).await;
                refused
            }
            Ok(Ok(response)) if is_final(response.status()) && can_keep(response.response()) => {
                self.keep(&held, response).await
            }
            Ok(other) => {
                self.give_back(&held).await;
                other
            }
            Err(panic) => {
                self.give_back(&held).await;
                resume_unwind(panic)
            }
        }
    }

    async fn begin(&self, ask: &Ask) -> Result<Begin, ApiError> {
        // fetches the secret before it reserves the key: without it the request cannot run
        let secret = self.app.vault.secret(SECRET).await.map_err(sealed)?;
        let begun = self.app.keys.begin(ask).await;
        count(match &begun {
            Ok(Begun::Fresh(_)) => "fresh",
            Ok(Begun::TakenOver(_)) => "taken_over",
            Ok(Begun::Done(_)) => "replayed",
            Ok(Begun::InFlight) => "in_progress",
            Ok(Begun::Reused) => "reused",
            Err(_) => "unavailable",
        });
        match begun.map_err(ApiError::unavailable)? {
            Begun::Fresh(held) => Ok(Begin::Ours(Ours { held, taken_over: false, secret })),
            Begun::TakenOver(held) => Ok(Begin::Ours(Ours { held, taken_over: true, secret })),
            Begun::Done(answer) => Ok(Begin::Done(answer)),
            Begun::InFlight => {
                let detail = "the first request with this key is still under way: repeat it a little later";
                Err(ApiError::new(Code::IdempotencyInProgress, detail).retry_after(WAIT))
            }
            Begun::Reused => {
                let detail = "this key was used for another request: take a new one";
                Err(ApiError::new(Code::IdempotencyKeyReused, detail))
            }
        }
    }

    /// Stores the answer before it is sent. If that fails, the answer is sent all the same: the work is done, and a
    /// repetition does it again with the same ids.
    async fn keep(&self, held: &Reservation, response: ServiceResponse<BoxBody>) -> ServiceResult {
        let (http, response) = response.into_parts();
        let (answer, response) = match StoredAnswer::of(response).await {
            Ok(kept) => kept,
            Err(error) => {
                self.give_back(held).await;
                return Err(error);
            }
        };
        let kept = async {
            let plain = answer.encode().map_err(|error| error.to_string())?;
            let sealed = self.app.vault.seal(self.key.client, &self.place, &plain).await;
            let sealed = sealed.map_err(|error| error.to_string())?;
            self.app.keys.finish(held, &sealed).await.map_err(|error| error.to_string())
        };
        match kept.await {
            Ok(Finished::Before(first)) => Ok(self.replay(&first, http).await),
            Ok(Finished::Kept | Finished::Forgotten) => Ok(ServiceResponse::new(http, response)),
            Err(error) => {
                warn!(error, "an answer under an idempotency key is not kept");
                self.give_back(held).await;
                Ok(ServiceResponse::new(http, response))
            }
        }
    }

    async fn give_back(&self, held: &Reservation) {
        if let Err(error) = self.app.keys.release(held).await {
            // the reservation expires by itself
            warn!(%error, "a reservation of an idempotency key is not given back");
        }
    }

    async fn free(&self, held: &Reservation) {
        if let Err(error) = self.app.keys.free(held).await {
            // the reservation expires by itself, and stands for the same request until then
            warn!(%error, "an idempotency key is not freed");
        }
    }

    async fn replay(&self, answer: &Sealed, http: HttpRequest) -> ServiceResponse<BoxBody> {
        let opened = self.app.vault.open(self.key.client, &self.place, answer).await.map_err(sealed);
        let stored = opened.and_then(|plain| StoredAnswer::decode(&plain).map_err(ApiError::internal));
        match stored {
            Ok(answer) => ServiceResponse::new(http, answer.replay()),
            Err(error) => ServiceResponse::from_err(error, http),
        }
    }
}

/// Whether the answer says that the request was not done.
fn is_refusal(answered: &ServiceResult) -> bool {
    answered.as_ref().map_or(true, |response| !response.status().is_success())
}

fn sealed(error: VaultError) -> ApiError {
    match error {
        VaultError::Unavailable(_) | VaultError::MasterKey(_) => ApiError::unavailable(error),
        VaultError::Destroyed | VaultError::Forged => ApiError::internal(error),
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(domain::metrics::IDEMPOTENCY, "outcome" => outcome).increment(1);
}
