//! Tables without lines: columns two spaces apart, the header bold, figures to the right.

use super::plain;
use anstyle::{Effects, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};

/// Emphasis for what a reader looks for first.
pub(super) const BOLD: Style = Style::new().effects(Effects::BOLD);
/// What may be overlooked.
pub(super) const DIM: Style = Style::new().effects(Effects::DIMMED);

/// A table as text, each row ending in a line break, indented by two spaces. A header of `>` first is right-aligned.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|h| h.trim_start_matches('>')));
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| plain(cell))));
    let last = header.len().saturating_sub(1);
    for (i, (column, title)) in table.column_iter_mut().zip(header).enumerate() {
        column.set_padding((if i == 0 { 2 } else { 0 }, if i == last { 0 } else { 2 }));
        if title.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::new();
    for (i, line) in table.lines().enumerate() {
        let line = line.trim_end();
        if i == 0 {
            text.push_str(&format!("{BOLD}{line}{BOLD:#}\n"));
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let text = table(
            &["pass", ">changes"],
            vec![vec!["a".into(), "12".into()], vec!["bcdef".into(), "3".into()]],
        );
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines, ["  a           12", "  bcdef        3"]);
    }

    #[test]
    fn cells_hold_no_commands() {
        assert!(table(&["name"], vec![vec!["a\u{1b}]0;b".into()]]).ends_with("  a\\u{1b}]0;b\n"));
    }
}
