//! Whether two sentences say the same in the same words: no model is asked for that.

/// Words that change nothing of what a sentence says.
const FILLERS: [&str; 12] =
    ["the", "a", "an", "customer", "person", "caller", "der", "die", "das", "ein", "eine", "kunde"];

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    let telling: Vec<String> =
        words.iter().filter(|word| !FILLERS.contains(&word.as_str())).cloned().collect();
    if telling.is_empty() { words } else { telling }
}

/// Whether the sentences have the same words in the same order, apart from articles and the word for the customer: a
/// single other word may be what matters.
#[must_use]
pub fn says_the_same(one: &str, other: &str) -> bool {
    words(one) == words(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_say_the_same_and_one_other_word_tells_them_apart() {
        let said = "Prefers calls in the morning";
        assert!(says_the_same(said, "prefers calls in the morning."));
        assert!(says_the_same("The customer prefers calls in the morning", said));
        for (one, other) in [
            (
                "Prefers to be contacted by email in the morning",
                "Prefers to be contacted by email in the evening",
            ),
            ("Wants to be called at 9 in the morning", "Wants to be called at 10 in the morning"),
            ("Does want to get any more of these letters", "Does not want to get any more of these letters"),
            ("Moved from Berlin to Hamburg", "Moved from Hamburg to Berlin"),
            ("The customer", "A person"),
        ] {
            assert!(!says_the_same(one, other), "{one}");
        }
        assert!(says_the_same("", ""));
    }
}
