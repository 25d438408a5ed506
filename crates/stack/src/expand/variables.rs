//! `variables`: names that stand for a value in every text of a file.

use std::collections::HashMap;

use supervisor_api::manifest::is_shell_name;
use supervisor_api::nearest;
use supervisor_yaml::{Entry, FileFinding, Node, Place, Value};

use super::{Choices, Expanded, error};

/// What names stand for.
#[derive(Debug, Default)]
pub(super) struct Variables(HashMap<String, Option<Meant>>);

/// A value, and whether it has a type as a value without quotes has. There is none when somebody was told why.
#[derive(Debug, Clone)]
struct Meant {
    text: String,
    plain: bool,
}

impl Meant {
    /// What somebody typed: it has the type that it has in a file, and is never nothing.
    fn typed(text: &str) -> Self {
        let nothing =
            Node { place: Place::START, value: Value::Scalar { text: text.to_owned(), plain: true } };
        Self { text: text.to_owned(), plain: !nothing.is_null() }
    }
}

/// What a text becomes.
enum Filled {
    Same,
    /// It was a name and nothing else, and is all that this stands for.
    Whole(Meant),
    Text(String),
    /// What it would be is not known, and somebody was told.
    Unknown,
}

impl Expanded {
    /// Takes the declarations out of the file.
    pub(super) fn variables(&mut self, root: &mut Node, choices: &Choices) -> Variables {
        let mut variables = Variables::default();
        let declared = root.take("variables");
        let place = declared.as_ref().map_or(Place::START, |entry| entry.place);
        if let Some(entry) = declared {
            self.changed = true;
            match entry.node.value {
                Value::Map(entries) => {
                    for entry in entries {
                        let meant = self.declared(&entry, choices);
                        variables.0.insert(entry.key, meant);
                    }
                }
                Value::Refused => {}
                _ => self.findings.push(error(
                    entry.node.place,
                    "`variables` must be a mapping of names to values, for example `variables: {port: 8080}`",
                )),
            }
        }
        for name in choices.names().filter(|name| !variables.0.contains_key(*name)) {
            self.findings.push(error(place, unknown(name, &variables)));
        }
        variables
    }

    /// What a declared name stands for.
    fn declared(&mut self, Entry { key: name, place, node }: &Entry, choices: &Choices) -> Option<Meant> {
        let shown = name.escape_debug();
        let problem = if !is_shell_name(name) {
            format!("'{shown}' cannot be a variable of the file: letters, digits and `_`, and no digit first")
        } else if name == super::REPLICA {
            format!("'{shown}' stands for the number of a replica; call the variable something else")
        } else if let Some(value) = choices.value(name) {
            return Some(Meant::typed(value));
        } else {
            match &node.value {
                Value::Scalar { text, plain } if !node.is_null() => {
                    return Some(Meant { text: text.clone(), plain: *plain });
                }
                Value::Scalar { .. } => format!(
                    "the variable '{name}' has no value: give one with `--set {name}=VALUE`, set {name} in the \
                     environment, or write a default here"
                ),
                Value::Refused => return None,
                _ => format!("the default of '{name}' must be a text, a number, or `true` or `false`"),
            }
        };
        self.findings.push(error(*place, problem));
        None
    }
}

fn unknown(name: &str, variables: &Variables) -> String {
    let shown = name.escape_debug();
    let mut declared: Vec<&str> = variables.0.keys().map(String::as_str).collect();
    declared.sort_unstable();
    let advice = match (nearest(name, declared.iter().copied()).first(), &declared[..]) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "it has none: declare it under `variables`".to_owned(),
        (None, _) => format!("it declares {}", declared.join(", ")),
    };
    format!("a value is given for '{shown}', which the file does not declare; {advice}")
}

impl Variables {
    /// One name.
    pub(super) fn one(name: &str, value: &str) -> Self {
        Self(HashMap::from([(name.to_owned(), Some(Meant::typed(value)))]))
    }

