//! Separates an answer's text from what is not meant for the caller: thoughts in tags, tool calls that the server
//! did not recognise, and marks of the chat template.

/// A stretch of an answer of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stretch {
    /// Text for the caller.
    Words(String),
    /// The last so many bytes of the text were a thought: only its end tag came, because some servers put the
    /// beginning into the prompt.
    Withdrawn(usize),
    /// A tool call, as the model wrote it.
    Call(String),
}

/// Names of tags that enclose thoughts.
const THOUGHTS: [&str; 14] = [
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "reason",
    "reflection",
    "analysis",
    "scratchpad",
    "antthinking",
    "seed:think",
    "inner_monologue",
    "inner_thoughts",
    "chain_of_thought",
];
/// Names of tags that enclose a tool call.
const CALLS: [&str; 2] = ["tool_call", "function_call"];
/// Other marks around thoughts: beginning and end.
const PAIRS: [(&str, &str); 6] = [
    ("[think]", "[/think]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|channel|>analysis", "<|channel|>final<|message|>"),
    ("<|channel|>commentary", "<|channel|>final<|message|>"),
];
/// The longest mark in bytes; anything longer is text.
const LONGEST_MARK: usize = 96;
/// The most bytes of a tool call that are kept.
const LONGEST_CALL: usize = 256 << 10;

/// A mark at the beginning of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Begins a stretch that ends with the mark of this kind.
    Opens(Kind),
    /// Ends a stretch of this kind, also one whose beginning was never seen.
    Closes(Kind),
    /// A mark of the chat template, which is dropped.
    Template,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Any of [`THOUGHTS`], because models mix them up.
    Thought,
    /// Any tag of [`CALLS`].
    Call,
    /// The pair with this index in [`PAIRS`].
    Pair(usize),
}

enum Seen {
    /// A mark with its length in bytes.
    Mark(Mark, usize),
    /// The text may become a mark once more of it arrives.
    Perhaps,
    Text,
}

/// Splits text that arrives in pieces into stretches.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    waiting: String,
    inside: Option<Kind>,
    call: String,
    /// Bytes of text since the last thought ended.
    words: usize,
    /// The last character of the text so far.
    before: Option<char>,
    /// A thought has just ended: blanks after it are not text.
    trimming: bool,
}

impl Thoughts {
    /// Adds the stretches that are certain with `more`; what may be the beginning of a mark waits.
    pub(super) fn push(&mut self, more: &str, out: &mut Vec<Stretch>) {
        self.waiting.push_str(more);
        self.tell(false, out);
    }

    /// Adds what still waits. A thought or a call without its end tag counts all the same.
    pub(super) fn end(&mut self, out: &mut Vec<Stretch>) {
        self.tell(true, out);
        if self.inside == Some(Kind::Call) {
            out.push(Stretch::Call(std::mem::take(&mut self.call)));
        }
        self.inside = None;
    }

