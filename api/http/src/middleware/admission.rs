//! Admission control: how many requests run at once, and whose request is next.

use std::future::{Ready, ready};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use adapters::fairness::{Turn, Turns, TurnsLimits};
use domain::ids::ClientId;
use futures::future::LocalBoxFuture;
use parking_lot::Mutex;

use super::idempotency::whole;
use crate::auth::identify;
use crate::client_ip::{TrustedProxies, address};
use crate::context;
use crate::problem::ApiError;
use crate::raw_body::{Counted, RawBody, ReadBody};

/// `Retry-After` of a refused request.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Turns of the carriers in each round. They speak for every client, and time out after 2 s.
const CARRIERS_SHARE: usize = 4;
/// Paths of webhooks that come in; only their signature, which is checked later, identifies the sender.
const CARRIERS: [&str; 3] =
    ["/api/v1/webhooks/telnyx", "/api/v1/webhooks/hubspot", "/api/v1/webhooks/stripe"];
/// Path of sign-in, where a body without credentials is read; elsewhere it is not.
const SIGNING_IN: &str = "/api/v1/auth/";
/// Time within which a body that comes with the head arrives, as most do.
const AT_ONCE: Duration = Duration::from_millis(5);
/// How often a worker thread measures its delay.
const TICK: Duration = Duration::from_millis(20);
/// How often the number of turns is adjusted.
const WINDOW: Duration = Duration::from_millis(100);
/// Average delay above which the threads have more work than they can do.
const TOO_LATE: Duration = Duration::from_millis(4);
/// Average delay below which the threads can do more.
const IN_TIME: Duration = Duration::from_millis(2);
/// Fewest turns for each core.
const LEAST_A_CORE: usize = 4;
/// Number of turns at start.
const FIRST: usize = 64;

/// Queues of waiting requests: one for each sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sender {
    Client(ClientId),
    Carrier(Option<IpAddr>),
    /// A request without valid credentials, such as a login, by its address.
    Nobody(Option<IpAddr>),
}

/// Limits that an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionLimits {
    /// Most requests carried out at once.
    pub concurrency: usize,
    /// Most requests that wait.
    pub queue: usize,
    /// Longest time that a request waits before it is refused.
    pub patience: Duration,
}

/// Runs as many requests at once as the node handles without delay, and lets clients take turns. The others wait
/// with their bodies unread; a request that cannot run in time is refused.
///
/// The number of turns adapts: it falls while the threads that serve requests are late (they have more work than
/// the processors can do), and rises while they are in time and all turns are used. So a node that waits for a
/// distant database runs many requests, a node that computes runs few, and new requests do not wait long.
///
/// Part of the app data, for [`Admitted`].
#[derive(Debug)]
pub struct Admission {
    turns: Arc<Turns<Sender>>,
    least: usize,
    most: usize,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    late: Duration,
    ticks: u32,
}

impl Admission {
    #[must_use]
    pub fn new(limits: AdmissionLimits) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let most = limits.concurrency.max(1);
        let least = (LEAST_A_CORE * cores).min(most);
        let turns = TurnsLimits {
            at_once: FIRST.clamp(least, most),
            waiting: limits.queue,
            patience: limits.patience,
        };
        let window = Window { since: Instant::now(), late: Duration::ZERO, ticks: 0 };
        Self { turns: Arc::new(Turns::new(turns)), least, most, window: Mutex::new(window) }
    }

    async fn admit(&self, sender: Sender) -> Result<Turn<Sender>, ApiError> {
        let share = if matches!(sender, Sender::Carrier(_)) { CARRIERS_SHARE } else { 1 };
        self.turns.take(&sender, share).await.map_err(|_| {
            metrics::counter!(domain::metrics::HTTP_REFUSED).increment(1);
            ApiError::overloaded(RETRY_AFTER)
        })
    }

    /// Records a thread's delay and, every [`WINDOW`], adjusts the number of turns.
    fn note(&self, late: Duration) {
        let mut window = self.window.lock();
        window.late += late;
        window.ticks += 1;
        if window.since.elapsed() < WINDOW {
            return;
        }
        let late = window.late / window.ticks;
        *window = Window { since: Instant::now(), late: Duration::ZERO, ticks: 0 };
        drop(window);
        let now = self.turns.use_now();
        let at_once = next(now.at_once, late, now.peak >= now.at_once).clamp(self.least, self.most);
        self.turns.set_at_once(at_once);
        metrics::gauge!(domain::metrics::HTTP_CONCURRENCY).set(at_once as f64);
        metrics::gauge!(domain::metrics::HTTP_IN_FLIGHT).set(now.held as f64);
        metrics::gauge!(domain::metrics::HTTP_WAITING).set(now.waiting as f64);
    }
}

