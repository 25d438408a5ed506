//! Text in the cells of a terminal.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::top::words::Tone;

/// Colours, or none. Whatever a colour says is also said by a shape or a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Theme {
    pub(crate) coloured: bool,
}

impl Theme {
    /// The sixteen colours are in every terminal, as its user likes them.
    pub(crate) fn tone(self, tone: Tone) -> Style {
        let colour = match tone {
            Tone::Good => Color::Green,
            Tone::Warn => Color::Yellow,
            Tone::Bad => Color::Red,
            Tone::Held => Color::Blue,
            Tone::Parked => Color::Magenta,
            Tone::Quiet => return self.quiet(),
        };
        if self.coloured { Style::new().fg(colour) } else { Style::new() }
    }

    pub(crate) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What must not be overlooked.
    pub(crate) fn alarm(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED);
        if self.coloured { style.fg(Color::Red) } else { style }
    }

    pub(crate) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

/// Writes a text at a place of an area, as far as it fits there. Returns how many columns it took.
pub(crate) fn put(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    put_within(buffer, area, x, y, area.width, text, style)
}

/// The same in at most `most` columns; what is cut off ends in `…`.
pub(crate) fn put_within(
    buffer: &mut Buffer,
    area: Rect,
    x: u16,
    y: u16,
    most: u16,
    text: &str,
    style: Style,
) -> u16 {
    let area = area.intersection(buffer.area);
    if x >= area.width || y >= area.height {
        return 0;
    }
    let room = most.min(area.width - x);
    let (x, y) = (area.x + x, area.y + y);
    let text = cut(text, usize::from(room));
    let (end, _) = buffer.set_stringn(x, y, &text, usize::from(room), style);
    end - x
}

/// Writes a line of several styles.
pub(crate) fn put_line(buffer: &mut Buffer, area: Rect, y: u16, line: &Line<'_>) {
    let area = area.intersection(buffer.area);
    if area.width > 0 && y < area.height {
        buffer.set_line(area.x, area.y + y, line, area.width);
    }
}

/// How many columns a text takes.
pub(crate) fn wide(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text in at most so many columns.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if wide(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut width = 0;
    for c in text.chars() {
        width += wide(c.encode_utf8(&mut [0; 4]));
        if width + 1 > most {
            break;
        }
        kept.push(c);
    }
    if most > 0 {
        kept.push('…');
    }
    kept
}

/// A text in lines of at most so many columns, broken between words where that is possible.
pub(crate) fn broken(text: &str, most: usize) -> Vec<String> {
    let most = most.max(1);
    let mut lines = Vec::new();
    for part in text.lines() {
        let mut line = String::new();
        let mut width = 0;
        for word in part.split_inclusive(' ') {
            let needed = wide(word.trim_end());
            if width > 0 && width + needed > most {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                width = 0;
            }
            for c in word.chars() {
                let step = wide(c.encode_utf8(&mut [0; 4]));
                if width + step > most && c != ' ' {
                    lines.push(std::mem::take(&mut line));
                    width = 0;
                }
                line.push(c);
                width += step;
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_and_broken_by_its_columns() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(broken("one two three", 7), ["one two", "three"]);
        assert_eq!(broken("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(broken("one\ntwo", 9), ["one", "two"]);
        for most in 0..20 {
            for line in broken("a long sentence with 日本語 and /a/very/long/path in it", most) {
                assert!(wide(&line) <= most.max(2), "{most}: {line}");
            }
        }
    }
}
