//! What matches with the carrier's records found, as clients see it.

use async_trait::async_trait;
use domain::aggregate::Aggregate;
use domain::billing::matching::{Charge, Finding, MatchDay, MatchEvent, MatchState};
use domain::envelope::{Position, Recorded, Time};
use domain::ids::{CallId, ClientId, MatchFindingId};
use domain::ports::StoreUnavailable;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::calls::MoneyView;
use crate::numbers::knows;
use crate::page::{Page, PageRequest};
use crate::view::{At, Row, View};

/// A call that we, the carrier and the ledger do not have alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BillingMatch)]
pub struct MatchView {
    /// Id of the finding: TypeID `matf_…`. The same when a later run finds the same call or record.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: MatchFindingId,
    /// The call: TypeID `call_…`; `null` when only the carrier has it.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub call_id: Option<CallId>,
    /// The carrier's id of the leg, as a UUID.
    #[schema(value_type = Option<String>, required)]
    pub carrier_leg_id: Option<Uuid>,
    /// How the sides agree. `matched`: they differed before.
    #[schema(value_type = crate::words::MatchState)]
    pub state: MatchState,
    /// When the call began: by our clock, or the carrier's where only it has the call.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub began_at: Time,
    /// What our events say; `null` without a call.
    #[schema(required)]
    pub ours: Option<OurSideView>,
    /// What the carrier's records say; `null` without any.
    #[schema(required)]
    pub carrier: Option<CarrierSideView>,
    /// The carrier's cost in the ledger; `null` when nothing was posted for the call.
    #[schema(required)]
    pub ledger: Option<MoneyView>,
    /// What the carrier has and the other side has not.
    pub difference: MatchDifferenceView,
    /// When it was found first.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub found_at: Time,
    /// When a run last found it otherwise than before.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Time,
}

/// What our events say of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MatchOurs)]
pub struct OurSideView {
    /// Seconds from the answer to the end, a begun one counted.
    pub seconds: u32,
    /// What the carrier told by webhook that it charged; `null` when it told nothing.
    #[schema(required)]
    pub amount: Option<MoneyView>,
}

/// What the carrier's records say of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MatchCarrier)]
pub struct CarrierSideView {
    /// Seconds from the answer to the end; `null` when the records do not say.
    #[schema(required)]
    pub seconds: Option<u32>,
    /// Seconds that are charged, in the carrier's steps.
    #[schema(required)]
    pub billed_seconds: Option<u32>,
    /// Sum of the records of the call.
    pub amount: MoneyView,
}

/// What the carrier has and the other side has not; negative the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MatchDifference)]
pub struct MatchDifferenceView {
    /// Seconds; 0 when only amounts differ.
    pub seconds: i64,
    /// Amount; `null` when the currencies differ.
    #[schema(required)]
    pub amount: Option<MoneyView>,
}

/// What ISO 4217 has for an amount without a currency: the carrier's record names none.
const NO_CURRENCY: &str = "XXX";

fn money(charge: Charge) -> MoneyView {
    let currency = charge.currency.map_or_else(|| NO_CURRENCY.to_owned(), |currency| currency.to_string());
    MoneyView { amount_micros: charge.micros, currency }
}

impl MatchView {
    fn of(id: Uuid, finding: &Finding, (found_at, changed_at): (Time, Time)) -> Self {
        let told = finding.ours.and_then(|ours| ours.charge);
        let charges = [finding.carrier.map(|carrier| carrier.charge), told, finding.ledger];
        let currency = charges.iter().flatten().find_map(|charge| charge.currency);
        Self {
            id: MatchFindingId(id),
            call_id: finding.call,
            carrier_leg_id: finding.leg,
            state: finding.state,
            began_at: finding.began_at,
            ours: finding
                .ours
                .map(|ours| OurSideView { seconds: ours.seconds, amount: ours.charge.map(money) }),
            carrier: finding.carrier.map(|carrier| CarrierSideView {
                seconds: carrier.seconds,
                billed_seconds: carrier.billed_seconds,
                amount: money(carrier.charge),
            }),
            ledger: finding.ledger.map(money),
            difference: MatchDifferenceView {
                seconds: finding.seconds,
                amount: finding.micros.map(|micros| money(Charge { micros, currency })),
            },
            found_at,
            changed_at,
        }
    }
}

/// The row of a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchRow {
    pub client: ClientId,
    pub position: Position,
    pub view: MatchView,
}

impl Row for MatchRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

/// The view of what matches found: one row a finding, which stays when it matches later.
#[derive(Debug)]
pub struct BillingMatches;

impl View for BillingMatches {
    const NAME: &'static str = "billing_matches";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[]);
    type Row = MatchRow;
    type Fact = MatchEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, MatchEvent)>, DecodeError> {
        if event.stream.category() != MatchDay::CATEGORY || !knows::<MatchEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = MatchEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(match &fact {
            MatchEvent::Listed(listed) => Some((listed.id, fact)),
            MatchEvent::Settled(settled) => Some((settled.id, fact)),
            MatchEvent::Ran(_) => None,
        })
    }

    fn apply(row: &mut Option<MatchRow>, at: &At, fact: MatchEvent) {
        match fact {
            MatchEvent::Listed(listed) => {
                let found_at = row.as_ref().map_or(listed.at, |row| row.view.found_at);
                let view = MatchView::of(listed.id, &listed.finding, (found_at, listed.at));
                *row = Some(MatchRow { client: at.client, position: at.position, view });
            }
            MatchEvent::Settled(settled) => {
                if let Some(row) = row {
                    row.view.state = MatchState::Matched;
                    let difference = &mut row.view.difference;
                    difference.seconds = 0;
                    if let Some(amount) = &mut difference.amount {
                        amount.amount_micros = 0;
                    }
                    row.view.changed_at = settled.at;
                    row.position = at.position;
                }
            }
            MatchEvent::Ran(_) => {}
        }
    }
}

/// Which findings are wanted; all conditions must hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MatchFilter {
    pub state: Option<MatchState>,
    /// Only calls that began at this time or later.
    pub from: Option<Time>,
    /// Only calls that began before this time.
    pub to: Option<Time>,
}

/// Queries of findings. None of them ever answers with another client's.
#[async_trait]
pub trait MatchQueries: Send + Sync {
    /// A page of [findings](MatchView), ordered by the begin of the call and id.
    async fn matches(
        &self,
        client: ClientId,
        filter: MatchFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;
}
