//! A simulated Stripe: Checkout Sessions over its API, and signed events of what happens to them.
//!
//! Nothing happens by itself: who plays with it pays, refunds and disputes, and sends the events as often and in whatever
//! order it likes. Only on a session's page somebody may pay in a browser; then the event is sent where it was told to.

mod page;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use adapters::stripe::{API_VERSION, sign};
use anyhow::Context as _;
use domain::ports::clock::Clock;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// A webhook of the simulation: the body and the header that signs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeWebhook {
    pub body: Vec<u8>,
    /// Value of the header `stripe-signature`.
    pub signature: String,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: BTreeMap<String, Value>,
    /// Session of each idempotency key, with the fields it was asked for with.
    keys: BTreeMap<String, (Vec<(String, String)>, String)>,
    events: u64,
}

/// A simulated Stripe on this machine.
#[derive(Debug)]
pub struct FakeStripe {
    /// Base URL of its API.
    pub base: String,
    served: Arc<Served>,
    server: ServerHandle,
}

#[derive(Debug)]
struct Served {
    base: String,
    api_key: String,
    secret: String,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    /// Where the event of a payment on a page is sent; `None`: nowhere.
    sink: Mutex<Option<String>>,
}

impl FakeStripe {
    /// Starts it; it takes requests with `api_key` and signs with `secret`. Fails when no port is free.
    pub fn start(api_key: &str, secret: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on 127.0.0.1")?;
        Self::start_on(listener, api_key, secret, clock)
    }

    /// As `start`, on a listener whose address was told before. Fails when it cannot be listened on.
    pub fn start_on(
        listener: TcpListener,
        api_key: &str,
        secret: &str,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let base = format!("http://{}", listener.local_addr()?);
        let served = Arc::new(Served {
            base: base.clone(),
            api_key: api_key.to_owned(),
            secret: secret.to_owned(),
            clock,
            inner: Mutex::default(),
            sink: Mutex::default(),
        });
        let data = web::Data::from(served.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .configure(page::routes)
                .route("/v1/checkout/sessions", web::post().to(create))
                .route("/v1/checkout/sessions/{id}", web::get().to(retrieve))
                .route("/v1/checkout/sessions/{id}/expire", web::post().to(expire))
                .default_service(web::to(|| async {
                    failure(StatusCode::NOT_FOUND, "invalid_request_error", None)
                }))
        });
        let server = server.workers(1).disable_signals().listen(listener)?.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { base, served, server: handle })
    }

    /// Has the event of a payment on a session's page sent to this URL.
    pub fn deliver_to(&self, url: &str) {
        *self.served.sink.lock() = Some(url.to_owned());
    }

    /// Key that its API takes.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.served.api_key
    }

    /// Ids of all sessions, by the checkout in their metadata.
    #[must_use]
    pub fn session_of(&self, checkout: &str) -> Option<String> {
        let inner = self.served.inner.lock();
        let found = inner.sessions.iter().find(|(_, session)| session["metadata"]["checkout_id"] == checkout);
        found.map(|(id, _)| id.clone())
    }

    /// Number of sessions that were created.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.served.inner.lock().sessions.len()
    }

    /// Somebody completes the session; `status` is the payment's: `paid`, or `unpaid` while it takes time.
    pub fn complete(&self, session: &str, status: &str) -> StripeWebhook {
        self.served.complete(session, status)
    }

    /// A payment that took time arrived or failed.
    pub fn delayed(&self, session: &str, succeeded: bool) -> StripeWebhook {
        let (event_type, status) = match succeeded {
            true => ("checkout.session.async_payment_succeeded", "paid"),
            false => ("checkout.session.async_payment_failed", "unpaid"),
        };
        self.served.changed(session, event_type, |session| session["payment_status"] = json!(status))
    }

    /// Nobody paid in time.
    pub fn expired(&self, session: &str) -> StripeWebhook {
        self.served
            .changed(session, "checkout.session.expired", |session| session["status"] = json!("expired"))
    }

    /// So much was refunded in all.
    pub fn refunded(&self, session: &str, minor_units: i64) -> StripeWebhook {
        let of = self.session(session);
        let amount = of["amount_total"].as_i64().unwrap_or(0);
        let charge = json!({
            "id": format!("ch_{session}"), "object": "charge", "amount": amount, "amount_captured": amount,
            "amount_refunded": minor_units, "currency": of["currency"], "refunded": minor_units == amount, "paid": true,
            "captured": true, "status": "succeeded", "payment_intent": payment_of(session), "metadata": {},
        });
        self.event("charge.refunded", charge)
    }

    /// A bank disputes the payment (`status` `needs_response`), or decided (`won`, `lost`).
    pub fn dispute(&self, session: &str, minor_units: i64, status: &str) -> StripeWebhook {
        let event_type =
            if status == "needs_response" { "charge.dispute.created" } else { "charge.dispute.closed" };
        let dispute = json!({
            "id": format!("dp_{session}"), "object": "dispute", "amount": minor_units,
            "currency": self.session(session)["currency"],
            "reason": "fraudulent", "status": status, "charge": format!("ch_{session}"),
            "payment_intent": payment_of(session), "is_charge_refundable": false, "metadata": {},
        });
        self.event(event_type, dispute)
    }

    /// A signed event of any type about any object.
    pub fn event(&self, event_type: &str, object: Value) -> StripeWebhook {
        self.served.event(event_type, object)
    }

    fn session(&self, id: &str) -> Value {
        self.served.inner.lock().sessions.get(id).cloned().unwrap_or_default()
    }

    /// Stops it at once.
    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}