/// Next number of turns, after a window with this average delay; `used` says whether all turns were in
/// use at some time.
fn next(at_once: usize, late: Duration, used: bool) -> usize {
    match late {
        late if late > TOO_LATE => at_once - at_once / 4,
        late if late < IN_TIME && used => at_once + (at_once / 8).max(1),
        _ => at_once,
    }
}

/// Measures the delay of the thread that runs it, for ever.
async fn watch(admission: web::Data<Admission>) {
    loop {
        let due = Instant::now() + TICK;
        tokio::time::sleep_until(due.into()).await;
        // timers are exact to one millisecond
        admission.note(due.elapsed().saturating_sub(Duration::from_millis(1)));
    }
}

/// Middleware of the API's scope, outermost there, so that it acts before a body is read.
#[derive(Debug, Clone, Copy)]
pub struct Admitted;

impl<S> Transform<S, ServiceRequest> for Admitted
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = AdmittedService<S>;
    type InitError = ();
    type Future = Ready<Result<AdmittedService<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(AdmittedService { service: Rc::new(service), watched: std::cell::Cell::new(false) }))
    }
}

#[derive(Debug)]
pub struct AdmittedService<S> {
    service: Rc<S>,
    watched: std::cell::Cell<bool>,
}

impl<S> Service<ServiceRequest> for AdmittedService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<ServiceResponse<BoxBody>, Error>>;

    actix_web::dev::forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let service = self.service.clone();
        // a test of a single handler has no admission control
        let Some(admission) = request.app_data::<web::Data<Admission>>().cloned() else {
            return Box::pin(service.call(request));
        };
        if !self.watched.replace(true) {
            actix_web::rt::spawn(watch(admission.clone()));
        }
        Box::pin(async move {
            let mut request = request;
            match begin(&admission, &mut request).await {
                Ok(turn) => context::with(|context| context.map(|context| context.hold(turn))),
                Err(error) => return Ok(request.error_response(error)),
            };
            let answered = service.call(request).await;
            // a body that streams for long must not keep its turn
            context::leave();
            answered
        })
    }
}

/// Takes a turn and reads the whole body. A slow sender holds no turn while its body arrives.
async fn begin(admission: &Admission, request: &mut ServiceRequest) -> Result<Turn<Sender>, ApiError> {
    let sender = sender(request.request());
    let turn = admission.admit(sender).await?;
    let is_read = !matches!(sender, Sender::Nobody(_)) || request.path().starts_with(SIGNING_IN);
    if !is_read || !has_body(request.headers()) {
        return Ok(turn);
    }
    let mut payload = request.take_payload();
    let mut reading = ReadBody::begin(request.request(), &mut payload);
    let (turn, RawBody(body)) = match tokio::time::timeout(AT_ONCE, &mut reading).await {
        Ok(body) => (turn, body?),
        Err(_) => {
            drop(turn);
            let body = reading.await?;
            (admission.admit(sender).await?, body)
        }
    };
    request.set_payload(whole(body));
    request.extensions_mut().insert(Counted);
    Ok(turn)
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
    length.is_some_and(|length| length != b"0") || headers.contains_key(TRANSFER_ENCODING)
}

fn sender(request: &HttpRequest) -> Sender {
    let ip = || {
        let trusted = request.app_data::<web::Data<TrustedProxies>>().map_or(0, |trusted| trusted.0);
        address(request, trusted)
    };
    if CARRIERS.iter().any(|path| request.path().starts_with(path)) {
        return Sender::Carrier(ip());
    }
    identify(request).map_or_else(|_| Sender::Nobody(ip()), |caller| Sender::Client(caller.principal.client))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(mut at_once: usize, late_ms: u64, used: bool, rounds: usize) -> usize {
        for _ in 0..rounds {
            at_once = next(at_once, Duration::from_millis(late_ms), used);
        }
        at_once
    }

    #[test]
    fn fewer_go_to_work_while_threads_are_late_and_more_while_they_are_not_and_it_would_help() {
        assert_eq!(settled(64, 20, true, 1), 48);
        assert_eq!(settled(64, 20, true, 40), 3, "the least is seen to elsewhere");
        assert_eq!(settled(4, 0, true, 1), 5);
        assert!(settled(4, 0, true, 40) > 200);
        assert_eq!(settled(64, 0, false, 40), 64);
        assert_eq!(settled(64, 3, true, 40), 64);
    }
}
