//! Turns a message into text to speak: its words, without the formatting that only a reader sees.

mod marks;
#[cfg(test)]
mod tests;

use marks::{is_invisible, is_picture, tidy};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Tags of HTML and SSML. What looks like a tag and is none of these is prose: `if x<y and z>w`.
const TAGS: [&str; 84] = [
    "a",
    "abbr",
    "article",
    "aside",
    "audio",
    "b",
    "big",
    "blockquote",
    "body",
    "br",
    "break",
    "button",
    "center",
    "cite",
    "code",
    "col",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "emphasis",
    "figcaption",
    "figure",
    "font",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "img",
    "input",
    "ins",
    "kbd",
    "label",
    "lang",
    "li",
    "main",
    "mark",
    "nav",
    "ol",
    "p",
    "phoneme",
    "pre",
    "prosody",
    "q",
    "s",
    "samp",
    "say-as",
    "section",
    "small",
    "span",
    "speak",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "video",
    "voice",
];
/// Tags whose text a browser never shows.
const HIDDEN: [&str; 3] = ["script", "style", "title"];
/// Languages of fenced code blocks that hold prose.
const PROSE: [&str; 5] = ["", "text", "txt", "plain", "plaintext"];

/// Whether a text holds anything to read: other than blanks and characters without width.
#[must_use]
pub fn has_words(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !c.is_control() && !is_invisible(c))
}

/// Whether a text holds anything to hear.
#[must_use]
pub fn has_speech(text: &str) -> bool {
    speech_text(text).chars().any(char::is_alphanumeric)
}

/// A message as it is spoken: without the marks of Markdown and HTML, without pictures, code and addresses of
/// links. Plain prose stays as it is. Empty where nothing can be spoken.
#[must_use]
pub fn speech_text(message: &str) -> String {
    let message: String = message
        .chars()
        .filter(|&c| !is_invisible(c) && (!c.is_control() || matches!(c, '\n' | '\t')))
        .collect();
    let source = guarded(&message);
    let mut speech = Speech::default();
    for event in Parser::new_ext(&source, Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS) {
        speech.take(event);
    }
    let lines = speech.out.lines().map(tidy).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// The source with `*` between digits escaped, which CommonMark takes for emphasis: `2*3*4`.
fn guarded(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut before = ' ';
    let mut rest = source.chars().peekable();
    while let Some(c) = rest.next() {
        let within = before.is_ascii_digit() && rest.peek().is_some_and(char::is_ascii_digit);
        if c == '*' && within {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

/// Collects the spoken text from the parser's events.
#[derive(Debug, Default)]
struct Speech {
    out: String,
    /// For each open list: the number of its next item; `None` for a list without numbers.
    lists: Vec<Option<u64>>,
    /// Whether nothing of the open item was spoken yet.
    fresh: bool,
    /// Inside a code block that is not spoken.
    code: bool,
    /// Name of the open tag whose text is not spoken.
    hidden: Option<String>,
    /// Whether this row has a spoken cell already.
    cells: bool,
}

impl Speech {
    fn line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    /// Ends the line with a full stop where only formatting showed its end, so that it can be heard.
    fn pause(&mut self) {
        let said = self.out.trim_end_matches(|c| matches!(c, ' ' | ',' | '\n') || is_picture(c)).len();
        let nothing = self.out[said..].contains('\n');
        self.out.truncate(said);
        if !nothing && self.out.ends_with(|c: char| c.is_alphanumeric() || ")]%\"”€$*`_".contains(c)) {
            self.out.push('.');
        }
        self.line();
    }

    fn text(&mut self, text: &str) {
        if !self.code && self.hidden.is_none() {
            self.fresh = false;
            self.out.push_str(text);
        }
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) => self.text(&text),
            Event::SoftBreak | Event::HardBreak => self.text("\n"),
            Event::Rule => self.line(),
            Event::Html(html) | Event::InlineHtml(html) => self.html(&html),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph if !self.fresh => self.line(),
            Tag::Heading { .. } | Tag::BlockQuote(_) | Tag::Table(_) => self.line(),
            Tag::TableHead | Tag::TableRow => {
                self.line();
                self.cells = false;
            }
            Tag::TableCell if self.cells && !self.out.ends_with([' ', '\n']) => self.text(", "),
            Tag::CodeBlock(kind) => {
                self.line();
                self.code = match kind {
                    CodeBlockKind::Fenced(name) => {
                        !PROSE.contains(&name.trim().to_ascii_lowercase().as_str())
                    }
                    CodeBlockKind::Indented => false,
                };
            }
            Tag::List(first) => {
                self.line();
                self.lists.push(first);
            }
            Tag::Item => {
                self.line();
                self.fresh = true;
                if let Some(Some(number)) = self.lists.last_mut() {
                    self.out.push_str(&format!("{number}. "));
                    *number = number.saturating_add(1);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            // `pause` makes the end of an item heard
            TagEnd::Paragraph if !self.lists.is_empty() => {}
            TagEnd::Paragraph | TagEnd::BlockQuote(_) => self.line(),
            TagEnd::Heading(_) | TagEnd::Item | TagEnd::TableHead | TagEnd::TableRow => self.pause(),
            TagEnd::TableCell => self.cells = true,
            TagEnd::CodeBlock => {
                self.code = false;
                self.line();
            }
            TagEnd::List(_) => {
                self.lists.pop();
            }
            _ => {}
        }
    }

    /// Speaks the text between tags; skips comments and instructions.
    fn html(&mut self, html: &str) {
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            self.text(&rest[..at]);
            rest = &rest[at..];
            if let Some(comment) = rest.strip_prefix("<!--") {
                rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
                continue;
            }
            let Some(end) = rest.find('>') else { break };
            self.tag(&rest[..=end]);
            rest = &rest[end + 1..];
        }
        self.text(rest);
    }

    fn tag(&mut self, tag: &str) {
        let inner = tag.trim_matches(['<', '>']);
        let closes = inner.starts_with('/');
        let name = inner.trim_start_matches('/').split(|c: char| c.is_whitespace() || c == '/').next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        if self.hidden.as_deref() == Some(&name) {
            self.hidden = None;
        } else if HIDDEN.contains(&name.as_str()) && !closes {
            self.hidden.get_or_insert(name);
        } else if matches!(name.as_str(), "br" | "p" | "div" | "li" | "tr" | "hr" | "h1" | "h2" | "h3") {
            self.line();
        } else if matches!(name.as_str(), "td" | "th") {
            self.text(" ");
        } else if !TAGS.contains(&name.as_str())
            && !name.starts_with(['!', '?'])
            && !name.contains(':')
            && !closes
        {
            self.text(tag);
        }
    }
}
