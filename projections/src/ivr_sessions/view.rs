//! The resource.

use std::collections::BTreeMap;

use domain::envelope::Time;
use domain::ids::{CallId, IvrSessionId, MenuId};
use domain::ivr::session::{EndCause, SessionStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a session may wait for.
pub(crate) const WAITS: [&str; 3] = ["input", "webhook", "transfer"];

/// A caller's way through menus. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = IvrSession)]
pub struct SessionView {
    /// TypeID `ivrs_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: IvrSessionId,
    /// Your own name of it.
    #[schema(required)]
    pub session_id: Option<String>,
    /// The call it leads, if it leads one.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub call_id: Option<CallId>,
    /// `active`, `completed`, `abandoned` (the caller hung up) or `exhausted`.
    #[schema(value_type = crate::words::IvrSessionStatus)]
    pub status: SessionStatus,
    /// The menu the caller is in, or was last.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub current_menu_id: MenuId,
    /// The way there: the first menu first, the current one last.
    #[schema(value_type = Vec<String>)]
    pub menu_stack: Vec<String>,
    /// Wrong entries and silences of this visit together.
    pub retry_count: u32,
    /// Wrong entries of this visit.
    pub invalid_count: u32,
    /// Silences of this visit.
    pub timeout_count: u32,
    /// Turns so far; 30 are the end.
    pub turn_count: u32,
    /// What the caller hears now; the last words once it is over.
    #[schema(required)]
    pub prompt: Option<String>,
    /// What is waited for: `input`, `webhook`, `transfer`, or nothing once it is over.
    #[schema(value_type = Option<crate::words::IvrWaitingFor>, required)]
    pub waiting_for: Option<String>,
    /// When it is taken for silence, or for too long, if nobody says anything.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub timeout_at: Option<Time>,
    /// Where it led, once it is over.
    #[schema(required)]
    pub outcome: Option<OutcomeView>,
    /// Why it is over.
    #[schema(value_type = Option<crate::words::IvrEndCause>, required)]
    pub end_cause: Option<EndCause>,
    /// Digits that were collected, by name; `null` where they are secret.
    pub collected: BTreeMap<String, Option<String>>,
    /// When it began.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub start_time: Time,
    /// When something last happened.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub last_activity: Time,
    /// When it was over.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ended_at: Option<Time>,
    /// Version of its stream; its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// Where a session led.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = IvrOutcome)]
pub struct OutcomeView {
    /// `agent`, `transfer`, `say`, `hangup`, or `end` when it was ended over REST.
    pub action: String,
    /// A party, an agent's id or a text.
    #[schema(required)]
    pub target: Option<String>,
}
