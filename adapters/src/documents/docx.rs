//! DOCX: headings by their styles, paragraphs, and rows of tables.

use std::collections::HashMap;
use std::io::{Cursor, Read as _};

use domain::knowledge::DocumentFault;
use domain::knowledge::chunk::BlockKind;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;
use zip::result::ZipError;

use super::parse::Blocks;

/// Most bytes of a part of the document, unpacked.
const MAX_XML: u64 = 64 << 20;
/// Most entries of the archive.
const MAX_ENTRIES: usize = 20_000;

pub(super) fn blocks(content: &[u8]) -> Result<Blocks, DocumentFault> {
    let mut archive = ZipArchive::new(Cursor::new(content)).map_err(|_| DocumentFault::Damaged)?;
    if archive.len() > MAX_ENTRIES {
        return Err(DocumentFault::TooMuchWork);
    }
    let styles = match part(&mut archive, "word/styles.xml") {
        Ok(styles) => headings(&styles)?,
        Err(DocumentFault::NoText) => HashMap::new(),
        Err(fault) => return Err(fault),
    };
    let document = part(&mut archive, "word/document.xml")?;
    let mut reader = Reader::from_reader(document.as_slice());
    let mut body = Body { styles, ..Body::default() };
    loop {
        match reader.read_event().map_err(|_| DocumentFault::Damaged)? {
            Event::Start(tag) => body.opens(&tag)?,
            Event::Empty(tag) => {
                body.opens(&tag)?;
                body.closes(tag.local_name().as_ref())?;
            }
            Event::End(tag) => body.closes(tag.local_name().as_ref())?,
            Event::Text(text) if body.in_text => {
                body.open.push_str(&text.decode().map_err(|_| DocumentFault::Damaged)?);
            }
            Event::CData(text) if body.in_text => {
                body.open.push_str(&text.decode().map_err(|_| DocumentFault::Damaged)?);
            }
            Event::GeneralRef(reference) if body.in_text => {
                let name = reference.decode().map_err(|_| DocumentFault::Damaged)?;
                match reference.resolve_char_ref() {
                    Ok(Some(character)) => body.open.push(character),
                    // entities of the document's own are never resolved
                    _ => body.open.push_str(resolve_predefined_entity(&name).unwrap_or_default()),
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    body.end_paragraph()?;
    Ok(body.blocks)
}

/// A part of the document, unpacked. One that is missing is [`DocumentFault::NoText`].
fn part(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<Vec<u8>, DocumentFault> {
    let entry = archive.by_name(name).map_err(|error| match error {
        ZipError::FileNotFound => DocumentFault::NoText,
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => DocumentFault::Encrypted,
        _ => DocumentFault::Damaged,
    })?;
    let mut bytes = Vec::new();
    entry.take(MAX_XML + 1).read_to_end(&mut bytes).map_err(|_| DocumentFault::Damaged)?;
    if bytes.len() as u64 > MAX_XML { Err(DocumentFault::TooMuchWork) } else { Ok(bytes) }
}

fn value(tag: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    let attribute =
        tag.attributes().flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
    Some(String::from_utf8_lossy(&attribute.value).into_owned())
}

/// Levels of headings, by the ids of their styles. Names of styles are English in every language of Word.
fn headings(styles: &[u8]) -> Result<HashMap<String, u8>, DocumentFault> {
    let mut reader = Reader::from_reader(styles);
    let (mut levels, mut style) = (HashMap::new(), None);
    loop {
        match reader.read_event().map_err(|_| DocumentFault::Damaged)? {
            Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                b"style" => style = value(&tag, b"styleId"),
                b"name" => {
                    let name = value(&tag, b"val").unwrap_or_default().to_ascii_lowercase();
                    let level = match name.strip_prefix("heading ") {
                        Some(level) => level.parse().ok().filter(|level| (1..=9).contains(level)),
                        None => (name == "title").then_some(1),
                    };
                    if let (Some(style), Some(level)) = (&style, level) {
                        levels.insert(style.clone(), level);
                    }
                }
                b"outlineLvl" => {
                    let level = value(&tag, b"val").and_then(|level| level.parse::<u8>().ok());
                    if let (Some(style), Some(level @ 0..=8)) = (&style, level) {
                        levels.entry(style.clone()).or_insert(level + 1);
                    }
                }
                _ => {}
            },
            Event::End(tag) if tag.local_name().as_ref() == b"style" => style = None,
            Event::Eof => return Ok(levels),
            _ => {}
        }
    }
}

#[derive(Default)]
struct Body {
    blocks: Blocks,
    styles: HashMap<String, u8>,
    open: String,
    level: Option<u8>,
    in_text: bool,
    /// How many elements of a kind that repeats other content are open.
    skipped: u32,
    tables: u32,
    cells: Vec<String>,
}

impl Body {
    fn opens(&mut self, tag: &BytesStart<'_>) -> Result<(), DocumentFault> {
        let name = tag.local_name();
        if name.as_ref() == b"Fallback" {
            self.skipped += 1;
        }
        if self.skipped > 0 {
            return Ok(());
        }
        match name.as_ref() {
            b"t" => self.in_text = true,
            b"tab" | b"br" | b"cr" => self.open.push(' '),
            b"pStyle" => self.level = self.styles.get(&value(tag, b"val").unwrap_or_default()).copied(),
            b"outlineLvl" => {
                let level = value(tag, b"val").and_then(|level| level.parse::<u8>().ok());
                if let Some(level @ 0..=8) = level {
                    self.level = Some(level + 1);
                }
            }
            b"tbl" => {
                if self.tables == 0 {
                    self.end_paragraph()?;
                }
                self.tables += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn closes(&mut self, name: &[u8]) -> Result<(), DocumentFault> {
        if name == b"Fallback" {
            self.skipped = self.skipped.saturating_sub(1);
            return Ok(());
        }
        if self.skipped > 0 {
            return Ok(());
        }
        match name {
            b"t" => self.in_text = false,
            b"p" if self.tables == 0 => self.end_paragraph()?,
            b"p" => self.open.push(' '),
            b"tc" if self.tables == 1 => self.cells.push(std::mem::take(&mut self.open)),
            b"tr" if self.tables == 1 => {
                let cells = std::mem::take(&mut self.cells);
                let said: Vec<_> =
                    cells.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty()).collect();
                self.blocks.push(BlockKind::Row, &said.join(" | "))?;
            }
            b"tbl" => {
                self.tables = self.tables.saturating_sub(1);
                if self.tables == 0 {
                    self.open.clear();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end_paragraph(&mut self) -> Result<(), DocumentFault> {
        // levels beyond six are those of small print
        let kind = self.level.take().map_or(BlockKind::Paragraph, |level| BlockKind::Heading(level.min(6)));
        let text = std::mem::take(&mut self.open);
        self.blocks.push(kind, &text)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in parts {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn headings_paragraphs_and_rows_are_read() {
        let styles =
            r#"<w:styles><w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style></w:styles>"#;
        let document = r#"<?xml version="1.0"?><w:document><w:body>
            <w:p><w:pPr><w:pStyle w:val="berschrift2"/></w:pPr><w:r><w:t>Prices</w:t></w:r></w:p>
            <w:p><w:r><w:t xml:space="preserve">A shave &amp; </w:t></w:r><w:r><w:t>a cut</w:t></w:r>
            <w:del><w:r><w:delText>not this</w:delText></w:r></w:del></w:p>
            <w:p><mc:AlternateContent><mc:Choice><w:r><w:t>once</w:t></w:r></mc:Choice>
            <mc:Fallback><w:r><w:t>once</w:t></w:r></mc:Fallback></mc:AlternateContent></w:p>
            <w:tbl><w:tr><w:tc><w:p><w:r><w:t>Shave</w:t></w:r></w:p></w:tc>
            <w:tc><w:p><w:r><w:t>12</w:t></w:r></w:p></w:tc></w:tr></w:tbl>
            </w:body></w:document>"#;
        let file = archive(&[("word/styles.xml", styles), ("word/document.xml", document)]);
        let found = blocks(&file).unwrap().finish().unwrap();
        let told: Vec<_> = found.iter().map(|block| (block.kind, block.text.as_str())).collect();
        assert_eq!(
            told,
            [
                (BlockKind::Heading(2), "Prices"),
                (BlockKind::Paragraph, "A shave & a cut"),
                (BlockKind::Paragraph, "once"),
                (BlockKind::Row, "Shave | 12"),
            ]
        );
    }

    #[test]
    fn an_archive_that_unpacks_to_too_much_is_refused() {
        let bomb = " ".repeat(MAX_XML as usize + 10);
        let file = archive(&[("word/document.xml", &bomb)]);
        assert!(file.len() < 200_000, "{}", file.len());
        assert_eq!(blocks(&file).err(), Some(DocumentFault::TooMuchWork));
    }

    #[test]
    fn entities_of_the_document_s_own_are_never_resolved() {
        let document = "<!DOCTYPE d [<!ENTITY a \"boom\"><!ENTITY x SYSTEM \"file:///etc/passwd\">]>\
            <w:document><w:p><w:t>b&a;&x;c</w:t></w:p></w:document>";
        let found = blocks(&archive(&[("word/document.xml", document)])).unwrap().finish().unwrap();
        assert_eq!(found[0].text, "bc");
    }
}
