//! What is asked of a client's transactions: pages of them, and sums over a period.

use async_trait::async_trait;
use domain::billing::account::TransactionKind;
use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use uuid::Uuid;

use super::transaction::TransactionView;
use crate::page::{Page, PageRequest};

/// Which transactions are wanted; all conditions must hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    pub kind: Option<TransactionKind>,
    /// Id of what they are because of.
    pub source: Option<Uuid>,
}

/// What spending is grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpendingBy {
    /// All of it together.
    Nothing,
    /// By the day in UTC.
    Day,
    /// By the agent of the call.
    Agent,
}

/// What was spent on calls: charges and their corrections. Amounts are millionths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spending {
    /// Number of the day ([`day_of`](super::day_of)), when grouped by days.
    pub day: Option<i64>,
    /// Agent, when grouped by agents; `None`: calls without one.
    pub agent: Option<Uuid>,
    /// Charges, corrections not counted.
    pub calls: u64,
    /// Each component, in the order of [`Component::ALL`](domain::billing::Component::ALL).
    pub components: [i64; 6],
}

/// The transactions of one kind in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    pub kind: TransactionKind,
    pub count: u64,
    /// How much they grew the credit, in millionths.
    pub amount: i64,
}

/// Queries of transactions. None of them ever answers with another client's.
#[async_trait]
pub trait BillingQueries: Send + Sync {
    /// A page of [transactions](TransactionView), ordered by time and id.
    async fn transactions(
        &self,
        client: ClientId,
        filter: TransactionFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// The first 200 transactions because of one thing, oldest first.
    async fn transactions_of(
        &self,
        client: ClientId,
        source: Uuid,
    ) -> Result<Vec<TransactionView>, StoreUnavailable>;

    /// What was spent from `from` on, before `to`. At most 10 000 groups.
    async fn spending(
        &self,
        client: ClientId,
        (from, to): (Time, Time),
        by: SpendingBy,
    ) -> Result<Vec<Spending>, StoreUnavailable>;

    /// The transactions of a period, by kind.
    async fn totals(&self, client: ClientId, period: (Time, Time)) -> Result<Vec<Totals>, StoreUnavailable>;

    /// Credit, kept credit included, before a moment, in millionths.
    async fn credit_before(&self, client: ClientId, at: Time) -> Result<i64, StoreUnavailable>;
}
