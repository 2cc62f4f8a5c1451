//! HTML: headings, paragraphs, entries of lists, and rows of tables. The tags are read one by one, without a tree, so
//! depth costs nothing.

use domain::knowledge::DocumentFault;
use domain::knowledge::chunk::BlockKind;
use html5gum::{DefaultEmitter, Token, Tokenizer};

use super::markdown::row;
use super::parse::Blocks;
use super::text::{charset, decoded};

/// Bytes at the beginning that may name the encoding.
const HEAD: usize = 2_048;
/// What is in these elements is no text of the page.
const SILENT: [&str; 7] = ["script", "style", "noscript", "template", "svg", "head", "iframe"];
/// Elements that can stand in the head. The first other one ends it: its tags may be left out.
const OF_HEAD: [&str; 12] = [
    "base", "basefont", "bgsound", "head", "html", "link", "meta", "noscript", "script", "style", "template",
    "title",
];
/// Elements within a line; every other one ends what was said before it.
const INLINE: [&str; 23] = [
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "img", "kbd", "mark", "q", "s",
    "small", "span", "strong", "sub", "sup", "time", "u", "wbr",
];

pub(super) fn blocks(content: &[u8], declared: &str) -> Result<Blocks, DocumentFault> {
    let named = format!("text/html; charset={}", named_charset(content).unwrap_or_default());
    let declared = if charset(declared).is_some() { declared } else { &named };
    let text = decoded(content, declared);
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut page = Page::default();
    for token in Tokenizer::new_with_emitter(&*text, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => page.opens(&String::from_utf8_lossy(&tag.name), tag.self_closing)?,
            Token::EndTag(tag) => page.closes(&String::from_utf8_lossy(&tag.name))?,
            Token::String(text) => page.says(&String::from_utf8_lossy(&text.value)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    page.flush()?;
    Ok(page.blocks)
}

/// The encoding that the page names in a `meta` element.
fn named_charset(content: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&content[..content.len().min(HEAD)]).to_ascii_lowercase();
    let after = head.split_once("charset=")?.1.trim_start_matches(['"', '\'']);
    let end =
        after.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')).unwrap_or(after.len());
    Some(after[..end].to_owned())
}

#[derive(Default)]
struct Page {
    blocks: Blocks,
    open: String,
    heading: Option<u8>,
    /// The silent element that is open, and how often.
    silent: Option<(String, u32)>,
    /// Whether the silent element stands in the head, which goes on after it.
    in_head: bool,
    title: bool,
    /// How many tables are open: of nested ones the outer rows count.
    tables: u32,
    names: Vec<String>,
    cells: Vec<String>,
    in_cell: bool,
    /// Whether all cells of the row so far are headings of columns.
    heads: bool,
}

impl Page {
    fn opens(&mut self, name: &str, self_closing: bool) -> Result<(), DocumentFault> {
        if let Some((silent, depth)) = &mut self.silent {
            if silent != "head" {
                if silent == name && !self_closing {
                    *depth += 1;
                }
                return Ok(());
            }
            if !OF_HEAD.contains(&name) {
                self.silent = None;
                return self.opens(name, self_closing);
            }
            // the title stands in the head, and is the page's first heading
            self.title |= name == "title";
            if SILENT.contains(&name) && name != "head" && !self_closing {
                self.silent = Some((name.to_owned(), 1));
                self.in_head = true;
            }
            return Ok(());
        }
        match name {
            _ if SILENT.contains(&name) && !self_closing => {
                self.flush()?;
                self.silent = Some((name.to_owned(), 1));
            }
            "br" => self.open.push('\n'),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" if self.tables == 0 => {
                self.flush()?;
                self.heading = name[1..].parse().ok();
            }
            "table" => {
                if self.tables == 0 {
                    self.flush()?;
                    (self.names, self.cells) = (vec![], vec![]);
                }
                self.tables += 1;
            }
            "tr" if self.tables == 1 => {
                self.end_row()?;
                self.heads = true;
            }
            "td" | "th" if self.tables == 1 => {
                self.end_cell();
                self.open.clear();
                self.in_cell = true;
                self.heads &= name == "th";
            }
            _ if INLINE.contains(&name) => {}
            _ if self.tables > 0 => self.open.push(' '),
            _ => self.flush()?,
        }
        Ok(())
    }

    fn closes(&mut self, name: &str) -> Result<(), DocumentFault> {
        if self.title && name == "title" {
            self.title = false;
            let title = std::mem::take(&mut self.open);
            return self.blocks.push(BlockKind::Heading(1), &title);
        }
        if let Some((silent, depth)) = &mut self.silent {
            if name == "head" && self.in_head {
                (self.silent, self.in_head) = (None, false);
            } else if silent == name {
                *depth -= 1;
                if *depth == 0 {
                    self.silent = std::mem::take(&mut self.in_head).then(|| ("head".to_owned(), 1));
                }
            }
            return Ok(());
        }
        match name {
            "table" if self.tables > 0 => {
                if self.tables == 1 {
                    self.end_row()?;
                }
                self.tables -= 1;
            }
            "tr" if self.tables == 1 => self.end_row()?,
            "td" | "th" if self.tables == 1 => self.end_cell(),
            _ if INLINE.contains(&name) => {}
            _ if self.tables > 0 => self.open.push(' '),
            _ => self.flush()?,
        }
        Ok(())
    }

    fn says(&mut self, text: &str) {
        // text cannot stand in the head either
        if self.silent.as_ref().is_some_and(|(silent, _)| silent == "head")
            && !text.trim().is_empty()
            && !self.title
        {
            self.silent = None;
        }
        if self.silent.is_none() || self.title {
            self.open.push_str(text);
        }
    }

    fn end_cell(&mut self) {
        if std::mem::take(&mut self.in_cell) {
            self.cells.push(std::mem::take(&mut self.open));
        }
    }

    fn end_row(&mut self) -> Result<(), DocumentFault> {
        self.end_cell();
        self.open.clear();
        let cells = std::mem::take(&mut self.cells);
        if cells.is_empty() {
            return Ok(());
        }
        if self.heads && cells.len() > 1 && self.names.is_empty() {
            self.names = cells;
            return Ok(());
        }
        self.blocks.push(BlockKind::Row, &row(&self.names, &cells))
    }

    fn flush(&mut self) -> Result<(), DocumentFault> {
        if self.tables > 0 {
            return self.end_row();
        }
        let kind = self.heading.take().map_or(BlockKind::Paragraph, BlockKind::Heading);
        let text = std::mem::take(&mut self.open);
        self.blocks.push(kind, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(page: &str) -> Vec<(BlockKind, String)> {
        let found = blocks(page.as_bytes(), "text/html").unwrap().finish().unwrap();
        found.into_iter().map(|block| (block.kind, block.text)).collect()
    }

    #[test]
    fn the_text_of_a_page_is_read_without_its_scripts() {
        let page = "<!doctype html><html><head><title>Clinic &amp; more</title><style>p{}</style></head><body>\
            <script>let a = '<p>no</p>';</script><h2>Opening <b>hours</b></h2><p>Monday<br>to Friday</p>\
            <ul><li>one<li>two</ul>rest</body></html>";
        let heading = |level, text: &str| (BlockKind::Heading(level), text.to_owned());
        let paragraph = |text: &str| (BlockKind::Paragraph, text.to_owned());
        assert_eq!(
            told(page),
            [
                heading(1, "Clinic & more"),
                heading(2, "Opening hours"),
                paragraph("Monday to Friday"),
                paragraph("one"),
                paragraph("two"),
                paragraph("rest"),
            ]
        );
    }

    #[test]
    fn a_head_ends_where_the_first_element_or_text_of_the_page_begins() {
        let heading = (BlockKind::Heading(1), "Clinic".to_owned());
        let paragraph = (BlockKind::Paragraph, "Open on Saturdays".to_owned());
        for page in [
            "<head><title>Clinic</title><p>Open on Saturdays",
            "<html><head><title>Clinic</title><meta name=a><link rel=b><div>Open on Saturdays</div></html>",
            "<head><title>Clinic</title><style>p{}</style><script>'<p>no</p>'</script>Open on Saturdays",
            "<head><title>Clinic</title><noscript><img alt=no>no</noscript><body>Open on Saturdays",
            "<head><title>Clinic</title><template>no</head><body>Open on Saturdays",
            "<head><title>Clinic</title><svg><text>no</text></svg><p>Open on Saturdays",
        ] {
            assert_eq!(told(page), [heading.clone(), paragraph.clone()], "{page}");
        }
    }

    #[test]
    fn a_row_of_a_table_says_the_names_of_its_columns() {
        let page =
            "<table><tr><th>what<th>price</tr><tr><td>Shave</td><td>12 <p>EUR</p></td></tr></table><p>x";
        let rows = told(page);
        assert_eq!(rows[0], (BlockKind::Row, "what: Shave; price: 12 EUR".to_owned()));
        assert_eq!(rows[1], (BlockKind::Paragraph, "x".to_owned()));
    }

    #[test]
    fn the_encoding_that_a_page_names_is_used() {
        let page = [b"<meta charset=\"windows-1251\"><p>".as_slice(), b"\xcf\xf0\xe8\xe2\xe5\xf2"].concat();
        let found = blocks(&page, "text/html").unwrap().finish().unwrap();
        assert_eq!(found[0].text, "Привет");
    }

    #[test]
    fn depth_costs_nothing() {
        let page = format!("{}deep{}", "<div>".repeat(200_000), "</div>".repeat(200_000));
        assert_eq!(told(&page).len(), 1);
    }
}
