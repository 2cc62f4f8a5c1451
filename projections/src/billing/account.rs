//! A client's credit, and the fold from the ledger to it.

use domain::aggregate::Aggregate;
use domain::billing::Currency;
use domain::billing::account::{CreditAccount, CreditEvent};
use domain::envelope::{Recorded, Time, Version};
use domain::ids::CreditAccountId;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::document::{Document, Resource};
use crate::numbers::knows;
use crate::view::{At, View};

/// What a client has, in millionths of the currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditAccountView {
    pub id: Uuid,
    /// Credit that may be spent; below zero when more was spent.
    pub available: i64,
    /// Credit kept for calls under way.
    pub held: i64,
    pub currency: Currency,
    /// When the first transaction was posted.
    #[serde(with = "crate::edge::rfc3339")]
    pub created_at: Time,
    /// When the last transaction was posted.
    #[serde(with = "crate::edge::rfc3339")]
    pub updated_at: Time,
    /// Version of the account's stream.
    pub version: u64,
}

impl Resource for CreditAccountView {
    const TABLE: &'static str = "credit_accounts";

    fn id(&self) -> Uuid {
        self.id
    }

    fn created_at(&self) -> Time {
        self.created_at
    }

    fn version(&self) -> Version {
        Version(self.version)
    }
}

/// The view of credit: one row an account.
#[derive(Debug)]
pub struct CreditAccounts;

impl View for CreditAccounts {
    const NAME: &'static str = "credit_accounts";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[]);
    type Row = Document<CreditAccountView>;
    type Fact = CreditEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, CreditEvent)>, DecodeError> {
        if event.stream.category() != CreditAccount::CATEGORY || !knows::<CreditEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = CreditEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), fact)))
    }

    fn apply(row: &mut Option<Self::Row>, at: &At, fact: CreditEvent) {
        if let CreditEvent::Posted(posted) = fact {
            let created_at = row.as_ref().map_or(posted.at, |row| row.view.created_at);
            let view = CreditAccountView {
                id: CreditAccountId(at.id).0,
                available: posted.available_after,
                held: posted.held_after,
                currency: posted.currency,
                created_at,
                updated_at: posted.at,
                version: 0,
            };
            *row = Some(Document { client: at.client, position: at.position, removed: false, view });
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}
