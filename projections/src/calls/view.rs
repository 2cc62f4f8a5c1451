//! The resource `Call` of the API.

use domain::billing::account::TransactionKind;
use domain::billing::{Component, LedgerAccount};
use domain::call::CallMetadata;
use domain::call::terms::{AnsweredBy, Direction, EndReason, EndedBy, Fault, RecordingStatus, Status};
use domain::envelope::Time;
use domain::ids::{AgentId, CallId, ConversationId, CustomerId, IvrSessionId};
use domain::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::billing::{CostItemView, TransactionView};

/// A phone call. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Call)]
pub struct CallView {
    /// Id of the call: TypeID `call_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "call_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: CallId,
    /// Whether the call came in or was placed.
    #[schema(value_type = crate::words::CallDirection)]
    pub direction: Direction,
    /// Where the call stands; `ended` and `failed` are final.
    #[schema(value_type = crate::words::CallStatus)]
    pub status: Status,
    /// The calling party: E.164, a SIP URI, or what the carrier says; `[erased]` once erased.
    #[schema(required)]
    pub from: Option<String>,
    /// The called party, in the same forms as `from`.
    #[schema(required)]
    pub to: Option<String>,
    /// Agent that talks on the call: TypeID `agt_…`; `null` without one.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub agent_id: Option<AgentId>,
    /// Session in the IVR menus: TypeID `ivrs_…`; `null` without one.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub ivr_session_id: Option<IvrSessionId>,
    /// Conversation on the call: TypeID `conv_…`; `null` without one.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub conversation_id: Option<ConversationId>,
    /// Customer that the call is with: TypeID `cus_…`. Lists show only the one it was placed for; the call by itself
    /// also shows the one customer who has the other party's number. `null` when there is none, or several have it.
    #[serde(with = "crate::edge::type_id_option", default)]
    #[schema(value_type = Option<String>, required)]
    pub customer_id: Option<CustomerId>,
    /// Name of the carrier, for example `telnyx`.
    #[schema(required)]
    pub provider: Option<String>,
    /// The carrier's id of the call, which its commands use.
    #[schema(required)]
    pub provider_call_id: Option<String>,
    /// When the call was requested, or first reported by the carrier.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the called side was first alerted; `null` until then.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ringing_at: Option<Time>,
    /// When the call was answered; `null` until then.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub answered_at: Option<Time>,
    /// When the call was over; `null` until then.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ended_at: Option<Time>,
    /// Time from the answer to the end, in milliseconds; `null` until both happened.
    #[schema(required)]
    pub duration_ms: Option<u64>,
    /// Why the call is over; `null` until then.
    #[schema(value_type = Option<crate::words::CallEndReason>, required)]
    pub end_reason: Option<EndReason>,
    /// Who ended the call; `null` until then.
    #[schema(value_type = Option<crate::words::CallEndedBy>, required)]
    pub ended_by: Option<EndedBy>,
    /// Who is at fault for the end; `null` until then.
    #[schema(value_type = Option<crate::words::CallFault>, required)]
    pub fault: Option<Fault>,
    /// The carrier's own code for the end.
    #[schema(required)]
    pub provider_code: Option<String>,
    /// SIP status code of the end (RFC 3261 §21).
    #[schema(required)]
    pub sip_code: Option<u16>,
    /// Who or what answered the call, as far as it was detected.
    #[schema(value_type = Option<crate::words::AnsweredBy>, required)]
    pub answered_by: Option<AnsweredBy>,
    /// Whether there is a recording, and whether it is available.
    #[schema(value_type = crate::words::RecordingStatus)]
    pub recording_status: RecordingStatus,
    /// What the call costs; `null` until that is known.
    #[schema(required)]
    pub cost: Option<CallCost>,
    /// Your own data, set when the call was placed or later.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    pub metadata: CallMetadata,
    /// Version of the call's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// What a call costs: the sum of its items once it was rated by your prices; before that, what the carrier charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallCost {
    /// Millionths of the currency's unit: 12 500 is 0.0125.
    pub amount_micros: i64,
    /// Currency as an ISO 4217 code.
    #[schema(example = "USD")]
    pub currency: String,
    /// Sum of the items, corrections included; only where one call is read, and once it was rated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub total: Option<MoneyView>,
    /// The parts of the cost, with the prices at that time; only where one call is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<CostItemView>,
}

impl From<&Money> for CallCost {
    fn from(money: &Money) -> Self {
        let (amount_micros, currency) = (money.amount_micros, money.currency.clone());
        Self { amount_micros, currency, total: None, items: Vec::new() }
    }
}

impl CallCost {
    /// The cost by what was charged for the call: the items of its charge, of which those of the carrier are replaced by
    /// the ones of the last correction. `None` when nothing was charged.
    #[must_use]
    pub fn charged(transactions: &[TransactionView]) -> Option<Self> {
        let mut items: Vec<CostItemView> = Vec::new();
        let (mut total, mut currency) = (0_i64, None);
        for one in transactions {
            match one.kind {
                TransactionKind::Usage => items.clone_from(&one.items),
                TransactionKind::Correction => {
                    let corrected = |component: Component| {
                        let account = LedgerAccount::Revenue(component);
                        one.entries.iter().any(|entry| entry.account == account.to_string())
                    };
                    items.retain(|item| !corrected(item.component));
                    items.extend(one.items.iter().cloned());
                    items.sort_by_key(|item| item.component);
                }
                _ => continue,
            }
            total = total.saturating_sub(one.amount.amount_micros);
            currency = Some(one.amount.currency.clone());
        }
        let currency = currency?;
        let sum = MoneyView { amount_micros: total, currency: currency.clone() };
        Some(Self { amount_micros: total, currency, total: Some(sum), items })
    }
}

/// An amount of money in integer micro-units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Money)]
pub struct MoneyView {
    /// Millionths of the currency's unit: 12 500 is 0.0125.
    pub amount_micros: i64,
    /// Currency as an ISO 4217 code.
    #[schema(example = "USD")]
    pub currency: String,
}
