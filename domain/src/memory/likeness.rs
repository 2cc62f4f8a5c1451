//! Whether two sentences say the same in nearly the same words: no model is asked for that.

use std::collections::BTreeSet;

/// Share of the words that both must have, in hundredths.
const SHARED: usize = 80;

fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Whether the sentences have at least four of five words in common. Numbers and words of denial must all agree: «at 9» is
/// not «at 10», «likes» not «does not like».
#[must_use]
pub fn says_the_same(one: &str, other: &str) -> bool {
    let (one, other) = (words(one), words(other));
    let tells_apart = |word: &&String| {
        word.chars().any(|c| c.is_ascii_digit())
            || matches!(word.as_str(), "not" | "no" | "never" | "nicht" | "kein" | "keine" | "t")
    };
    let differs = one.symmetric_difference(&other).any(|word| tells_apart(&word));
    let (shared, all) = (one.intersection(&other).count(), one.union(&other).count());
    !differs && shared * 100 >= all * SHARED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_say_the_same_and_a_number_or_a_denial_tells_them_apart() {
        let said = "Prefers calls in the morning";
        assert!(says_the_same(said, "prefers calls in the morning."));
        assert!(says_the_same(
            "The customer prefers calls in the morning",
            "Customer prefers calls in the morning"
        ));
        assert!(!says_the_same(said, "Prefers calls in the evening, by mobile"));
        assert!(!says_the_same(
            "Wants to be called at 9 in the morning",
            "Wants to be called at 10 in the morning"
        ));
        assert!(!says_the_same(
            "Does want to get any more of these letters",
            "Does not want to get any more of these letters"
        ));
        assert!(says_the_same("", ""));
    }
}
