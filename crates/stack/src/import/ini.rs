//! Files of sections, keys and values.

use super::{At, Foreign, ImportError};

/// How a format writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// A value goes on in the lines below that are indented, and ends before a `;` or `#` with a space before it. A key
    /// that is said again counts as said last, in capitals or not.
    Supervisord,
    /// A value goes on after a backslash at the end of its line. A key may stand there several times; when it is empty it
    /// takes back what it said before.
    Systemd,
}

/// `[name]` and what is below it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) at: At,
    pub(super) entries: Vec<Entry>,
}

/// `key = value`.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) at: At,
}

impl Section {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().rev().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    }

    fn say(&mut self, entry: Entry, style: Style) {
        let again = |said: &Entry| said.key == entry.key;
        match style {
            Style::Supervisord => self.entries.retain(|said| !again(said)),
            Style::Systemd if entry.value.is_empty() => return self.entries.retain(|said| !again(said)),
            Style::Systemd => {}
        }
        self.entries.push(entry);
    }
}

/// The sections of a file, in their order. One that is there twice is one.
pub(super) fn read(number: usize, file: &Foreign<'_>, style: Style) -> Result<Vec<Section>, ImportError> {
    let mut sections: Vec<Section> = Vec::new();
    let mut current = None;
    let mut lines = file.text.lines().enumerate().map(|(at, line)| (at + 1, line)).peekable();
    while let Some((line_number, line)) = lines.next() {
        let at = At { file: number, line: line_number };
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[') {
            let Some((name, _)) = name.split_once(']') else {
                return Err(at.error("the name of the section is not closed; end it with `]`"));
            };
            let known = sections.iter().position(|section| section.name == name.trim());
            current = Some(known.unwrap_or_else(|| {
                sections.push(Section { name: name.trim().to_owned(), at, entries: Vec::new() });
                sections.len() - 1
            }));
            continue;
        }
        let Some(section) = current.and_then(|at| sections.get_mut(at)) else {
            let example = if style == Style::Systemd { "[Service]" } else { "[program:web]" };
            return Err(at.error(format!(
                "it stands in no section, such as `{example}`; is it a file of another format? `--format` says which"
            )));
        };
        let sign = match style {
            Style::Supervisord => trimmed.find(['=', ':']),
            Style::Systemd => trimmed.find('='),
        };
        let Some(sign) = sign else {
            return Err(at.error("it is neither a section nor `key = value`"));
        };
        let (key, value) = (trimmed[..sign].trim_end(), trimmed[sign + 1..].trim_start());
        let (key, value) = match style {
            Style::Supervisord => (key.to_ascii_lowercase(), indented(value, &mut lines)),
            Style::Systemd => (key.to_owned(), continued(value, &mut lines)),
        };
        section.say(Entry { key, value: value.trim().to_owned(), at }, style);
    }
    Ok(sections)
}

/// A value with the indented lines below it.
fn indented<'a>(
    value: &str,
    lines: &mut std::iter::Peekable<impl Iterator<Item = (usize, &'a str)>>,
) -> String {
    let mut value = without_comment(value).to_owned();
    while let Some((_, more)) = lines.next_if(|(_, line)| goes_on(line)) {
        let more = without_comment(more.trim());
        if !more.is_empty() && !more.starts_with(['#', ';']) {
            value.push('\n');
            value.push_str(more);
        }
    }
    value
}

/// A value with the lines after each backslash at an end. Comments in between are passed over.
fn continued<'a>(value: &str, lines: &mut impl Iterator<Item = (usize, &'a str)>) -> String {
    let mut value = value.to_owned();
    while let Some(so_far) = value.strip_suffix('\\') {
        let more = lines.find(|(_, line)| !line.trim_start().starts_with(['#', ';']));
        let more = more.map(|(_, line)| line.trim()).unwrap_or_default();
        value = format!("{so_far} {more}");
    }
    value
}

fn goes_on(line: &str) -> bool {
    line.starts_with([' ', '\t']) && !line.trim().is_empty()
}

/// What stands before a comment at the end of a line.
fn without_comment(value: &str) -> &str {
    let begins = |at: usize| value[..at].ends_with([' ', '\t']);
    let comment = value.match_indices([';', '#']).map(|(at, _)| at).find(|at| begins(*at));
    comment.map_or(value, |at| &value[..at]).trim_end()
}
