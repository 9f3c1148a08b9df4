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

/// Columns of a terminal that a report keeps to.
const WIDTH: usize = 100;
/// No column is made narrower than this.
const LEAST_COLUMN: usize = 20;

/// The same, at most 100 columns wide where its cells allow that: the middle of long cells is left out.
pub(super) fn narrow_table(header: &[&str], mut rows: Vec<Vec<String>>) -> String {
    let cells = |at: usize| rows.iter().filter_map(move |row| row.get(at)).map(|cell| width(&plain(cell)));
    let title = |at: usize| width(header[at].trim_start_matches('>'));
    let widths = (0..header.len()).map(|at| cells(at).fold(title(at), usize::max));
    let widths: Vec<usize> = widths.collect();
    let space = WIDTH.saturating_sub(2 * header.len());
    let fits = |most: &usize| widths.iter().map(|w| w.min(most)).sum::<usize>() <= space;
    let most = (LEAST_COLUMN..=WIDTH).rev().find(fits).unwrap_or(LEAST_COLUMN);
    for cell in rows.iter_mut().flatten() {
        *cell = shortened(&plain(cell), most);
    }
    table(header, rows)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// A text of at most so many characters, its middle left out.
fn shortened(text: &str, most: usize) -> String {
    let length = width(text);
    if length <= most {
        return text.to_owned();
    }
    let head = most / 2;
    let tail = most.saturating_sub(head + 1);
    text.chars().take(head).chain(['…']).chain(text.chars().skip(length - tail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_cells_lose_their_middle() {
        assert_eq!(shortened("encoder/layer", 13), "encoder/layer");
        assert_eq!(shortened("encoder/layer", 8), "enco…yer");
        assert_eq!(shortened("äöüäöü", 5), "äö…öü");
        let name = format!("/model/{}/MatMul", "layer/".repeat(30));
        let rows = vec![
            vec!["12.3".to_owned(), "the target computes this operator in floats".to_owned(), name.clone()],
            vec!["4.5".to_owned(), "short".to_owned(), "head".to_owned()],
        ];
        let text = narrow_table(&[">SQNR (dB)", "why", "node"], rows);
        let widest = text.lines().skip(1).map(width).max();
        assert!(widest.is_some_and(|w| (98..=100).contains(&w)), "{text}");
        assert!(text.contains("in floats") && text.contains("…") && text.contains("/MatMul"), "{text}");
        assert!(!text.contains(&name) && text.contains("head"));
        // What just fits is whole.
        let row = ["1".to_owned(), "a".repeat(40), "b".repeat(49)];
        let text = narrow_table(&[">nodes", "op", "why"], vec![row.to_vec()]);
        assert!(!text.contains('…') && text.lines().skip(1).all(|line| width(line) == 100), "{text}");
        let short = || vec![vec!["a".to_owned(), "b".to_owned()]];
        assert_eq!(narrow_table(&["x", "y"], short()), table(&["x", "y"], short()));
    }

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
