//! A transaction of a client's ledger, as clients see it.

use domain::aggregate::Aggregate;
use domain::billing::account::{CreditAccount, CreditEvent, Posted, Source, SourceKind, TransactionKind};
use domain::billing::{Component, CostItem, Entry, LedgerAccount, Side, Unit};
use domain::envelope::{Position, Recorded, Time};
use domain::ids::{AgentId, CallId, CheckoutId, ClientId, TransactionId};
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::calls::MoneyView;
use crate::numbers::knows;
use crate::view::{At, Row, View};

/// A transaction of your ledger. Its entries balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Transaction)]
pub struct TransactionView {
    /// Id of the transaction: TypeID `led_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: TransactionId,
    /// When it was posted.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// What the transaction is.
    #[schema(value_type = crate::words::TransactionKind)]
    pub kind: TransactionKind,
    /// How much your credit grew, kept credit included; negative when it shrank.
    pub amount: MoneyView,
    /// Credit that may be spent afterwards.
    pub balance_after: MoneyView,
    /// What the transaction is because of.
    pub source: SourceView,
    /// Transaction that this one corrects: TypeID `led_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub corrects: Option<TransactionId>,
    /// Agent of the call: TypeID `agt_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub agent_id: Option<AgentId>,
    /// Why credit was granted.
    #[schema(required)]
    pub reason: Option<String>,
    /// What a call cost, line by line.
    pub items: Vec<CostItemView>,
    /// The accounts that were debited and credited.
    pub entries: Vec<EntryView>,
}

/// What a transaction is because of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TransactionSource)]
pub struct SourceView {
    /// Kind of what it is because of.
    #[serde(rename = "type")]
    #[schema(value_type = crate::words::TransactionSourceKind)]
    pub kind: SourceKind,
    /// Id of the call (`call_…`), the checkout (`chk_…`) or the grant (`led_…`).
    pub id: String,
}

impl From<Source> for SourceView {
    fn from(source: Source) -> Self {
        let id = match source.kind {
            SourceKind::Call => CallId(source.id).to_string(),
            SourceKind::Checkout => CheckoutId(source.id).to_string(),
            SourceKind::Grant => TransactionId(source.id).to_string(),
        };
        Self { kind: source.kind, id }
    }
}

/// One line of what a call costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CostItem)]
pub struct CostItemView {
    /// Part of the cost.
    #[schema(value_type = crate::words::CostComponent)]
    pub component: Component,
    /// Provider of it; `null` for the platform's own.
    #[schema(required)]
    pub provider: Option<String>,
    /// Language model, where one was used.
    #[schema(required)]
    pub model: Option<String>,
    /// Units that are charged, after rounding.
    pub quantity: u64,
    /// What the quantity is counted in.
    #[schema(value_type = crate::words::PriceUnit)]
    pub unit: Unit,
    /// Price of `per` units at that time.
    pub unit_price: MoneyView,
    /// Number of units that the price is for: 60 seconds are a minute.
    pub per: u64,
    /// What the line costs.
    pub amount: MoneyView,
}

impl CostItemView {
    #[must_use]
    pub fn of(item: CostItem, currency: &str) -> Self {
        let money = |amount_micros| MoneyView { amount_micros, currency: currency.to_owned() };
        let named = |name: String| Some(name).filter(|name| !name.is_empty());
        Self {
            component: item.component,
            provider: named(item.provider),
            model: named(item.model),
            quantity: item.quantity,
            unit: item.unit,
            unit_price: money(item.price),
            per: item.per,
            amount: money(item.amount),
        }
    }
}

/// An account that a transaction debits or credits, in millionths of the currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LedgerEntry)]
pub struct EntryView {
    /// Name of the account, such as `available`, `held` or `revenue:carrier`.
    pub account: String,
    /// Debited amount in millionths, where the account is debited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub debit: Option<i64>,
    /// Credited amount in millionths, where the account is credited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub credit: Option<i64>,
}

impl From<&Entry> for EntryView {
    fn from(entry: &Entry) -> Self {
        let on = |side| (entry.side == side).then_some(entry.micros);
        Self { account: entry.account.to_string(), debit: on(Side::Debit), credit: on(Side::Credit) }
    }
}

/// The row of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionRow {
    pub client: ClientId,
    pub position: Position,
    /// Id of what it is because of.
    pub source: Uuid,
    /// What each component earned, in the order of [`Component::ALL`], in millionths.
    pub components: [i64; 6],
    pub view: TransactionView,
}

impl Row for TransactionRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

/// Number of the day in UTC, counted from the beginning of 1970.
#[must_use]
pub fn day_of(at: Time) -> i64 {
    at.timestamp().div_euclid(86_400)
}

/// The view of transactions: one row a transaction.
#[derive(Debug)]
pub struct CreditTransactions;

impl View for CreditTransactions {
    const NAME: &'static str = "credit_transactions";
    const FOLDS: bool = false;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[]);
    type Row = TransactionRow;
    type Fact = Posted;

    fn read(event: &Recorded) -> Result<Option<(Uuid, Posted)>, DecodeError> {
        if event.stream.category() != CreditAccount::CATEGORY || !knows::<CreditEvent>(&event.event_type) {
            return Ok(None);
        }
        match CreditEvent::decode(&event.event_type, event.schema, &event.payload)? {
            CreditEvent::Posted(posted) => Ok(Some((posted.id.0, posted))),
            CreditEvent::Confirmed(_) | CreditEvent::Low(_) | CreditEvent::Exhausted(_) => Ok(None),
        }
    }

    fn apply(row: &mut Option<TransactionRow>, at: &At, posted: Posted) {
        let currency = posted.currency.as_str().to_owned();
        let money = |amount_micros| MoneyView { amount_micros, currency: currency.clone() };
        let revenue = |component: &Component| posted.net(LedgerAccount::Revenue(*component));
        let mut components = [0; 6];
        for (sum, component) in components.iter_mut().zip(Component::ALL) {
            *sum = revenue(component);
        }
        let view = TransactionView {
            id: posted.id,
            at: posted.at,
            kind: posted.kind,
            amount: money(posted.amount()),
            balance_after: money(posted.available_after),
            source: posted.source.into(),
            corrects: posted.corrects,
            agent_id: posted.agent,
            reason: posted.reason.clone(),
            items: posted.items.iter().map(|item| CostItemView::of(item.clone(), &currency)).collect(),
            entries: posted.entries.iter().map(EntryView::from).collect(),
        };
        let (client, position, source) = (at.client, at.position, posted.source.id);
        *row = Some(TransactionRow { client, position, source, components, view });
    }
}
