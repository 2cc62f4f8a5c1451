//! PDF: the text of each page, in the order it was drawn.

use std::panic::{AssertUnwindSafe, catch_unwind};

use domain::knowledge::DocumentFault;
use domain::knowledge::chunk::BlockKind;
use pdf_extract::{Document, Error, PlainTextOutput, output_doc_page};

use super::parse::{Blocks, MAX_PAGES, MAX_TEXT};

/// The blocks, and the number of pages.
pub(super) fn blocks(content: &[u8]) -> Result<(Blocks, u32), DocumentFault> {
    let mut document = Document::load_mem(content).map_err(|error| fault(&error))?;
    // one that anybody may open has an empty password
    if document.is_encrypted() && document.decrypt("").is_err() {
        return Err(DocumentFault::Encrypted);
    }
    let pages: Vec<u32> = document.get_pages().into_keys().collect();
    if pages.len() > MAX_PAGES {
        return Err(DocumentFault::TooLong);
    }
    let mut blocks = Blocks::default();
    let (mut read, mut bytes) = (0, 0);
    for page in &pages {
        // the library panics on some fonts: the other pages are read all the same
        let text = catch_unwind(AssertUnwindSafe(|| {
            let mut text = String::new();
            let done = output_doc_page(&document, &mut PlainTextOutput::new(&mut text), *page);
            done.ok().map(|()| text)
        }));
        let Ok(Some(text)) = text else { continue };
        read += 1;
        bytes += text.len();
        if bytes > MAX_TEXT {
            return Err(DocumentFault::TooLong);
        }
        paragraphs(&text, &mut blocks)?;
    }
    if read == 0 {
        return Err(match pages.is_empty() {
            // the library leaves out what it cannot decrypt
            true if names_encryption(content) => DocumentFault::Encrypted,
            true => DocumentFault::NoText,
            false => DocumentFault::Damaged,
        });
    }
    Ok((blocks, pages.len() as u32))
}

/// Whether the file has a dictionary of encryption, as far as its trailer is plain.
fn names_encryption(content: &[u8]) -> bool {
    content.windows(b"/Encrypt".len()).any(|part| part == b"/Encrypt")
}

fn fault(error: &Error) -> DocumentFault {
    match error {
        Error::Decryption(_) | Error::InvalidPassword => DocumentFault::Encrypted,
        _ => DocumentFault::Damaged,
    }
}

/// Lines are joined until an empty one.
fn paragraphs(text: &str, blocks: &mut Blocks) -> Result<(), DocumentFault> {
    let mut paragraph = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() {
            blocks.push(BlockKind::Paragraph, &paragraph)?;
            paragraph.clear();
        } else {
            paragraph.push_str(line);
            paragraph.push(' ');
        }
    }
    blocks.push(BlockKind::Paragraph, &paragraph)
}
