//! The words of all texts of a space, in memory, and the search for them: BM25 (Robertson and Zaragoza, 2009).
//!
//! Words are kept as hashes. They are compared without case, as they stand: nothing is stemmed.

use std::cmp::Ordering;
use std::collections::HashMap;

use uuid::Uuid;

/// How soon more of the same word says no more.
const K1: f32 = 1.2;
/// How much longer texts are held against them.
const B: f32 = 0.75;
/// Most different words of a query that are looked for.
const MAX_WORDS: usize = 64;
/// Longest word, in bytes; what is beyond is not looked at.
const MAX_WORD: usize = 64;

#[derive(Debug)]
struct Text {
    id: Uuid,
    group: Uuid,
    /// Number of words, repeated ones counted.
    length: u32,
    /// Number of different words.
    words: usize,
}

#[derive(Debug, Clone, Copy)]
struct Posting {
    text: u32,
    times: u32,
}

#[derive(Debug, Default)]
pub(super) struct Words {
    /// A text that was removed leaves its place empty, and its postings behind, until [`Words::settle`] tidies up.
    texts: Vec<Option<Text>>,
    by_id: HashMap<Uuid, u32>,
    postings: HashMap<u64, Vec<Posting>>,
    /// Words of all texts together.
    length: u64,
    bytes: usize,
}

/// Hashes of the words of a text, in order.
fn words_of(text: &str) -> impl Iterator<Item = u64> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(|word| {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut bytes = 0;
        for c in word.chars().flat_map(char::to_lowercase) {
            bytes += c.len_utf8();
            if bytes > MAX_WORD {
                break;
            }
            hash = (hash ^ u64::from(u32::from(c))).wrapping_mul(0x0000_0100_0000_01b3);
            hash ^= hash >> 29;
        }
        hash
    })
}

fn size(words: usize) -> usize {
    // the text's entry and a posting for each word
    150 + words * 12
}

impl Words {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a text, or replaces the one with this id.
    pub(super) fn put(&mut self, id: Uuid, group: Uuid, text: &str) {
        self.remove(id);
        let mut times: HashMap<u64, u32> = HashMap::new();
        let mut length = 0_u32;
        for word in words_of(text) {
            *times.entry(word).or_default() += 1;
            length += 1;
        }
        let place = self.texts.len() as u32;
        let words = times.len();
        for (word, times) in times {
            self.postings.entry(word).or_default().push(Posting { text: place, times });
        }
        self.length += u64::from(length);
        self.bytes += size(words);
        self.by_id.insert(id, place);
        self.texts.push(Some(Text { id, group, length, words }));
    }

    /// Removes a text; its postings are passed over from now on.
    pub(super) fn remove(&mut self, id: Uuid) {
        let Some(place) = self.by_id.remove(&id) else { return };
        if let Some(text) = self.texts.get_mut(place as usize).and_then(Option::take) {
            self.length -= u64::from(text.length);
        }
    }

