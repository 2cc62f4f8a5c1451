//! When a menu is open: weekly windows on the clock of a place, and days that are different.

use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::action::Action;
use crate::envelope::Time;

/// Most days that are different.
pub const MAX_OVERRIDES: usize = 400;
/// Most windows a day.
pub const MAX_WINDOWS: usize = 10;

/// When a menu is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hours {
    /// Whose clock: an IANA zone.
    pub timezone: String,
    /// Windows of each day of the week, Monday first.
    pub weekly: [Vec<Window>; 7],
    /// Days that are different.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// What comes instead of the menu while it is closed.
    pub closed: Action,
}

/// From one minute of the day to another; one that ends no later than it begins goes on into the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Minutes after midnight, 0 to 1439.
    pub from: u16,
    /// Minutes after midnight, 1 to 1440; not included.
    pub to: u16,
}

/// A day that is different. Without windows it is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The day there.
    pub date: NaiveDate,
    /// When it is open on that day, in place of the usual windows.
    pub windows: Vec<Window>,
}

impl Window {
    fn wraps(self) -> bool {
        self.to <= self.from
    }

    /// Whether the minute of the window's own day is in it.
    fn has(self, minute: u16) -> bool {
        self.from <= minute && (self.wraps() || minute < self.to)
    }

    /// Whether the minute of the day after is in it.
    fn spills_to(self, minute: u16) -> bool {
        self.wraps() && minute < self.to
    }
}

/// The text is not a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a time of day like 09:30, at most 24:00")]
pub struct BadTimeOfDay;

/// Minutes after midnight of `HH:MM`.
///
/// # Errors
/// When it is none.
pub fn minutes(text: &str) -> Result<u16, BadTimeOfDay> {
    if text == "24:00" {
        return Ok(1440);
    }
    let shape = text.len() == 5 && text.is_ascii();
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok().filter(|_| shape).ok_or(BadTimeOfDay)?;
    u16::try_from(time.hour() * 60 + time.minute()).map_err(|_| BadTimeOfDay)
}

