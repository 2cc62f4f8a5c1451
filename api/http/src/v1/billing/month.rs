//! A month of a statement, in a time zone.

use std::str::FromStr;

use chrono::{Datelike as _, Days, Months, NaiveDate, NaiveTime, TimeDelta};
use domain::envelope::Time;
use domain::zones::Zone;

/// A month as statements name it: `2026-05`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Month(NaiveDate);

impl FromStr for Month {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (year, month) = text.split_once('-').ok_or(())?;
        let digits = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return Err(());
        }
        let first = NaiveDate::from_ymd_opt(year.parse().map_err(|_| ())?, month.parse().map_err(|_| ())?, 1);
        first.filter(|first| (1970..=9998).contains(&first.year())).map(Self).ok_or(())
    }
}

impl Month {
    /// When the month begins and ends at the place; in UTC without one.
    pub(super) fn period(self, zone: Option<&Zone>) -> (Time, Time) {
        let next = self.0.checked_add_months(Months::new(1)).unwrap_or(self.0);
        (begin(self.0, zone), begin(next, zone))
    }
}

/// The first moment of a day at the place. Offsets are multiples of 15 minutes and below a day.
fn begin(day: NaiveDate, zone: Option<&Zone>) -> Time {
    let midnight = day.and_time(NaiveTime::MIN);
    let utc = midnight.and_utc();
    let Some(zone) = zone else { return utc };
    let Some(earliest) = day.checked_sub_days(Days::new(1)) else { return utc };
    let earliest = earliest.and_time(NaiveTime::MIN).and_utc();
    let moments = (0..=4 * 48).map(|quarter| earliest + TimeDelta::minutes(15 * quarter));
    moments.into_iter().find(|moment| zone.local(*moment) >= midnight).unwrap_or(utc)
}

#[cfg(test)]
mod tests {
    use domain::zones::Zones;

    use super::*;

    fn period(month: &str, zone: Option<&str>) -> (String, String) {
        let zones = Zones::bundled();
        let zone = zone.map(|name| zones.find(name).unwrap());
        let (from, to) = month.parse::<Month>().unwrap().period(zone.as_ref());
        (from.to_rfc3339(), to.to_rfc3339())
    }

    #[test]
    fn a_month_begins_where_the_client_is() {
        let utc = ("2026-03-01T00:00:00+00:00".to_owned(), "2026-04-01T00:00:00+00:00".to_owned());
        assert_eq!(period("2026-03", None), utc);
        let berlin = ("2026-02-28T23:00:00+00:00".to_owned(), "2026-03-31T22:00:00+00:00".to_owned());
        assert_eq!(period("2026-03", Some("Europe/Berlin")), berlin);
        let nepal = ("2026-02-28T18:15:00+00:00".to_owned(), "2026-03-31T18:15:00+00:00".to_owned());
        assert_eq!(period("2026-03", Some("Asia/Kathmandu")), nepal);
        let hawaii = ("2026-12-01T10:00:00+00:00".to_owned(), "2027-01-01T10:00:00+00:00".to_owned());
        assert_eq!(period("2026-12", Some("Pacific/Honolulu")), hawaii);
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for bad in ["", "2026", "2026-13", "2026-00", "2026-1", "26-01", "2026-01-01", "+026-01", "9999-12"] {
            assert_eq!(bad.parse::<Month>(), Err(()), "{bad}");
        }
    }
}
