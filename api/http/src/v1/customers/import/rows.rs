//! Reads customers from CSV: any common encoding and delimiter, a header line, one customer a line.

use std::borrow::Cow;

use csv::{ReaderBuilder, StringRecord};
use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Most lines of a file, without its header.
pub(super) const MAX_ROWS: usize = 5_000;
/// Most columns of a file.
const MAX_COLUMNS: usize = 100;
/// What separates columns, the most usual first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// What separates several values in one cell.
const SEPARATORS: [char; 4] = [';', '|', ',', '\n'];

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    ExternalId,
    Name,
    Phones,
    Emails,
    Language,
    Timezone,
    /// An entry of the metadata, by its name.
    Metadata(String),
}

impl Field {
    fn of(header: &str) -> Option<Self> {
        let header = header.trim();
        if let Some(name) = header.strip_prefix("metadata.").filter(|name| !name.is_empty()) {
            return Some(Self::Metadata(name.to_owned()));
        }
        match header.to_lowercase().replace([' ', '-'], "_").as_str() {
            "external_id" => Some(Self::ExternalId),
            "name" => Some(Self::Name),
            "phone" | "phones" => Some(Self::Phones),
            "email" | "emails" | "e_mail" => Some(Self::Emails),
            "language" => Some(Self::Language),
            "timezone" | "time_zone" => Some(Self::Timezone),
            _ => None,
        }
    }
}

/// A line of the file. Empty cells are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ImportRow {
    /// Number of the line where it begins, from 1; the header is the first.
    pub line: u64,
    pub external_id: Option<String>,
    pub name: Option<String>,
    pub phones: Vec<String>,
    pub emails: Vec<String>,
    pub language: Option<String>,
    pub timezone: Option<String>,
    pub metadata: Vec<(String, String)>,
}

/// A file as it was read.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// Good lines, and those that could not be read with the reason.
    pub rows: Vec<Result<ImportRow, (u64, String)>>,
    /// Headers of columns that mean nothing here.
    pub ignored_columns: Vec<String>,
}

/// Reads a file. Fails with the reason when it has no header that is understood, or too many lines or columns.
pub(super) fn read(bytes: &[u8]) -> Result<Sheet, String> {
    let text = decoded(bytes);
    if text.contains('\0') {
        return Err("the file is not text: give CSV in UTF-8, UTF-16 or Windows-1252".to_owned());
    }
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(&text))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| "the header line cannot be read".to_owned())?.clone();
    if header.len() > MAX_COLUMNS {
        return Err(format!("at most {MAX_COLUMNS} columns are read"));
    }
    let fields: Vec<Option<Field>> = header.iter().map(Field::of).collect();
    if fields.iter().all(Option::is_none) {
        return Err(
            "the first line must name the columns: external_id, name, phone, email, language, timezone, \
                    or metadata.<name>"
                .to_owned(),
        );
    }
    let ignored = header.iter().zip(&fields).filter(|(_, field)| field.is_none());
    let mut sheet = Sheet {
        ignored_columns: ignored.map(|(name, _)| name.chars().take(100).collect()).collect(),
        rows: Vec::new(),
    };
    let mut record = StringRecord::new();
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    loop {
        let line = lines.at(reader.position().byte());
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(sheet),
            Ok(true) => {
                if record.len() > fields.len() {
                    let why = format!("has {} cells, but there are {} columns", record.len(), fields.len());
                    sheet.rows.push(Err((line, why)));
                } else if record.iter().any(|cell| !cell.is_empty()) {
                    sheet.rows.push(Ok(row(line, &record, &fields)));
                }
            }
            Err(_) => {
                sheet.rows.push(Err((line, "cannot be read as CSV".to_owned())));
            }
        }
        if sheet.rows.len() > MAX_ROWS {
            return Err(format!("at most {MAX_ROWS} lines are taken at once: split the file"));
        }
    }
}

/// Counts lines as editors do. The reader's own count is one behind where lines end in CR and LF.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that begins at this byte or after line ends that stand there. Bytes only grow.
    fn at(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(next) = self.text.get(self.at)
            && (self.at < byte || matches!(next, b'\r' | b'\n'))
        {
            self.line += u64::from(*next == b'\n');
            self.at += 1;
        }
        self.line
    }
}

