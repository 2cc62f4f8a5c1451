//! Configuration errors, each with what to change.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file has a key that no section declares.
    #[error("{file} has the unknown key `{key}`{}", hint(.nearest))]
    UnknownKey {
        file: PathBuf,
        /// The dotted key in the file.
        key: String,
        /// The declared key that looks most like it; `None` when none is close.
        nearest: Option<String>,
    },
    /// An environment variable with our prefix that is no setting.
    #[error("unknown environment variable {name}{}", hint(.nearest))]
    UnknownVariable {
        name: String,
        /// The known variable that looks most like it; `None` when none is close.
        nearest: Option<String>,
    },
    /// A value that cannot be parsed.
    #[error("`{key}` ({origin}) cannot be {shown}: give {accepts}")]
    BadValue {
        /// The dotted key of the setting.
        key: &'static str,
        /// Where the value came from.
        origin: String,
        /// The value, unless it is a secret.
        shown: String,
        /// What the setting accepts.
        accepts: &'static str,
    },
    /// Two settings that exclude each other.
    #[error("set either `{0}` or `{1}`, not both")]
    Both(&'static str, &'static str),
    /// A setting that is useless or dangerous without another.
    #[error("set `{1}` as well: `{0}` needs it")]
    Without(&'static str, &'static str),
    #[error("cannot read the configuration file {file}")]
    Unreadable {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML. The error names the line and does not show it, for it may hold a secret.
    #[error("{file}, line {line}: {message}")]
    Syntax {
        file: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// Message of the TOML parser.
        message: String,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// The candidate with the fewest edits to `name`, if it is close enough to be a typing error.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 3).clamp(2, 6);
    candidates
        .into_iter()
        .map(|candidate| (edits(name.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance of two texts.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_right_name_and_nonsense_finds_none() {
        let known = ["bind", "data_dir", "telnyx.public_key"];
        assert_eq!(nearest("bnid", known), Some("bind"));
        assert_eq!(nearest("telnix.public_key", known), Some("telnyx.public_key"));
        assert_eq!(nearest("completely.else", known), None);
    }
}
