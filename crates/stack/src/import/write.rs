//! A stack file, as a person would write it.

use std::fmt::Write as _;

use super::sheet::{Child, Keys, Sheet, Value};

/// The keys of a program in the order in which they are written; others come after them.
const ORDER: &[&str] = &[
    "profiles",
    "role",
    "replicas",
    "command",
    "pre_start",
    "post_stop",
    "working_dir",
    "user",
    "group",
    "umask",
    "nice",
    "no_new_privs",
    "env_file",
    "environment",
    "secrets",
    "terminal",
    "stdin",
    "dependencies",
    "readiness",
    "ready_within_secs",
    "health_check",
    "restart_policy",
    "retry",
    "significant",
    "success_exit_codes",
    "backoff",
    "budget",
    "stop_signal",
    "reload_signal",
    "shutdown",
];

/// How wide a line of comment gets.
const WIDTH: usize = 110;

/// Writes a stack file line by line.
struct Writer<'a> {
    out: String,
    is_name: &'a dyn Fn(&str) -> bool,
}

/// The text of a stack file.
pub(super) fn stack(sheet: &Sheet, name: &str) -> String {
    let declared = |name: &str| sheet.variables.contains_key(name);
    let mut writer = Writer { out: String::new(), is_name: &declared };
    writer.comments("", &sheet.head);
    let _ = writeln!(writer.out, "version: 1\nname: {}", scalar(name));
    if !sheet.variables.is_empty() {
        writer.out.push_str("variables:\n");
        for (name, default) in &sheet.variables {
            let default = default.as_deref().map_or("null   # has to be given".to_owned(), scalar);
            let _ = writeln!(writer.out, "  {name}: {default}");
        }
    }
    if !sheet.supervisor.is_empty() {
        writer.out.push_str("supervisor:\n");
        writer.supervisor(&sheet.supervisor, "  ");
    }
    writer.out.push_str("children:\n");
    writer.children(&sheet.children, "  ");
    writer.out
}

impl Writer<'_> {
    fn comments(&mut self, indent: &str, lines: &[String]) {
        for row in lines.iter().flat_map(|line| wrapped(line, WIDTH - indent.len())) {
            let _ = writeln!(self.out, "{indent}# {row}");
        }
    }

    /// What stands under `supervisor`: `defaults` has a line for each key.
    fn supervisor(&mut self, keys: &Keys, indent: &str) {
        let mut own = keys.clone();
        own.remove("defaults");
        self.keys(&own, indent);
        let Some(Value::Map(defaults)) = keys.get("defaults") else { return };
        let _ = writeln!(self.out, "{indent}defaults:");
        let mut inner = Keys::default();
        defaults.iter().for_each(|(key, value)| inner.set(key, value.clone()));
        self.keys(&inner, &format!("{indent}  "));
    }

    fn keys(&mut self, keys: &Keys, indent: &str) {
        let place = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
        let mut all: Vec<_> = keys.iter().collect();
        all.sort_by_key(|(key, _)| place(key));
        for (key, value) in all {
            match value {
                // Each on a line of its own: these lists can be long.
                Value::List(items) if items.iter().any(|item| matches!(item, Value::Map(_))) => {
                    let _ = writeln!(self.out, "{indent}{key}:");
                    for item in items {
                        let _ = writeln!(self.out, "{indent}  - {}", self.flow(item));
                    }
                }
                value => {
                    let _ = writeln!(self.out, "{indent}{key}: {}", self.flow(value));
                }
            }
        }
    }

    fn children(&mut self, all: &[Child], indent: &str) {
        let below = format!("{indent}  ");
        for child in all {
            self.comments(indent, &child.notes);
            let kind = if child.children.is_some() { "supervisor" } else { "process" };
            let _ = writeln!(self.out, "{indent}- name: {}\n{below}kind: {kind}", scalar(&child.name));
            let outside = self.is_name;
            let of_replica = |name: &str| name == "replica" || outside(name);
            let mut own = Writer { out: std::mem::take(&mut self.out), is_name: outside };
            if child.keys.get("replicas").is_some() {
                own.is_name = &of_replica;
            }
            own.keys(&child.keys, &below);
            self.out = own.out;
            if let Some(inner) = &child.children {
                let _ = writeln!(self.out, "{below}children:");
                self.children(inner, &format!("{below}  "));
            }
        }
    }

    fn flow(&self, value: &Value) -> String {
        match value {
            Value::Text(text) => scalar(&text.written(self.is_name)),
            Value::Plain(text) => text.clone(),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Map(entries) => {
                let entry = |(key, value): &(&str, Value)| match (*key, value) {
                    // It names a secret, and is filled with no variable.
                    ("secret_ref", Value::Text(text)) => {
                        format!("{key}: {}", scalar(&text.written(&|_| false)))
                    }
                    _ => format!("{key}: {}", self.flow(value)),
                };
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A sentence in rows of at most so many characters, if its words are no longer.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let shown: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut rows: Vec<String> = Vec::new();
    for word in shown.split_whitespace() {
        match rows.last_mut() {
            Some(row) if row.chars().count() + word.chars().count() < width => row.extend([" ", word]),
            _ => rows.push(word.to_owned()),
        }
    }
    rows
}

/// A text as YAML has it: without quotes only where it can be nothing else, also in brackets.
fn scalar(text: &str) -> String {
    let simple = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
    let bare = text.trim_start_matches(['.', '/', '-']);
    let begins = bare.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let word = matches!(
        bare.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "inf" | "nan"
    );
    if begins && !word && text.bytes().all(simple) && !text.starts_with("---") {
        return text.to_owned();
    }
    let mut out = String::new();
    supervisor_yaml::quoted(&mut out, text);
    out
}
