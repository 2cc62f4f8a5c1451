//! Finds events that no head covers.

use chrono::TimeDelta;
use domain::envelope::{Position, Time};
use domain::ports::event_store::LogTable;

use super::fault::{Faults, Kind};
use crate::out::say;
use crate::table::count;

/// Age from which an unsealed event is a fault. Sealing takes half a second, so it is not sealed at all, or
/// its seals were deleted.
const LATE: TimeDelta = TimeDelta::seconds(10);
/// How far a node's clock may be ahead of ours. Events with a later time count as late at once, or they never would.
const AHEAD: TimeDelta = TimeDelta::seconds(60);
/// Events read in one page.
const PAGE: usize = 2_048;

/// Adds a fault when one of the events from `sealed` to `head` is older than [`LATE`].
pub(super) async fn check(
    log: &dyn LogTable,
    (sealed, head): (u64, u64),
    now: Time,
    faults: &mut Faults,
) -> anyhow::Result<()> {
    let mut after = sealed;
    while after < head {
        let rows = log.rows(Position(after), Position(head), PAGE).await?;
        let Some(last) = rows.last() else { break };
        let reached = last.as_ref().map_or_else(|row| row.position, |event| event.position).0;
        // a row that is no event is a fault of its own
        let late = rows.iter().flatten().any(|event| {
            let age = now - event.recorded_at;
            age > LATE || age < -AHEAD
        });
        if late {
            let detail = match sealed {
                0 => "no signed head of the log is stored, and its events are not new: start a node, which makes \
                      the tree again if the log is what was sealed"
                    .to_owned(),
                _ => format!(
                    "the newest signed head covers {} events, and these are not new: start a node, which seals \
                     them if the log is what was sealed",
                    count(sealed)
                ),
            };
            faults.add(Kind::Unsealed, sealed + 1, head, detail);
            return Ok(());
        }
        after = reached.max(after + 1);
    }
    say!("{} of them are newer than the last signed head, and not sealed yet", count(head - sealed));
    Ok(())
}
