//! Which facts are told, and what they are called in public.

use domain::aggregate::Aggregate as _;
use domain::call::terms::Status;
use domain::ids::{AgentId, CallId};
use domain::ivr::session::IvrSession;

use crate::calls::{CallRow, Calls};
use crate::ivr_sessions::{IvrSessions, SessionRow};
use crate::view::{Shown, View};

/// A view whose resources clients are told of.
pub(super) trait Told: View<Row: Shown> {
    /// The category of its streams, and what its resources are called as a subject.
    const CATEGORY: &'static str;
    /// Resources remembered between their events: with a kilobyte or two each, some tens of megabytes at most.
    const REMEMBERED: usize;

    /// Whether such facts are told.
    fn is_told(event_type: &str) -> bool;

    /// What the fact that made the row what it is is called in public.
    fn name(event_type: &str, row: &Self::Row) -> Option<&'static str>;

    /// The resource's id, as clients see it.
    fn subject(row: &Self::Row) -> String;

    /// The agent that has to do with it.
    fn agent(row: &Self::Row) -> Option<AgentId>;
}

impl Told for Calls {
    const CATEGORY: &'static str = CallId::CATEGORY;
    const REMEMBERED: usize = 20_000;

    fn is_told(event_type: &str) -> bool {
        matches!(
            event_type,
            "call.received"
                | "call.queued"
                | "call.ringing"
                | "call.answered"
                | "call.recording_saved"
                | "call.ended"
        )
    }

    fn name(event_type: &str, row: &CallRow) -> Option<&'static str> {
        Some(match event_type {
            "call.received" | "call.queued" => "call.started",
            "call.ringing" => "call.ringing",
            "call.answered" => "call.answered",
            "call.recording_saved" => "call.recording_ready",
            "call.ended" if row.view.status == Status::Failed => "call.failed",
            "call.ended" => "call.ended",
            _ => return None,
        })
    }

    fn subject(row: &CallRow) -> String {
        row.view.id.to_string()
    }

    fn agent(row: &CallRow) -> Option<AgentId> {
        row.view.agent_id
    }
}

impl Told for IvrSessions {
    const CATEGORY: &'static str = IvrSession::CATEGORY;
    const REMEMBERED: usize = 10_000;

    fn is_told(event_type: &str) -> bool {
        event_type == "ivr_session.ended"
    }

    fn name(event_type: &str, _: &SessionRow) -> Option<&'static str> {
        Self::is_told(event_type).then_some("ivr.completed")
    }

    fn subject(row: &SessionRow) -> String {
        row.view.id.to_string()
    }

    fn agent(_: &SessionRow) -> Option<AgentId> {
        None
    }
}
