//! What a match with the carrier's records needs: our calls with what the ledger has of each, page by page.

use std::fmt;

use async_trait::async_trait;

use super::StoreUnavailable;
use crate::billing::Currency;
use crate::billing::matching::OurCall;
use crate::envelope::{Position, Time};
use crate::ids::{CallId, ClientId};

/// Our calls, as the views show them: they may trail the log.
#[async_trait]
pub trait CallsToMatch: fmt::Debug + Send + Sync {
    /// How much of the log all the views hold that calls are read from; [`Position::START`] while one is missing.
    async fn reached(&self) -> Result<Position, StoreUnavailable>;

    /// The next clients in the order of their ids, removed ones included; fewer than `limit` only at the end.
    async fn clients(&self, after: Option<ClientId>, limit: u32) -> Result<Vec<ClientId>, StoreUnavailable>;

    /// When the ledger first had the charge of a call of the client's, and its currency; `None`: it never had one.
    async fn charged_since(&self, client: ClientId) -> Result<Option<(Time, Currency)>, StoreUnavailable>;

    /// The calls that [`CallsToMatch::calls`] answers, without what the ledger has: for less work.
    async fn legs(
        &self,
        client: ClientId,
        period: (Time, Time),
        after: Option<(Time, CallId)>,
        limit: u32,
    ) -> Result<Vec<OurCall>, StoreUnavailable>;

    /// The next calls of a client that began from `from` on, before `to`, by their begin and id. None at the end.
    async fn calls(
        &self,
        client: ClientId,
        period: (Time, Time),
        after: Option<(Time, CallId)>,
        limit: u32,
    ) -> Result<Vec<OurCall>, StoreUnavailable>;
}
