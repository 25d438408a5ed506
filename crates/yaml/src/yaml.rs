//! YAML text to a tree of nodes with their places. The only file that knows the YAML parser.
//!
//! Much of YAML is refused on purpose: anchors and aliases (a few bytes that become millions of
//! nodes), tags, directives, several documents, keys that are no text, and depth. What is left is
//! scalars, lists and mappings, and nothing in it has a type yet: a plain `no`, `012` or `1e9` is
//! its text until somebody wants a number of it.
//!
//! The parser stops at the first mistake of syntax. Duplicate keys and the refused features are
//! collected, and reading goes on.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span};

use crate::dialect::Dialect;
use crate::source::Place;

/// How deep lists and mappings may be inside one another. A tree of 16 levels needs 36.
const MAX_DEPTH: usize = 64;

/// A value and where it is.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where.
    pub place: Place,
    /// What.
    pub value: Value,
}

/// What stands at a place.
#[derive(Debug, Clone)]
pub enum Value {
    /// A text.
    Scalar {
        /// As it is after YAML's unescaping.
        text: String,
        /// Whether it stands there without quotes.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file; no key is there twice.
    Map(Vec<Entry>),
    /// What stands here was refused, and somebody was told.
    Refused,
}

/// One `key: value` of a mapping.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is.
    pub place: Place,
    /// What stands under it.
    pub node: Node,
}

impl Node {
    /// Says of this and of all in it which of several texts it is from.
    pub fn is_from(&mut self, file: u16) {
        self.place.file = file;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.is_from(file)),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| {
                entry.place.file = file;
                entry.node.is_from(file);
            }),
            Value::Scalar { .. } | Value::Refused => {}
        }
    }

    /// Takes the value under `key` out of this, if it is a mapping that has it.
    pub fn take(&mut self, key: &str) -> Option<Entry> {
        let Value::Map(entries) = &mut self.value else { return None };
        let at = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(at))
    }

    /// The value under `key`, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Map(entries) => {
                entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
            }
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub fn items_mut(&mut self) -> Option<&mut Vec<Self>> {
        match &mut self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The items, if this is a list; else none.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The value under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The text, if this is a scalar that is not null.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar, also where the word for nothing is meant as a word.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() || text == "null" => Some(text),
            _ => None,
        }
    }

    /// Whether nothing stands here, or the word for nothing.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// A mistake and where it is.
pub type Mistake = (Place, String);

/// Reads `text`. `None` when there is no tree; then there is at least one mistake.
pub fn parse(text: &str, dialect: &Dialect) -> (Option<Node>, Vec<Mistake>) {
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_comments: false,
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder { dialect, open: Vec::new(), root: None, mistakes: Vec::new() };
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => {
                if !builder.take(event, &span) {
                    break;
                }
            }
            Err(error) => {
                let place = place(error.marker().line(), error.marker().col(), 1);
                builder.mistakes.push((place, syntax_sentence(error.kind())));
                return (None, builder.mistakes);
            }
        }
    }
    if builder.root.is_none() && builder.mistakes.is_empty() {
        let message = format!("the file is empty; {}", dialect.needs);
        builder.mistakes.push((Place::START, message));
    }
    (builder.root, builder.mistakes)
}

fn place(line: usize, column: usize, length: usize) -> Place {
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Place { file: 0, line: narrow(line.max(1)), column: narrow(column + 1), length: narrow(length.max(1)) }
}

fn span_place(span: &Span) -> Place {
    let length = span.end.index().saturating_sub(span.start.index());
    place(span.start.line(), span.start.col(), length)
}

/// A collection that is not closed yet.
enum Open {
    List { place: Place, items: Vec<Node> },
    Map { place: Place, entries: Vec<Entry>, seen: HashMap<String, u32>, key: Option<Key> },
}

/// A key whose value comes next.
enum Key {
    Good(String, Place),
    /// Already complained about; its value is read and dropped.
    Refused,
}

struct Builder<'d> {
    dialect: &'d Dialect,
    open: Vec<Open>,
    root: Option<Node>,
    mistakes: Vec<Mistake>,
}

impl Builder<'_> {
    fn complain(&mut self, place: Place, message: impl Into<String>) {
        self.mistakes.push((place, message.into()));
    }

    fn unsupported(&self, what: &str) -> String {
        format!("{what} are not supported; write the value out{}", self.dialect.instead_of_aliases)
    }

    /// Takes one event; `false` when the rest need not be read.
    fn take(&mut self, event: Event<'_>, span: &Span) -> bool {
        let at = span_place(span);
        match event {
            Event::Scalar(text, style, ..) => {
                self.refuse_tag(span);
                let plain = style == ScalarStyle::Plain;
                self.add(Node { place: at, value: Value::Scalar { text: text.into_owned(), plain } });
            }
            Event::SequenceStart(..) => {
                self.refuse_tag(span);
                self.open.push(Open::List { place: Place { length: 1, ..at }, items: Vec::new() });
            }
            Event::MappingStart(..) => {
                self.refuse_tag(span);
                let (entries, seen) = (Vec::new(), HashMap::new());
                self.open.push(Open::Map { place: Place { length: 1, ..at }, entries, seen, key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { place, items }) => self.add(Node { place, value: Value::List(items) }),
                Some(Open::Map { place, entries, .. }) => {
                    self.add(Node { place, value: Value::Map(entries) });
                }
                None => {}
            },
            Event::Anchor(..) => {
                self.complain(at, self.unsupported("anchors (`&name`)"));
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.complain(at, self.unsupported("aliases (`*name`)"));
                self.add(Node { place: at, value: Value::Refused });
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                self.complain(at, format!("a second document begins here; {} has one", self.dialect.name));
                return false;
            }
            _ => {}
        }
        true
    }

    fn refuse_tag(&mut self, span: &Span) {
        if let Some(tag) = span.tag_span() {
            self.complain(span_place(&tag), "tags (`!name`) are not supported; remove it");
        }
    }

    /// Puts a finished node where it belongs: under the pending key, or as that key.
    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = self.root.take().or(Some(node)),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key: pending @ Some(_), .. }) => {
                if let Some(Key::Good(key, place)) = pending.take() {
                    entries.push(Entry { key, place, node });
                }
            }
            Some(Open::Map { seen, key: pending @ None, .. }) => {
                let (key, mistake) = read_key(node, seen);
                *pending = Some(key);
                self.mistakes.extend(mistake);
            }
        }
    }
}

