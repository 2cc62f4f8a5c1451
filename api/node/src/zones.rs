//! Chooses the time zone rules of a node at start: the newest available ones.

use std::fmt;
use std::path::{Path, PathBuf};

use adapters::database::chain_in_words;
use adapters::zoneinfo::{self, SYSTEM_FOLDER, ZoneFolderError};
use domain::zones::{ZoneRelease, Zones};

use crate::config::ZoneSource;

/// The chosen time zones, and the reason.
#[derive(Debug)]
pub struct ChosenZones {
    pub zones: Zones,
    pub why: ZoneChoice,
}

/// Why these time zones were chosen.
#[derive(Debug)]
pub enum ZoneChoice {
    /// The program's own: there is no folder to read.
    Bundled,
    /// Those of a folder, which are newer than the program's own.
    Folder(PathBuf),
    /// The program's own: the folder has the same release, or an older one.
    NotNewer(PathBuf, ZoneRelease),
    /// The program's own: the system's folder cannot be used.
    SystemUnusable(String),
}

impl fmt::Display for ZoneChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => f.write_str("bundled with the program"),
            Self::Folder(folder) => write!(f, "from {}", folder.display()),
            Self::NotNewer(folder, release) => {
                write!(f, "bundled with the program; {} has {release}", folder.display())
            }
            Self::SystemUnusable(error) => write!(f, "bundled with the program; the system's: {error}"),
        }
    }
}

impl ChosenZones {
    /// The newer of the program's own zones and those of the source. Fails when a folder that the operator
    /// named cannot be used.
    pub fn of(source: &ZoneSource) -> Result<Self, ZoneFolderError> {
        match source {
            ZoneSource::Bundled => Ok(Self::bundled(ZoneChoice::Bundled)),
            ZoneSource::Folder(folder) => Self::of_folder(folder),
            ZoneSource::System => Ok(Self::of_system(Path::new(SYSTEM_FOLDER))),
        }
    }

    fn bundled(why: ZoneChoice) -> Self {
        Self { zones: Zones::bundled(), why }
    }

    fn of_folder(folder: &Path) -> Result<Self, ZoneFolderError> {
        let release = zoneinfo::release(folder)?;
        if release <= *Zones::bundled_release() {
            return Ok(Self::bundled(ZoneChoice::NotNewer(folder.to_owned(), release)));
        }
        Ok(Self { zones: zoneinfo::read(folder)?, why: ZoneChoice::Folder(folder.to_owned()) })
    }

    /// The system's zones are optional: without usable ones the program uses its own.
    fn of_system(folder: &Path) -> Self {
        if !folder.exists() {
            return Self::bundled(ZoneChoice::Bundled);
        }
        Self::of_folder(folder)
            .unwrap_or_else(|error| Self::bundled(ZoneChoice::SystemUnusable(chain_in_words(&error))))
    }

    /// Writes the choice to the log output.
    pub fn announce(&self) {
        let (release, why) = (self.zones.release(), &self.why);
        match why {
            ZoneChoice::SystemUnusable(_) => {
                tracing::warn!(%release, %why, "time zones: the system's cannot be used");
            }
            _ => tracing::info!(%release, %why, "time zones"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use domain::testing::zones::fixed_zone;
    use tempfile::TempDir;

    use super::*;

    fn folder(release: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("+VERSION"), release).unwrap();
        fs::write(folder.path().join("UTC"), fixed_zone("<-03>3")).unwrap();
        folder
    }

    fn chosen(source: &ZoneSource) -> (String, ZoneChoice) {
        let chosen = ChosenZones::of(source).unwrap();
        (chosen.zones.release().to_string(), chosen.why)
    }

    #[test]
    fn the_newer_rules_are_chosen() {
        let bundled = Zones::bundled_release().to_string();
        let newer = folder("2099a");
        let (release, why) = chosen(&ZoneSource::Folder(newer.path().to_owned()));
        assert!(release == "2099a" && matches!(why, ZoneChoice::Folder(_)), "{why}");
        for same_or_older in [bundled.as_str(), "2025b"] {
            let older = folder(same_or_older);
            let (release, why) = chosen(&ZoneSource::Folder(older.path().to_owned()));
            assert!(release == bundled && matches!(why, ZoneChoice::NotNewer(..)), "{why}");
            assert!(why.to_string().ends_with(same_or_older), "{why}");
        }
        assert_eq!(chosen(&ZoneSource::Bundled).0, bundled);
    }

    #[test]
    fn a_folder_that_was_named_must_do_and_the_systems_need_not() {
        let empty = tempfile::tempdir().unwrap();
        assert!(ChosenZones::of(&ZoneSource::Folder(empty.path().to_owned())).is_err());
        let unusable = ChosenZones::of_system(empty.path());
        assert!(matches!(unusable.why, ZoneChoice::SystemUnusable(_)), "{}", unusable.why);
        let none = ChosenZones::of_system(&empty.path().join("none"));
        assert!(matches!(none.why, ZoneChoice::Bundled), "{}", none.why);
    }
}
