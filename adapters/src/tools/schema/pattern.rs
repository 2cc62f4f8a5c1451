//! Patterns of strings: regular expressions without look-around, small, and matched in linear time.

use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{Compiler, Config};

/// The most bytes of a pattern's text.
const MAX_TEXT: usize = 1_024;
/// The most bytes of one pattern's automaton.
const MAX_AUTOMATON: usize = 128 << 10;

/// A compiled pattern. It matches anywhere in a string, as JSON Schema says.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    automaton: PikeVM,
}

impl Pattern {
    /// Compiles a pattern. The error says why it cannot be used.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("a pattern has at most {MAX_TEXT} bytes"));
        }
        let unusable = "not a regular expression that can be used: look-around, back-references and repetitions of \
                        large sets are not supported";
        let rust = jsonschema_regex::to_rust_regex(text).map_err(|()| unusable.to_owned())?;
        let limits = Config::new().nfa_size_limit(Some(MAX_AUTOMATON)).shrink(true);
        let automaton = Compiler::new().configure(limits).build(&rust).map_err(|_| unusable.to_owned())?;
        let automaton = PikeVM::new_from_nfa(automaton).map_err(|_| unusable.to_owned())?;
        Ok(Self { text: text.to_owned(), automaton })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Number of bytes held in memory.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.automaton.get_nfa().memory_usage()
    }

    /// The most steps that a search of this text can take.
    pub(super) fn steps(&self, text: &str) -> u64 {
        let states = self.automaton.get_nfa().states().len() as u64;
        states.saturating_mul(text.len() as u64 + 1)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.automaton.is_match(&mut self.automaton.create_cache(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_are_ecmas() {
        for (pattern, text, fits) in [
            ("^\\d{3}-\\d{4}$", "555-0100", true),
            ("^\\d+$", "٣", false),
            ("\\w", "é", false),
            ("^[\\w.-]+@[\\w-]+\\.com$", "a.b@c.com", true),
            ("b", "abc", true),
            ("^\\p{L}+$", "日本", true),
            ("^\\/x\\/$", "/x/", true),
            ("^\\w{1,95}$", "word", true),
            ("^(a+)+$", &"a".repeat(5_000), true),
        ] {
            assert_eq!(Pattern::compile(pattern).map(|p| p.is_match(text)), Ok(fits), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_would_be_large_is_refused_and_takes_no_memory() {
        for pattern in [
            "(",
            "(?=a)",
            "(a)\\1",
            "\\p{L}{1,95}",
            "(?:a{1000}){1000}",
            "((((a{99}){99}){99}){99}){99}",
            "[^a]{9999}",
            &"a|".repeat(1_000),
        ] {
            assert!(Pattern::compile(pattern).is_err(), "{pattern}");
        }
    }
}
