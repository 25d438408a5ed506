//! A tree of nodes against the shapes: every mistake with its place, and what can be used as JSON.
//!
//! A mistake never stops the walk. What is wrong is left out of the result, so that what is right
//! can be checked further; [`Broken`] remembers what was left out, so that nothing is said twice.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use supervisor_api::{ChildId, SupervisorPath, nearest};

use crate::dialect::Dialect;
use crate::expect::{another, expected, found, number, truth, whole};
use crate::finding::FileFinding;
use crate::masked;
use crate::shape::{MapShape, Shape, ShapeId, Shapes, Words};
use crate::source::Place;
use crate::yaml::{Entry, Node, Value};

/// What was left out of the result, for one child or for the root.
#[derive(Debug, Default)]
pub struct Broken {
    /// The ways to what is wrong: `backoff.max_ms`; empty for an unknown key.
    pub keys: HashSet<String>,
    /// Its kind is not known, so nothing can be said of its other keys.
    pub kind: bool,
    /// One of its children has no usable name, so a name may be missing among them.
    pub children: bool,
}

/// What a walk brings back.
#[derive(Debug)]
pub struct Walked<'a> {
    /// What could be used. It reads as the file's type if the placeholders of the dialect are enough for that.
    pub json: Json,
    /// What is wrong.
    pub findings: Vec<FileFinding>,
    /// The mapping of each child, by path; `/` is the file.
    pub nodes: HashMap<Arc<str>, &'a Node>,
    /// What was left out, by path.
    pub broken: HashMap<Arc<str>, Broken>,
}

/// Holds a file against the shapes of its schema.
pub fn walk<'a>(dialect: &'a Dialect, shapes: &'a Shapes, root: &'a Node) -> Walked<'a> {
    let mut walker = Walker {
        dialect,
        shapes,
        path: SupervisorPath::root(),
        keys: Vec::new(),
        walked: Walked {
            json: Json::Null,
            findings: Vec::new(),
            nodes: HashMap::new(),
            broken: HashMap::new(),
        },
    };
    walker.walked.nodes.insert(walker.path.shared(), root);
    let json = walker.value(root, shapes.root);
    walker.walked.json = json.unwrap_or_else(|| {
        let mut nothing = Map::new();
        fill(&mut nothing, &(dialect.placeholders)());
        Json::Object(nothing)
    });
    walker.walked
}

/// One step from a child's mapping to a value inside it.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

struct Walker<'a> {
    dialect: &'a Dialect,
    shapes: &'a Shapes,
    /// The child the walk is in.
    path: SupervisorPath,
    /// The way from that child's mapping to here.
    keys: Vec<Step<'a>>,
    walked: Walked<'a>,
}

impl<'a> Walker<'a> {
    fn complain(&mut self, place: Place, message: impl Into<String>) {
        let path = (!self.path.is_root()).then(|| self.path.shared());
        self.walked.findings.push(FileFinding { place, path, message: message.into(), warning: false });
        self.leave_out();
    }

    /// Remembers that something is wrong here and was said.
    fn leave_out(&mut self) {
        // An item that is wrong is left out whole, and the rest of its list stays as good as it is.
        if self.in_item() {
            return;
        }
        let path = self.key_path();
        // The keys of the root supervisor stand under `supervisor` in a file.
        let own = path.strip_prefix("supervisor.").filter(|_| self.path.is_root());
        let own = own.unwrap_or(&path).to_owned();
        self.broken().keys.insert(own);
    }

    fn in_item(&self) -> bool {
        self.keys.iter().any(|step| matches!(step, Step::Item(_)))
    }

    fn broken(&mut self) -> &mut Broken {
        self.walked.broken.entry(self.path.shared()).or_default()
    }

    /// Whether what stands here may be secret, and is not to be quoted.
    fn is_secret(&self) -> bool {
        self.keys.iter().any(|step| matches!(step, Step::Key(key) if masked::KEYS.contains(key)))
    }

