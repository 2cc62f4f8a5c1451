//! Markdown: headings, paragraphs, entries of lists, code, and rows of tables.

use domain::knowledge::DocumentFault;
use domain::knowledge::chunk::BlockKind;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::parse::Blocks;

pub(super) fn blocks(text: &str) -> Result<Blocks, DocumentFault> {
    let mut blocks = Blocks::default();
    let mut open = String::new();
    let mut kind = BlockKind::Paragraph;
    let (mut names, mut cells): (Vec<String>, Vec<String>) = (vec![], vec![]);
    let mut lines = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => kind = BlockKind::Heading(level as u8),
            Event::Start(Tag::CodeBlock(_)) => {
                blocks.push(kind, &std::mem::take(&mut open))?;
                lines = true;
            }
            // an entry of a list begins a block, also within another one
            Event::Start(Tag::Item) => blocks.push(kind, &std::mem::take(&mut open))?,
            Event::End(TagEnd::Heading(_)) => {
                blocks.push(kind, &std::mem::take(&mut open))?;
                kind = BlockKind::Paragraph;
            }
            Event::End(TagEnd::CodeBlock) => {
                blocks.push_lines(kind, &std::mem::take(&mut open))?;
                lines = false;
            }
            Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::HtmlBlock) => {
                blocks.push(kind, &std::mem::take(&mut open))?;
            }
            Event::End(TagEnd::TableCell) => cells.push(std::mem::take(&mut open)),
            Event::End(TagEnd::TableHead) => names = std::mem::take(&mut cells),
            Event::End(TagEnd::TableRow) => {
                blocks.push(BlockKind::Row, &row(&names, &std::mem::take(&mut cells)))?;
            }
            Event::Text(text) | Event::Code(text) => open.push_str(&text),
            Event::SoftBreak | Event::HardBreak => open.push(if lines { '\n' } else { ' ' }),
            _ => {}
        }
    }
    blocks.push(kind, &open)?;
    Ok(blocks)
}

/// The cells that say something, each after the name of its column, if there is one.
pub(super) fn row(names: &[String], cells: &[String]) -> String {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cell = |(n, value): (usize, &String)| {
        let value = words(value);
        let name = names.get(n).map(|name| words(name)).filter(|name| !name.is_empty());
        match name {
            _ if value.is_empty() => None,
            Some(name) => Some(format!("{name}: {value}")),
            None => Some(value),
        }
    };
    let part = if names.is_empty() { " | " } else { "; " };
    cells.iter().enumerate().filter_map(cell).collect::<Vec<_>>().join(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_of_markdown_is_kept() {
        let text = "# Clinic\n\nWe are *open*\nevery day.\n\n- first\n- second\n  - deeper\n\n```\na\n  b\n```\n\n\
            | what | price |\n|---|---|\n| Shave | 12 |\n";
        let found = blocks(text).unwrap().finish().unwrap();
        let told: Vec<_> = found.iter().map(|block| (block.kind, block.text.as_str())).collect();
        assert_eq!(
            told,
            [
                (BlockKind::Heading(1), "Clinic"),
                (BlockKind::Paragraph, "We are open every day."),
                (BlockKind::Paragraph, "first"),
                (BlockKind::Paragraph, "second"),
                (BlockKind::Paragraph, "deeper"),
                (BlockKind::Paragraph, "a\n  b"),
                (BlockKind::Row, "what: Shave; price: 12"),
            ]
        );
    }
}
