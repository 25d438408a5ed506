//! Columns that line up.

use super::screen::Screen;

/// A piece of text with its colour.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    colour: &'static str,
    right: bool,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, colour: &'static str) -> Self {
        Self { text: text.into(), colour, right: false }
    }

    /// A number; it stands at the right.
    pub(super) fn number(number: u64) -> Self {
        Self { text: number.to_string(), colour: "", right: true }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text, "")
    }
}

/// The rows, each column as wide as its widest cell, and two blanks between.
pub(super) fn table(screen: &Screen, rows: &[Vec<Cell>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let wide = |cell: &Cell| cell.text.chars().count();
    let widths: Vec<usize> = (0..columns)
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(wide).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let gap = " ".repeat(width - wide(cell));
            let text = screen.paint(cell.colour, &cell.text);
            line += &if cell.right { format!("{gap}{text}  ") } else { format!("{text}{gap}  ") };
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}