    /// The way from the child to here, as a user reads it: `backoff.max_ms`, `environment[0].name`.
    fn key_path(&self) -> String {
        let mut out = String::new();
        for step in &self.keys {
            match step {
                Step::Key(key) if out.is_empty() => out.push_str(key),
                Step::Key(key) => out.extend([".", key]),
                Step::Item(index) => out.push_str(&format!("[{index}]")),
            }
        }
        out
    }

    /// Says that something else was expected here.
    fn mismatch(&mut self, node: &Node, shape: ShapeId, advice: &str) -> Option<Json> {
        let expected = expected(self.shapes, shape);
        let key = self.key_path();
        let what = if key.is_empty() { "the file".to_owned() } else { format!("`{key}`") };
        let message = if node.is_null() {
            format!("{what} has no value; expected {expected}")
        } else {
            let more = if advice.is_empty() { String::new() } else { format!("; {advice}") };
            let found = if self.is_secret() { another(node) } else { found(node) };
            format!("{what} must be {expected}, not {found}{more}")
        };
        self.complain(node.place, message);
        None
    }

    /// The value of a node as JSON, or `None` when it is not of the shape.
    fn value(&mut self, node: &'a Node, shape: ShapeId) -> Option<Json> {
        let shapes = self.shapes;
        match (&node.value, shapes.get(shape)) {
            (Value::Refused, _) => {
                self.leave_out();
                None
            }
            (_, Shape::Either(_)) => self.either(node, shape),
            (Value::Map(entries), Shape::Map(map)) => self.map(node, entries, map),
            (Value::List(items), Shape::List(item)) => Some(self.list(items, *item)),
            (Value::Scalar { text, plain }, wanted) if !node.is_null() => {
                self.scalar(node, text, *plain, shape, wanted)
            }
            (Value::Map(_), Shape::List(_)) => self.mismatch(node, shape, "begin each item with `-`"),
            _ => self.mismatch(node, shape, ""),
        }
    }

    /// Walks on with the one alternative that looks like what stands here.
    fn either(&mut self, node: &'a Node, shape: ShapeId) -> Option<Json> {
        let alternatives = self.shapes.alternatives(shape);
        let looks_like = |id: &&ShapeId| match (&node.value, self.shapes.get(**id)) {
            (Value::Map(_), Shape::Map(_)) | (Value::List(_), Shape::List(_)) => true,
            (Value::Scalar { text, plain: true }, Shape::Whole { .. } | Shape::Number { .. }) => {
                text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
            }
            _ => false,
        };
        if let Some(id) = alternatives.iter().find(looks_like) {
            return self.value(node, *id);
        }
        let text = alternatives.iter().find(|id| matches!(self.shapes.get(**id), Shape::Text { .. }));
        if let (Some(id), Some(_)) = (text, node.text()) {
            return self.value(node, *id);
        }
        let words = alternatives.iter().find_map(|id| match self.shapes.get(*id) {
            Shape::Words(words) => Some(words),
            _ => None,
        });
        match (words, node.word()) {
            (Some(words), Some(text)) => match self.word(words, text) {
                Some(word) => Some(json!(word)),
                None if node.is_null() => self.mismatch(node, shape, ""),
                None => self.mismatch(node, shape, &did_you_mean(text, &words.words)),
            },
            _ => self.mismatch(node, shape, ""),
        }
    }

    fn is_child(&self, map: &MapShape) -> bool {
        self.dialect.child == Some(map.owner.as_str())
    }

    fn is_root(&self, map: &MapShape) -> bool {
        self.dialect.root == map.owner
    }