/// Makes a key of a node, unless it is no text or there already.
fn read_key(node: Node, seen: &mut HashMap<String, u32>) -> (Key, Option<Mistake>) {
    let Value::Scalar { text, .. } = node.value else {
        let message = "a list or mapping cannot be a key; a key is a word".to_owned();
        return (Key::Refused, Some((node.place, message)));
    };
    if let Some(first) = seen.get(&text) {
        let shown = text.escape_debug();
        let message = format!("the key `{shown}` is there twice; the first is on line {first}; keep one");
        return (Key::Refused, Some((node.place, message)));
    }
    seen.insert(text.clone(), node.place.line);
    (Key::Good(text, node.place), None)
}

/// What is wrong with the syntax, and what to do about it.
fn syntax_sentence(kind: &ErrorKind) -> String {
    let advice = match kind {
        ErrorKind::RecursionLimitExceeded => {
            return format!("lists and mappings are more than {MAX_DEPTH} deep inside one another");
        }
        ErrorKind::DirectiveDisallowed => {
            return "directives (`%…`) are not supported; remove the line".to_owned();
        }
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            return "a tab cannot indent in YAML; use spaces".to_owned();
        }
        ErrorKind::UnclosedQuotedScalar => "; a quote is opened and not closed",
        ErrorKind::UnclosedFlowCollection { .. } => "; a bracket is opened and not closed",
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::SimpleKeyExpected
        | ErrorKind::InvalidSimpleKey => "; check the indentation and the `:` after the key",
        _ => "",
    };
    format!("the YAML cannot be read: {kind}{advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let found = parse(text, &crate::walk::tests::DIALECT).1;
        found.into_iter().map(|(at, message)| format!("{}:{} {message}", at.line, at.column)).collect()
    }

    #[test]
    fn values_keep_their_text_and_their_place() {
        let (root, mistakes) =
            parse("a: no\nb:\n  - \"x\"\n  - {c: 012}\nd:\n", &crate::walk::tests::DIALECT);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let root = root.unwrap();
        let a = &root.get("a").unwrap().node;
        assert_eq!((a.text(), a.place), (Some("no"), Place { file: 0, line: 1, column: 4, length: 2 }));
        let Value::List(items) = &root.get("b").unwrap().node.value else { panic!("a list") };
        assert!(matches!(&items[0].value, Value::Scalar { text, plain: false } if text == "x"));
        assert_eq!(items[1].get("c").unwrap().node.text(), Some("012"));
        assert!(root.get("d").unwrap().node.is_null());
    }

    #[test]
    fn every_refused_feature_is_named_where_it_is_and_reading_goes_on() {
        let text = "a: &x 1\nb: *x\nc: !t 2\na: 3\n? [k]\n: 4\nd: *y\n";
        let found = mistakes(text);
        for (at, words) in [
            ("1:", "anchors"),
            ("2:4", "aliases"),
            ("3:", "tags"),
            ("4:1", "`a` is there twice"),
            ("5:3", "cannot be a key"),
            ("7:4", "aliases"),
        ] {
            assert!(
                found.iter().any(|text| text.starts_with(at) && text.contains(words)),
                "{words}: {found:?}"
            );
        }
        assert_eq!(found.len(), 6, "{found:?}");
    }

    #[test]
    fn syntax_that_cannot_be_read_is_one_mistake_with_a_place() {
        for (text, at, words) in [
            ("a: [1,\n", "", "bracket"),
            ("a:\n\tb: 1\n", "2:", "tab"),
            ("a: 1\n b: 2\n", "2:", "YAML cannot be read"),
            ("a: \"x\n", "", "quote"),
            ("%YAML 1.2\n---\na: 1\n", "1:1", "directives"),
            ("a: 1\n---\nb: 2\n", "2:1", "second document"),
            ("", "1:1", "empty"),
            ("# nothing\n", "1:1", "empty"),
        ] {
            let found = mistakes(text);
            assert_eq!(found.len(), 1, "{text:?}: {found:?}");
            assert!(found[0].starts_with(at) && found[0].contains(words), "{text:?}: {found:?}");
        }
    }

    #[test]
    fn depth_is_bounded_and_a_flood_of_brackets_is_refused() {
        for text in ["[".repeat(200_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
            let found = mistakes(&text);
            assert!(found[0].contains("more than 64 deep"), "{found:?}");
        }
    }
}