    /// Puts what the names stand for into every text at and below this one.
    pub(super) fn fill(&mut self, node: &mut Node, findings: &mut Vec<FileFinding>) {
        if self.0.is_empty() {
            return;
        }
        match &mut node.value {
            Value::Scalar { text, .. } => match self.filled(text) {
                Filled::Same => {}
                Filled::Whole(Meant { text, plain }) => node.value = Value::Scalar { text, plain },
                Filled::Text(new) => *text = new,
                Filled::Unknown => node.value = Value::Refused,
            },
            Value::List(items) => items.iter_mut().for_each(|item| self.fill(item, findings)),
            Value::Map(entries) => {
                for entry in entries {
                    if entry.key == "secret_ref" {
                        findings.extend(self.also_a_secret(&entry.node));
                    } else {
                        self.fill(&mut entry.node, findings);
                    }
                }
            }
            Value::Refused => {}
        }
    }

    /// A reference to a secret is no text: its name must not mean two things.
    fn also_a_secret(&self, node: &Node) -> Option<FileFinding> {
        let name = supervisor_api::manifest::secret_reference(node.text()?)?;
        let sentence = || {
            format!("'{name}' is a variable of the file, and here a secret; call one of them something else")
        };
        self.0.contains_key(name).then(|| error(node.place, sentence()))
    }

    fn filled(&self, text: &str) -> Filled {
        let (mut out, mut rest, mut same) = (String::new(), text, true);
        while let Some(at) = rest.find("${") {
            let (before, after) = (&rest[..at], &rest[at + 2..]);
            let name = after.split('}').next().filter(|name| name.len() < after.len()).unwrap_or_default();
            let Some(meant) = self.0.get(name) else {
                out.push_str(&rest[..at + 2]);
                rest = after;
                continue;
            };
            same = false;
            rest = &after[name.len() + 1..];
            match (before.strip_suffix('$'), meant) {
                (Some(before), _) => out.extend([before, "${", name, "}"]),
                (None, None) => return Filled::Unknown,
                (None, Some(meant)) if before.is_empty() && out.is_empty() && rest.is_empty() => {
                    return Filled::Whole(meant.clone());
                }
                (None, Some(meant)) => out.extend([before, &meant.text]),
            }
        }
        if same { Filled::Same } else { Filled::Text(out + rest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_filled_with_what_is_declared_and_with_nothing_else() {
        let mut variables = Variables::one("a", "1");
        variables.0.insert("b".to_owned(), Some(Meant::typed("x y")));
        variables.0.insert("gone".to_owned(), None);
        for (text, filled) in [
            ("${b}-${a}", "x y-1"),
            ("$${a} ${a}", "${a} 1"),
            ("$${a}", "${a}"),
            ("${c} ${a} ${A} $a", "${c} 1 ${A} $a"),
            ("${c${a}", "${c1"),
            ("${a:-2} ${a}", "${a:-2} 1"),
            ("pre ${a}", "pre 1"),
            ("${a}${a}", "11"),
            ("$${c}${a}", "$${c}1"),
        ] {
            let Filled::Text(out) = variables.filled(text) else { panic!("{text}") };
            assert_eq!(out, filled, "{text}");
        }
        for text in ["", "$", "${", "${}", "${c}", "$${c}", "a } ${"] {
            assert!(matches!(variables.filled(text), Filled::Same), "{text}");
        }
        assert!(matches!(variables.filled("${a}"), Filled::Whole(Meant { plain: true, .. })));
        assert!(matches!(variables.filled("x ${gone}"), Filled::Unknown));
    }

    #[test]
    fn what_is_typed_has_a_type_and_is_never_nothing() {
        for (text, plain) in
            [("8080", true), ("true", true), ("a b", true), ("", false), ("null", false), ("~", false)]
        {
            assert_eq!(Meant::typed(text).plain, plain, "{text:?}");
        }
    }
}
