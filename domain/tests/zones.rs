//! The rules of time zones the program carries, against another reader of the same release.
//!
//! The table holds zones whose laws changed in 2026 and those that move their clocks at odd hours or by odd amounts.
//! A newer release may rightly differ from it: then make the table anew.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::envelope::Time;
use domain::zones::Zones;

#[test]
fn the_bundled_rules_change_when_the_table_says() {
    let table = include_str!("data/zone_changes_2026f.txt");
    let mut changes: BTreeMap<&str, Vec<(Time, i64)>> = BTreeMap::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [zone, at, offset] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        changes.entry(zone).or_default().push((at.parse().unwrap(), offset.parse().unwrap()));
    }
    assert_eq!(changes.len(), 32);
    let end: Time = "2027-09-01T00:00:00Z".parse().unwrap();
    for (name, changes) in changes {
        let zone = Zones::bundled().find(name).unwrap();
        let until = changes.iter().skip(1).map(|(at, _)| *at).chain([end]);
        for ((from, offset), until) in changes.iter().zip(until) {
            for at in [*from, *from + (until - from) / 2, until - TimeDelta::seconds(1)] {
                let seconds = (zone.local(at) - at.naive_utc()).num_seconds();
                assert_eq!(seconds, *offset, "{name} at {at}");
            }
        }
    }
}