fn row(line: u64, record: &StringRecord, fields: &[Option<Field>]) -> ImportRow {
    let mut row = ImportRow { line, ..ImportRow::default() };
    for (cell, field) in record.iter().zip(fields).filter(|(cell, _)| !cell.is_empty()) {
        let text = || Some(cell.to_owned());
        match field {
            Some(Field::ExternalId) => row.external_id = text(),
            Some(Field::Name) => row.name = text(),
            Some(Field::Phones) => row.phones.extend(several(cell)),
            Some(Field::Emails) => row.emails.extend(several(cell)),
            Some(Field::Language) => row.language = text(),
            Some(Field::Timezone) => row.timezone = text(),
            Some(Field::Metadata(name)) => row.metadata.push((name.clone(), cell.to_owned())),
            None => {}
        }
    }
    row
}

fn several(cell: &str) -> impl Iterator<Item = String> {
    cell.split(SEPARATORS).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// The text, by its byte order mark; without one it is UTF-8, or else what spreadsheets on Windows write.
fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    let marked = [(&b"\xef\xbb\xbf"[..], UTF_8), (b"\xff\xfe", UTF_16LE), (b"\xfe\xff", UTF_16BE)];
    for (mark, encoding) in marked {
        if let Some(rest) = bytes.strip_prefix(mark) {
            return encoding.decode_without_bom_handling(rest).0;
        }
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// The delimiter that splits the first line into most columns.
fn delimiter(text: &str) -> u8 {
    let mut counts = [0; DELIMITERS.len()];
    let mut quoted = false;
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            byte if !quoted => {
                if let Some(at) = DELIMITERS.iter().position(|delimiter| *delimiter == byte) {
                    counts[at] += 1;
                }
            }
            _ => {}
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    let at = counts.iter().position(|count| *count == most).unwrap_or(0);
    DELIMITERS[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(bytes: &[u8]) -> Vec<ImportRow> {
        read(bytes).unwrap().rows.into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn a_file_is_read_in_every_usual_encoding_and_with_every_usual_delimiter() {
        let text = "name;phone\r\n\"Jürgen; Müller\";+49 30 1234567\r\n";
        let wide = |bytes: fn(u16) -> [u8; 2], mark: [u8; 2]| -> Vec<u8> {
            mark.into_iter().chain(text.encode_utf16().flat_map(bytes)).collect()
        };
        let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            wide(u16::to_le_bytes, [0xff, 0xfe]),
            wide(u16::to_be_bytes, [0xfe, 0xff]),
            latin,
        ] {
            let rows = good(&bytes);
            assert_eq!(rows[0].name.as_deref(), Some("Jürgen; Müller"));
            assert_eq!((rows[0].phones.clone(), rows[0].line), (vec!["+49 30 1234567".to_owned()], 2));
        }
        for delimiter in [",", ";", "\t", "|"] {
            let text = ["Name", "E-Mail", "metadata.Plan"].join(delimiter)
                + "\nAnn"
                + delimiter
                + "a@b.test"
                + delimiter
                + "pro";
            let rows = good(text.as_bytes());
            assert_eq!(rows[0].emails, ["a@b.test"]);
            assert_eq!(rows[0].metadata, [("Plan".to_owned(), "pro".to_owned())]);
        }
    }

    #[test]
    fn bad_lines_are_named_and_good_ones_are_kept() {
        let sheet =
            read(b"name,phone\nAnn,+12025550101\nBob,+1,more\n\n,\nCid,\"+12025550102,+12025550103\"\n")
                .unwrap();
        let lines: Vec<_> = sheet
            .rows
            .iter()
            .map(|row| row.as_ref().map(|row| row.line).map_err(|(line, _)| *line))
            .collect();
        assert_eq!(lines, [Ok(2), Err(3), Ok(6)]);
        assert_eq!(sheet.rows[2].as_ref().unwrap().phones.len(), 2);
    }

    #[test]
    fn a_file_without_a_header_or_with_too_much_is_refused() {
        for bad in [&b""[..], b"Ann,+12025550101\n", b"\x00\x01\x02"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        let long = "name\n".to_owned() + &"x\n".repeat(MAX_ROWS + 1);
        assert!(read(long.as_bytes()).is_err());
        let wide = vec!["name"; MAX_COLUMNS + 1].join(",");
        assert!(read(wide.as_bytes()).is_err());
        let unknown = read(b"name,shoe size\nAnn,38\n").unwrap();
        assert_eq!(unknown.ignored_columns, ["shoe size"]);
    }
}
