//! What a stack file is, beyond the schema of its types.

use serde_json::{Value, json};
use supervisor_api::ChildId;
use supervisor_api::manifest::{KEY_ALIASES, Umask, WORD_ALIASES};
use supervisor_yaml::Dialect;

/// The types of the file and of a child in the schema.
const FILE: &str = "StackManifest";
const CHILD: &str = "ChildManifest";

pub(crate) const STACK: Dialect = Dialect {
    name: "a stack file",
    needs: "a stack needs `version`, `name` and `children`",
    instead_of_aliases: ", or use `defaults`",
    keys_are_in: "`supervisor schema` lists the keys of a child",
    root: FILE,
    child: Some(CHILD),
    key_aliases: KEY_ALIASES,
    word_aliases: WORD_ALIASES,
    example,
    placeholders,
    text,
};

/// A file that a stack file includes. It is held against the schema as a part of that.
pub(crate) const INCLUDED: Dialect =
    Dialect { name: "an included file", needs: "an included file has `children`", ..STACK };

/// An example for a key that every file or child needs.
fn example(owner: &str, key: &str) -> &'static str {
    match (owner, key) {
        (FILE, "version") => ", for example `version: 1`",
        (FILE, "name") => ", for example `name: shop`",
        (FILE, "children") => ": the list of what runs",
        (CHILD, "name") => ", for example `name: web`",
        (CHILD, "kind") => ": `process`, `supervisor`, `async_worker` or `blocking_worker`",
        _ => "",
    }
}

fn placeholders() -> Vec<(&'static str, Value)> {
    vec![("version", json!(1)), ("name", json!("stack")), ("children", json!([]))]
}

fn text(owner: &str, text: &str) -> Result<(), String> {
    match owner {
        "ChildId" => ChildId::new(text).map(drop).map_err(|error| error.to_string()),
        "Umask" => Umask::parse(text).map(drop),
        _ => Ok(()),
    }
}
