//! Moments at which a menu is open or closed.

use super::*;
use crate::testing::zones::fixed_zone;

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
    hours.decide(&Zones::bundled(), utc.parse().unwrap()).open
}

#[test]
fn a_window_holds_its_first_minute_and_not_its_last() {
    let hours = every_day("UTC", &[window("09:00", "17:00")]);
    for (at, wanted) in [("08:59:59", false), ("09:00:00", true), ("16:59:59", true), ("17:00:00", false)] {
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
}

#[test]
fn a_menu_is_open_by_the_newest_rules_of_its_zone() {
    let hours = |zone: &str| every_day(zone, &[window("09:00", "17:00")]);
    // no longer put back in autumn 2026, or already put back in September; each was an hour off by older data
    for (zone, opens) in [
        ("America/Vancouver", "2026-11-10T16:00:00Z"),
        ("America/Edmonton", "2026-11-10T15:00:00Z"),
        ("America/Winnipeg", "2026-11-10T14:00:00Z"),
        ("America/Havana", "2026-11-10T13:00:00Z"),
        ("Africa/Casablanca", "2026-09-21T09:00:00Z"),
    ] {
        let opens: Time = opens.parse().unwrap();
        let second = chrono::TimeDelta::seconds(1);
        let zones = Zones::bundled();
        let decide = |at| hours(zone).decide(&zones, at).open;
        assert!(!decide(opens - second) && decide(opens), "{zone}");
        let closes = opens + chrono::TimeDelta::hours(8);
        assert!(decide(closes - second) && !decide(closes), "{zone}");
    }
}

#[test]
fn a_decision_names_the_release_of_the_zone_it_was_made_with() {
    let at: Time = "2026-11-10T16:30:00Z".parse().unwrap();
    let hours = every_day("America/Vancouver", &[window("09:00", "17:00")]);
    let bundled = hours.decide(&Zones::bundled(), at);
    assert_eq!(bundled.release.as_ref(), Some(Zones::bundled_release()));
    assert!(bundled.open);
    let files = [("America/Vancouver".to_owned(), fixed_zone("<-08>8"))];
    let newer = Zones::from_files("2099a".parse().unwrap(), files).unwrap();
    assert_eq!(hours.decide(&newer, at), HoursDecision { open: false, release: "2099a".parse().ok() });
}

#[test]
fn a_zone_that_nobody_knows_is_closed_and_not_taken_for_utc() {
    let always = [window("00:00", "24:00")];
    for zone in ["Etc/Unknown", "Mars/Olympus", "", "../../etc/passwd"] {
        let decision =
            every_day(zone, &always).decide(&Zones::bundled(), "2026-11-10T12:00:00Z".parse().unwrap());
        assert_eq!(decision, HoursDecision { open: false, release: None }, "{zone}");
    }
}

#[test]
fn nothing_of_the_day_before_reaches_into_a_day_that_is_different() {
    let mut hours = every_day("UTC", &[window("20:00", "04:00")]);
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    hours.overrides = vec![Override { date: day("2026-12-25"), windows: vec![] }];
    // the night from the 24th ends at midnight: the whole 25th is closed
    assert!(open(&hours, "2026-12-24T23:59:59Z") && !open(&hours, "2026-12-25T00:00:00Z"));
    assert!(!open(&hours, "2026-12-25T03:59:00Z") && !open(&hours, "2026-12-25T21:00:00Z"));
    // the 25th has no night that could go on: the 26th begins closed, and has its own evening
    assert!(!open(&hours, "2026-12-26T00:00:00Z") && !open(&hours, "2026-12-26T03:00:00Z"));
    assert!(open(&hours, "2026-12-26T20:00:00Z") && open(&hours, "2026-12-27T03:59:00Z"));
    // a short day keeps its own hours alone
    hours.overrides[0].windows = vec![window("02:00", "03:00")];
    assert!(!open(&hours, "2026-12-25T01:59:00Z") && open(&hours, "2026-12-25T02:00:00Z"));
    assert!(!open(&hours, "2026-12-25T03:00:00Z"));
}

#[test]
fn a_night_of_a_day_that_is_different_goes_on_into_an_ordinary_day_only() {
    let mut hours = every_day("UTC", &[window("09:00", "17:00")]);
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    hours.overrides = vec![Override { date: day("2026-12-31"), windows: vec![window("18:00", "02:00")] }];
    assert!(!open(&hours, "2026-12-31T10:00:00Z") && open(&hours, "2026-12-31T18:00:00Z"));
    assert!(open(&hours, "2027-01-01T01:59:00Z") && !open(&hours, "2027-01-01T02:00:00Z"));
    assert!(open(&hours, "2027-01-01T09:00:00Z"), "the day after has its usual windows too");
    hours.overrides.push(Override { date: day("2027-01-01"), windows: vec![] });
    assert!(open(&hours, "2026-12-31T23:59:00Z") && !open(&hours, "2027-01-01T00:00:00Z"));
    // who wants the night to go on says so on the next day
    hours.overrides[1].windows = vec![window("00:00", "02:00")];
    assert!(open(&hours, "2027-01-01T01:59:00Z") && !open(&hours, "2027-01-01T02:00:00Z"));
}

#[test]
fn the_day_that_is_different_is_that_of_the_zone() {
    let mut hours = every_day("America/Vancouver", &[window("20:00", "04:00")]);
    hours.overrides = vec![Override { date: "2026-12-25".parse().unwrap(), windows: vec![] }];
    // the 25th there is 07:00 UTC to 07:00 UTC
    assert!(open(&hours, "2026-12-25T06:59:59Z") && !open(&hours, "2026-12-25T07:00:00Z"));
    assert!(!open(&hours, "2026-12-26T06:59:59Z") && !open(&hours, "2026-12-26T07:00:00Z"));
    assert!(open(&hours, "2026-12-27T03:00:00Z"));
}

#[test]
fn clocks_may_be_moved_by_half_an_hour() {
    // Lord Howe, 2026-10-04: 01:59 (+10:30) is followed by 02:30 (+11); 2027-04-04: 02:00 falls back to 01:30
    let gap = every_day("Australia/Lord_Howe", &[window("02:00", "02:30")]);
    for at in ["2026-10-03T15:29:59Z", "2026-10-03T15:30:00Z", "2026-10-03T15:45:00Z"] {
        assert!(!open(&gap, at), "{at}");
    }
    assert!(open(&gap, "2026-10-04T15:00:00Z") && !open(&gap, "2026-10-04T15:30:00Z"));
    // a window that begins inside the half hour that comes twice opens, closes and opens again
    let twice = every_day("Australia/Lord_Howe", &[window("01:45", "03:00")]);
    for (at, wanted) in [
        ("2027-04-03T14:44:00Z", false),
        ("2027-04-03T14:45:00Z", true),
        ("2027-04-03T14:59:59Z", true),
        ("2027-04-03T15:00:00Z", false),
        ("2027-04-03T15:15:00Z", true),
        ("2027-04-03T16:30:00Z", false),
    ] {
        assert_eq!(open(&twice, at), wanted, "{at}");
    }
}

#[test]
fn clocks_may_be_moved_at_midnight() {
    // Santiago, 2026-09-06: 23:59 is followed by 01:00; a window within the first hour does not come that day
    let first = every_day("America/Santiago", &[window("00:00", "01:00")]);
    assert!(!open(&first, "2026-09-06T03:59:59Z") && !open(&first, "2026-09-06T04:00:00Z"));
    assert!(open(&first, "2026-09-05T04:00:00Z") && open(&first, "2026-09-07T03:00:00Z"));
    let whole = every_day("America/Santiago", &[window("00:00", "24:00")]);
    assert!(open(&whole, "2026-09-06T03:59:59Z") && open(&whole, "2026-09-06T04:00:00Z"));
    // a night goes over the gap, and is an hour shorter
    let night = every_day("America/Santiago", &[window("22:00", "02:00")]);
    assert!(open(&night, "2026-09-06T04:59:00Z") && !open(&night, "2026-09-06T05:00:00Z"));
    // 2027-04-04: midnight falls back to 23:00 of the day before, which is that day again
    let mut closed = every_day("America/Santiago", &[window("00:00", "24:00")]);
    closed.overrides = vec![Override { date: "2027-04-04".parse().unwrap(), windows: vec![] }];
    assert!(open(&closed, "2027-04-04T02:59:59Z") && open(&closed, "2027-04-04T03:00:00Z"));
    assert!(open(&closed, "2027-04-04T03:59:59Z") && !open(&closed, "2027-04-04T04:00:00Z"));
    assert!(!open(&closed, "2027-04-05T03:59:59Z") && open(&closed, "2027-04-05T04:00:00Z"));
}

#[test]
fn a_whole_day_has_no_seam_at_midnight() {
    let hours = every_day("Europe/Berlin", &[window("00:00", "24:00")]);
    for at in ["2026-10-24T21:59:59Z", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"]
    {
        assert!(open(&hours, at), "{at}");
    }
    let evening = every_day("UTC", &[window("22:00", "24:00")]);
    assert!(open(&evening, "2026-01-15T23:59:59Z") && !open(&evening, "2026-01-16T00:00:00Z"));
}
