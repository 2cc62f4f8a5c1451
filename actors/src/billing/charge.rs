//! Charges a call that is over: reads what it used, prices it, and posts it once.

use domain::billing::account::{Change, CreditRefusal, CreditRequest};
use domain::billing::price_book::PriceBookRefusal;
use domain::billing::{CallUsage, rate};
use domain::call::CallEvent;
use domain::conversation::ConversationEvent;
use domain::envelope::{Recorded, StreamId, Time, Version};
use domain::ids::{CallId, ClientId, TransactionId};
use domain::ports::event_store::{Direction, ReadError};
use domain::wire::{DecodeError, DomainEvent as _};

use super::{Billing, LedgerError, LedgerReceipt};
use crate::session::CommandError;

const PAGE: usize = 512;

/// Why a call was not charged.
#[derive(Debug, thiserror::Error)]
pub enum ChargeError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the prices cannot be read")]
    Prices(#[source] CommandError<PriceBookRefusal>),
    #[error("the charge was not posted")]
    Ledger(#[from] LedgerError),
    /// Trying again does not help: somebody must look.
    #[error("the call cannot be charged: {0}")]
    Never(String),
}

/// A call that is over, and what it used.
struct Over {
    usage: CallUsage,
    /// When the end was recorded, by this node's clock: prices in force then count.
    at: Time,
    merged: bool,
}

impl Billing {
    /// Whether there are prices at all. Without any, nothing is charged.
    pub(crate) async fn has_prices(&self) -> Result<bool, CommandError<PriceBookRefusal>> {
        Ok(!self.prices.newest().await?.is_empty())
    }

    /// Charges a call that is over, by the prices in force at its end; corrects the charge when the carrier told its own
    /// cost since. Does nothing while the call goes on, and nothing twice.
    pub async fn charge(&self, client: ClientId, call: CallId) -> Result<Option<LedgerReceipt>, ChargeError> {
        let Some(over) = self.over(call).await? else { return Ok(None) };
        let book = self.prices.newest().await.map_err(ChargeError::Prices)?;
        let Some(list) = book.in_force(client, over.at) else { return Ok(None) };
        let change = if over.merged {
            Change::Release { call }
        } else {
            let rated = rate(&list, &over.usage).map_err(|error| ChargeError::Never(error.to_string()))?;
            Change::Charge { call, rated, agent: over.usage.agent }
        };
        let (id, now) = (TransactionId(self.runtime.ids.next()), self.runtime.clock.now());
        let terms = self.terms.terms(client);
        let request = CreditRequest { id, currency: list.currency, terms, change, now };
        match self.ledger.post(client, request, None).await {
            Ok(receipt) => Ok(Some(receipt)),
            Err(CommandError::Refused(refusal)) => {
                let because = match refusal {
                    CreditRefusal::OtherCurrency(_) => "other_currency",
                    CreditRefusal::TooOld => "too_old",
                    _ => "refused",
                };
                metrics::counter!(domain::metrics::CALLS_NOT_CHARGED, "because" => because).increment(1);
                Err(ChargeError::Never(refusal.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What the call used, once it is over.
    async fn over(&self, call: CallId) -> Result<Option<Over>, ChargeError> {
        let (mut usage, mut at, mut merged) = (CallUsage::default(), None, false);
        self.each(&call.stream(), |recorded| {
            // the carrier's webhooks are large and are not needed
            if recorded.event_type == "call.carrier_event_received" {
                return Ok(());
            }
            let event = CallEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload)?;
            match &event {
                CallEvent::Ended(_) => at = Some(recorded.recorded_at),
                CallEvent::Merged(_) => merged = true,
                _ => {}
            }
            usage.take(&event);
            Ok(())
        })
        .await?;
        let Some(at) = at else { return Ok(None) };
        if let Some(conversation) = usage.conversation {
            self.each(&conversation.stream(), |recorded| {
                let event =
                    ConversationEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload)?;
                usage.take_turn(&event);
                Ok(())
            })
            .await?;
        }
        Ok(Some(Over { usage, at, merged }))
    }

    async fn each(
        &self,
        stream: &StreamId,
        mut take: impl FnMut(&Recorded) -> Result<(), DecodeError>,
    ) -> Result<(), ChargeError> {
        let mut after = Version::NONE;
        loop {
            let page = self.runtime.store.read_stream(stream, after, Direction::Forwards, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.version;
            for recorded in &page {
                take(recorded).map_err(|error| ChargeError::Never(error.to_string()))?;
            }
        }
    }
}
