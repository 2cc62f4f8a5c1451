//! When a menu is open: weekly windows in a time zone, and days that differ.
//!
//! A window belongs to the day it begins on. One that ends no later than it begins goes on after midnight, unless
//! the next day is an override: that replaces the whole calendar day, 00:00 to 24:00, and nothing of the day before
//! reaches into it, be it the usual windows or another override's. An override's own window goes on into an ordinary
//! next day. ADR 0028 has the cases.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use serde::{Deserialize, Serialize};

use super::action::Action;
use crate::envelope::Time;
use crate::zones::{ZoneRelease, Zones};

/// Most override days a menu may have.
pub const MAX_OVERRIDES: usize = 400;
/// Most windows on one day.
pub const MAX_WINDOWS: usize = 10;

/// Opening hours of a menu.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hours {
    /// Name of an IANA time zone, written exactly as IANA does; old names such as `Asia/Calcutta` too.
    pub timezone: String,
    /// Windows of each day of the week, Monday first.
    pub weekly: [Vec<Window>; 7],
    /// Days that differ from the weekly windows.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// Action in place of the menu while it is closed.
    pub closed: Action,
}

/// A time of opening on a day. One that ends no later than it begins goes on into the next day, unless that
/// day is an override.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Minutes after midnight, 0 to 1439.
    pub from: u16,
    /// Minutes after midnight, 1 to 1440, exclusive.
    pub to: u16,
}

/// A day that differs from the weekly windows, from 00:00 to 24:00. Without windows it is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Date in the time zone of the hours.
    pub date: NaiveDate,
    /// Windows of that day, in place of the weekly ones and of any that began the day before.
    pub windows: Vec<Window>,
}

impl Window {
    fn wraps(self) -> bool {
        self.to <= self.from
    }

    /// Whether a minute of the window's own day is in it.
    fn has(self, minute: u16) -> bool {
        self.from <= minute && (self.wraps() || minute < self.to)
    }

    /// Whether a minute of the next day is in it.
    fn spills_to(self, minute: u16) -> bool {
        self.wraps() && minute < self.to
    }
}

/// The text is not a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a time of day like 09:30, at most 24:00")]
pub struct BadTimeOfDay;

/// Parses `HH:MM`, at most `24:00`, into minutes after midnight. Fails when the text is not a time of day.
pub fn minutes(text: &str) -> Result<u16, BadTimeOfDay> {
    if text == "24:00" {
        return Ok(1440);
    }
    let shape = text.len() == 5 && text.is_ascii();
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok().filter(|_| shape).ok_or(BadTimeOfDay)?;
    u16::try_from(time.hour() * 60 + time.minute()).map_err(|_| BadTimeOfDay)
}

/// Formats minutes after midnight as `HH:MM`.
#[must_use]
pub fn time_of_day(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Whether a menu is open at a moment, and by which rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoursDecision {
    pub open: bool,
    /// The release of the time zone rules it was decided with; `None` when there is no such zone.
    pub release: Option<ZoneRelease>,
}

impl Hours {
    /// Decides whether the menu is open at a moment. In an unknown zone it is closed: validation lets none
    /// in, and another zone in its place would open it at a wrong time.
    ///
    /// We convert the moment to wall time, never the ends of a window to moments. So clock changes need no
    /// rule: a window over the hour that comes twice is open twice as long, or opens twice when it begins in
    /// it; a window over the hour that is skipped is shorter, or does not open that day.
    #[must_use]
    pub fn decide(&self, zones: &Zones, at: Time) -> HoursDecision {
        let zone = zones.find(&self.timezone);
        HoursDecision {
            open: zone.as_ref().is_some_and(|zone| self.is_open(zone.local(at))),
            release: zone.map(|zone| zone.release().clone()),
        }
    }

    fn is_open(&self, local: NaiveDateTime) -> bool {
        let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0);
        let today = local.date();
        if self.windows(today).iter().any(|window| window.has(minute)) {
            return true;
        }
        let before = today.pred_opt().filter(|_| self.override_of(today).is_none());
        before.is_some_and(|day| self.windows(day).iter().any(|window| window.spills_to(minute)))
    }

    fn override_of(&self, day: NaiveDate) -> Option<&Override> {
        self.overrides.iter().find(|other| other.date == day)
    }

    fn windows(&self, day: NaiveDate) -> &[Window] {
        let usual = || &self.weekly[day.weekday().num_days_from_monday() as usize];
        self.override_of(day).map_or_else(usual, |other| &other.windows)
    }
}

#[cfg(test)]
mod tests;
