//! The stack file that is made, before it is written.

use std::collections::BTreeMap;

use supervisor_api::manifest::is_shell_name;
use supervisor_yaml::printable;

use super::text::Text;
use super::{At, ImportError, Refusal};

/// As many programs are made of all that is read, replicas counted one by one.
const MOST: u32 = 10_000;

/// A stack file in the making.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// How many programs there are.
    pub(super) many: u32,
    /// What the file itself calls the stack.
    pub(super) name: Option<String>,
    /// Lines of comment at its top.
    pub(super) head: Vec<String>,
    /// Names that stand in texts, each with its default.
    pub(super) variables: BTreeMap<String, Option<String>>,
    /// What stands under `supervisor`.
    pub(super) supervisor: Keys,
    pub(super) children: Vec<Child>,
    /// What could not be carried over: where, which key, and why.
    pub(super) left: Vec<(At, String, String)>,
    /// What is said when there is no program, because of the first that is not there.
    pub(super) nothing_else: Option<ImportError>,
}

/// A program, or a supervisor with programs.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) at: At,
    /// What others in the other file call it; what it is called there itself, and here.
    pub(super) said: String,
    pub(super) own: String,
    pub(super) name: String,
    /// Lines of comment above it.
    pub(super) notes: Vec<String>,
    pub(super) keys: Keys,
    pub(super) waits: Vec<Wait>,
    /// `None`: a program.
    pub(super) children: Option<Vec<Child>>,
}

/// What a program waits for.
#[derive(Debug, Clone)]
pub(super) struct Wait {
    pub(super) at: At,
    /// The key that says so.
    pub(super) key: String,
    /// The other program, as the other file calls it.
    pub(super) on: String,
    /// `None`: until it is ready.
    pub(super) until: Option<&'static str>,
}

