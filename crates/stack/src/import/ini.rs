//! Files of sections, keys and values.

use std::collections::HashMap;

use super::{At, Foreign, ImportError};

/// How a format writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// A value goes on in the lines below that are indented deeper, and ends before a `;` or `#` with a space before it. A
    /// key that is said again counts as said last, in capitals or not.
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
    /// Where a key stands among the entries, of those that count as said last.
    places: HashMap<String, usize>,
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
}

/// The sections of one or several files, in their order.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pub(super) all: Vec<Section>,
    places: HashMap<String, usize>,
    /// To which one what follows belongs.
    open: usize,
}

impl Sections {
    fn open(&mut self, name: &str, at: At) {
        self.open = *self.places.entry(name.to_owned()).or_insert_with(|| {
            let (name, entries) = (name.to_owned(), Vec::new());
            self.all.push(Section { name, at, entries, places: HashMap::new() });
            self.all.len() - 1
        });
    }

    /// A key that counts as it is said last.
    fn say_last(&mut self, entry: Option<Entry>) {
        let (Some(mut entry), Some(section)) = (entry, self.all.get_mut(self.open)) else { return };
        entry.value.truncate(entry.value.trim_end().len());
        match section.places.get(&entry.key) {
            Some(at) => section.entries[*at] = entry,
            None => {
                section.places.insert(entry.key.clone(), section.entries.len());
                section.entries.push(entry);
            }
        }
    }

    /// A key that counts each time it is said, until it is said with nothing.
    fn say_more(&mut self, entry: Entry) {
        let Some(section) = self.all.get_mut(self.open) else { return };
        match entry.value.is_empty() {
            true => section.entries.retain(|said| said.key != entry.key),
            false => section.entries.push(entry),
        }
    }
}

/// The sections of a file, in their order, after those of the files before. One that is there twice is one.
pub(super) fn read(
    number: usize,
    file: &Foreign<'_>,
    style: Style,
    sections: &mut Sections,
) -> Result<(), ImportError> {
    let lines = file.text.lines().enumerate().map(|(at, line)| (At { file: number, line: at + 1 }, line));
    match style {
        Style::Supervisord => supervisord(lines, sections),
        Style::Systemd => systemd(lines, sections),
    }
}

/// As Python's `configparser` reads it for supervisord: what is indented deeper than the line of its key goes on with
/// the value, and blank lines and comments in between end nothing.
fn supervisord<'a>(
    lines: impl Iterator<Item = (At, &'a str)>,
    sections: &mut Sections,
) -> Result<(), ImportError> {
    let mut open: Option<Entry> = None;
    let (mut in_section, mut indent) = (false, 0);
    for (at, line) in lines {
        let said = without_comment(line);
        let text = said.trim();
        if text.is_empty() {
            if let Some(entry) = open.as_mut().filter(|_| said.len() == line.len()) {
                entry.value.push('\n');
            }
            continue;
        }
        let own_indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if let Some(entry) = open.as_mut().filter(|_| own_indent > indent) {
            entry.value.push('\n');
            entry.value.push_str(text);
            continue;
        }
        indent = own_indent;
        sections.say_last(open.take());
        if let Some(name) = text.strip_prefix('[') {
            // It goes to the last bracket.
            let (name, _) = name.rsplit_once(']').ok_or_else(|| not_closed(at))?;
            sections.open(name, at);
            in_section = true;
            continue;
        }
        if !in_section {
            return Err(in_none(at, "[program:web]"));
        }
        let (key, value) = pair(at, text, &['=', ':'])?;
        open = Some(Entry { key: key.to_lowercase(), value: value.to_owned(), at });
    }
    sections.say_last(open);
    Ok(())
}

fn systemd<'a>(
    mut lines: impl Iterator<Item = (At, &'a str)>,
    sections: &mut Sections,
) -> Result<(), ImportError> {
    let mut in_section = false;
    while let Some((at, line)) = lines.next() {
        let text = line.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = text.strip_prefix('[') {
            let (name, _) = name.split_once(']').ok_or_else(|| not_closed(at))?;
            sections.open(name.trim(), at);
            in_section = true;
            continue;
        }
        if !in_section {
            return Err(in_none(at, "[Service]"));
        }
        let (key, value) = pair(at, text, &['='])?;
        let value = continued(value, &mut lines).trim().to_owned();
        sections.say_more(Entry { key: key.to_owned(), value, at });
    }
    Ok(())
}

fn not_closed(at: At) -> ImportError {
    at.error("the name of the section is not closed; end it with `]`")
}

fn in_none(at: At, example: &str) -> ImportError {
    at.error(format!(
        "it stands in no section, such as `{example}`; is it a file of another format? `--format` says which"
    ))
}

/// A key and its value, with one of these signs in between.
fn pair<'a>(at: At, line: &'a str, signs: &[char]) -> Result<(&'a str, &'a str), ImportError> {
    let sign = line.find(signs).filter(|sign| *sign > 0);
    let sign = sign.ok_or_else(|| at.error("it is neither a section nor `key = value`"))?;
    Ok((line[..sign].trim_end(), line[sign + 1..].trim_start()))
}

/// A value with the lines after each backslash at an end. Comments in between are passed over.
fn continued<'a>(value: &str, lines: &mut impl Iterator<Item = (At, &'a str)>) -> String {
    let mut value = value.to_owned();
    while let Some(so_far) = value.strip_suffix('\\') {
        let so_far = so_far.len();
        let more = lines.find(|(_, line)| !line.trim_start().starts_with(['#', ';']));
        value.truncate(so_far);
        value.push(' ');
        value.push_str(more.map(|(_, line)| line.trim()).unwrap_or_default());
    }
    value
}

/// What stands before a comment: that is a line of its own, or has a space before it.
fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let comment = line.match_indices([';', '#']).map(|(at, _)| at).find(begins);
    comment.map_or(line, |at| &line[..at])
}
