//! What is wrong in a file, where, and how that is shown.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use crate::masked::masked;
use crate::source::{Place, Source};

/// The most findings that are shown; the rest are counted.
const MAX_SHOWN: usize = 100;
/// The widest piece of a line that is shown.
const MAX_WIDTH: usize = 100;

/// One thing that is wrong, or doubtful, in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFinding {
    /// Where.
    pub place: Place,
    /// The child or supervisor it is about, when that is known.
    pub path: Option<Arc<str>>,
    /// What is wrong and what to do about it, as a sentence.
    pub message: String,
    /// Whether the file can be used all the same.
    pub warning: bool,
}

/// Everything found in one file, or in several that were read together. `Display` shows each finding with its line of the file.
#[derive(Debug, Clone)]
pub struct Findings {
    names: Vec<String>,
    findings: Vec<FileFinding>,
    /// The text of the line of each finding that is shown.
    lines: Vec<String>,
}

impl Findings {
    /// Puts the findings in the order of the file.
    pub fn new(source: &Source, findings: Vec<FileFinding>) -> Self {
        Self::of(std::slice::from_ref(source), findings)
    }

    /// Puts the findings in the order of the files.
    pub fn of(sources: &[Source], mut findings: Vec<FileFinding>) -> Self {
        findings.sort_by(|a, b| (a.place, &a.message).cmp(&(b.place, &b.message)));
        findings.dedup();
        let texts: Vec<_> = sources.iter().map(|source| masked(&source.lines())).collect();
        let line = |finding: &FileFinding| {
            let text = texts.get(usize::from(finding.place.file));
            text.and_then(|text| text.get(finding.place.line as usize - 1)).cloned().unwrap_or_default()
        };
        let lines = findings.iter().take(MAX_SHOWN).map(line).collect();
        let names = sources.iter().map(|source| printable(&source.name)).collect();
        Self { names, findings, lines }
    }

    /// The findings, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &FileFinding> {
        self.findings.iter()
    }

    /// How many findings make the file unusable.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| !finding.warning).count()
    }

    /// How many findings are warnings.
    pub fn warnings(&self) -> usize {
        self.findings.len() - self.errors()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (finding, line) in self.findings.iter().zip(&self.lines) {
            let Place { file, line: number, column, .. } = finding.place;
            let name = self.names.get(usize::from(file)).map_or("", String::as_str);
            let word = if finding.warning { "warning" } else { "error" };
            write!(f, "{name}:{number}:{column}: {word}: ")?;
            if let Some(path) = &finding.path {
                write!(f, "{path}: ")?;
            }
            writeln!(f, "{}", printable(&finding.message))?;
            write_line(f, line, finding.place)?;
        }
        let more = self.findings.len().saturating_sub(self.lines.len());
        if more > 0 {
            writeln!(f, "… and {more} more")?;
        }
        Ok(())
    }
}

/// The line with its number, and a mark under what is meant.
fn write_line(f: &mut fmt::Formatter<'_>, line: &str, place: Place) -> fmt::Result {
    let at = place.column as usize - 1;
    let fits = line.chars().count() <= MAX_WIDTH;
    let skipped = if fits { 0 } else { at.saturating_sub(MAX_WIDTH / 2) };
    let dots = if skipped > 0 { "…" } else { "" };
    let before: String = line.chars().skip(skipped).take(at - skipped).map(one_column).collect();
    let after: String = line.chars().skip(at).take(MAX_WIDTH - (at - skipped)).map(one_column).collect();
    let end = if line.chars().count() > at + after.chars().count() { "…" } else { "" };
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let marks = (place.length as usize).min(after.trim_end().chars().count()).max(1);
    let indent = " ".repeat(dots.chars().count() + before.chars().count());
    let shown = format!("{dots}{before}{after}{end}");
    writeln!(f, " {number} | {}", shown.trim_end())?;
    writeln!(f, " {margin} | {indent}{}", "^".repeat(marks))
}

/// A character as one column: a tab as a space, what would move or hide text as a mark.
fn one_column(c: char) -> char {
    match c {
        '\t' => ' ',
        c if is_harmless(c) => c,
        _ => '\u{fffd}',
    }
}

/// Text without characters that move, hide or colour other text: they are written as escapes.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) {
            out.push(c);
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "{}", c.escape_unicode());
        }
    }
    out
}

fn is_harmless(c: char) -> bool {
    let moves_text =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !moves_text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, place: Place, message: &str) -> String {
        let source = Source { name: "f.yaml".to_owned(), text: text.to_owned() };
        let finding =
            FileFinding { place, path: Some("/a".into()), message: message.to_owned(), warning: false };
        Findings::new(&source, vec![finding]).to_string()
    }

    #[test]
    fn a_finding_shows_its_line_and_marks_what_is_meant() {
        let text = shown("x: 1\n  bad: y\n", Place { file: 0, line: 2, column: 3, length: 3 }, "no");
        assert_eq!(text, "f.yaml:2:3: error: /a: no\n 2 |   bad: y\n   |   ^^^\n");
    }

    #[test]
    fn text_that_moves_text_is_not_printed() {
        let text = shown("\u{202e}x\u{1b}[31m", Place::START, "a \u{202e}b \u{1b}[2J");
        assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text:?}");
        assert!(text.contains("a \\u{202e}b \\u{1b}[2J"), "{text}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let long = format!("{}HERE{}", "x".repeat(500), "y".repeat(500));
        let text = shown(&long, Place { file: 0, line: 1, column: 501, length: 4 }, "m");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].chars().count() < 120 && lines[1].contains("HERE"), "{text}");
        let mark = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().skip(mark).take(4).collect::<String>(), "HERE");
    }

    #[test]
    fn many_findings_are_counted_and_not_all_shown() {
        let source = Source { name: "f".to_owned(), text: String::new() };
        let finding = |line| FileFinding {
            place: Place { file: 0, line, column: 1, length: 1 },
            path: None,
            message: "m".to_owned(),
            warning: line == 1,
        };
        let findings = Findings::new(&source, (1..=150).map(finding).collect());
        assert_eq!((findings.errors(), findings.warnings()), (149, 1));
        assert!(findings.to_string().ends_with("… and 50 more\n"));
    }
}