    fn list(&mut self, items: &'a [Node], item: ShapeId) -> Json {
        let is_children = matches!(self.shapes.get(item), Shape::Map(map) if self.is_child(map));
        let mut names = HashMap::new();
        let mut out = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            self.keys.push(Step::Item(index));
            let value = if is_children { self.child(node, item, &mut names) } else { self.value(node, item) };
            self.keys.pop();
            out.extend(value);
        }
        Json::Array(out)
    }

    /// A child of the supervisor the walk is in. `names` are those of its siblings so far.
    fn child(&mut self, node: &'a Node, shape: ShapeId, names: &mut HashMap<String, u32>) -> Option<Json> {
        let name =
            node.get("name").filter(|entry| entry.node.text().is_some_and(|text| ChildId::new(text).is_ok()));
        let id = name.and_then(|entry| ChildId::new(entry.node.text()?).ok());
        let (Some(name), Some(id)) = (name, id) else {
            // It cannot be told apart by a path; what is wrong in it is said all the same.
            self.broken().children = true;
            self.value(node, shape);
            return None;
        };
        if let Some(first) = names.get(id.as_str()) {
            let message =
                format!("the name '{id}' is there twice among these children; the first is on line {first}");
            self.complain(name.node.place, message);
            return None;
        }
        names.insert(id.to_string(), name.node.place.line);
        if self.path.depth() == SupervisorPath::MAX_DEPTH {
            let message = format!("'{id}' is more than {} levels deep", SupervisorPath::MAX_DEPTH);
            self.complain(name.node.place, message);
            return None;
        }
        let path = self.path.child(&id);
        let above = (std::mem::replace(&mut self.path, path), std::mem::take(&mut self.keys));
        self.walked.nodes.insert(self.path.shared(), node);
        let value = self.value(node, shape);
        (self.path, self.keys) = above;
        value
    }

    fn map(&mut self, node: &Node, entries: &'a [Entry], map: &'a MapShape) -> Option<Json> {
        let mut out = Map::new();
        let mut whole = true;
        for entry in entries {
            let key = self.canonical(&map.owner, &entry.key);
            let Some(shape) = map.keys.get(key) else {
                self.unknown_key(entry, map);
                whole &= !self.in_item();
                continue;
            };
            self.keys.push(Step::Key(key));
            if out.contains_key(key) {
                self.complain(
                    entry.place,
                    format!("`{}` is another spelling of `{key}`; keep one", entry.key),
                );
            } else if let Some(value) = self.value(&entry.node, *shape) {
                out.insert(key.to_owned(), value);
            } else {
                whole &= !self.in_item() && !map.required.iter().any(|required| required == key);
            }
            self.keys.pop();
        }
        // What a merge key would have brought is not known, so nothing is missing.
        let merges = entries.iter().any(|entry| entry.key == "<<");
        for key in map.required.iter().filter(|_| !merges) {
            if !entries.iter().any(|entry| self.canonical(&map.owner, &entry.key) == key) {
                whole = false;
                let here = self.describe(map);
                let message = format!("{here} needs `{key}`{}", (self.dialect.example)(&map.owner, key));
                self.complain(node.place, message);
            }
        }
        if self.is_root(map) {
            fill(&mut out, &(self.dialect.placeholders)());
        } else if self.is_child(map) {
            if !out.contains_key("kind") {
                self.broken().kind = true;
                let kind = if out.contains_key("children") { "supervisor" } else { "async_worker" };
                fill(&mut out, &[("kind", json!(kind))]);
            }
        } else if !whole {
            return None;
        }
        Some(Json::Object(out))
    }

    /// The key that `spelling` is another spelling of, or itself.
    fn canonical<'k>(&self, owner: &str, spelling: &'k str) -> &'k str
    where
        'a: 'k,
    {
        let alias = self.dialect.key_aliases.iter().find(|alias| alias.0 == owner && alias.1 == spelling);
        alias.map_or(spelling, |alias| alias.2)
    }

    /// The word that `text` is, or is another spelling of.
    fn word<'w>(&self, words: &'w Words, text: &str) -> Option<&'w str> {
        let aliases = self.dialect.word_aliases.iter();
        let alias = aliases.clone().find(|alias| alias.0 == words.owner && alias.1 == text);
        let text = alias.map_or(text, |alias| alias.2);
        words.words.iter().map(String::as_str).find(|word| *word == text)
    }

    fn describe(&self, map: &MapShape) -> String {
        match map {
            map if self.is_root(map) => "the file".to_owned(),
            map if self.is_child(map) => "a child".to_owned(),
            _ => format!("`{}`", self.key_path()),
        }
    }

    fn unknown_key(&mut self, entry: &'a Entry, map: &MapShape) {
        let shown = entry.key.escape_debug();
        self.complain(entry.place, format!("unknown key `{shown}`; {}", self.advice(&entry.key, map)));
    }

    /// Where an unknown key may belong.
    fn advice(&self, key: &str, map: &MapShape) -> String {
        if key == "<<" {
            return format!(
                "merging is not supported; write the keys out{}",
                self.dialect.instead_of_aliases
            );
        }
        let others =
            self.dialect.key_aliases.iter().filter(|alias| alias.0 == map.owner).map(|alias| alias.1);
        let mut keys: Vec<&str> = map.keys.keys().map(String::as_str).collect();
        keys.sort_unstable();
        let close = nearest(key, keys.iter().copied().chain(others));
        if let Some(first) = close.first() {
            return format!("did you mean `{first}`?");
        }
        let holds = |owner: &&&str| {
            self.shapes
                .alternatives(map.keys[**owner])
                .iter()
                .any(|id| matches!(self.shapes.get(*id), Shape::Map(inner) if inner.keys.contains_key(key)))
        };
        if let Some(owner) = keys.iter().find(holds) {
            return format!("it belongs under `{owner}`");
        }
        if keys.len() > 12 {
            return self.dialect.keys_are_in.to_owned();
        }
        format!("the keys here are {}", quoted(&keys))
    }

    fn scalar(
        &mut self,
        node: &'a Node,
        text: &str,
        plain: bool,
        shape: ShapeId,
        wanted: &Shape,
    ) -> Option<Json> {
        let result = match wanted {
            Shape::Text { owner } => match (self.dialect.text)(owner, text) {
                Ok(()) => Ok(json!(text)),
                Err(sentence) => {
                    let key = self.key_path();
                    self.complain(node.place, format!("`{key}`: {sentence}"));
                    return None;
                }
            },
            Shape::Bool if plain => truth(text).map(|truth| json!(truth)),
            Shape::Whole { min, max } if plain => whole(text, *min, *max).map(|number| json!(number)),
            Shape::Number { min, above_min, max } if plain => {
                number(text, *min, *above_min, *max).map(|number| json!(number))
            }
            Shape::Words(words) => match self.word(words, text) {
                Some(word) => Ok(json!(word)),
                None => Err(did_you_mean(text, &words.words)),
            },
            Shape::Bool | Shape::Whole { .. } | Shape::Number { .. } => Err("remove the quotes".to_owned()),
            Shape::List(_) => Err(as_list(text)),
            _ => Err(String::new()),
        };
        result.map_or_else(|advice| self.mismatch(node, shape, &advice), Some)
    }
}

