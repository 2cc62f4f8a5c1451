//! Checks which time zone rules a node would use, and whether they may be outdated.

use adapters::database::chain_in_words;
use chrono::{Datelike as _, NaiveDate};
use domain::envelope::Time;
use domain::zones::ZoneRelease;

use super::Finding;
use api_node::config::Config;
use api_node::{ChosenZones, ZoneChoice};

const WHAT: &str = "time zones";

pub(super) fn examine(config: &Config, now: Time) -> Finding {
    match ChosenZones::of(&config.zones.zoneinfo) {
        Ok(chosen) => judge(chosen.zones.release(), &chosen.why, now.date_naive()),
        Err(error) => Finding::fail(
            WHAT,
            chain_in_words(&error),
            "correct VOXLEDGER_ZONEINFO: a folder of TZif files that names its release, `system` or `bundled`",
        ),
    }
}

fn judge(release: &ZoneRelease, why: &ZoneChoice, today: NaiveDate) -> Finding {
    let found = format!("IANA {release}, {why}");
    if may_be_old(release, today) {
        let advice = "some zone has surely changed since: install the system's newest package tzdata or name a \
                      folder by VOXLEDGER_ZONEINFO, and restart";
        return Finding::warn(WHAT, found, advice);
    }
    match why {
        ZoneChoice::SystemUnusable(_) => {
            let advice = "mend the system's package tzdata, or set VOXLEDGER_ZONEINFO=bundled";
            Finding::warn(WHAT, found, advice)
        }
        _ => Finding::ok(WHAT, found),
    }
}

/// Whether the release may be outdated: so far every year had a release before its July.
fn may_be_old(release: &ZoneRelease, today: NaiveDate) -> bool {
    let (year, last) = (today.year(), i32::from(release.year()));
    year > last + 1 || (year == last + 1 && today.month() >= 7)
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn rules_that_must_have_been_followed_by_others_are_worth_a_word() {
        let release: ZoneRelease = "2026f".parse().unwrap();
        for (today, wanted) in [
            ("2026-12-01", State::Ok),
            ("2027-06-30", State::Ok),
            ("2027-07-01", State::Warn),
            ("2028-01-01", State::Warn),
        ] {
            let finding = judge(&release, &ZoneChoice::Bundled, today.parse().unwrap());
            assert_eq!(finding.state, wanted, "{today}");
            assert!(finding.found.contains("2026f"), "{}", finding.found);
        }
    }

    #[test]
    fn a_system_whose_rules_cannot_be_used_is_worth_a_word() {
        let why = ZoneChoice::SystemUnusable("it is empty".to_owned());
        let finding = judge(&"2026f".parse().unwrap(), &why, "2026-12-01".parse().unwrap());
        assert!(finding.state == State::Warn && finding.found.contains("it is empty"), "{finding:?}");
    }
}
