//! Queries of customers.

use async_trait::async_trait;
use domain::ids::{ClientId, CustomerId};
use domain::ports::StoreUnavailable;

use super::timeline::{Links, TimelineKind, TimelinePage};
use crate::page::{Page, PageRequest};

/// Something that a customer is found by, in normal form.
#[derive(Clone, PartialEq, Eq)]
pub enum CustomerKey {
    /// A number in E.164.
    Phone(String),
    /// An address in lower case.
    Email(String),
    /// The client's own name of the customer.
    ExternalId(String),
}

impl CustomerKey {
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Phone(text) | Self::Email(text) | Self::ExternalId(text) => text,
        }
    }

    /// The text whose keyed hash stands in the index: the same text of two kinds differs.
    #[must_use]
    pub fn indexed(&self) -> String {
        let kind = match self {
            Self::Phone(_) => "phone",
            Self::Email(_) => "email",
            Self::ExternalId(_) => "external id",
        };
        format!("{kind} {}", self.text())
    }
}

impl std::fmt::Debug for CustomerKey {
    // all of them are personal
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CustomerKey(…)")
    }
}

/// Which customers are wanted; all conditions must hold. Customers that were merged into others are never among them.
#[derive(Clone, Default)]
pub struct CustomerFilter {
    /// They have all of these.
    pub keys: Vec<CustomerKey>,
    /// A part of their name, in any case.
    pub name_part: Option<String>,
    /// With [`name_part`](Self::name_part): or they have one of these.
    pub or_keys: Vec<CustomerKey>,
}

impl std::fmt::Debug for CustomerFilter {
    // all of it is personal
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomerFilter").finish_non_exhaustive()
    }
}

/// Queries of customers. None of them ever answers with another client's customer.
#[async_trait]
pub trait CustomerQueries: Send + Sync {
    /// A page of [customers](super::CustomerView), ordered by `created_at` and id.
    async fn customers(
        &self,
        client: ClientId,
        filter: &CustomerFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// Up to `limit` customers that have the key, oldest first.
    async fn customers_with(
        &self,
        client: ClientId,
        key: &CustomerKey,
        limit: u32,
    ) -> Result<Vec<CustomerId>, StoreUnavailable>;

    /// A page of everything of these kinds that is linked, newest first unless the page says otherwise.
    async fn timeline(
        &self,
        client: ClientId,
        links: &Links,
        kinds: &[TimelineKind],
        page: &PageRequest,
    ) -> Result<TimelinePage, StoreUnavailable>;
}
