//! Charges a call that is over: reads what it used, prices it, and posts it once.

use domain::aggregate::Aggregate as _;
use domain::billing::account::{Change, CreditRefusal, CreditRequest};
use domain::billing::price_book::PriceBookRefusal;
use domain::billing::{CallUsage, rate};
use domain::call::CallEvent;
use domain::conversation::{Conversation, ConversationEvent};
use domain::envelope::{Recorded, StreamId, Time, Version};
use domain::ids::{CallId, ClientId, TransactionId};
use domain::ports::event_store::{Direction, ReadError};
use domain::wire::{DecodeError, DomainEvent as _};

use super::{Billing, CoverError, LedgerError, LedgerReceipt, SpendError};
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
    #[error("what was kept for the call was not given back")]
    Release(#[from] CoverError),
    #[error("the spend guard was not told of the charge")]
    Spend(#[from] SpendError),
    /// The answer of its agent is still being made.
    #[error("the conversation of the call has an open turn")]
    OpenTurn,
    /// Trying again does not help: somebody must look. What was kept for the call was given back.
    #[error("the call cannot be charged: {0}")]
    Never(String),
}

/// A call that is over, and what it used.
struct Over {
    usage: CallUsage,
    /// When the end was recorded, by this node's clock: prices in force then count.
    at: Time,
    /// Versions of the call and of its conversation.
    seen: (Version, Version),
    /// Whether a turn of the conversation is open.
    open_turn: bool,
}

/// A call as it is now.
struct Looked {
    usage: CallUsage,
    /// When its end was recorded; `None` while it goes on.
    ended: Option<Time>,
    seen: (Version, Version),
    open_turn: bool,
}

impl Billing {
    /// Whether there are prices at all. Without any, nothing is charged.
    pub(crate) async fn has_prices(&self) -> Result<bool, CommandError<PriceBookRefusal>> {
        Ok(!self.prices.newest().await?.is_empty())
    }

    /// Charges a call that is over, by the prices in force at its end, and gives back what was kept for it; corrects the
    /// charge when more became known since. Does nothing while the call goes on, and nothing twice.
    pub async fn charge(&self, client: ClientId, call: CallId) -> Result<Option<LedgerReceipt>, ChargeError> {
        loop {
            let over = match self.over(call).await {
                Ok(Some(over)) => over,
                Ok(None) => return Ok(None),
                Err(ChargeError::Never(why)) => return self.never(client, call, "unreadable", why).await,
                Err(error) => return Err(error),
            };
            if over.open_turn {
                return Err(ChargeError::OpenTurn);
            }
            let receipt = self.charge_once(client, call, &over).await?;
            // sums that were read before and posted after this reading may have been put in its place
            if !self.has_more(call, &over).await? {
                return Ok(receipt);
            }
        }
    }

    async fn charge_once(
        &self,
        client: ClientId,
        call: CallId,
        over: &Over,
    ) -> Result<Option<LedgerReceipt>, ChargeError> {
        let book = self.prices.as_of(over.at).await.map_err(ChargeError::Prices)?;
        let Some(list) = book.in_force(client, over.at) else {
            self.release(client, call).await?;
            self.guards.charged(client, call, over.usage.agent, 0, over.at).await?;
            return Ok(None);
        };
        let rated = match rate(&list, &over.usage) {
            Ok(rated) => rated,
            Err(error) => return self.never(client, call, "prices", error.to_string()).await,
        };
        let (id, now) = (TransactionId(self.runtime.ids.next()), self.runtime.clock.now());
        let seen = over.seen.0.0.saturating_add(over.seen.1.0);
        let total = match rated.total() {
            Ok(total) => total,
            Err(error) => return self.never(client, call, "prices", error.to_string()).await,
        };
        let change = Change::Charge { call, seen, rated, agent: over.usage.agent };
        let terms = self.terms.terms(client);
        let request = CreditRequest { id, currency: Some(list.currency), terms, change, now };
        match self.ledger.post(client, request, None).await {
            Ok(receipt) => {
                self.guards.charged(client, call, over.usage.agent, total, over.at).await?;
                Ok(Some(receipt))
            }
            Err(CommandError::Refused(refusal)) => {
                let because = match refusal {
                    CreditRefusal::OtherCurrency(_) => "other_currency",
                    CreditRefusal::TooOld => "too_old",
                    _ => "refused",
                };
                self.never(client, call, because, refusal.to_string()).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives up charging a call: what was kept for it is given back, and the failure is counted.
    async fn never<T>(
        &self,
        client: ClientId,
        call: CallId,
        because: &'static str,
        why: String,
    ) -> Result<T, ChargeError> {
        self.release(client, call).await?;
        metrics::counter!(domain::metrics::CALLS_NOT_CHARGED, "because" => because).increment(1);
        Err(ChargeError::Never(why))
    }

    /// What the call used so far. Fails with `Never` when an event of it cannot be read.
    pub(crate) async fn used(&self, call: CallId) -> Result<CallUsage, ChargeError> {
        Ok(self.look_at(call).await?.usage)
    }

    /// What the call used, once it is over.
    async fn over(&self, call: CallId) -> Result<Option<Over>, ChargeError> {
        let Looked { usage, ended, seen, open_turn } = self.look_at(call).await?;
        Ok(ended.map(|at| Over { usage, at, seen, open_turn }))
    }

    async fn look_at(&self, call: CallId) -> Result<Looked, ChargeError> {
        let (mut usage, mut ended) = (CallUsage::default(), None);
        let of_call = self
            .each(&call.stream(), |recorded| {
                // the carrier's webhooks are large and are not needed
                if recorded.event_type == "call.carrier_event_received" {
                    return Ok(());
                }
                let event = CallEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload)?;
                if matches!(event, CallEvent::Ended(_)) {
                    ended = Some(recorded.recorded_at);
                }
                usage.take(&event);
                Ok(())
            })
            .await?;
        let (mut of_conversation, mut conversation) = (Version::NONE, Conversation::default());
        if let Some(id) = usage.conversation {
            let fold = |recorded: &Recorded| {
                let event =
                    ConversationEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload)?;
                conversation.evolve(&event);
                usage.take_turn(&event);
                Ok(())
            };
            of_conversation = self.each(&id.stream(), fold).await?;
        }
        let (seen, open_turn) = ((of_call, of_conversation), conversation.turn().is_some());
        Ok(Looked { usage, ended, seen, open_turn })
    }

    /// Whether the call or its conversation has events that were not looked at.
    async fn has_more(&self, call: CallId, over: &Over) -> Result<bool, ChargeError> {
        let store = &self.runtime.store;
        if !store.read_stream(&call.stream(), over.seen.0, Direction::Forwards, 1).await?.is_empty() {
            return Ok(true);
        }
        let Some(conversation) = over.usage.conversation else { return Ok(false) };
        let more = store.read_stream(&conversation.stream(), over.seen.1, Direction::Forwards, 1).await?;
        Ok(!more.is_empty())
    }

    /// Folds a stream. Answers its version.
    async fn each(
        &self,
        stream: &StreamId,
        mut take: impl FnMut(&Recorded) -> Result<(), DecodeError>,
    ) -> Result<Version, ChargeError> {
        let mut after = Version::NONE;
        loop {
            let page = self.runtime.store.read_stream(stream, after, Direction::Forwards, PAGE).await?;
            let Some(last) = page.last() else { return Ok(after) };
            after = last.version;
            for recorded in &page {
                take(recorded).map_err(|error| ChargeError::Never(error.to_string()))?;
            }
        }
    }
}
