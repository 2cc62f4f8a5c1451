//! Cuts a text into passages along its structure: headings, paragraphs, rows of tables.
//!
//! A passage begins where a section begins, if the one before is long enough; a paragraph stays whole if it fits, and
//! is else cut between sentences, between words, or anywhere. What follows in the same section repeats the end of what
//! stands before. Every passage names the headings it stands under.

use serde::{Deserialize, Serialize};

/// What a piece of a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// Level from 1 (the title) to 6.
    Heading(u8),
    Paragraph,
    /// A row of a table, readable without the others.
    Row,
}

/// A piece of a document, in reading order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    pub kind: BlockKind,
    pub text: String,
}

impl Block {
    pub fn new(kind: BlockKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// Sizes of passages, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Most characters of a passage, without its headings.
    pub max: usize,
    /// A passage with fewer goes on over the next heading.
    pub min: usize,
    /// Most characters that are repeated from the passage before; less than half of `max`.
    pub overlap: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { max: 1_500, min: 300, overlap: 150 }
    }
}

/// Most characters of the headings before a passage.
pub const LONGEST_PATH: usize = 200;
/// Stands between the headings before a passage.
const UNDER: &str = " › ";

/// A piece of a document that is found as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The headings it stands under, outermost first; empty where there are none.
    pub path: String,
    /// Its text, which begins with what is repeated from the passage before.
    pub text: String,
    /// Bytes of `text` that are repeated.
    pub repeated: usize,
}

impl Chunk {
    /// What is embedded and shown: the headings in a line of their own, then the text.
    #[must_use]
    pub fn rendered(&self) -> String {
        if self.path.is_empty() { self.text.clone() } else { format!("{}\n{}", self.path, self.text) }
    }
}

/// The passages of a document. The same blocks and sizes give the same passages, and no character but white space is
/// lost or changes its place.
#[must_use]
pub fn chunks(blocks: &[Block], sizes: Sizes) -> Vec<Chunk> {
    let mut cutter = Cutter::new(sizes);
    for block in blocks {
        cutter.take(block);
    }
    cutter.flush(Why::Section);
    cutter.done
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The next line does not fit.
    Full,
    /// A section begins, or the document ends.
    Section,
}

struct Line {
    text: String,
    kind: BlockKind,
    path: String,
}

struct Cutter {
    sizes: Sizes,
    /// The open headings with their levels.
    open: Vec<(u8, String)>,
    repeated: String,
    lines: Vec<Line>,
    /// Characters of `repeated` and `lines`, with a line break for each.
    length: usize,
    done: Vec<Chunk>,
}

impl Cutter {
    fn new(sizes: Sizes) -> Self {
        let max = sizes.max.max(16);
        let sizes = Sizes { max, overlap: sizes.overlap.min(max / 2 - 2), ..sizes };
        Self { sizes, open: vec![], repeated: String::new(), lines: vec![], length: 0, done: vec![] }
    }

    fn take(&mut self, block: &Block) {
        let text = block.text.trim();
        if text.is_empty() {
            return;
        }
        match block.kind {
            BlockKind::Heading(level) if length(text) <= LONGEST_PATH.min(self.room()) => {
                if self.length >= self.sizes.min {
                    self.flush(Why::Section);
                }
                self.open.retain(|(outer, _)| *outer < level);
                self.line(text, block.kind);
                self.open.push((level, text.split_whitespace().collect::<Vec<_>>().join(" ")));
            }
            kind => {
                // a heading as long as a paragraph is one
                let kind = if kind == BlockKind::Row { kind } else { BlockKind::Paragraph };
                let mut rest = text;
                while !rest.is_empty() {
                    let (piece, after) = split(rest, self.room());
                    self.line(piece, kind);
                    rest = after;
                }
            }
        }
    }

    /// Most characters of a line, so that it fits behind what is repeated.
    fn room(&self) -> usize {
        self.sizes.max - self.sizes.overlap - 2
    }

    fn line(&mut self, text: &str, kind: BlockKind) {
        let more = length(text) + 1;
        while self.length + more > self.sizes.max && !self.lines.is_empty() {
            self.flush(Why::Full);
        }
        self.length += more;
        let path = self.path();
        self.lines.push(Line { text: text.to_owned(), kind, path });
    }

