//! Which days are matched when. The carrier's records may come late, so each day is looked at three times.

use std::collections::{BTreeMap, BTreeSet};

use chrono::serde::ts_microseconds as micros;
use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use serde::{Deserialize, Serialize};

use super::day::MatchCounts;
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::BillingMatchScheduleId;
use crate::origin::Origin;
use crate::wire::events;

/// When a day is looked at, from its beginning: six hours after its end, and again when late records have come.
const LOOKS: [TimeDelta; 3] = [TimeDelta::hours(30), TimeDelta::hours(54), TimeDelta::hours(174)];
/// Days that are looked at by themselves. An older one that was missed is matched on request.
const BACK: u64 = 14;
/// Most days that may be requested and not yet matched.
const MOST_REQUESTED: usize = 32;
/// A request for a day that was requested less than this ago adds nothing: no run has begun since.
const SAME_REQUEST: TimeDelta = TimeDelta::seconds(10);
/// Days whose last run is remembered.
const REMEMBERED: usize = 64;

events! {
    pub enum MatchScheduleEvent {
        /// Somebody asked for a run over a day.
        Requested(RunRequested) = "billing_match_schedule.requested" v 1,
        /// All clients' calls of a day were matched.
        Finished(DaysMatched) = "billing_match_schedule.finished" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRequested {
    /// The day in UTC.
    pub day: NaiveDate,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DaysMatched {
    /// The day in UTC.
    pub day: NaiveDate,
    /// When the run began: what was requested later is still to do.
    #[serde(with = "micros")]
    pub began_at: Time,
    /// Clients that have calls or findings.
    pub clients: u64,
    /// Clients whose calls could not be judged, as the carrier gave no records.
    pub failed: u64,
    pub counts: MatchCounts,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum MatchScheduleCommand {
    Request { day: NaiveDate, origin: Origin, now: Time },
    Finish(DaysMatched),
}

/// Why no run over a day begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MatchScheduleRefusal {
    #[error("the day has not begun yet")]
    Future,
    #[error("the day is more than 400 days ago")]
    TooOld,
    #[error("32 days are waiting already: ask again later")]
    TooMany,
}

/// State of the schedule, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct MatchSchedule {
    requested: BTreeMap<NaiveDate, Time>,
    /// When the last run over a day began.
    ran: BTreeMap<NaiveDate, Time>,
}

/// The day in UTC.
#[must_use]
pub fn day_of_time(at: Time) -> NaiveDate {
    at.date_naive()
}

/// When a day begins in UTC.
#[must_use]
pub fn begin_of(day: NaiveDate) -> Time {
    day.and_time(NaiveTime::MIN).and_utc()
}

impl MatchSchedule {
    /// The days that are due: those requested, and those whose look has come since their last run. None before
    /// `first`, the day on which the log began.
    #[must_use]
    pub fn due(&self, now: Time, first: NaiveDate) -> BTreeSet<NaiveDate> {
        let today = day_of_time(now);
        let mut due: BTreeSet<_> = self.requested.keys().copied().collect();
        let days = (1..=BACK).filter_map(|back| today.checked_sub_days(Days::new(back)));
        due.extend(days.filter(|day| *day >= first).filter(|day| {
            let looks = LOOKS.iter().map(|after| begin_of(*day) + *after).filter(|look| *look <= now);
            looks.max().is_some_and(|look| self.ran.get(day).is_none_or(|ran| *ran < look))
        }));
        due
    }

    /// Whether a run over the day was requested and is not done.
    #[must_use]
    pub fn is_requested(&self, day: NaiveDate) -> bool {
        self.requested.contains_key(&day)
    }
}

impl Aggregate for MatchSchedule {
    const CATEGORY: &'static str = BillingMatchScheduleId::CATEGORY;
    type Command = MatchScheduleCommand;
    type Event = MatchScheduleEvent;
    type Refusal = MatchScheduleRefusal;

    fn decide(
        &self,
        command: &MatchScheduleCommand,
    ) -> Result<Vec<MatchScheduleEvent>, MatchScheduleRefusal> {
        match command {
            MatchScheduleCommand::Request { day, origin, now } => {
                let today = day_of_time(*now);
                if *day > today {
                    Err(MatchScheduleRefusal::Future)
                } else if (today - *day).num_days() > 400 {
                    Err(MatchScheduleRefusal::TooOld)
                } else if self.requested.get(day).is_some_and(|at| *now - *at < SAME_REQUEST) {
                    Ok(vec![])
                } else if self.requested.len() >= MOST_REQUESTED && !self.requested.contains_key(day) {
                    Err(MatchScheduleRefusal::TooMany)
                } else {
                    Ok(vec![RunRequested { day: *day, origin: origin.clone(), at: *now }.into()])
                }
            }
            MatchScheduleCommand::Finish(finished) => Ok(vec![finished.clone().into()]),
        }
    }

    fn evolve(&mut self, event: &MatchScheduleEvent) {
        match event {
            MatchScheduleEvent::Requested(requested) => {
                self.requested.insert(requested.day, requested.at);
            }
            MatchScheduleEvent::Finished(finished) => {
                if self.requested.get(&finished.day).is_some_and(|at| *at <= finished.began_at) {
                    self.requested.remove(&finished.day);
                }
                self.ran.insert(finished.day, finished.began_at);
                while self.ran.len() > REMEMBERED {
                    self.ran.pop_first();
                }
            }
        }
    }
}

impl BillingMatchScheduleId {
    /// The schedule of the node's clients.
    pub const OF_NODE: Self = Self(uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0012));
}
