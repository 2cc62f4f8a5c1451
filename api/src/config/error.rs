//! What can be wrong with the configuration, said so that it can be put right at once.

use std::path::PathBuf;

/// The node does not start with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key in the file that no section declares.
    #[error("{file} has the unknown key `{key}`{}", hint(.nearest))]
    UnknownKey {
        /// The file.
        file: PathBuf,
        /// The dotted key.
        key: String,
        /// The declared key that looks most like it.
        nearest: Option<String>,
    },
    /// An environment variable that begins like ours and is none.
    #[error("unknown environment variable {name}{}", hint(.nearest))]
    UnknownVariable {
        /// Its name.
        name: String,
        /// The variable that looks most like it.
        nearest: Option<String>,
    },
    /// A value that cannot be read.
    #[error("`{key}` ({origin}) cannot be {shown}: give {accepts}")]
    BadValue {
        /// The dotted key.
        key: &'static str,
        /// Where the value came from.
        origin: String,
        /// The value, unless it is a secret.
        shown: String,
        /// What would be accepted.
        accepts: &'static str,
    },
    /// Two settings that exclude each other.
    #[error("set either `{0}` or `{1}`, not both")]
    Both(&'static str, &'static str),
    /// A setting that is of no use, or dangerous, without another.
    #[error("set `{1}` as well: `{0}` needs it")]
    Without(&'static str, &'static str),
    /// The file cannot be read.
    #[error("cannot read the configuration file {file}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML. The line is named and not shown: it may hold a secret.
    #[error("{file}, line {line}: {message}")]
    Syntax {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// The candidate with the fewest edits to `name`, if it is close enough to be a slip of the finger.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 3).clamp(2, 6);
    candidates
        .into_iter()
        .map(|candidate| (edits(name.as_bytes(), candidate.as_bytes()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
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
