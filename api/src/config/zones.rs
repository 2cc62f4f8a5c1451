//! Where the rules of time zones come from.

use std::path::PathBuf;

use super::setting::section;
use super::value::Value;

section! {
    /// Time zones.
    pub struct ZonesConfig {
        /// Rules of time zones besides those the program carries, used when they are newer: `system` (the machine's own), `bundled` (none) or a folder of TZif files.
        zoneinfo: ZoneSource = "zoneinfo", "system";
    }
}

/// Where the rules of time zones come from, besides those the program carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZoneSource {
    /// The folder of the system, if it has one.
    System,
    /// Nowhere.
    Bundled,
    /// A folder of the operator's.
    Folder(PathBuf),
}

impl Value for ZoneSource {
    const ACCEPTS: &'static str = "`system`, `bundled`, or a folder of TZif files";

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "system" => Self::System,
            "bundled" => Self::Bundled,
            folder => Self::Folder(folder.into()),
        })
    }
}
