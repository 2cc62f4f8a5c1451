//! What a call adds to the sums of the hour in which it began.

use domain::call::terms::{Direction, EndReason, Status};

use super::fold::CallRow;
use crate::rollup::{Contribution, Counts};

/// The counts of a call, under its agent. One that was merged into another call counts there alone.
pub(super) fn count(row: &CallRow) -> Contribution {
    let view = &row.view;
    let contribution = |counts| Contribution {
        client: row.client,
        at: view.created_at,
        subject: view.agent_id.map(|agent| agent.0),
        counts,
    };
    let mut counts = Counts::default();
    if view.end_reason == Some(EndReason::Merged) {
        return contribution(counts);
    }
    counts.one("calls");
    counts.one(match view.direction {
        Direction::Inbound => "direction:inbound",
        Direction::Outbound => "direction:outbound",
    });
    if view.answered_at.is_some() {
        counts.one("answered");
    }
    match view.status {
        Status::Ended => counts.one("status:ended"),
        Status::Failed => counts.one("status:failed"),
        _ => {}
    }
    if let (Some(reason), Some(fault)) = (view.end_reason, view.fault) {
        counts.one(format!("end:{}:{}", reason.as_str(), fault.as_str()));
    }
    if let Some(duration) = view.duration_ms {
        counts.value("duration_ms", duration);
    }
    if let Some(cost) = &view.cost {
        counts.number(format!("cost:{}", cost.currency), cost.amount_micros);
    }
    contribution(counts)
}
