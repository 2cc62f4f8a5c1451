//! Settings of time zone rules.

use std::path::PathBuf;

use super::setting::section;
use super::value::Value;

section! {
    /// Source of time zone rules.
    pub struct ZonesConfig {
        /// Rules of time zones besides those the program carries, used when they are newer: `system` (the machine's
        /// own), `bundled` (none) or a folder of TZif files.
        zoneinfo: ZoneSource = "zoneinfo", "system";
    }
}

/// Source of time zone rules besides those built into the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZoneSource {
    /// The folder of the operating system, if it has one.
    System,
    /// No other source than the program.
    Bundled,
    /// A folder that the operator names.
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
