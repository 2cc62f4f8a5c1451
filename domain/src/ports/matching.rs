//! What a match with the carrier's records needs: our calls with what the ledger has of each, page by page.

use std::fmt;

use async_trait::async_trait;

use super::StoreUnavailable;
use crate::billing::matching::OurCall;
use crate::envelope::Time;
use crate::ids::{CallId, ClientId};

/// Our calls, as the views show them: they may trail the log.
#[async_trait]
pub trait CallsToMatch: fmt::Debug + Send + Sync {
    /// The next clients in the order of their ids, removed ones included; fewer than `limit` only at the end.
    async fn clients(&self, after: Option<ClientId>, limit: u32) -> Result<Vec<ClientId>, StoreUnavailable>;

    /// The next calls of a client that began from `from` on, before `to`, by their begin and id. None at the end.
    async fn calls(
        &self,
        client: ClientId,
        period: (Time, Time),
        after: Option<(Time, CallId)>,
        limit: u32,
    ) -> Result<Vec<OurCall>, StoreUnavailable>;
}