    /// The open headings from the outermost on; if they are too long, the innermost ones that fit.
    fn path(&self) -> String {
        let mut path = String::new();
        for (_, heading) in self.open.iter().rev() {
            let longer = if path.is_empty() { heading.clone() } else { format!("{heading}{UNDER}{path}") };
            if length(&longer) > LONGEST_PATH {
                break;
            }
            path = longer;
        }
        path
    }

    fn flush(&mut self, why: Why) {
        if self.lines.is_empty() {
            return;
        }
        let mut lines = std::mem::take(&mut self.lines);
        let repeated = std::mem::take(&mut self.repeated);
        // headings at the end belong to what follows
        let is_heading = |line: &Line| matches!(line.kind, BlockKind::Heading(_));
        let content = lines.iter().rposition(|line| !is_heading(line)).map_or(lines.len(), |last| last + 1);
        let carried = if why == Why::Full { lines.split_off(content) } else { Vec::new() };
        if let Some(last) = lines.last()
            && why == Why::Full
            && carried.is_empty()
            && last.kind == BlockKind::Paragraph
        {
            tail(&last.text, self.sizes.overlap).clone_into(&mut self.repeated);
        }
        let path = lines.first().map(|line| line.path.clone()).unwrap_or_default();
        let mut text = repeated;
        if !text.is_empty() {
            text.push('\n');
        }
        let bytes = text.len();
        text.push_str(&lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n"));
        self.done.push(Chunk { path, text, repeated: bytes });
        self.length = if self.repeated.is_empty() { 0 } else { length(&self.repeated) + 1 };
        self.length += carried.iter().map(|line| length(&line.text) + 1).sum::<usize>();
        self.lines = carried;
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The beginning of at most `room` characters, cut at the best place, and the rest; both without space at the cut.
fn split(text: &str, room: usize) -> (&str, &str) {
    let Some((end, _)) = text.char_indices().nth(room) else { return (text, "") };
    let half = text.char_indices().nth(room / 2).map_or(0, |(half, _)| half);
    let window = &text[..end];
    let ends_here = text[end..].starts_with(char::is_whitespace);
    let cut = if ends_here && window.ends_with(is_sentence_end) {
        end
    } else {
        let spaces = || window.char_indices().rev().filter(|(at, c)| *at > half && c.is_whitespace());
        let sentence = spaces().find(|(at, _)| window[..*at].ends_with(is_sentence_end));
        let word = || if ends_here { Some(end) } else { spaces().next().map(|(at, _)| at) };
        sentence.map(|(at, _)| at).or_else(word).unwrap_or(end)
    };
    (text[..cut].trim_end(), text[cut..].trim_start())
}

fn is_sentence_end(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？' | '।' | '\n')
}

/// The last characters of a text, at most `most`, from the beginning of a sentence or at least of a word on.
fn tail(text: &str, most: usize) -> &str {
    let all = length(text);
    if all <= most {
        return text;
    }
    let Some((from, _)) = text.char_indices().nth(all - most) else { return "" };
    let window = &text[from..];
    let starts = || window.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at);
    let sentence = starts().find(|at| window[..*at].ends_with(is_sentence_end));
    sentence.or_else(|| starts().next()).map_or("", |at| window[at..].trim_start())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heading(level: u8, text: &str) -> Block {
        Block::new(BlockKind::Heading(level), text)
    }

    fn paragraph(text: &str) -> Block {
        Block::new(BlockKind::Paragraph, text)
    }

    fn small() -> Sizes {
        Sizes { max: 80, min: 20, overlap: 20 }
    }

    #[test]
    fn a_section_is_a_passage_under_its_headings() {
        let blocks = [
            heading(1, "Clinic"),
            paragraph("We are a small clinic by the river."),
            heading(2, "Opening hours"),
            paragraph("Monday to Friday from eight to six."),
            heading(2, "Parking"),
            paragraph("Behind the house."),
        ];
        let cut = chunks(&blocks, small());
        let rendered: Vec<String> = cut.iter().map(Chunk::rendered).collect();
        assert_eq!(
            rendered,
            [
                "Clinic\nWe are a small clinic by the river.",
                "Clinic\nOpening hours\nMonday to Friday from eight to six.",
                "Clinic\nParking\nBehind the house.",
            ]
        );
    }

    #[test]
    fn a_long_paragraph_is_cut_between_sentences_and_the_next_passage_repeats_the_end() {
        let text = "The first sentence is here. The second one follows. A third one closes the paragraph. Then more.";
        let cut = chunks(&[heading(1, "T"), paragraph(text)], small());
        assert_eq!(cut[0].text, "T\nThe first sentence is here. The second one follows.");
        assert_eq!(cut[1].path, "T");
        let (repeated, fresh) = cut[1].text.split_at(cut[1].repeated);
        assert_eq!(
            (repeated, fresh),
            ("second one follows.\n", "A third one closes the paragraph. Then more.")
        );
    }

    #[test]
    fn a_heading_never_ends_a_passage_whose_section_follows() {
        let filler = "x ".repeat(30);
        let blocks =
            [paragraph(&filler), heading(2, "Short"), paragraph("What belongs to it, in some words.")];
        let sizes = Sizes { min: 1_000, ..small() };
        let cut = chunks(&blocks, sizes);
        assert_eq!(cut.len(), 2);
        assert!(cut[1].text.starts_with("Short\nWhat belongs"), "{cut:?}");
    }

    #[test]
    fn rows_stay_whole_and_are_not_repeated() {
        let rows: Vec<Block> =
            (0..9).map(|n| Block::new(BlockKind::Row, format!("name: n{n}; price: {n} EUR"))).collect();
        let cut = chunks(&rows, small());
        assert!(cut.len() > 2 && cut.iter().all(|chunk| chunk.repeated == 0));
        assert!(cut.iter().all(|chunk| chunk.text.lines().all(|line| line.starts_with("name: "))));
    }

    #[test]
    fn nothing_makes_no_passage() {
        assert_eq!(chunks(&[], Sizes::default()), []);
        assert_eq!(chunks(&[paragraph(" \n\t"), heading(1, "")], Sizes::default()), []);
    }

    fn block() -> impl Strategy<Value = Block> {
        let kind = prop_oneof![
            1 => (1..=6_u8).prop_map(BlockKind::Heading),
            3 => Just(BlockKind::Paragraph),
            1 => Just(BlockKind::Row),
        ];
        let text = prop_oneof![
            4 => "[a-zA-Z0-9.!? \n]{0,120}",
            1 => "[a-z]{200,400}",
            1 => "\\PC{0,120}",
        ];
        (kind, text).prop_map(|(kind, text)| Block { kind, text })
    }

    fn dense(text: &str) -> String {
        text.chars().filter(|c| !c.is_whitespace()).collect()
    }

    proptest! {
        #[test]
        fn no_text_is_lost_and_no_bound_is_passed(
            blocks in prop::collection::vec(block(), 0..30),
            max in 16..200_usize,
            min in 0..200_usize,
            overlap in 0..200_usize,
        ) {
            let sizes = Sizes { max, min, overlap };
            let cut = chunks(&blocks, sizes);
            let given: String = blocks.iter().map(|block| dense(&block.text)).collect();
            let kept: String = cut.iter().map(|chunk| dense(&chunk.text[chunk.repeated..])).collect();
            prop_assert_eq!(kept, given);
            for chunk in &cut {
                prop_assert!(length(&chunk.text) <= max, "{} of {max}", length(&chunk.text));
                prop_assert!(length(&chunk.path) <= LONGEST_PATH);
                prop_assert!(!chunk.text.trim().is_empty());
            }
            prop_assert_eq!(chunks(&blocks, sizes), cut);
        }

        #[test]
        fn what_is_repeated_is_the_end_of_the_passage_before(blocks in prop::collection::vec(block(), 0..30)) {
            let cut = chunks(&blocks, small());
            for pair in cut.windows(2) {
                let repeated = pair[1].text[..pair[1].repeated].trim_end();
                prop_assert!(length(repeated) <= small().overlap);
                prop_assert!(pair[0].text.ends_with(repeated), "{pair:?}");
            }
        }
    }
}
