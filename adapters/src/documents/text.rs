//! Plain text: its encoding, and its paragraphs.

use std::borrow::Cow;

use domain::knowledge::DocumentFault;
use domain::knowledge::chunk::BlockKind;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::parse::Blocks;

/// The text in its encoding: of a byte order mark, UTF-8 if it is valid, as declared, else Windows-1252.
pub(super) fn decoded<'c>(content: &'c [u8], declared: &str) -> Cow<'c, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(content) {
        return encoding.decode_without_bom_handling(&content[mark..]).0;
    }
    if let Ok(text) = std::str::from_utf8(content) {
        return Cow::Borrowed(text);
    }
    charset(declared).filter(|encoding| *encoding != UTF_8).unwrap_or(WINDOWS_1252).decode(content).0
}

/// The encoding that a MIME type names in its `charset`.
pub(super) fn charset(declared: &str) -> Option<&'static Encoding> {
    let value = declared.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    })?;
    Encoding::for_label(value.trim().trim_matches('"').as_bytes())
}

/// Paragraphs, which empty lines part.
pub(super) fn blocks(text: &str) -> Result<Blocks, DocumentFault> {
    let mut blocks = Blocks::default();
    let mut paragraph = String::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            blocks.push_lines(BlockKind::Paragraph, &paragraph)?;
            paragraph.clear();
        } else {
            paragraph.push_str(line.trim_end());
            paragraph.push('\n');
        }
    }
    blocks.push_lines(BlockKind::Paragraph, &paragraph)?;
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_its_own_encoding() {
        assert_eq!(decoded("Öffnung".as_bytes(), "text/plain"), "Öffnung");
        assert_eq!(decoded(b"\xd6ffnung", "text/plain"), "Öffnung");
        assert_eq!(decoded(b"\xd6ffnung", "text/plain; charset=utf-8"), "Öffnung", "a lie");
        assert_eq!(decoded(b"\xcf\xf0\xe8\xe2\xe5\xf2", "text/plain; charset=\"windows-1251\""), "Привет");
        let wide: Vec<u8> =
            [0xff, 0xfe].into_iter().chain("Öl".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(decoded(&wide, "text/plain"), "Öl");
    }

    #[test]
    fn empty_lines_part_paragraphs() {
        let found = blocks("one\ntwo\r\n \r\n\n three \n").unwrap().finish().unwrap();
        let texts: Vec<_> = found.iter().map(|block| block.text.as_str()).collect();
        assert_eq!(texts, ["one\ntwo", "three"]);
    }
}
