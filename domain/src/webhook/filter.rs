//! Which events an endpoint wants: names, and wildcards for whole families.

use super::public::{is_family, public_type};

/// The most patterns an endpoint has.
pub const MAX_PATTERNS: usize = 50;

/// Whether `pattern` is the name of a public event, `<family>.*`, or `*`.
#[must_use]
pub fn is_pattern(pattern: &str) -> bool {
    pattern == "*" || public_type(pattern).is_some() || pattern.strip_suffix(".*").is_some_and(is_family)
}

/// Whether an event of type `name` fits the pattern.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        // the dot before the star is part of the prefix: `call.*` is not `caller.x`
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

/// Whether an event of type `name` fits one of the patterns.
#[must_use]
pub fn wants<S: AsRef<str>>(patterns: &[S], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern.as_ref(), name))
}

#[cfg(test)]
mod tests {
    use super::super::public::PUBLIC_TYPES;
    use super::*;

    #[test]
    fn a_pattern_names_an_event_a_family_or_everything() {
        for good in ["*", "call.*", "call.ended", "campaign.*", "credits.low"] {
            assert!(is_pattern(good), "{good}");
        }
        for bad in [
            "",
            "call",
            "call.",
            "call.*.x",
            "cal*",
            "call.end*",
            "**",
            "caller.*",
            "Call.ended",
            "webhook.test",
        ] {
            assert!(!is_pattern(bad), "{bad}");
        }
    }

    #[test]
    fn every_pattern_that_is_listed_is_one() {
        let listed = super::super::public::patterns();
        assert!(listed.iter().all(|pattern| is_pattern(pattern)), "{listed:?}");
        assert!(PUBLIC_TYPES.iter().all(|kind| listed.iter().any(|pattern| pattern == kind.name)));
    }

    #[test]
    fn a_wildcard_is_its_family_and_no_other() {
        assert!(matches("call.*", "call.ended") && !matches("call.*", "caller.ended"));
        assert!(matches("call.ended", "call.ended") && !matches("call.ended", "call.ended_early"));
        for kind in PUBLIC_TYPES {
            assert!(wants(&["*"], kind.name) && is_pattern(kind.name));
            let family = kind.name.split('.').next().unwrap_or_default();
            assert!(is_pattern(&format!("{family}.*")), "{family}");
            assert!(!wants::<&str>(&[], kind.name));
        }
    }
}