impl Served {
    fn complete(&self, session: &str, status: &str) -> StripeWebhook {
        self.changed(session, "checkout.session.completed", |session| {
            session["status"] = json!("complete");
            session["payment_status"] = json!(status);
            session["payment_intent"] = json!(payment_of(session["id"].as_str().unwrap_or_default()));
            session["url"] = Value::Null;
        })
    }

    fn event(&self, event_type: &str, object: Value) -> StripeWebhook {
        let number = {
            let mut inner = self.inner.lock();
            inner.events += 1;
            inner.events
        };
        let now = self.clock.now().timestamp();
        let event = json!({
            "id": format!("evt_{number}"), "object": "event", "api_version": API_VERSION, "created": now,
            "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
            "type": event_type, "data": {"object": object},
        });
        let body = event.to_string().into_bytes();
        let signature = sign(&self.secret, now, &body);
        StripeWebhook { body, signature }
    }

    fn changed(&self, id: &str, event_type: &str, change: impl FnOnce(&mut Value)) -> StripeWebhook {
        let object = {
            let mut inner = self.inner.lock();
            inner.sessions.get_mut(id).map_or(Value::Null, |session| {
                change(session);
                session.clone()
            })
        };
        self.event(event_type, object)
    }
}

fn payment_of(session: &str) -> String {
    format!("pi_{session}")
}

fn failure(status: StatusCode, kind: &str, code: Option<&str>) -> HttpResponse {
    let message = "the simulated Stripe does not take this";
    HttpResponse::build(status).json(json!({"error": {"type": kind, "code": code, "message": message}}))
}

fn known(request: &HttpRequest, served: &Served) -> bool {
    let sent = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    sent == Some(&format!("Bearer {}", served.api_key))
}

async fn create(
    request: HttpRequest,
    form: web::Form<Vec<(String, String)>>,
    served: web::Data<Served>,
) -> HttpResponse {
    if !known(&request, &served) {
        return failure(StatusCode::UNAUTHORIZED, "invalid_request_error", Some("api_key_invalid"));
    }
    let fields = form.into_inner();
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let key =
        request.headers().get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut inner = served.inner.lock();
    if let Some((asked, session)) = key.as_ref().and_then(|key| inner.keys.get(key)) {
        if *asked != fields {
            return failure(StatusCode::BAD_REQUEST, "idempotency_error", None);
        }
        return HttpResponse::Ok().json(inner.sessions.get(session).cloned().unwrap_or_default());
    }
    let number = |name: &str| field(name).and_then(|text| text.parse::<i64>().ok());
    let amount = number("line_items[0][price_data][unit_amount]").zip(number("line_items[0][quantity]"));
    let (Some((amount, quantity)), Some(currency)) = (amount, field("line_items[0][price_data][currency]"))
    else {
        return failure(StatusCode::BAD_REQUEST, "invalid_request_error", Some("parameter_missing"));
    };
    let total = amount.saturating_mul(quantity);
    if total <= 0
        || field("mode").as_deref() != Some("payment")
        || currency.bytes().any(|b| !b.is_ascii_lowercase())
    {
        return failure(StatusCode::BAD_REQUEST, "invalid_request_error", Some("parameter_invalid"));
    }
    let metadata: serde_json::Map<String, Value> = fields
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("metadata[")?.strip_suffix(']')?, value)))
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    let (id, now) = (format!("cs_test_{}", inner.sessions.len() + 1), served.clock.now().timestamp());
    let session = json!({
        "id": id, "object": "checkout.session", "mode": "payment", "status": "open", "payment_status": "unpaid",
        "amount_subtotal": total, "amount_total": total, "currency": currency, "livemode": false,
        "client_reference_id": field("client_reference_id"), "metadata": metadata, "payment_intent": null,
        "customer": null, "customer_details": null, "created": now, "expires_at": now + 86_400,
        "success_url": field("success_url"), "cancel_url": field("cancel_url"),
        "url": format!("{}/pay/{id}", served.base),
    });
    inner.sessions.insert(id.clone(), session.clone());
    if let Some(key) = key {
        inner.keys.insert(key, (fields.clone(), id));
    }
    HttpResponse::Ok().json(session)
}

async fn retrieve(request: HttpRequest, id: web::Path<String>, served: web::Data<Served>) -> HttpResponse {
    if !known(&request, &served) {
        return failure(StatusCode::UNAUTHORIZED, "invalid_request_error", Some("api_key_invalid"));
    }
    match served.inner.lock().sessions.get(&*id) {
        Some(session) => HttpResponse::Ok().json(session),
        None => failure(StatusCode::NOT_FOUND, "invalid_request_error", Some("resource_missing")),
    }
}

async fn expire(request: HttpRequest, id: web::Path<String>, served: web::Data<Served>) -> HttpResponse {
    if !known(&request, &served) {
        return failure(StatusCode::UNAUTHORIZED, "invalid_request_error", Some("api_key_invalid"));
    }
    match served.inner.lock().sessions.get_mut(&*id) {
        Some(session) if session["status"] == "open" => {
            session["status"] = json!("expired");
            session["url"] = Value::Null;
            HttpResponse::Ok().json(session)
        }
        Some(_) => failure(StatusCode::BAD_REQUEST, "invalid_request_error", None),
        None => failure(StatusCode::NOT_FOUND, "invalid_request_error", Some("resource_missing")),
    }
}
