//! Tables as CSV: each row says the names of its columns.

use domain::knowledge::DocumentFault;
use domain::knowledge::chunk::BlockKind;

use super::parse::Blocks;

/// Bytes by which the delimiter is guessed.
const SAMPLE: usize = 16 << 10;
/// Most columns of a table.
const MAX_COLUMNS: usize = 1_000;

pub(super) fn blocks(text: &str) -> Result<Blocks, DocumentFault> {
    let mut blocks = Blocks::default();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .has_headers(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let names = reader.headers().map_err(|_| DocumentFault::Damaged)?.clone();
    if names.len() > MAX_COLUMNS {
        return Err(DocumentFault::TooLong);
    }
    let mut row = csv::StringRecord::new();
    let mut rows = 0_u32;
    while reader.read_record(&mut row).map_err(|_| DocumentFault::Damaged)? {
        rows += 1;
        blocks.push(BlockKind::Row, &joined(&names, &row))?;
    }
    // a line without others is no table, but may say something
    if rows == 0 {
        let alone: Vec<_> = names.iter().filter(|name| !name.is_empty()).collect();
        blocks.push(BlockKind::Row, &alone.join("; "))?;
    }
    Ok(blocks)
}

/// The cells that say something, each after the name of its column.
fn joined(names: &csv::StringRecord, row: &csv::StringRecord) -> String {
    let cell = |(n, value): (usize, &str)| match names.get(n).filter(|name| !name.is_empty()) {
        _ if value.is_empty() => None,
        Some(name) => Some(format!("{name}: {value}")),
        None => Some(value.to_owned()),
    };
    row.iter().enumerate().filter_map(cell).collect::<Vec<_>>().join("; ")
}

/// The character that parts the first lines most evenly.
fn delimiter(text: &str) -> u8 {
    let end = text.char_indices().nth(SAMPLE).map_or(text.len(), |(end, _)| end);
    let lines: Vec<&str> = text[..end].lines().filter(|line| !line.trim().is_empty()).take(20).collect();
    let evenness = |delimiter: u8| {
        let count = |line: &&str| line.bytes().filter(|byte| *byte == delimiter).count();
        let first = lines.first().map_or(0, count);
        let like_it = lines.iter().filter(|line| count(line) == first).count();
        if first == 0 { 0 } else { like_it * 100 + first.min(99) }
    };
    let candidates = [b',', b';', b'\t', b'|'];
    candidates.into_iter().rev().max_by_key(|delimiter| evenness(*delimiter)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<String> {
        blocks(text).unwrap().finish().unwrap().into_iter().map(|block| block.text).collect()
    }

    #[test]
    fn a_row_says_the_names_of_its_columns() {
        assert_eq!(
            rows("name,price\nShave,\"12, or 10\"\nCut,,extra\n"),
            ["name: Shave; price: 12, or 10", "name: Cut; extra",]
        );
        assert_eq!(
            rows("name;price\nShave;12,50\nCut;20,00\n"),
            ["name: Shave; price: 12,50", "name: Cut; price: 20,00",]
        );
        assert_eq!(rows("a\tb\n1\t2\n"), ["a: 1; b: 2"]);
        assert_eq!(rows("only one line, of words\n"), ["only one line; of words"]);
    }
}
