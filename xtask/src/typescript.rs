//! The TypeScript of the dashboard's wire, made from the JSON Schema of the wire.
//!
//! Only what a browser says or hears is written. The schema says what is written; so do the types: a key that is not
//! required is optional.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value};

/// The properties of the schema's root whose definitions a browser needs.
const ROOTS: &[&str] = &["client_message", "server_message"];

const HEAD: &str = "\
// What a relay and a browser say to each other, made from the JSON Schema of the wire by `cargo xtask gen`.
// Do not edit it.
";

/// The types as one module, in the order of their names.
pub(crate) fn module(schema: &str) -> Result<String, String> {
    let schema: Value = serde_json::from_str(schema)
        .map_err(|error| format!("the schema of the wire is no JSON: {error}"))?;
    let definitions = schema["$defs"].as_object().ok_or("the schema of the wire has no `$defs`")?;
    let mut text = HEAD.to_owned();
    for name in reachable(&schema, definitions)? {
        let definition = &definitions[&name];
        text.push('\n');
        comment(&mut text, definition, "");
        let _ = writeln!(text, "export type {name} = {};", written(definition, ""));
    }
    Ok(text)
}

/// The names of the definitions that the roots lead to.
fn reachable(schema: &Value, definitions: &Map<String, Value>) -> Result<BTreeSet<String>, String> {
    let mut open: Vec<&Value> = Vec::new();
    for root in ROOTS {
        let value = schema["properties"].get(root);
        open.push(value.ok_or_else(|| format!("the schema of the wire has no property `{root}`"))?);
    }
    let mut names = BTreeSet::new();
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                if let Some(name) = object.get("$ref").and_then(reference) {
                    let definition = definitions.get(name);
                    let definition =
                        definition.ok_or_else(|| format!("the schema of the wire has no `{name}`"))?;
                    if names.insert(name.to_owned()) {
                        open.push(definition);
                    }
                }
                open.extend(object.values());
            }
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
    Ok(names)
}

fn reference(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix("#/$defs/")
}

/// A schema as the text of a type.
fn written(schema: &Value, indent: &str) -> String {
    let Some(schema) = schema.as_object() else { return "unknown".into() };
    let mut parts = Vec::new();
    parts.extend(schema.get("$ref").and_then(reference).map(str::to_owned));
    if schema.contains_key("properties") {
        parts.push(object(schema, indent));
    }
    parts.extend(
        ["oneOf", "anyOf"].iter().filter_map(|key| schema.get(*key)).map(|kinds| either(kinds, indent)),
    );
    if !parts.is_empty() {
        return parts.join(" & ");
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    match schema.get("type") {
        Some(Value::Array(kinds)) => {
            kinds.iter().map(|kind| plain(kind, schema, indent)).collect::<Vec<_>>().join(" | ")
        }
        Some(kind) => plain(kind, schema, indent),
        None => "unknown".into(),
    }
}

fn plain(kind: &Value, schema: &Map<String, Value>, indent: &str) -> String {
    match kind.as_str() {
        Some("integer" | "number") => "number".into(),
        Some("string") => "string".into(),
        Some("boolean") => "boolean".into(),
        Some("null") => "null".into(),
        Some("array") => {
            format!("readonly ({})[]", schema.get("items").map_or("unknown".into(), |of| written(of, indent)))
        }
        Some("object") => match schema.get("additionalProperties") {
            Some(Value::Object(of)) if !of.is_empty() => {
                format!("Readonly<Record<string, {}>>", written(&Value::Object(of.clone()), indent))
            }
            _ => "Readonly<Record<string, unknown>>".into(),
        },
        _ => "unknown".into(),
    }
}

/// One of several. A known word or any text stays both, so that an editor still offers the known ones.
fn either(kinds: &Value, indent: &str) -> String {
    let kinds: Vec<&Value> = kinds.as_array().into_iter().flatten().collect();
    let open_word = kinds.iter().any(|kind| kind.get("$ref").is_some());
    let texts: Vec<String> = kinds
        .iter()
        .map(|kind| match written(kind, indent) {
            text if text == "string" && open_word => "(string & {})".into(),
            text => text,
        })
        .collect();
    if texts.iter().any(|text| text == "unknown") {
        return "unknown".into();
    }
    format!("({})", texts.join(" | "))
}

fn object(schema: &Map<String, Value>, indent: &str) -> String {
    let inner = format!("{indent}  ");
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut text = "{\n".to_owned();
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        comment(&mut text, of, &inner);
        let mark = if required.contains(&name.as_str()) { "" } else { "?" };
        let _ = writeln!(text, "{inner}readonly {name}{mark}: {};", written(of, &inner));
    }
    let _ = write!(text, "{indent}}}");
    text
}

fn comment(text: &mut String, schema: &Value, indent: &str) {
    let Some(words) = schema.get("description").and_then(Value::as_str) else { return };
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ").replace("*/", "* /");
    let _ = writeln!(text, "{indent}/** {words} */");
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r##"{
        "properties": {"client_message": {"$ref": "#/$defs/Hello"}, "server_message": {"$ref": "#/$defs/Word"}},
        "$defs": {
            "Hello": {"type": "object", "description": "A hello.", "required": ["type"], "$ref": "#/$defs/Body",
                "properties": {"type": {"const": "hello"}, "sequence": {"type": ["integer", "null"]}}},
            "Body": {"type": "object", "properties": {
                "names": {"type": "array", "items": {"type": "string"}},
                "fields": {"type": "object", "additionalProperties": {"type": "string"}}}},
            "Word": {"anyOf": [{"$ref": "#/$defs/Known"}, {"type": "string"}]},
            "Known": {"oneOf": [{"const": "up"}, {"enum": ["down", "off"]}]},
            "Other": {"type": "string"}
        }
    }"##;

    #[test]
    fn keys_are_optional_unless_required_and_a_reference_beside_them_is_joined() {
        let text = module(SCHEMA).unwrap();
        assert!(text.contains("/** A hello. */\nexport type Hello = Body & {\n"), "{text}");
        assert!(
            text.contains("  readonly sequence?: number | null;\n  readonly type: \"hello\";\n"),
            "{text}"
        );
        assert!(text.contains("readonly names?: readonly (string)[];"), "{text}");
        assert!(text.contains("readonly fields?: Readonly<Record<string, string>>;"), "{text}");
    }

    #[test]
    fn a_word_of_a_later_version_stays_a_text_and_the_known_ones_are_offered() {
        let text = module(SCHEMA).unwrap();
        assert!(text.contains("export type Word = (Known | (string & {}));"), "{text}");
        assert!(text.contains("export type Known = (\"up\" | \"down\" | \"off\");"), "{text}");
    }

    #[test]
    fn what_no_browser_says_or_hears_is_left_out_and_a_broken_reference_is_named() {
        assert!(!module(SCHEMA).unwrap().contains("Other"));
        let broken = SCHEMA.replace("\"Known\":", "\"Unknown\":");
        assert_eq!(module(&broken), Err("the schema of the wire has no `Known`".into()));
    }
}
