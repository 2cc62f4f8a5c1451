//! What a document is, by its content. What was declared of it chooses only between kinds of text, which look alike.

use std::io::Cursor;

use domain::knowledge::DocumentFault;

/// A format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Pdf,
    Docx,
    Html,
    Markdown,
    Text,
    Csv,
}

impl Format {
    /// MIME type of the format.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Html => "text/html",
            Self::Markdown => "text/markdown",
            Self::Text => "text/plain",
            Self::Csv => "text/csv",
        }
    }

    /// The format of a declared MIME type; `None` for one that says nothing.
    fn declared(content_type: &str) -> Option<Self> {
        match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/pdf" => Some(Self::Pdf),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => Some(Self::Docx),
            "text/html" | "application/xhtml+xml" => Some(Self::Html),
            "text/markdown" | "text/x-markdown" => Some(Self::Markdown),
            "text/plain" => Some(Self::Text),
            "text/csv" | "application/csv" => Some(Self::Csv),
            _ => None,
        }
    }

    const fn is_text(self) -> bool {
        !matches!(self, Self::Pdf | Self::Docx)
    }
}

/// The format of the content. Fails when there is none, it cannot be read, or it is not what was declared.
pub(super) fn format_of(content: &[u8], declared: &str) -> Result<Format, DocumentFault> {
    if content.is_empty() {
        return Err(DocumentFault::Empty);
    }
    let declared = Format::declared(declared);
    let found = found(content);
    match (declared, found) {
        (Some(declared), Ok(found)) if declared.is_text() != found.is_text() => Err(DocumentFault::OtherType),
        (Some(declared), Ok(found)) if !declared.is_text() && declared != found => {
            Err(DocumentFault::OtherType)
        }
        // what begins like a page is one, whatever text it was declared as
        (_, Ok(Format::Html)) => Ok(Format::Html),
        (Some(declared), Ok(found)) => Ok(if found.is_text() { declared } else { found }),
        (None, Ok(found)) => Ok(found),
        (Some(_), Err(DocumentFault::UnsupportedType)) => Err(DocumentFault::OtherType),
        (_, Err(fault)) => Err(fault),
    }
}

fn found(content: &[u8]) -> Result<Format, DocumentFault> {
    // readers of PDF take up to a kilobyte before its header
    let head = &content[..content.len().min(1_024)];
    if memchr::memmem::find(head, b"%PDF-").is_some() {
        return Ok(Format::Pdf);
    }
    if content.starts_with(b"PK\x03\x04") || content.starts_with(b"PK\x05\x06") {
        return match zip::ZipArchive::new(Cursor::new(content)) {
            Ok(archive) if archive.index_for_name("word/document.xml").is_some() => Ok(Format::Docx),
            Ok(_) => Err(DocumentFault::UnsupportedType),
            Err(_) => Err(DocumentFault::Damaged),
        };
    }
    // a compound file: Word with a password, or Word before 2007
    if content.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        return match memchr::memmem::find(content, &name) {
            Some(_) => Err(DocumentFault::Encrypted),
            None => Err(DocumentFault::UnsupportedType),
        };
    }
    if content.starts_with(b"{\\rtf") || !is_text(content) {
        return Err(DocumentFault::UnsupportedType);
    }
    Ok(if is_page(content) { Format::Html } else { Format::Text })
}

/// Whether the content may be text: no control characters but white space, unless it is UTF-16 with its mark.
fn is_text(content: &[u8]) -> bool {
    if content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]) {
        return true;
    }
    let control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    !content.iter().any(control)
}

/// Whether it begins as a page does, after white space and comments.
fn is_page(content: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&content[..content.len().min(4_096)]).to_lowercase();
    let mut rest = head.trim_start_matches('\u{feff}').trim_start();
    while let Some(after) = rest.strip_prefix("<!--") {
        rest = after.split_once("-->").map_or("", |(_, after)| after).trim_start();
    }
    let rest = rest
        .strip_prefix("<?xml")
        .map_or(rest, |xml| xml.split_once("?>").map_or("", |(_, after)| after).trim_start());
    ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| rest.starts_with(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_decides_and_a_lying_type_is_found_out() {
        let pdf = b"%PDF-1.7\n1 0 obj".as_slice();
        assert_eq!(format_of(pdf, "application/octet-stream"), Ok(Format::Pdf));
        assert_eq!(format_of(pdf, "text/plain"), Err(DocumentFault::OtherType));
        assert_eq!(format_of(b"a,b\n1,2\n", "text/csv"), Ok(Format::Csv));
        assert_eq!(format_of(b"# Title", "text/markdown; charset=utf-8"), Ok(Format::Markdown));
        assert_eq!(format_of(b"just words", "application/pdf"), Err(DocumentFault::OtherType));
        assert_eq!(format_of(b"<!-- x --> <!DOCTYPE html><p>x", "text/plain"), Ok(Format::Html));
        assert_eq!(format_of(b"<p>x</p>", "text/html"), Ok(Format::Html));
        assert_eq!(format_of(b"", "text/plain"), Err(DocumentFault::Empty));
        assert_eq!(format_of(b"\x89PNG\r\n\x1a\n\0\0", "image/png"), Err(DocumentFault::UnsupportedType));
        assert_eq!(format_of(b"\x89PNG\r\n\x1a\n\0\0", "text/plain"), Err(DocumentFault::OtherType));
        assert_eq!(format_of(b"PK\x03\x04 and no more", ""), Err(DocumentFault::Damaged));
        assert_eq!(format_of(b"{\\rtf1 x}", ""), Err(DocumentFault::UnsupportedType));
        let word = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), b"W\0o\0r\0d\0"].concat();
        assert_eq!(format_of(&word, ""), Err(DocumentFault::UnsupportedType));
        let name = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes);
        let locked: Vec<u8> = word.iter().copied().chain(name).collect();
        assert_eq!(format_of(&locked, ""), Err(DocumentFault::Encrypted));
    }
}