/// Keys and their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys(Vec<(&'static str, Value)>);

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(Text),
    /// A number, `true`, or a word that has no other meaning.
    Plain(String),
    List(Vec<Value>),
    Map(Vec<(&'static str, Value)>),
}

impl Value {
    pub(super) fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn plain(value: impl ToString) -> Self {
        Self::Plain(value.to_string())
    }

    pub(super) fn texts(texts: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    pub(super) fn millis(seconds: f64) -> Self {
        Self::plain((seconds * 1000.0).round())
    }

    /// Makes each text in it anew.
    pub(super) fn change_texts(
        &mut self,
        make: &mut impl FnMut(&Text) -> Result<Text, Refusal>,
    ) -> Result<(), Refusal> {
        match self {
            Self::Text(text) => *text = make(text)?,
            Self::Plain(_) => {}
            Self::List(items) => items.iter_mut().try_for_each(|item| item.change_texts(make))?,
            Self::Map(entries) => entries.iter_mut().try_for_each(|(_, value)| value.change_texts(make))?,
        }
        Ok(())
    }

    /// Each text in it.
    pub(super) fn each_text<'a>(&'a self, see: &mut impl FnMut(&'a Text)) {
        match self {
            Self::Text(text) => see(text),
            Self::Plain(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.each_text(see)),
            Self::Map(entries) => entries.iter().for_each(|(_, value)| value.each_text(see)),
        }
    }
}

impl Keys {
    /// Says a key, and says it anew if it was said.
    pub(super) fn set(&mut self, key: &'static str, value: Value) {
        match self.get_mut(key) {
            Some(old) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// Says a key of a mapping, which is made if it is not there.
    pub(super) fn set_in(&mut self, key: &'static str, inner: &'static str, value: Value) {
        match self.get_mut(key) {
            Some(Value::Map(entries)) => match entries.iter_mut().find(|(known, _)| *known == inner) {
                Some((_, old)) => *old = value,
                None => entries.push((inner, value)),
            },
            _ => self.set(key, Value::Map(vec![(inner, value)])),
        }
    }

    /// Adds to a list, which is made if it is not there.
    pub(super) fn push(&mut self, key: &'static str, value: Value) {
        match self.get_mut(key) {
            Some(Value::List(items)) => items.push(value),
            _ => self.set(key, Value::List(vec![value])),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// A key of a mapping.
    pub(super) fn get_in(&self, key: &str, inner: &str) -> Option<&Value> {
        match self.get(key) {
            Some(Value::Map(entries)) => {
                entries.iter().find(|(known, _)| *known == inner).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.iter_mut().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.0.retain(|(known, _)| *known != key);
    }

    /// A variable of the program. What is said last counts.
    pub(super) fn variable(&mut self, name: &str, value: impl Into<Text>) -> Result<(), Refusal> {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("'{}' is no name that a variable can have", printable(name)));
        }
        if let Some(Value::List(items)) = self.get_mut("environment") {
            items.retain(|item| !is_variable(item, name));
        }
        let entry = vec![("name", Value::text(name)), ("value", Value::Text(value.into()))];
        self.push("environment", Value::Map(entry));
        Ok(())
    }

    /// A variable of the supervisor that the program gets, too, if it is there.
    pub(super) fn pass(&mut self, name: &str) {
        let text = || Value::text(name);
        let secret = vec![("name", text()), ("key", text()), ("required", Value::plain(false))];
        self.push("secrets", Value::Map(secret));
        let entry = vec![("name", text()), ("secret_ref", Value::text(format!("${{{name}}}")))];
        self.push("environment", Value::Map(entry));
    }

    /// The value of a variable of the program.
    pub(super) fn variable_of(&self, name: &str) -> Option<&Text> {
        let Some(Value::List(items)) = self.get("environment") else { return None };
        match items.iter().find(|item| is_variable(item, name))? {
            Value::Map(entries) => match entries.get(1) {
                Some(("value", Value::Text(text))) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// A variable of the program, unless it has one of that name.
    pub(super) fn variable_if_none(&mut self, name: &str, value: impl Into<Text>) -> Result<(), Refusal> {
        if self.variable_of(name).is_some() { Ok(()) } else { self.variable(name, value) }
    }
}

fn is_variable(item: &Value, name: &str) -> bool {
    let Value::Map(entries) = item else { return false };
    matches!(entries.first(), Some((_, Value::Text(text))) if text.said() == Some(name))
}

impl Child {
    pub(super) fn program(at: At, said: &str) -> Self {
        Self {
            at,
            said: said.to_owned(),
            own: said.to_owned(),
            name: name(said),
            notes: Vec::new(),
            keys: Keys::default(),
            waits: Vec::new(),
            children: None,
        }
    }

    /// Gives it a name that others do not call it by.
    pub(super) fn called(&mut self, own: String) {
        self.name = self::name(&own);
        self.own = own;
    }

    /// The names that it takes if it is called so: its own, and replicas have a number each.
    pub(super) fn names(&self, name: &str) -> impl Iterator<Item = String> {
        let replicas = match self.keys.get("replicas") {
            Some(Value::Plain(many)) => many.parse().unwrap_or(0),
            _ => 0,
        };
        let name = name.to_owned();
        let numbered = (1..=replicas).map({
            let name = name.clone();
            move |number: u32| format!("{name}-{number}")
        });
        std::iter::once(name).chain(numbered)
    }
}

impl Sheet {
    pub(super) fn leave(&mut self, at: At, key: impl Into<String>, why: impl Into<String>) {
        self.left.push((at, key.into(), why.into()));
    }

    /// Counts so many programs more, before they are made.
    pub(super) fn make_room(&mut self, at: At, many: u32) -> Result<(), ImportError> {
        self.many = self.many.saturating_add(many);
        if self.many > MOST {
            return Err(at.error(format!(
                "with this one there are more than {MOST} programs in what was read; have fewer of each, or import the file in parts"
            )));
        }
        Ok(())
    }

    /// A program whose command could not be carried over is not there, which is told. One that has none is a mistake.
    pub(super) fn without_command(
        &mut self,
        child: &Child,
        key: &str,
        otherwise: String,
    ) -> Result<(), ImportError> {
        let told = self.left.iter().rev().find(|(left, known, _)| known == key && left.file == child.at.file);
        let Some((at, key, why)) = told else { return Err(child.at.error(otherwise)) };
        self.nothing_else.get_or_insert(at.error(format!("`{}`: {why}", printable(key))));
        self.leave(
            child.at,
            child.said.clone(),
            "it is not there, because its command could not be carried over",
        );
        Ok(())
    }

    /// A name that stands in a text, and is given when the stack is run, or has this value.
    pub(super) fn declare(&mut self, name: &str, default: Option<&str>) -> Result<(), Refusal> {
        if !is_shell_name(name) || name == "replica" {
            return Err(format!("'{}' cannot be a variable of a stack file", printable(name)));
        }
        let known = self.variables.entry(name.to_owned()).or_insert_with(|| default.map(str::to_owned));
        let note =
            format!("{name} has its default at each place; before, it was empty where none stood beside it.");
        match (known.as_deref(), default) {
            (known, default) if known == default => return Ok(()),
            (Some(_), Some(_)) => {
                return Err(format!(
                    "the variable {name} has two defaults, and in a stack file one; write the same"
                ));
            }
            (None, Some(default)) => *known = Some(default.to_owned()),
            _ => {}
        }
        if !self.head.contains(&note) {
            self.head.push(note);
        }
        Ok(())
    }
}

/// A name that a child, or a stack, may have.
pub(super) fn name(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' };
    let name: String = text.chars().map(fits).collect();
    let name: String = name.trim_matches(['-', '.']).chars().take(64).collect();
    if name.is_empty() { "program".to_owned() } else { name }
}
