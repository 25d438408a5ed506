//! `cargo xtask keys`: each key of a stack file with the test that sees its effect on a running tree.
//!
//! The tests stand in `crates/stack/tests/keys`, and a table there says which of them is for which key. It names functions,
//! so the compiler knows that they are there; here it is seen that each is a test that is run, and that the table has
//! every key of the schema and no other.

use std::collections::BTreeMap;
use std::fs;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde_json::Value;

use crate::scan::{self, Test};
use crate::{Outcome, check_flag, shell, source};

/// Where the keys are.
const SCHEMA: &str = "docs/stack.schema.json";
/// The folder of the tests, and the file in it that has the table.
const TESTS: &str = "crates/stack/tests/keys";
const TABLE: &str = "main";

/// A line of the table: a key, and the words of the path of a function.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    key: String,
    function: Vec<String>,
    line: usize,
}

/// What is known of the keys.
struct Index {
    keys: Vec<String>,
    table: Vec<Line>,
    /// Of each file of the folder, by its name without `.rs`.
    tests: BTreeMap<String, Vec<Test>>,
}

/// The verb `keys`. With `--check` only what is wrong is printed.
pub(crate) fn keys(arguments: &[String]) -> Outcome {
    let check = check_flag("keys", arguments)?;
    let index = Index::load()?;
    if !check {
        print!("{}", index.listing());
    }
    println!("{}", index.totals());
    let problems = index.problems();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

impl Index {
    fn load() -> Result<Self, String> {
        let text = fs::read_to_string(shell::root().join(SCHEMA))
            .map_err(|error| format!("{SCHEMA} cannot be read: {error}"))?;
        let schema = serde_json::from_str(&text).map_err(|error| format!("{SCHEMA}: {error}"))?;
        let (mut table, mut tests) = (None, BTreeMap::new());
        for source in source::all()? {
            let name = source.path.strip_prefix(TESTS).and_then(|name| name.strip_prefix('/'));
            let Some(name) = name.and_then(|name| name.strip_suffix(".rs")) else { continue };
            if name == TABLE {
                table = Some(lines(&source.tokens).map_err(|problem| format!("{}{problem}", source.path))?);
            }
            tests.insert(name.to_owned(), scan::tests(&source.tokens));
        }
        let table = table.ok_or_else(|| format!("{TESTS}/{TABLE}.rs is not there"))?;
        Ok(Self { keys: keys_of(&schema), table, tests })
    }

    /// The file of a line's test, and the test.
    fn test(&self, line: &Line) -> Option<(String, &Test)> {
        let (file, name) = match line.function.as_slice() {
            [name] => (TABLE, name),
            [file, name] => (file.as_str(), name),
            _ => return None,
        };
        let test = self.tests.get(file)?.iter().find(|test| test.name == *name)?;
        Some((format!("{TESTS}/{file}.rs"), test))
    }

    fn listing(&self) -> String {
        let proof = |key: &String| {
            let line = self.table.iter().find(|line| line.key == *key);
            match line.and_then(|line| self.test(line)) {
                Some((file, test)) => format!("{file}:{}\n{:<44}{}", test.line, "", test.name),
                None => "NO TEST".to_owned(),
            }
        };
        self.keys.iter().map(|key| format!("{key:<43} {}\n", proof(key))).collect()
    }

    fn totals(&self) -> String {
        let tested =
            |key: &&String| self.table.iter().any(|line| line.key == **key && self.test(line).is_some());
        let tests: std::collections::BTreeSet<_> = self.table.iter().map(|line| &line.function).collect();
        let with = self.keys.iter().filter(tested).count();
        format!("keys: {} in all; {with} with a test; {} tests", self.keys.len(), tests.len())
    }

    fn problems(&self) -> Vec<String> {
        let missing = self.keys.iter().filter(|key| !self.table.iter().any(|line| line.key == **key));
        let missing = missing.map(|key| {
            format!("{key} has no test: add one that sees its effect, and name it in {TESTS}/{TABLE}.rs")
        });
        let wrong = self.table.iter().enumerate().filter_map(|(number, line)| {
            let (key, function) = (&line.key, line.function.join("::"));
            let problem = if !self.keys.contains(key) {
                format!("{key} is no key of {SCHEMA}")
            } else if self.table[..number].iter().any(|other| other.key == *key) {
                format!("{key} is there twice")
            } else {
                match self.test(line) {
                    None => format!("{key}: `{function}` is no test of a file in {TESTS}"),
                    Some((_, test)) if test.ignored => {
                        format!("{key}: `{function}` is ignored, so it proves nothing")
                    }
                    Some(_) => return None,
                }
            };
            Some(format!("{TESTS}/{TABLE}.rs:{}: {problem}", line.line))
        });
        missing.chain(wrong).collect()
    }
}

/// Every key of a schema, as `Definition.key`; those of the file itself are `Stack.key`.
fn keys_of(schema: &Value) -> Vec<String> {
    let keys = |owner: &str, definition: &Value| {
        let properties = definition["properties"].as_object().into_iter().flatten();
        properties.map(|(key, _)| format!("{owner}.{key}")).collect::<Vec<_>>()
    };
    let definitions = schema["$defs"].as_object().into_iter().flatten();
    let mut all: Vec<_> = definitions.flat_map(|(owner, definition)| keys(owner, definition)).collect();
    all.extend(keys("Stack", schema));
    all.sort();
    all
}

/// Reads `const KEYS: … = &[("Owner.key", file::test), …]`. An error starts with the number of a line.
fn lines(tokens: &TokenStream) -> Result<Vec<Line>, String> {
    let mut rest = tokens.clone().into_iter().skip_while(|token| token.to_string() != "KEYS");
    let mut rest = rest.by_ref().skip_while(|token| token.to_string() != "=");
    let table = rest.find_map(|token| match token {
        TokenTree::Group(table) if table.delimiter() == Delimiter::Bracket => Some(table.stream()),
        _ => None,
    });
    let table = table.ok_or(": there is no table `KEYS`")?;
    let lines = table.into_iter().filter_map(|token| match token {
        TokenTree::Group(line) => Some(line),
        _ => None,
    });
    let read = |group: proc_macro2::Group| {
        let line = group.span_open().start().line;
        let mut words = group.stream().into_iter();
        let key = words.next().map(|key| key.to_string()).unwrap_or_default();
        let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
        let function: Vec<_> = words
            .filter_map(|token| match token {
                TokenTree::Ident(word) => Some(word.to_string()),
                _ => None,
            })
            .collect();
        let whole = key.filter(|_| !function.is_empty());
        let key =
            whole.ok_or_else(|| format!(":{line}: a line is `(\"Owner.key\", file::test)`"))?.to_owned();
        Ok(Line { key, function, line })
    };
    lines.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"properties": {"name": {}}, "$defs": {"Child": {"properties": {"kind": {}, "user": {}}}, "Word": {}}}"#;
    const TESTS: &str = "#[test] fn a_name() {}\n#[test] #[ignore] fn late() {}\nfn helper() {}";

    fn index(table: &str) -> Index {
        let table = format!("mod other;\nconst KEYS: &[(&str, fn())] = &[{table}];");
        let tests = scan::tests(&source::tokens(TESTS).unwrap());
        let kinds = scan::tests(&source::tokens("#[test] fn a_kind() {}").unwrap());
        Index {
            keys: keys_of(&serde_json::from_str(SCHEMA).unwrap()),
            table: lines(&source::tokens(&table).unwrap()).unwrap(),
            tests: BTreeMap::from([(TABLE.to_owned(), tests), ("kinds".to_owned(), kinds)]),
        }
    }

    const GOOD: &str = r#"("Child.kind", kinds::a_kind), ("Child.user", a_name), ("Stack.name", a_name)"#;

    #[test]
    fn every_key_with_a_test_is_listed_with_it() {
        let index = index(GOOD);
        assert_eq!(index.problems(), Vec::<String>::new());
        assert_eq!(index.totals(), "keys: 3 in all; 3 with a test; 2 tests");
        let words: Vec<_> = index.listing().split_whitespace().map(str::to_owned).collect();
        assert_eq!(words[..3], ["Child.kind", "crates/stack/tests/keys/kinds.rs:1", "a_kind"]);
    }

    #[test]
    fn a_key_without_a_line_a_line_without_a_key_and_a_key_twice_are_problems() {
        let problems =
            index(r#"("Child.kind", kinds::a_kind), ("Child.kind", a_name), ("Child.usr", a_name)"#);
        assert!(problems.listing().contains("NO TEST"), "{}", problems.listing());
        let problems = problems.problems().join("\n");
        for words in [
            "Child.user has no test",
            "Stack.name has no test",
            "Child.usr is no key",
            "Child.kind is there twice",
        ] {
            assert!(problems.contains(words), "{words}: {problems}");
        }
    }

    #[test]
    fn what_is_no_test_or_is_not_run_proves_nothing() {
        let wrong = [
            ("helper", "`helper` is no test"),
            ("late", "`late` is ignored"),
            ("kinds::a_name", "is no test"),
        ];
        for (function, words) in wrong {
            let problems = index(&GOOD.replace("kinds::a_kind", function)).problems();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(
                problems[0].contains(words) && problems[0].contains("main.rs:2: Child.kind"),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let read = |text: &str| lines(&source::tokens(text).unwrap());
        assert!(read("const KEYS: &[u8] = &[\n(a, b)];").unwrap_err().starts_with(":2:"));
        assert!(read("const KEYS: &[u8] = &[(\"a\")];").unwrap_err().starts_with(":1:"));
        assert!(read("const OTHER: u8 = 1;").unwrap_err().contains("no table"));
    }

    #[test]
    fn our_own_keys_have_their_tests() {
        assert_eq!(Index::load().unwrap().problems(), Vec::<String>::new());
    }
}
