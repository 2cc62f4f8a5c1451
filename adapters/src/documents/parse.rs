//! Reads the text of a document. It may loop, panic or eat memory: call it in a [child process](super::run) only.

use domain::knowledge::DocumentFault;
use domain::knowledge::chunk::{Block, BlockKind};

use super::sniff::{Format, format_of};
use super::{csv_rows, docx, html, markdown, pdf, text};

/// Most bytes of text that a document may have.
pub(super) const MAX_TEXT: usize = 8 << 20;
/// Most pages of a document.
pub(super) const MAX_PAGES: usize = 3_000;

/// The text of a document, and what the document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    pub format: Format,
    /// In the order in which a person reads.
    pub blocks: Vec<Block>,
    /// Number of pages; `None` where the format has none.
    pub pages: Option<u32>,
}

/// Collects blocks, up to the most text that a document may have.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: Vec<Block>,
    bytes: usize,
}

impl Blocks {
    /// Adds a block, with its white space made single; one without text is left out. Fails when the text becomes too
    /// long.
    pub(super) fn push(&mut self, kind: BlockKind, text: &str) -> Result<(), DocumentFault> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.push_lines(kind, &text)
    }

    /// The same, with its lines as they are.
    pub(super) fn push_lines(&mut self, kind: BlockKind, text: &str) -> Result<(), DocumentFault> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        // the block itself is counted, too: many short ones also take memory
        self.bytes += text.len() + 16;
        if self.bytes > MAX_TEXT {
            return Err(DocumentFault::TooLong);
        }
        self.blocks.push(Block::new(kind, text));
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<Block>, DocumentFault> {
        // signs without any letter or digit are no text: leaders and bullets of a scan's frame
        let is_word = |block: &Block| block.text.chars().any(char::is_alphanumeric);
        if self.blocks.iter().any(is_word) { Ok(self.blocks) } else { Err(DocumentFault::NoText) }
    }
}

/// Reads the text of a document. `declared` is its MIME type, as somebody said.
pub fn parse(content: &[u8], declared: &str) -> Result<Parsed, DocumentFault> {
    let format = format_of(content, declared)?;
    let mut pages = None;
    let blocks = match format {
        Format::Pdf => {
            let (blocks, count) = pdf::blocks(content)?;
            pages = Some(count);
            blocks
        }
        Format::Docx => docx::blocks(content)?,
        Format::Html => html::blocks(content, declared)?,
        Format::Markdown => markdown::blocks(&text::decoded(content, declared))?,
        Format::Text => text::blocks(&text::decoded(content, declared))?,
        Format::Csv => csv_rows::blocks(&text::decoded(content, declared))?,
    };
    Ok(Parsed { format, blocks: blocks.finish()?, pages })
}
