//! The page for people who come from the original names what is here, and nothing else.

use std::collections::BTreeSet;

use tokio_supervisor::ChildManifest;

const PAGE: &str = include_str!("../../../docs/contract.md");

/// The text of the section with this title.
fn section(title: &str) -> &'static str {
    let (_, rest) =
        PAGE.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
    rest.split("\n## ").next().unwrap_or(rest)
}

/// The words between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of a section's table, without its head: first cell and the rest.
fn rows(title: &str) -> Vec<(&'static str, &'static str)> {
    let table = section(title).lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    table.skip(1).collect()
}

/// The Rust of a section, which is compiled as a documentation test.
fn snippets(title: &str) -> BTreeSet<&'static str> {
    let code = section(title).split("```").skip(1).step_by(2);
    code.flat_map(|code| code.split(|c: char| !c.is_alphanumeric() && c != '_')).collect()
}

#[test]
fn every_name_of_the_tables_is_in_a_snippet_that_is_compiled() {
    for title in ["Start and handle", "Methods of the handle", "Results", "Errors"] {
        let code = snippets(title);
        assert!(!rows(title).is_empty(), "{title}");
        for name in rows(title).into_iter().flat_map(|(first, _)| quoted(first)) {
            assert!(code.contains(name), "{title}: `{name}` is in no snippet");
        }
    }
    for (name, fields) in rows("Results") {
        for field in quoted(fields) {
            assert!(snippets("Results").contains(field), "{name}: `{field}` is in no snippet");
        }
    }
}

/// The sentence with which a manifest that has this key is refused, if it is.
fn refusal(key: &str) -> Option<String> {
    let text = format!(r#"{{"name": "a", "kind": "process", "{key}": null}}"#);
    serde_json::from_str::<ChildManifest>(&text).err().map(|error| error.to_string())
}

#[test]
fn the_table_of_keys_has_the_keys_of_a_manifest_and_no_others() {
    let listed: BTreeSet<&str> =
        rows("Keys of a child manifest").into_iter().flat_map(|(key, _)| quoted(key)).collect();
    for key in &listed {
        let refused = refusal(key).is_some_and(|sentence| sentence.starts_with("unknown field"));
        assert!(!refused, "the page has `{key}`, which a manifest refuses");
    }
    let sentence = refusal("no_such_key").expect("an unknown key is refused");
    for key in quoted(&sentence).skip(1) {
        assert!(listed.contains(key), "the page lacks `{key}`");
    }
}
