//! Tables for people. They go to standard output and look the same on a terminal and in a file.

use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};

/// A table with a head and rows; every row has as many cells as the head. A head of empty cells is left out.
pub(super) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    plain(head, rows).trim_fmt()
}

/// A table with numbers in all columns except the first.
pub(super) fn numbers<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = plain(head, rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn plain<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for line in [TableComponent::HeaderLines, TableComponent::MiddleHeaderIntersections] {
        table.set_style(line, '─');
    }
    if head.iter().any(|cell| !cell.is_empty()) {
        table.set_header(head);
    }
    table.add_rows(rows);
    table
}

/// A number with separated thousands: `12 345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let shown = [0, 7, 999, 1_000, 12_345, 1_234_567].map(count);
        assert_eq!(shown, ["0", "7", "999", "1 000", "12 345", "1 234 567"]);
    }

    #[test]
    fn a_table_has_a_line_for_its_head_and_each_row() {
        let text = numbers(["what", "how many"], [["calls".to_owned(), "7".to_owned()]]);
        let lines: Vec<_> = text.lines().filter(|line| line.chars().any(char::is_alphanumeric)).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].contains("how many") && lines[1].ends_with('7'), "{text}");
    }
}
