//! Endpoint that receives webhooks from Stripe.
//!
//! Events come several times and in any order. What a checkout and a payment are told is recorded on their own streams,
//! and the ledger is brought to what they add up to: after a failure the next try does what is missing.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, post, web};
use actors::carrier::Unattached;
use actors::session::CommandError;
use actors::{CommandContext, Session};
use adapters::stripe::{BadEvent, PROVIDER, SIGNATURE_HEADER, SignatureError, StripeFact, parse, verify};
use domain::billing::account::{Change, CreditRefusal, CreditRequest};
use domain::billing::checkout::{Checkout, CheckoutCommand, SessionReport};
use domain::billing::payment::{Payment, PaymentCommand, PaymentRefusal};
use domain::envelope::{Actor, Time};
use domain::ids::{CheckoutId, ClientId, PaymentId, TransactionId};
use domain::json::{MAX_NESTING, nesting};
use domain::origin::Origin;

use super::super::billing::refused;
use super::super::commands::{AsProblem, problem};
use super::ingress::measured;
use crate::backend::{Backend, DEFAULT_CLIENT, Payments};
use crate::problem::{ApiError, Code, Problem};
use crate::{RawBody, RequestContext};

/// Longest time until Stripe gets an answer.
const DEADLINE: Duration = Duration::from_secs(8);

impl AsProblem for PaymentRefusal {
    const KIND: &'static str = "payment";

    fn as_problem(&self) -> ApiError {
        ApiError::malformed_request(self.to_string())
    }
}

/// Receive a webhook from Stripe.
///
/// Answers 200 once the event is durable and the ledger is as it says, or it is known already; otherwise Stripe sends it
/// again.
#[utoipa::path(post, path = "/api/v1/webhooks/stripe", tag = "carriers", operation_id = "takeStripeWebhook",
    security(()), request_body(content = Object, description = "Event of Stripe's API v1, byte for byte as signed"),
    params(("stripe-signature" = String, Header, description = "Time of sending and HMAC-SHA256 signatures")),
    responses((status = 200, description = "The event is taken; a repeated one was already"), Problem))]
#[post("/webhooks/stripe")]
pub(crate) async fn take_stripe_webhook(
    http: HttpRequest,
    RawBody(body): RawBody,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    measured(PROVIDER, DEADLINE, take(&http, &body, &request, &backend)).await
}

fn counted(outcome: &'static str) {
    metrics::counter!(domain::metrics::STRIPE_EVENTS, "outcome" => outcome).increment(1);
}