/// Puts placeholders where a required value is missing, so that the rest can be read.
fn fill(out: &mut Map<String, Json>, values: &[(&str, Json)]) {
    for (key, value) in values {
        out.entry(*key).or_insert_with(|| value.clone());
    }
}

fn did_you_mean(text: &str, words: &[String]) -> String {
    let close = nearest(text, words.iter().map(String::as_str));
    close.first().map_or_else(String::new, |word| format!("did you mean `{word}`?"))
}

/// How a text would look as a list, for those who wrote a command as one text.
fn as_list(text: &str) -> String {
    let simple = |c: char| c.is_ascii_alphanumeric() || " ._/=-".contains(c);
    if text.len() > 60 || !text.chars().all(simple) {
        return "write one item for each argument, or `[sh, -c, \"…\"]`".to_owned();
    }
    let items: Vec<&str> = text.split_whitespace().collect();
    format!("write it as `[{}]`", items.join(", "))
}

pub(crate) fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::dialect::Dialect;

    /// A kind of file of which nothing is known.
    pub(crate) const DIALECT: Dialect = Dialect {
        name: "a file",
        needs: "it needs something",
        instead_of_aliases: "",
        keys_are_in: "",
        root: "Root",
        child: None,
        key_aliases: &[],
        word_aliases: &[],
        example: |_, _| "",
        placeholders: Vec::new,
        text: |_, _| Ok(()),
    };
}
