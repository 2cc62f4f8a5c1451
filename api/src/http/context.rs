//! What belongs to the request that is being served on this thread.
//!
//! Errors and envelopes carry the request's id, and actix makes them where no request is at hand. The
//! middleware therefore sets the context around every poll of a request's future; a task that a handler spawns
//! has none and is given what it needs, or the whole of it by [`keep`].

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
use crate::http::middleware::Sender;
use crate::limits::Standing;
use crate::telemetry::trace_context;

thread_local! {
    static CURRENT: RefCell<Option<RequestContext>> = const { RefCell::new(None) };
}

/// The request's id, trace and surroundings. Cheap to clone; also an extractor.
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
    /// The context of a request. `traceparent` is what the client sent, checked.
    #[must_use]
    pub fn new(request_id: Arc<str>, public_url: Arc<str>, traceparent: Option<String>) -> Self {
        Self::from(request_id, public_url, traceparent, ClientIp(None))
    }

    /// The same, with where the request came from.
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

    /// From where the request came, for the events it leads to.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.ip.origin()
    }

    /// The id of the request: the client's own, or one given here.
    #[must_use]
    pub fn request_id(&self) -> &Arc<str> {
        &self.0.request_id
    }

    /// How others reach this node, without a slash at its end.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.0.public_url
    }

    /// W3C trace context of the step at hand; without a tracer, what the client sent.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        trace_context::current_traceparent().or_else(|| self.0.traceparent.clone())
    }

    /// W3C trace context as the client sent it.
    #[must_use]
    pub fn sent_traceparent(&self) -> Option<String> {
        self.0.traceparent.clone()
    }

    /// Keeps how the request's sender stands, for the headers of the response.
    pub fn set_standing(&self, standing: Standing) {
        self.0.standing.set(Some(standing));
    }

    /// How the request's sender stands; `None` as long as nobody knows who it is.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.0.standing.get()
    }

    /// Keeps the request's turn at the node's work, until it [leaves](leave) or ends.
    pub(crate) fn hold(&self, turn: Turn<Sender>) {
        self.0.turn.set(Some(turn));
    }

    /// Counts what the request leads to in the log from now on.
    pub(crate) fn count_appends(&self) -> Appends {
        self.0.appends.get_or_init(Appends::counted).clone()
    }

    /// Where it is counted what the request leads to in the log, for its commands; nowhere, unless somebody
    /// [wants to know](Self::count_appends).
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

/// Gives the thread back the context it had.
#[derive(Debug)]
pub struct Entered {
    before: Option<RequestContext>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

/// Shows the thread's context to `look`.
pub fn with<R>(look: impl FnOnce(Option<&RequestContext>) -> R) -> R {
    CURRENT.with_borrow(|current| look(current.as_ref()))
}

/// Where it is counted what the request of this thread leads to in the log; nowhere outside of requests.
pub(crate) fn appends() -> Appends {
    with(|context| context.map(RequestContext::appends)).unwrap_or_default()
}

/// Gives the request's turn at the node's work to another one: what comes now waits for somebody outside, a model or a
/// client's own system, and costs nothing.
pub fn leave() {
    with(|context| context.map(|context| context.0.turn.set(None)));
}

/// Gives a task that is about to be spawned the context of the request it belongs to.
pub fn keep<F: Future>(task: F) -> Kept<F> {
    Kept { context: with(|context| context.cloned()), task }
}

pin_project! {
    /// A task with a request's context around every poll.
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
        // without the middleware, in a test of a single handler, there is nothing to tell
        ready(Ok(with(|c| c.cloned()).unwrap_or_else(|| Self::new(Arc::from(""), Arc::from(""), None))))
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext").field("request_id", &self.0.request_id).finish_non_exhaustive()
    }
}