    fn tell(&mut self, last: bool, out: &mut Vec<Stretch>) {
        let text = std::mem::take(&mut self.waiting);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let begins = |c: char| matches!(c, '<' | '[' | '◁');
            let at = rest.find(begins).unwrap_or(rest.len());
            self.plain(&rest[..at], out);
            rest = &rest[at..];
            let Some(first) = rest.chars().next() else { break };
            let quoted = self.inside.is_none() && self.before == Some('`');
            let seen = if quoted { Seen::Text } else { seen(rest) };
            match seen {
                Seen::Mark(mark, length) => {
                    self.mark(mark, out);
                    rest = &rest[length..];
                }
                Seen::Perhaps if !last => break,
                // the name is there, only its end is missing
                Seen::Perhaps if rest.len() > 5 => {
                    rest = "";
                }
                Seen::Perhaps | Seen::Text => {
                    self.plain(&rest[..first.len_utf8()], out);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        self.waiting = rest.to_owned();
    }

    fn plain(&mut self, text: &str, out: &mut Vec<Stretch>) {
        match self.inside {
            Some(Kind::Call) if self.call.len() + text.len() <= LONGEST_CALL => {
                self.call.push_str(text);
            }
            Some(_) => {}
            None => {
                let text = if self.trimming { text.trim_start() } else { text };
                if text.is_empty() {
                    return;
                }
                self.trimming = false;
                self.words += text.len();
                self.before = text.chars().next_back();
                match out.last_mut() {
                    Some(Stretch::Words(words)) => words.push_str(text),
                    _ => out.push(Stretch::Words(text.to_owned())),
                }
            }
        }
    }

    fn mark(&mut self, mark: Mark, out: &mut Vec<Stretch>) {
        match (mark, self.inside) {
            (Mark::Opens(kind), None) => self.inside = Some(kind),
            // a thought may contain other tags; a thought within a thought is one thought
            (Mark::Opens(_), Some(_)) | (Mark::Template, _) => {}
            (Mark::Closes(kind), Some(open)) if kind == open => {
                if open == Kind::Call {
                    out.push(Stretch::Call(std::mem::take(&mut self.call)));
                }
                self.ended();
            }
            (Mark::Closes(_), Some(_)) | (Mark::Closes(Kind::Call), None) => {}
            (Mark::Closes(_), None) => {
                if self.words > 0 {
                    out.push(Stretch::Withdrawn(self.words));
                    self.before = None;
                }
                self.ended();
            }
        }
    }

    fn ended(&mut self) {
        (self.inside, self.words) = (None, 0);
        self.trimming = self.before.is_none_or(char::is_whitespace);
    }
}

/// The mark that `text` begins with; its first character is one that marks begin with.
fn seen(text: &str) -> Seen {
    let mut perhaps = false;
    for (n, (opens, closes)) in PAIRS.iter().enumerate() {
        // the last two pairs end with the same mark
        let kind = Kind::Pair(n.min(PAIRS.len() - 2));
        for (mark, means) in [(opens, Mark::Opens(kind)), (closes, Mark::Closes(kind))] {
            match begins(text, mark) {
                Some(true) => return Seen::Mark(means, mark.len()),
                Some(false) => perhaps = true,
                None => {}
            }
        }
    }
    if perhaps {
        return Seen::Perhaps;
    }
    let Some(inner) = text.strip_prefix('<') else { return Seen::Text };
    let end = inner.find('>');
    let whole = &inner[..end.unwrap_or(inner.len())];
    if whole.len() > LONGEST_MARK || whole.contains(['<', '\n']) {
        return Seen::Text;
    }
    let template = |bar| whole.len() > 1 && whole.starts_with(bar) && !whole.contains(' ');
    if template('|') || template('｜') {
        return match end {
            Some(end) if whole.ends_with(['|', '｜']) => Seen::Mark(Mark::Template, end + 2),
            Some(_) => Seen::Text,
            None => Seen::Perhaps,
        };
    }
    let closes = whole.trim_start().starts_with('/');
    let name = whole.trim_start().trim_start_matches('/').trim_start();
    let length = name.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c))).unwrap_or(name.len());
    let (name, behind) = (name[..length].to_ascii_lowercase(), &name[length..]);
    let known = [(&THOUGHTS[..], Kind::Thought), (&CALLS[..], Kind::Call)];
    match end {
        Some(end) => {
            let kind = known.iter().find(|(names, _)| names.contains(&name.as_str())).map(|(_, kind)| *kind);
            let right = behind.is_empty() || behind.starts_with([' ', '/', '\t']);
            match kind.filter(|_| right) {
                Some(_) if behind.ends_with('/') => Seen::Mark(Mark::Template, end + 2),
                Some(kind) if closes => Seen::Mark(Mark::Closes(kind), end + 2),
                Some(kind) => Seen::Mark(Mark::Opens(kind), end + 2),
                None => Seen::Text,
            }
        }
        None => {
            let may_be =
                |known: &&str| if behind.is_empty() { known.starts_with(&name) } else { **known == name };
            let named = known.iter().any(|(names, _)| names.iter().any(&may_be));
            if named { Seen::Perhaps } else { Seen::Text }
        }
    }
}

