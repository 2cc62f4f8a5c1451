//! The built-in embeddings: n-grams of a text's characters, hashed into a fixed number of dimensions.
//!
//! Texts that share words, or parts of words, lie near each other; synonyms do not. It needs no account and no model, and
//! gives the same vector on every machine.

use std::collections::HashMap;

use domain::ports::embeddings::{BadVector, Embedding};

/// Name of the model. Its vectors never change under this name.
pub const HASHED_MODEL: &str = "char-ngrams-1";
/// Lengths of the n-grams, in characters. A word is marked at both ends, so a short word has n-grams, too.
const GRAMS: [usize; 3] = [3, 4, 5];
/// Longest word of which n-grams are made; what is beyond is not looked at.
const MAX_WORD: usize = 64;

/// The vector of a text. Fails on a text without any character but white space.
pub fn hashed(text: &str, dimensions: u16) -> Result<Embedding, BadVector> {
    let mut counts: HashMap<u64, f32> = HashMap::new();
    let mut has_words = false;
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        has_words = true;
        count(word, &mut counts);
    }
    if !has_words {
        text.split_whitespace().for_each(|signs| count(signs, &mut counts));
    }
    let mut features: Vec<(u64, f32)> = counts.into_iter().collect();
    // sums of floats depend on their order
    features.sort_unstable_by_key(|(hash, _)| *hash);
    let mut values = vec![0.0_f32; usize::from(dimensions)];
    let length = u64::from(dimensions.max(1));
    for (hash, times) in features {
        let weight = 1.0 + times.ln();
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        if let Some(value) = values.get_mut((hash % length) as usize) {
            *value += sign * weight;
        }
    }
    // signs may cancel each other out, in few dimensions: then the text is as near to one thing as to another
    if values.iter().all(|value| *value == 0.0)
        && !text.trim().is_empty()
        && let Some(first) = values.first_mut()
    {
        *first = 1.0;
    }
    Embedding::normalised(values, dimensions)
}

/// Counts the word and its n-grams.
fn count(word: &str, counts: &mut HashMap<u64, f32>) {
    let lower = word.chars().flat_map(char::to_lowercase).take(MAX_WORD);
    let marked: Vec<char> = std::iter::once('<').chain(lower).chain(std::iter::once('>')).collect();
    *counts.entry(fnv(&marked)).or_default() += 1.0;
    for length in GRAMS {
        // the whole word is counted already
        if length < marked.len() {
            for gram in marked.windows(length) {
                *counts.entry(fnv(gram)).or_default() += 1.0;
            }
        }
    }
}

/// FNV-1a over the characters, with a last step that spreads it over all bits.
fn fnv(gram: &[char]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for c in gram {
        for byte in u32::from(*c).to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(one: &str, other: &str) -> f32 {
        let (one, other) = (hashed(one, 512).unwrap(), hashed(other, 512).unwrap());
        one.values().iter().zip(other.values()).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn what_is_written_alike_lies_near() {
        let said = "The caller prefers appointments in the morning.";
        assert!(cosine(said, said) > 0.999);
        let (near, far) = (cosine(said, "morning appointment"), cosine(said, "Rechnung über 40 Euro"));
        assert!(near > 0.3 && far < 0.15, "{near} {far}");
        assert!(cosine("MORNING", "morning!") > 0.999, "case and signs do not matter");
        assert!(cosine("früh", "Früh") > 0.999);
    }

    #[test]
    fn a_vector_stays_the_same_for_good() {
        let values = hashed("prefers mornings", 8).unwrap();
        let rounded: Vec<i32> =
            values.values().iter().map(|value| (value * 1_000.0).round() as i32).collect();
        let before = [174, -174, -522, -348, 0, -696, 174, 174];
        assert_eq!(rounded, before, "vectors are stored: a change of them is a new model");
    }

    #[test]
    fn any_text_but_a_blank_one_has_a_vector() {
        for text in ["?", "½", "日本", "a", "\u{0}", "?! ?!", &"x".repeat(8_192)] {
            assert!(hashed(text, 1).is_ok() && hashed(text, 512).is_ok(), "{text:?}");
        }
        assert_eq!(hashed(" \n", 8), Err(BadVector::Zero));
    }
}
