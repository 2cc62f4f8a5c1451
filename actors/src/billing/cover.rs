//! Covers prepaid calls: credit is kept before a call is placed or taken, and more while it lasts.

use std::time::Duration;

use chrono::TimeDelta;
use domain::billing::account::{Change, CreditRefusal, CreditRequest};
use domain::billing::price_book::PriceBookRefusal;
use domain::billing::{BillingTerms, CallUsage, Currency, estimate, rate};
use domain::ids::{CallId, ClientId, TransactionId};

use super::{Billing, LedgerError};
use crate::session::CommandError;

/// The least time that a call is covered for: until its cover was looked at for the first time, and once more.
pub(super) const MIN_HOLD: Duration = Duration::from_secs(30);
/// How far the prices of an estimate may be behind.
const BOOK_MAY_TRAIL: TimeDelta = TimeDelta::seconds(1);

/// Whether a call is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covered {
    /// The client is not prepaid: its calls need no cover.
    NotNeeded,
    Held,
}

/// Why a call is not covered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CoverError {
    /// There is not enough credit.
    #[error("the credit does not cover the call: {available} millionths are available, {needed} are needed")]
    Insufficient { available: i64, needed: i64 },
    #[error("the credit cannot be looked at")]
    Ledger(#[source] LedgerError),
    #[error("the prices cannot be read")]
    Prices(#[source] CommandError<PriceBookRefusal>),
    #[error("what the call may cost does not fit into the ledger: check the prices")]
    TooMuch,
    /// The prices are in another currency than the client's credit.
    #[error("the client's credit is in {0}: set prices in that currency")]
    OtherCurrency(Currency),
}

impl From<LedgerError> for CoverError {
    fn from(error: LedgerError) -> Self {
        match error {
            CommandError::Refused(CreditRefusal::Insufficient { available, needed }) => {
                Self::Insufficient { available, needed }
            }
            CommandError::Refused(CreditRefusal::Overflow) => Self::TooMuch,
            CommandError::Refused(CreditRefusal::OtherCurrency(own)) => Self::OtherCurrency(own),
            error => Self::Ledger(error),
        }
    }
}

impl Billing {
    /// Keeps credit for a call that is about to be placed or taken. Once for each call, however often it is asked.
    pub async fn cover(&self, client: ClientId, call: CallId, provider: &str) -> Result<Covered, CoverError> {
        let terms = self.terms.terms(client);
        if !terms.prepaid {
            return Ok(Covered::NotNeeded);
        }
        let (currency, amount) = self.estimate(client, provider, self.options.hold_for.max(MIN_HOLD)).await?;
        // a call that costs nothing by time is watched as well
        let amount = if currency.is_some() { amount.max(1) } else { amount };
        let held = self.post(client, terms, currency, Change::Hold { call, amount }).await;
        if let Err(CoverError::Insufficient { .. }) = &held {
            metrics::counter!(domain::metrics::CALLS_WITHOUT_COVER, "when" => "begin").increment(1);
        }
        held.map(|()| Covered::Held)
    }

    /// Keeps enough for what the call has used, for the time that it has lasted, and for as much ahead as at its begin; if
    /// there is less, at least until it was looked at once more.
    pub(crate) async fn extend(
        &self,
        client: ClientId,
        call: CallId,
        usage: &CallUsage,
        lasted: Duration,
    ) -> Result<(), CoverError> {
        let terms = self.terms.terms(client);
        if !terms.prepaid {
            return Ok(());
        }
        let so_far = self.so_far(client, usage).await?;
        let soon = self.options.check_every.saturating_mul(2);
        for ahead in [self.options.hold_for.max(soon), soon] {
            let (currency, by_time) = self.estimate(client, &usage.provider, lasted + ahead).await?;
            let to = by_time.saturating_add(so_far);
            match self.post(client, terms, currency, Change::Extend { call, to }).await {
                Err(CoverError::Insufficient { .. }) if ahead > soon => {}
                extended => return extended,
            }
        }
        Ok(())
    }

    /// Gives back what was kept for a call that does not begin after all.
    pub async fn release(&self, client: ClientId, call: CallId) -> Result<(), CoverError> {
        self.post(client, self.terms.terms(client), None, Change::Release { call }).await
    }

    /// What so much time of a call may cost; `None` as its currency where nothing has a price.
    pub(super) async fn estimate(
        &self,
        client: ClientId,
        provider: &str,
        time: Duration,
    ) -> Result<(Option<Currency>, i64), CoverError> {
        let now = self.runtime.clock.now();
        // an estimate may miss a list that another node set a moment ago
        let book = self.prices.as_of(now - BOOK_MAY_TRAIL).await.map_err(CoverError::Prices)?;
        let Some(list) = book.in_force(client, now) else { return Ok((None, 0)) };
        let amount = estimate(&list, provider, time.as_secs()).map_err(|_| CoverError::TooMuch)?;
        Ok((Some(list.currency), amount))
    }

    /// What the models and the speech of a call cost so far: what does not go by time.
    async fn so_far(&self, client: ClientId, usage: &CallUsage) -> Result<i64, CoverError> {
        let now = self.runtime.clock.now();
        let book = self.prices.as_of(now - BOOK_MAY_TRAIL).await.map_err(CoverError::Prices)?;
        let Some(list) = book.in_force(client, now) else { return Ok(0) };
        let untimed = CallUsage { answered_at: None, ..usage.clone() };
        rate(&list, &untimed).and_then(|rated| rated.total()).map_err(|_| CoverError::TooMuch)
    }

    async fn post(
        &self,
        client: ClientId,
        terms: BillingTerms,
        currency: Option<Currency>,
        change: Change,
    ) -> Result<(), CoverError> {
        let (id, now) = (TransactionId(self.runtime.ids.next()), self.runtime.clock.now());
        self.ledger.post(client, CreditRequest { id, currency, terms, change, now }, None).await?;
        Ok(())
    }
}
