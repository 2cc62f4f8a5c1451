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
use domain::billing::account::{Change, CreditRequest};
use domain::billing::checkout::{Checkout, CheckoutCommand, CheckoutEvent, Mismatch, SessionReport};
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
/// Answers 200 once the event is durable and the ledger is as it says, or it was before. Stripe repeats an event that has
/// any other answer.
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
        StripeFact::Refunded { payment, minor_units, currency } => {
            desk.payment(&payment, PaymentCommand::Refund { minor_units, currency, now }).await?
        }
        StripeFact::Disputed { payment, dispute, minor_units, currency } => {
            let dispute = PaymentCommand::Dispute { dispute, minor_units, currency, now };
            desk.payment(&payment, dispute).await?
        }
        StripeFact::DisputeClosed { payment, dispute, minor_units, currency, won } => {
            let close = PaymentCommand::CloseDispute { dispute, minor_units, currency, won, now };
            desk.payment(&payment, close).await?
        }
        StripeFact::Pending | StripeFact::Unused => Taken::Unused,
    };
    counted(match taken {
        Taken::Applied => "applied",
        Taken::Repeated => "repeated",
        Taken::Flagged | Taken::Unfit => "flagged",
        Taken::Foreign => "foreign",
        Taken::Unused => "unused",
    });
    match taken {
        Taken::Applied | Taken::Flagged => Ok(true),
        Taken::Repeated => Ok(false),
        Taken::Foreign | Taken::Unfit | Taken::Unused => {
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
    /// It does not fit its payment: its body is kept and it changes nothing.
    Unfit,
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
        report.other_client = named.is_some_and(|named| named != client.to_string());
        let live = self.payments.provider.is_live();
        let pay = CheckoutCommand::Pay { report: Box::new(report), live, now: self.now };
        let receipt = session.execute(&pay, &self.context(client), None).await.map_err(problem)?;
        let new = receipt.position.is_some();
        let noted = session.written().iter().any(|(_, event)| matches!(event, CheckoutEvent::Mismatched(_)));
        let (true, false, Some((amount, currency))) =
            (session.state().is_paid(), noted, session.state().asked())
        else {
            tracing::error!(checkout.id = %id, "a payment does not fit its checkout: nothing is credited");
            return Ok(if new { Taken::Flagged } else { Taken::Repeated });
        };
        match self.post(client, currency, Change::Purchase { checkout: id, amount }).await {
            Ok(()) => {}
            Err(CommandError::Refused(refusal)) => {
                tracing::error!(checkout.id = %id, %refusal, "a payment cannot be credited: give it back");
                return self.note(&mut session, client, Mismatch::Account).await;
            }
            Err(error) => return Err(refused(error)),
        }
        if let Some(payment) = session.state().payment().map(str::to_owned) {
            let bind = PaymentCommand::Bind { checkout: id, client, now: self.now };
            self.payment(&payment, bind).await?;
        }
        Ok(if new { Taken::Applied } else { Taken::Repeated })
    }

    /// Keeps with the checkout what does not fit, for somebody to look at.
    async fn note(
        &self,
        checkout: &mut Session<Checkout>,
        client: ClientId,
        mismatch: Mismatch,
    ) -> Result<Taken, ApiError> {
        let note = CheckoutCommand::Note { mismatch, now: self.now };
        checkout.execute(&note, &self.context(client), None).await.map_err(problem)?;
        Ok(Taken::Flagged)
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
            Err(CommandError::Refused(refusal)) => {
                tracing::error!(%refusal, "a fact of a payment does not fit: nothing is booked");
                return Ok(Taken::Unfit);
            }
            Err(error) => return Err(problem(error)),
        };
        let Some((checkout, client)) = session.state().bound() else { return Ok(Taken::Applied) };
        let Some((_, _, mut bought)) = self.checkout(Some(checkout.to_string())).await? else {
            return Ok(Taken::Foreign);
        };
        let Some((amount, currency)) = bought.state().asked() else { return Ok(Taken::Foreign) };
        loop {
            let (payment, seen) = (session.state(), session.version());
            let refunded = currency.micros_of(payment.refunded(currency)).unwrap_or(i64::MAX);
            let disputed = currency.micros_of(payment.disputed(currency)).unwrap_or(i64::MAX);
            let mismatch = if payment.has_other_currency(currency) {
                Some(Mismatch::ReversedCurrency)
            } else if refunded.saturating_add(disputed) > amount {
                Some(Mismatch::ReversedTooMuch)
            } else {
                None
            };
            let reverse = Change::Reverse { checkout, seen: seen.0, refunded, disputed };
            self.post(client, currency, reverse).await.map_err(refused)?;
            // sums that were read before and posted after this reading may have been put in its place
            session.refresh().await.map_err(problem)?;
            if session.version() != seen {
                continue;
            }
            return match mismatch {
                None => Ok(if new { Taken::Applied } else { Taken::Repeated }),
                Some(mismatch) => {
                    tracing::error!(checkout.id = %checkout, mismatch = mismatch.as_str(),
                        "what was taken back does not fit what was paid");
                    self.note(&mut bought, client, mismatch).await
                }
            };
        }
    }

    async fn post(
        &self,
        client: ClientId,
        currency: domain::billing::Currency,
        change: Change,
    ) -> Result<(), actors::billing::LedgerError> {
        let (id, terms) = (TransactionId(self.backend.runtime.ids.next()), self.backend.gate.billing(client));
        let request = CreditRequest { id, currency: Some(currency), terms, change, now: self.now };
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
