//! The resource `IvrSession` of the API.

use std::collections::BTreeMap;

use domain::envelope::Time;
use domain::ids::{CallId, IvrSessionId, MenuId};
use domain::ivr::session::{EndCause, SessionStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Values of a session's `waiting_for`.
pub(crate) const WAITS: [&str; 3] = ["input", "webhook", "transfer"];

/// A session of a caller in IVR menus. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = IvrSession)]
pub struct SessionView {
    /// Id of the session: TypeID `ivrs_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: IvrSessionId,
    /// Your own name of the session.
    #[schema(required)]
    pub session_id: Option<String>,
    /// Call that the session leads: TypeID `call_…`; `null` without one.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub call_id: Option<CallId>,
    /// Status of the session: `active`, `completed`, `abandoned` (the caller hung up) or `exhausted`.
    #[schema(value_type = crate::words::IvrSessionStatus)]
    pub status: SessionStatus,
    /// Menu that the caller is in, or was in last: TypeID `ivrm_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub current_menu_id: MenuId,
    /// Menus on the way there: the first menu first, the current one last.
    #[schema(value_type = Vec<String>)]
    pub menu_stack: Vec<String>,
    /// Wrong keys and silences of this visit together.
    pub retry_count: u32,
    /// Wrong keys in this visit of the menu.
    pub invalid_count: u32,
    /// Silences in this visit of the menu.
    pub timeout_count: u32,
    /// Turns so far; the session ends after 30.
    pub turn_count: u32,
    /// What the caller hears now; the last words once the session is over.
    #[schema(required)]
    pub prompt: Option<String>,
    /// What the session waits for: `input`, `webhook`, `transfer`, or `null` once it is over.
    #[schema(value_type = Option<crate::words::IvrWaitingFor>, required)]
    pub waiting_for: Option<String>,
    /// When the session stops waiting: no input then counts as silence, no answer of a webhook or a
    /// transfer as a failure.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub timeout_at: Option<Time>,
    /// How the session ended; `null` until then.
    #[schema(required)]
    pub outcome: Option<OutcomeView>,
    /// Why the session is over; `null` until then.
    #[schema(value_type = Option<crate::words::IvrEndCause>, required)]
    pub end_cause: Option<EndCause>,
    /// Digits that were collected, by name; `null` where they are secret.
    pub collected: BTreeMap<String, Option<String>>,
    /// When the session began.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub start_time: Time,
    /// When the last event of the session happened.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub last_activity: Time,
    /// When the session was over; `null` until then.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ended_at: Option<Time>,
    /// Version of the session's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// The action that ended an IVR session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = IvrOutcome)]
pub struct OutcomeView {
    /// Name of the action: `agent`, `transfer`, `say`, `hangup`, or `end` when it was ended over REST.
    pub action: String,
    /// Target of the action: a party, an agent's id or a text.
    #[schema(required)]
    pub target: Option<String>,
}
