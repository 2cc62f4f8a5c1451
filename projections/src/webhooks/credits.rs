//! What clients are told of their credit and of purchases. Each event says it all by itself: the ledger may be long.

use bytes::Bytes;
use domain::billing::account::{
    CreditAlert, CreditEvent, CreditsExhausted, CreditsLow, Posted, TransactionKind,
};
use domain::billing::checkout::CheckoutEvent;
use domain::envelope::Recorded;
use domain::ids::{CheckoutId, CreditAccountId, event_type_id};
use domain::ports::webhooks::PublishError;
use domain::webhook::public::PublicEvent;
use domain::wire::{DecodeError, DomainEvent as _};
use serde::Serialize;
use utoipa::ToSchema;

use super::errors::ErrorView;
use super::public::{EventEnvelope, PublicBody, Subject};
use super::published::ERROR;
use crate::calls::MoneyView;

/// Your credit, when it was bought or fell to a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CreditNotice {
    /// Account of the credit: TypeID `acct_…`.
    pub id: String,
    /// Credit afterwards, kept credit included.
    pub credit: MoneyView,
    /// The limit that it fell to; `null` when it was bought.
    #[schema(required)]
    pub limit: Option<MoneyView>,
    /// What was bought; `null` when it fell to a limit.
    #[schema(required)]
    pub bought: Option<MoneyView>,
    /// Checkout that was paid: TypeID `chk_…`; `null` when it fell to a limit.
    #[schema(required)]
    pub checkout_id: Option<String>,
}

impl CreditNotice {
    fn of_alert(id: String, alert: &CreditAlert) -> Self {
        let money = |amount_micros| MoneyView { amount_micros, currency: alert.currency.to_string() };
        let (credit, limit) = (money(alert.credit), Some(money(alert.limit)));
        Self { id, credit, limit, bought: None, checkout_id: None }
    }

    fn of_purchase(id: String, posted: &Posted) -> Self {
        let money = |amount_micros| MoneyView { amount_micros, currency: posted.currency.to_string() };
        Self {
            id,
            credit: money(posted.available_after.saturating_add(posted.held_after)),
            limit: None,
            bought: Some(money(posted.amount())),
            checkout_id: Some(CheckoutId(posted.source.id).to_string()),
        }
    }
}

/// The public event that an event of a ledger or of a checkout leads to.
pub(super) fn published(fact: &Recorded) -> Result<Option<PublicEvent>, PublishError> {
    let unreadable = |error| PublishError::Event { position: fact.position, error };
    let Some((name, data)) = told(fact).map_err(unreadable)? else { return Ok(None) };
    let body = written(name, fact, EventEnvelope::from(fact), data)
        .map_err(|error| PublishError::Body { position: fact.position, reason: error.to_string() })?;
    Ok(Some(PublicEvent {
        id: fact.id,
        client: fact.client_id,
        position: fact.position,
        event_type: name.to_owned(),
        subject: fact.stream.id(),
        agent: None,
        at: fact.recorded_at,
        body,
    }))
}

/// What is told of an event: the public name and its data.
#[derive(Serialize)]
#[serde(untagged)]
enum Told {
    Credit(CreditNotice),
    Failure(Box<ErrorView>),
}

fn told(fact: &Recorded) -> Result<Option<(&'static str, Told)>, DecodeError> {
    if fact.stream.category() == CheckoutId::CATEGORY {
        let event = CheckoutEvent::decode(&fact.event_type, fact.schema, &fact.payload)?;
        let failure = ErrorView::of_checkout(CheckoutId(fact.stream.id()), &event);
        return Ok(failure.map(|failure| (ERROR, Told::Failure(Box::new(failure)))));
    }
    Ok(notice(fact)?.map(|(name, notice)| (name, Told::Credit(notice))))
}

fn notice(fact: &Recorded) -> Result<Option<(&'static str, CreditNotice)>, DecodeError> {
    let id = CreditAccountId(fact.stream.id()).to_string();
    Ok(match CreditEvent::decode(&fact.event_type, fact.schema, &fact.payload)? {
        CreditEvent::Posted(posted) if posted.kind == TransactionKind::Purchase => {
            Some(("credits.purchased", CreditNotice::of_purchase(id, &posted)))
        }
        CreditEvent::Posted(_) | CreditEvent::Confirmed(_) => None,
        CreditEvent::Low(CreditsLow(alert)) => Some(("credits.low", CreditNotice::of_alert(id, &alert))),
        CreditEvent::Exhausted(CreditsExhausted(alert)) => {
            Some(("credits.exhausted", CreditNotice::of_alert(id, &alert)))
        }
    })
}

/// The body of the public event that `fact` leads to, in `envelope`; `None` when it leads to none.
pub(super) fn body(fact: &Recorded, envelope: EventEnvelope) -> Option<Bytes> {
    let (name, data) = told(fact).ok()??;
    written(name, fact, envelope, data).ok()
}

fn written(
    name: &str,
    fact: &Recorded,
    envelope: EventEnvelope,
    data: Told,
) -> Result<Bytes, serde_json::Error> {
    let id = match &data {
        Told::Credit(_) => CreditAccountId(fact.stream.id()).to_string(),
        Told::Failure(_) => CheckoutId(fact.stream.id()).to_string(),
    };
    let body = PublicBody {
        id: event_type_id(envelope.event),
        event_type: name.to_owned(),
        timestamp: envelope.at,
        client_id: envelope.client.to_string(),
        sequence: fact.version.0,
        subject: Subject { kind: fact.stream.category().to_owned(), id },
        data,
    };
    serde_json::to_vec(&body).map(Bytes::from)
}