/// Whether a text begins with a mark, ignoring case; `Some(false)` when it may once more of it arrives.
fn begins(text: &str, mark: &str) -> Option<bool> {
    let (mut text, mut mark) = (text.chars(), mark.chars());
    loop {
        match (text.next(), mark.next()) {
            (_, None) => return Some(true),
            (None, Some(_)) => return Some(false),
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(&b) => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text that is left, and the calls.
    fn told(pieces: impl IntoIterator<Item = impl AsRef<str>>) -> (String, Vec<String>) {
        let (mut thoughts, mut out) = (Thoughts::default(), Vec::new());
        pieces.into_iter().for_each(|piece| thoughts.push(piece.as_ref(), &mut out));
        thoughts.end(&mut out);
        let (mut words, mut calls) = (String::new(), vec![]);
        for stretch in out {
            match stretch {
                Stretch::Words(more) => words.push_str(&more),
                Stretch::Withdrawn(length) => words.truncate(words.len() - length),
                Stretch::Call(call) => calls.push(call),
            }
        }
        (words, calls)
    }

    fn chars(text: &str) -> Vec<String> {
        text.chars().map(String::from).collect()
    }

    #[test]
    fn thoughts_are_no_words_however_they_are_marked_and_cut() {
        for (written, words) in [
            ("<think>They want tea.</think>\n\nTea it is.", "Tea it is."),
            ("<think>a < b, <b>x</b></think>Yes.", "Yes."),
            ("<Thinking type=\"x\">a</THINKING > Yes.", "Yes."),
            ("One <think>a</think>two", "One two"),
            ("One <think>a</think> two <reasoning>b</reasoning>.", "One two ."),
            ("They want tea.</think>Tea it is.", "Tea it is."),
            ("<think>a<think>b</think>c</think>Yes.", "Yes."),
            ("<think>a</thinking>Yes.", "Yes."),
            ("<think>They want tea, so", ""),
            ("Yes. <thin", "Yes. <thin"),
            ("Yes. <think", "Yes. "),
            ("[THINK]a[/THINK]Yes.", "Yes."),
            ("◁think▷a◁/think▷Yes.", "Yes."),
            (
                "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
                "Yes.",
            ),
            ("<|START_THINKING|>a<|END_THINKING|>Yes.<|im_end|>", "Yes."),
            ("<seed:think>a</seed:think>Yes.", "Yes."),
            ("<think/>Yes.", "Yes."),
            ("<think></think>\n\nYes.", "Yes."),
        ] {
            assert_eq!(told([written]).0, words, "{written}");
            assert_eq!(told(chars(written)).0, words, "{written}, a character at a time");
        }
    }

    #[test]
    fn what_only_looks_like_a_mark_is_words() {
        for words in [
            "5 < 6",
            "a <b>bold</b> word",
            "<thinker>",
            "[1] and [sic]",
            "the `<think>` tag",
            "x <",
            "<",
            "<t",
        ] {
            assert_eq!(told([words]).0, words);
            assert_eq!(told(chars(words)).0, words, "a character at a time");
        }
    }

    #[test]
    fn words_are_told_as_soon_as_they_can_be_no_mark() {
        let (mut thoughts, mut out) = (Thoughts::default(), Vec::new());
        thoughts.push("Good mor", &mut out);
        assert_eq!(out, [Stretch::Words("Good mor".into())]);
        thoughts.push("ning <", &mut out);
        assert_eq!(out, [Stretch::Words("Good morning ".into())]);
    }

    #[test]
    fn a_call_in_a_tag_is_a_call() {
        let (words, calls) = told(chars("One moment. <tool_call>\n{\"name\": \"find\"}\n</tool_call>"));
        assert_eq!((words.as_str(), calls.len()), ("One moment. ", 1));
        assert_eq!(calls[0].trim(), "{\"name\": \"find\"}");
        assert_eq!(told(["<tool_call>{\"name\""]), (String::new(), vec!["{\"name\"".to_owned()]));
    }
}