/// `HH:MM` of minutes after midnight.
#[must_use]
pub fn time_of_day(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

impl Hours {
    /// Whether there is such a zone.
    #[must_use]
    pub fn zone_exists(name: &str) -> bool {
        Tz::from_str(name).is_ok()
    }

    /// Whether it is open at a moment.
    ///
    /// Every moment has exactly one time of day in a zone, so clocks that are put forward or back need no rule: a
    /// window over the hour that comes twice is open twice as long, over the one that is left out it is shorter.
    #[must_use]
    pub fn is_open(&self, at: Time) -> bool {
        // a zone that a later version no longer knows is as good as UTC, and validation lets none in
        let zone = Tz::from_str(&self.timezone).unwrap_or(Tz::UTC);
        let local = at.with_timezone(&zone).naive_local();
        let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0);
        let today = self.windows(local.date());
        let yesterday = local.date().pred_opt().map(|day| self.windows(day)).unwrap_or_default();
        today.iter().any(|window| window.has(minute))
            || yesterday.iter().any(|window| window.spills_to(minute))
    }

    fn windows(&self, day: NaiveDate) -> &[Window] {
        let different = self.overrides.iter().find(|other| other.date == day);
        let usual = || &self.weekly[day.weekday().num_days_from_monday() as usize];
        different.map_or_else(usual, |other| &other.windows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: &str, to: &str) -> Window {
        Window { from: minutes(from).unwrap(), to: minutes(to).unwrap() }
    }

    fn every_day(zone: &str, windows: &[Window]) -> Hours {
        Hours {
            timezone: zone.to_owned(),
            weekly: std::array::from_fn(|_| windows.to_vec()),
            overrides: vec![],
            closed: Action::Hangup,
        }
    }

    fn open(hours: &Hours, utc: &str) -> bool {
        hours.is_open(chrono::DateTime::parse_from_rfc3339(utc).unwrap().to_utc())
    }

    #[test]
    fn a_window_holds_its_first_minute_and_not_its_last() {
        let hours = every_day("UTC", &[window("09:00", "17:00")]);
        for (at, wanted) in [("08:59:59", false), ("09:00:00", true), ("16:59:59", true), ("17:00:00", false)]
        {
            assert_eq!(open(&hours, &format!("2026-01-15T{at}Z")), wanted, "{at}");
        }
        let always = every_day("UTC", &[window("00:00", "24:00")]);
        assert!(open(&always, "2026-01-15T00:00:00Z") && open(&always, "2026-01-15T23:59:59Z"));
    }

    #[test]
    fn windows_are_those_of_the_weekday_there() {
        let mut hours = every_day("America/New_York", &[]);
        hours.weekly[4] = vec![window("09:00", "17:00")]; // Friday
        // 2026-01-16 is a Friday; in New York it begins at 05:00 UTC
        assert!(!open(&hours, "2026-01-16T13:59:00Z") && open(&hours, "2026-01-16T14:00:00Z"));
        assert!(open(&hours, "2026-01-16T21:59:00Z") && !open(&hours, "2026-01-16T22:00:00Z"));
        assert!(!open(&hours, "2026-01-15T15:00:00Z"));
    }

    #[test]
    fn the_same_wall_clock_holds_on_both_sides_of_a_clock_change() {
        let hours = every_day("Europe/Berlin", &[window("09:00", "17:00")]);
        // winter UTC+1 until 2026-03-29, summer UTC+2 after
        assert!(!open(&hours, "2026-03-28T07:30:00Z") && open(&hours, "2026-03-28T08:00:00Z"));
        assert!(open(&hours, "2026-03-30T07:00:00Z") && !open(&hours, "2026-03-30T15:00:00Z"));
    }

    #[test]
    fn the_hour_that_is_left_out_and_the_one_that_comes_twice_need_no_rule() {
        let hours = every_day("Europe/Berlin", &[window("02:00", "03:00")]);
        // 2026-03-29: 01:59:59 local is followed by 03:00:00
        assert!(!open(&hours, "2026-03-29T00:59:59Z") && !open(&hours, "2026-03-29T01:00:00Z"));
        // 2026-10-25: 02:00 to 03:00 comes twice, 00:00 to 02:00 UTC
        for (at, wanted) in [("2026-10-24T23:59:59Z", false), ("2026-10-25T00:30:00Z", true)] {
            assert_eq!(open(&hours, at), wanted, "{at}");
        }
        assert!(open(&hours, "2026-10-25T01:30:00Z") && !open(&hours, "2026-10-25T02:00:00Z"));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        let mut hours = every_day("UTC", &[]);
        hours.weekly[4] = vec![window("22:00", "02:00")]; // Friday, 2026-01-16
        assert!(open(&hours, "2026-01-16T23:00:00Z") && open(&hours, "2026-01-17T01:59:00Z"));
        assert!(!open(&hours, "2026-01-17T02:00:00Z") && !open(&hours, "2026-01-16T01:00:00Z"));
        assert!(!open(&hours, "2026-01-17T23:00:00Z"));
    }

    #[test]
    fn a_day_that_is_different_replaces_the_usual_windows() {
        let mut hours = every_day("UTC", &[window("09:00", "17:00")]);
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        hours.overrides = vec![
            Override { date: day("2026-12-25"), windows: vec![] },
            Override { date: day("2026-12-24"), windows: vec![window("09:00", "12:00")] },
        ];
        assert!(!open(&hours, "2026-12-25T10:00:00Z"));
        assert!(open(&hours, "2026-12-24T11:59:00Z") && !open(&hours, "2026-12-24T12:00:00Z"));
        assert!(open(&hours, "2026-12-26T16:00:00Z"));
    }

    #[test]
    fn times_of_day_are_read_strictly() {
        for bad in ["", "9:00", "24:01", "09:60", "0900", "09:00:00", "ab:cd", "-1:00"] {
            assert_eq!(minutes(bad), Err(BadTimeOfDay), "{bad}");
        }
        assert_eq!((minutes("00:00"), minutes("24:00")), (Ok(0), Ok(1440)));
        assert_eq!(time_of_day(minutes("07:05").unwrap()), "07:05");
        assert!(Hours::zone_exists("Europe/Berlin") && !Hours::zone_exists("Mars/Olympus"));
    }
}
