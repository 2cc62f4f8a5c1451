//! Context of the request that this thread is serving.
//!
//! Errors and envelopes carry the request's id, and actix creates them where no request is at hand. So the
//! middleware sets the context around every poll of a request's future; a task that a handler spawns has none,
//! unless [`keep`] wraps it.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use actors::Appends;
use adapters::fairness::Turn;
use domain::origin::Origin;
use pin_project_lite::pin_project;

use super::client_ip::ClientIp;
use crate::limits::Standing;
use crate::middleware::Sender;
use adapters::trace::context as trace_context;

thread_local! {
    static CURRENT: RefCell<Option<RequestContext>> = const { RefCell::new(None) };
}

/// A request's id, trace and origin. Cheap to clone; also an extractor.
#[derive(Clone)]
pub struct RequestContext(Rc<Inner>);

struct Inner {
    request_id: Arc<str>,
    public_url: Arc<str>,
    traceparent: Option<String>,
    ip: ClientIp,
    standing: Cell<Option<Standing>>,
    turn: Cell<Option<Turn<Sender>>>,
    appends: OnceCell<Appends>,
}

impl RequestContext {
    /// Context without a client address. `traceparent` is the client's header, already validated.
    #[must_use]
    pub fn new(request_id: Arc<str>, public_url: Arc<str>, traceparent: Option<String>) -> Self {
        Self::from(request_id, public_url, traceparent, ClientIp(None))
    }

    /// Context with the client's address.
    #[must_use]
    pub fn from(
        request_id: Arc<str>,
        public_url: Arc<str>,
        traceparent: Option<String>,
        ip: ClientIp,
    ) -> Self {
        let (standing, turn, appends) = (Cell::new(None), Cell::new(None), OnceCell::new());
        Self(Rc::new(Inner { request_id, public_url, traceparent, ip, standing, turn, appends }))
    }

    /// Origin of the request, for the events it causes.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.ip.origin()
    }

    /// Id of the request: the client's own, or one that the node made.
    #[must_use]
    pub fn request_id(&self) -> &Arc<str> {
        &self.0.request_id
    }

    /// Address of this node for clients, without a slash at its end.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.0.public_url
    }

    /// W3C trace context of the current span; without a tracer, the client's.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        trace_context::current_traceparent().or_else(|| self.0.traceparent.clone())
    }

    /// W3C trace context as the client sent it.
    #[must_use]
    pub fn sent_traceparent(&self) -> Option<String> {
        self.0.traceparent.clone()
    }

    /// Keeps the state of the sender's rate limits, for the response headers.
    pub fn set_standing(&self, standing: Standing) {
        self.0.standing.set(Some(standing));
    }

    /// State of the sender's rate limits; `None` until the sender is authenticated.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.0.standing.get()
    }

    /// Keeps the request's admission turn, until the request [leaves](leave) or ends.
    pub(crate) fn hold(&self, turn: Turn<Sender>) {
        self.0.turn.set(Some(turn));
    }

    /// Starts to count the events that the request appends to the log.
    pub(crate) fn count_appends(&self) -> Appends {
        self.0.appends.get_or_init(Appends::counted).clone()
    }

    /// Counter of the events that the request appends, for its commands; it
    /// counts nothing before [`Self::count_appends`].
    #[must_use]
    pub fn appends(&self) -> Appends {
        self.0.appends.get().cloned().unwrap_or_default()
    }

    /// Makes this the thread's context until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> Entered {
        Entered { before: CURRENT.replace(Some(self.clone())) }
    }
}

/// Guard that restores the thread's previous context.
#[derive(Debug)]
pub struct Entered {
    before: Option<RequestContext>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

/// Calls `look` with the thread's context.
pub fn with<R>(look: impl FnOnce(Option<&RequestContext>) -> R) -> R {
    CURRENT.with_borrow(|current| look(current.as_ref()))
}

/// Counter of the events that this thread's request appends; it counts nothing outside of requests.
pub(crate) fn appends() -> Appends {
    with(|context| context.map(RequestContext::appends)).unwrap_or_default()
}

/// Gives the request's admission turn back, because it now only waits for another system, such as a model or
/// a client's own server.
pub fn leave() {
    with(|context| context.map(|context| context.0.turn.set(None)));
}

/// Wraps a task that is about to be spawned, so that it has the context of its request.
pub fn keep<F: Future>(task: F) -> Kept<F> {
    Kept { context: with(|context| context.cloned()), task }
}

pin_project! {
    /// A task that has a request's context around every poll.
    #[derive(Debug)]
    pub struct Kept<F> {
        context: Option<RequestContext>,
        #[pin]
        task: F,
    }
}

impl<F: Future> Future for Kept<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.context.as_ref().map(RequestContext::enter);
        this.task.poll(cx)
    }
}

impl FromRequest for RequestContext {
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        // a test of a single handler has no middleware, so the context is empty
        ready(Ok(with(|c| c.cloned()).unwrap_or_else(|| Self::new(Arc::from(""), Arc::from(""), None))))
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext").field("request_id", &self.0.request_id).finish_non_exhaustive()
    }
}