    /// Drops what removed texts have left behind, once it is a quarter of all.
    pub(super) fn settle(&mut self) {
        let dead = self.texts.len() - self.by_id.len();
        if dead * 4 < self.texts.len() || dead == 0 {
            return;
        }
        let mut next = 0;
        let moved: Vec<Option<u32>> = self
            .texts
            .iter()
            .map(|text| {
                text.as_ref().map(|_| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        self.texts.retain(Option::is_some);
        let to = |place: u32| moved.get(place as usize).copied().flatten();
        self.postings.retain(|_, postings| {
            postings.retain_mut(|posting| match to(posting.text) {
                Some(place) => {
                    posting.text = place;
                    true
                }
                None => false,
            });
            !postings.is_empty()
        });
        self.by_id.values_mut().for_each(|place| *place = to(*place).unwrap_or(*place));
        self.bytes = self.texts.iter().flatten().map(|text| size(text.words)).sum();
    }

    /// The texts with the most telling of the query's words, best first; equal ones by id.
    pub(super) fn search(&self, query: &str, group: Option<Uuid>, limit: usize) -> Vec<Uuid> {
        let count = self.by_id.len() as f32;
        let average = (self.length as f32 / count.max(1.0)).max(1.0);
        let mut wanted: Vec<u64> = Vec::new();
        for word in words_of(query) {
            if wanted.len() < MAX_WORDS && !wanted.contains(&word) {
                wanted.push(word);
            }
        }
        let mut scores: HashMap<u32, f32> = HashMap::new();
        for postings in wanted.iter().filter_map(|word| self.postings.get(word)) {
            let is_there =
                |posting: &&Posting| matches!(self.texts.get(posting.text as usize), Some(Some(_)));
            let having = postings.iter().filter(is_there).count() as f32;
            let rarity = (1.0 + (count - having + 0.5) / (having + 0.5)).ln();
            for posting in postings {
                let Some(Some(text)) = self.texts.get(posting.text as usize) else { continue };
                if group.is_some_and(|group| group != text.group) {
                    continue;
                }
                let times = posting.times as f32;
                let long = 1.0 - B + B * text.length as f32 / average;
                *scores.entry(posting.text).or_default() += rarity * times * (K1 + 1.0) / (times + K1 * long);
            }
        }
        let texts = scores.into_iter().filter_map(|(place, score)| {
            self.texts.get(place as usize)?.as_ref().map(|text| (score, text.id))
        });
        let mut best: Vec<(f32, Uuid)> = texts.collect();
        let order = |one: &(f32, Uuid), other: &(f32, Uuid)| -> Ordering {
            other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1))
        };
        if best.len() > limit && limit > 0 {
            best.select_nth_unstable_by(limit - 1, order);
        }
        best.truncate(limit);
        best.sort_unstable_by(order);
        best.into_iter().map(|(_, id)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Uuid = Uuid::from_u128(1);

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(100 + n)
    }

    #[test]
    fn rare_words_and_short_texts_say_more() {
        let mut words = Words::default();
        words.put(id(1), GROUP, "the caller likes the morning");
        words.put(id(2), GROUP, "the caller likes the evening");
        words.put(id(3), GROUP, "The MORNING");
        assert_eq!(words.search("morning, the", None, 10), [id(3), id(1), id(2)]);
        assert_eq!(words.search("evening", None, 10), [id(2)]);
        assert_eq!(words.search("noon", None, 10), [] as [Uuid; 0]);
        assert_eq!(words.search("", None, 10), [] as [Uuid; 0]);
    }

    #[test]
    fn what_is_removed_or_replaced_leaves_nothing() {
        let mut words = Words::default();
        words.put(id(1), GROUP, "an invoice of May");
        words.put(id(1), GROUP, "an offer");
        assert_eq!(words.search("invoice", None, 10), [] as [Uuid; 0]);
        assert_eq!(words.search("offer", None, 10), [id(1)]);
        words.remove(id(1));
        words.remove(id(1));
        assert_eq!(words.search("offer", None, 10), [] as [Uuid; 0]);
        words.settle();
        assert!(words.postings.is_empty() && words.bytes() == 0 && words.length == 0, "{words:?}");
    }

    #[test]
    fn what_is_found_is_the_same_before_and_after_tidying_up() {
        let mut words = Words::default();
        for n in 0..20 {
            words.put(
                id(n),
                GROUP,
                &format!("invoice number{n} of {}", if n % 3 == 0 { "May" } else { "June" }),
            );
        }
        (0..20).filter(|n| n % 2 == 0).for_each(|n| words.remove(id(n)));
        let found =
            |words: &Words| [words.search("may invoice", None, 20), words.search("number7", None, 20)];
        let before = found(&words);
        assert_eq!((before[0].len(), &before[1]), (10, &vec![id(7)]));
        words.settle();
        assert_eq!((found(&words), words.texts.len()), (before, 10));
        words.put(id(7), GROUP, "gone");
        assert_eq!(words.search("number7", None, 20), [] as [Uuid; 0]);
    }

    #[test]
    fn a_group_is_searched_alone() {
        let mut words = Words::default();
        words.put(id(1), GROUP, "same words");
        words.put(id(2), Uuid::from_u128(2), "same words");
        assert_eq!(words.search("words", Some(Uuid::from_u128(2)), 10), [id(2)]);
        assert_eq!(words.search("words", None, 1), [id(1)]);
    }
}
