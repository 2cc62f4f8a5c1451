//! The resource.

use domain::call::CallMetadata;
use domain::call::terms::{AnsweredBy, Direction, EndReason, EndedBy, Fault, RecordingStatus, Status};
use domain::envelope::Time;
use domain::ids::{AgentId, CallId, ConversationId, IvrSessionId};
use domain::money::Money;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A phone call. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Call)]
pub struct CallView {
    /// TypeID `call_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "call_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: CallId,
    /// Who began the call.
    #[schema(value_type = crate::words::CallDirection)]
    pub direction: Direction,
    /// Where the call stands; `ended` and `failed` are final.
    #[schema(value_type = crate::words::CallStatus)]
    pub status: Status,
    /// The calling party: E.164, a SIP URI, or what the carrier says.
    #[schema(required)]
    pub from: Option<String>,
    /// The called party.
    #[schema(required)]
    pub to: Option<String>,
    /// Who is to talk.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub agent_id: Option<AgentId>,
    /// The way through the menus, if there is one.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub ivr_session_id: Option<IvrSessionId>,
    /// The conversation, if there is one.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub conversation_id: Option<ConversationId>,
    /// `telnyx`, ….
    #[schema(required)]
    pub provider: Option<String>,
    /// The carrier's name of the call: what commands to it are addressed to.
    #[schema(required)]
    pub provider_call_id: Option<String>,
    /// When it was asked for, or first heard of.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the called side was first alerted.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ringing_at: Option<Time>,
    /// When it was answered.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub answered_at: Option<Time>,
    /// When it was over.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ended_at: Option<Time>,
    /// From the answer to the end, in milliseconds.
    #[schema(required)]
    pub duration_ms: Option<u64>,
    /// Why it is over.
    #[schema(value_type = Option<crate::words::CallEndReason>, required)]
    pub end_reason: Option<EndReason>,
    /// Who ended it.
    #[schema(value_type = Option<crate::words::CallEndedBy>, required)]
    pub ended_by: Option<EndedBy>,
    /// Whose fault the end is.
    #[schema(value_type = Option<crate::words::CallFault>, required)]
    pub fault: Option<Fault>,
    /// The carrier's own word for the end.
    #[schema(required)]
    pub provider_code: Option<String>,
    /// SIP status of the end (RFC 3261 §21).
    #[schema(required)]
    pub sip_code: Option<u16>,
    /// Who or what took the call.
    #[schema(value_type = Option<crate::words::AnsweredBy>, required)]
    pub answered_by: Option<AnsweredBy>,
    /// Where the recording stands.
    #[schema(value_type = crate::words::RecordingStatus)]
    pub recording_status: RecordingStatus,
    /// What the carrier charged.
    #[schema(value_type = Option<MoneyView>, required)]
    pub cost: Option<Money>,
    /// The client's own data.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    pub metadata: CallMetadata,
    /// Version of the call's stream; its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// An amount of money, never a float.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Money)]
pub struct MoneyView {
    /// Millionths of the currency's unit: 12 500 is 0.0125.
    pub amount_micros: i64,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
}
