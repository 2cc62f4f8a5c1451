//! Sets our calls beside the carrier's own records and the ledger: what one side has and the others have not.
//!
//! ```text
//! carrier's records ─▶ RecordTable ─┐
//! our calls, each with its charge ──┴▶ claim ─▶ judge ─▶ findings ─▶ MatchDay (a client's day)
//! ```
//!
//! Calls and records meet by the carrier's ids of leg and session. Nothing here knows a phone number.

mod day;
mod finding;
mod judge;
mod record;
mod schedule;
mod table;
#[cfg(test)]
mod tests;

pub use day::{MatchCommand, MatchCounts, MatchDay, MatchEvent, MatchListed, MatchRan, MatchSettled};
pub use finding::{CarrierSide, Finding, MatchState, OurSide};
pub use judge::{Judged, MatchTerms, judge, theirs_only};
pub use record::{CallKind, CarrierId, CarrierRecord, Charge, OurCall};
pub use schedule::{
    DaysMatched, MatchSchedule, MatchScheduleCommand, MatchScheduleEvent, MatchScheduleRefusal, RunRequested,
    begin_of, day_of_time,
};
pub use table::{Claim, RecordCollector, RecordTable, TooManyRecords};