/// Takes a webhook. Returns whether it was new.
async fn take(
    http: &HttpRequest,
    body: &[u8],
    request: &RequestContext,
    backend: &Backend,
) -> Result<bool, ApiError> {
    let advice = "set VOXLEDGER_STRIPE_API_KEY and VOXLEDGER_STRIPE_WEBHOOK_SECRET to take Stripe's webhooks";
    let payments = backend.payments.as_ref();
    let payments = payments.ok_or_else(|| ApiError::new(Code::PaymentsNotConfigured, advice))?;
    let signature = http.headers().get(SIGNATURE_HEADER).map(|value| value.as_bytes());
    let now = backend.runtime.clock.now();
    verify(signature, body, &payments.webhook_secrets, now).map_err(unsigned)?;
    if nesting(body) > MAX_NESTING {
        return Err(ApiError::too_deep());
    }
    let event = parse(body).map_err(unreadable)?;
    let desk = Desk { backend, payments, request, now };
    let taken = match event.fact {
        StripeFact::Paid { checkout, client, report } => desk.paid(checkout, client, report).await?,
        StripeFact::PaymentFailed { checkout } => {
            desk.close(checkout, CheckoutCommand::FailPayment { now }).await?
        }
        StripeFact::Expired { checkout } => desk.close(checkout, CheckoutCommand::Expire { now }).await?,
        StripeFact::Refunded { payment, minor_units } => {
            desk.payment(&payment, PaymentCommand::Refund { minor_units, now }).await?
        }
        StripeFact::Disputed { payment, dispute, minor_units } => {
            desk.payment(&payment, PaymentCommand::Dispute { dispute, minor_units, now }).await?
        }
        StripeFact::DisputeClosed { payment, dispute, minor_units, won } => {
            let close = PaymentCommand::CloseDispute { dispute, minor_units, won, now };
            desk.payment(&payment, close).await?
        }
        StripeFact::Pending | StripeFact::Unused => Taken::Unused,
    };
    counted(match taken {
        Taken::Applied => "applied",
        Taken::Repeated => "repeated",
        Taken::Flagged => "flagged",
        Taken::Foreign => "foreign",
        Taken::Unused => "unused",
    });
    match taken {
        Taken::Applied | Taken::Flagged => Ok(true),
        Taken::Repeated => Ok(false),
        Taken::Foreign | Taken::Unused => {
            let webhook = Unattached {
                provider: PROVIDER.to_owned(),
                event_id: event.id,
                event_type: event.event_type,
                occurred_at: Time::from_timestamp(event.created, 0).unwrap_or_default(),
                raw: body.to_vec(),
            };
            backend.inbox.keep(webhook, None).await.map_err(problem)
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Applied,
    /// It was known already.
    Repeated,
    /// It does not fit what was asked for: it is kept and credits nothing.
    Flagged,
    /// It is about nothing of ours.
    Foreign,
    Unused,
}

struct Desk<'a> {
    backend: &'a Backend,
    payments: &'a Payments,
    request: &'a RequestContext,
    now: Time,
}

impl Desk<'_> {
    fn context(&self, client: ClientId) -> CommandContext {
        CommandContext {
            client,
            correlation_id: self.backend.runtime.ids.next(),
            causation_id: None,
            actor: Actor::System(PROVIDER.to_owned()),
            request_id: Some(self.request.request_id().to_string()),
            traceparent: self.request.traceparent(),
            command_id: None,
            origin: Origin::default(),
            appends: self.request.appends(),
        }
    }

    /// The checkout that an event names, and its client; `None` when there is none.
    async fn checkout(
        &self,
        text: Option<String>,
    ) -> Result<Option<(CheckoutId, ClientId, Session<Checkout>)>, ApiError> {
        let Some(id) = text.and_then(|text| text.parse::<CheckoutId>().ok()) else { return Ok(None) };
        let mut session = Session::<Checkout>::new(self.backend.runtime.clone(), id.stream());
        session.refresh().await.map_err(problem)?;
        Ok(session.client().map(|client| (id, client, session)))
    }

    async fn paid(
        &self,
        checkout: Option<String>,
        named: Option<String>,
        mut report: SessionReport,
    ) -> Result<Taken, ApiError> {
        let Some((id, client, mut session)) = self.checkout(checkout).await? else {
            return Ok(Taken::Foreign);
        };
        if named.is_some_and(|named| named != client.to_string()) {
            // another client's session: it cannot be the one that was opened
            report.session.push_str(" of another client");
        }
        let (payment, live) = (report.payment.clone(), self.payments.provider.is_live());
        let pay = CheckoutCommand::Pay { report: Box::new(report), live, now: self.now };
        let receipt = session.execute(&pay, &self.context(client), None).await.map_err(problem)?;
        let new = receipt.position.is_some();
        let (true, Some((amount, currency))) = (session.state().is_paid(), session.state().asked()) else {
            tracing::error!(checkout.id = %id, "a payment does not fit its checkout: nothing is credited");
            return Ok(if new { Taken::Flagged } else { Taken::Repeated });
        };
        self.post(client, currency, Change::Purchase { checkout: id, amount }).await.map_err(refused)?;
        if let Some(payment) = payment {
            let bind = PaymentCommand::Bind { checkout: id, client, now: self.now };
            self.payment(&payment, bind).await?;
        }
        Ok(if new { Taken::Applied } else { Taken::Repeated })
    }

    async fn close(&self, checkout: Option<String>, command: CheckoutCommand) -> Result<Taken, ApiError> {
        let Some((_, client, mut session)) = self.checkout(checkout).await? else {
            return Ok(Taken::Foreign);
        };
        let receipt = session.execute(&command, &self.context(client), None).await.map_err(problem)?;
        Ok(if receipt.position.is_some() { Taken::Applied } else { Taken::Repeated })
    }

    /// Records a fact of a payment, and brings the ledger to what all its facts add up to.
    async fn payment(&self, id: &str, fact: PaymentCommand) -> Result<Taken, ApiError> {
        let stream = PaymentId::of(PROVIDER, id).stream();
        let mut session = Session::<Payment>::new(self.backend.runtime.clone(), stream);
        let new = match session.execute(&fact, &self.context(DEFAULT_CLIENT), None).await {
            Ok(receipt) => receipt.position.is_some(),
            Err(CommandError::Refused(PaymentRefusal::OtherCheckout)) => return Ok(Taken::Flagged),
            Err(error) => return Err(problem(error)),
        };
        let payment = session.state();
        let Some((checkout, client)) = payment.bound() else { return Ok(Taken::Applied) };
        let Some((_, _, mut bought)) = self.checkout(Some(checkout.to_string())).await? else {
            return Ok(Taken::Foreign);
        };
        let Some((_, currency)) = bought.state().asked() else { return Ok(Taken::Foreign) };
        let (refunded, disputed) =
            (currency.micros_of(payment.refunded()), currency.micros_of(payment.disputed()));
        let reversed = match (refunded, disputed) {
            (Some(refunded), Some(disputed)) => {
                self.post(client, currency, Change::Reverse { checkout, refunded, disputed }).await
            }
            _ => Err(CommandError::Refused(CreditRefusal::ReversedTooMuch)),
        };
        match reversed {
            Ok(()) => Ok(if new { Taken::Applied } else { Taken::Repeated }),
            Err(CommandError::Refused(CreditRefusal::ReversedTooMuch)) => {
                tracing::error!(checkout.id = %checkout, "more is taken back than was paid: nothing is booked");
                let note = CheckoutCommand::NoteReversed { now: self.now };
                bought.execute(&note, &self.context(client), None).await.map_err(problem)?;
                Ok(Taken::Flagged)
            }
            Err(error) => Err(refused(error)),
        }
    }

    async fn post(
        &self,
        client: ClientId,
        currency: domain::billing::Currency,
        change: Change,
    ) -> Result<(), actors::billing::LedgerError> {
        let (id, terms) = (TransactionId(self.backend.runtime.ids.next()), self.backend.gate.billing(client));
        let request = CreditRequest { id, currency, terms, change, now: self.now };
        self.backend.billing.ledger.post(client, request, None).await.map(|_| ())
    }
}

fn unsigned(error: SignatureError) -> ApiError {
    match error {
        SignatureError::Missing => ApiError::signature_missing(),
        SignatureError::Stale(_) => ApiError::signature_stale(),
        SignatureError::Malformed | SignatureError::Wrong => ApiError::signature_invalid(),
    }
    .because(error)
}

fn unreadable(error: BadEvent) -> ApiError {
    match error {
        BadEvent::NotJson { line, column } => {
            ApiError::malformed_json(&format!("line {line}, column {column}"))
        }
        BadEvent::NotAnEvent | BadEvent::Missing(_) => ApiError::malformed_request(error.to_string()),
    }
}
