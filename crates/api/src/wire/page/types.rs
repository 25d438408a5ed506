//! The types of the wire, read from their JSON Schema.
//!
//! The text of a field is made of sentences. Those that begin with `Absent` or `Null` say what its absence means, those
//! that begin with `0`, `Never`, `Empty` or `False` say what nothing in it means, and all others what it means.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A type by its name, as the page tells it.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) name: String,
    pub(super) meaning: String,
    pub(super) shape: Shape,
}

#[derive(Debug)]
pub(super) enum Shape {
    /// An object.
    Fields(Vec<Field>),
    /// An object whose key `tag` says which.
    Tagged { tag: String, variants: Vec<Variant> },
    /// A text out of these, each with its meaning.
    Words(Vec<(String, String)>),
    /// A text or a number with rules of its own.
    Plain,
}

#[derive(Debug)]
pub(super) struct Variant {
    pub(super) word: String,
    pub(super) meaning: String,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) kind: Kind,
    pub(super) may_be_absent: bool,
    pub(super) may_be_null: bool,
    pub(super) meaning: String,
    pub(super) absence: String,
    pub(super) nothing: String,
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
    List(Box<Kind>),
    Object(Option<Box<Kind>>),
    Named(String),
    Any,
}

/// Every type of a schema, by name.
pub(super) fn types(schema: &Value) -> BTreeMap<String, Type> {
    let defs = schema["$defs"].as_object().into_iter().flatten();
    let known: Vec<_> = defs.clone().map(|(name, _)| name.as_str()).collect();
    let is_word = |name: &str| name.strip_suffix("Word").is_some_and(|word| known.contains(&word));
    defs.filter(|(name, _)| !is_word(name)).map(|(name, def)| (name.clone(), Type::read(name, def))).collect()
}

impl Type {
    fn read(name: &str, def: &Value) -> Self {
        let shape = match (def["oneOf"].as_array(), def["properties"].as_object()) {
            (Some(kinds), _) if kinds.iter().any(|kind| kind["const"].is_string()) => {
                Shape::Words(kinds.iter().map(|kind| (text(&kind["const"]), meaning(kind))).collect())
            }
            (Some(kinds), _) => tagged(kinds),
            (None, Some(_)) => Shape::Fields(fields(def, None)),
            (None, None) => Shape::Plain,
        };
        Self { name: name.to_owned(), meaning: meaning(def), shape }
    }
}

fn tagged(kinds: &[Value]) -> Shape {
    let properties = |kind: &Value| kind["properties"].as_object().cloned().unwrap_or_default();
    let is_tag = |(_, property): &(String, Value)| property["const"].is_string();
    let tag = kinds.first().and_then(|kind| properties(kind).into_iter().find(is_tag)).map(|(key, _)| key);
    let tag = tag.unwrap_or_default();
    let variant = |kind: &Value| Variant {
        word: text(&kind["properties"][&tag]["const"]),
        meaning: meaning(kind),
        fields: fields(kind, Some(&tag)),
    };
    let variants = kinds.iter().map(variant).collect();
    Shape::Tagged { tag, variants }
}

fn fields(def: &Value, tag: Option<&str>) -> Vec<Field> {
    let required: Vec<_> =
        def["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = def["properties"].as_object().cloned().unwrap_or_else(Map::new);
    let mut fields: Vec<_> = properties
        .iter()
        .filter(|(key, _)| Some(key.as_str()) != tag)
        .map(|(key, property)| Field::read(key, property, required.contains(&key.as_str())))
        .collect();
    // What is always there first, in the order in which it is written.
    let place = |field: &Field| required.iter().position(|key| *key == field.key).unwrap_or(required.len());
    fields.sort_by_key(place);
    fields
}

impl Field {
    fn read(key: &str, property: &Value, required: bool) -> Self {
        let (mut meaning, mut absence, mut nothing) = (Vec::new(), Vec::new(), Vec::new());
        let said = text(&property["description"]).replace('\n', " ");
        for sentence in sentences(&said) {
            match first_word(sentence) {
                "Absent" | "Null" => absence.push(sentence),
                "0" | "Never" | "Empty" | "False" => nothing.push(sentence),
                _ => meaning.push(sentence),
            }
        }
        let kind = kind(property);
        Self {
            key: key.to_owned(),
            may_be_absent: !required,
            may_be_null: kind == Kind::Any || is_nullable(property),
            kind,
            meaning: meaning.join(" "),
            absence: absence.join(" "),
            nothing: nothing.join(" "),
        }
    }
}

pub(super) fn first_word(sentence: &str) -> &str {
    sentence.split([' ', ':', '.', ',']).next().unwrap_or_default()
}

/// Where a full stop is followed by a space, a sentence ends.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    text.split_inclusive(". ").map(str::trim).filter(|sentence| !sentence.is_empty()).collect()
}

fn is_nullable(property: &Value) -> bool {
    let null = |value: &Value| value == "null" || value["type"] == "null";
    [&property["type"], &property["anyOf"]]
        .into_iter()
        .any(|list| list.as_array().is_some_and(|of| of.iter().any(null)))
}

fn kind(property: &Value) -> Kind {
    if let Some(name) = property["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        return Kind::Named(name.strip_suffix("Word").unwrap_or(name).to_owned());
    }
    if let Some(named) =
        property["anyOf"].as_array().and_then(|of| of.iter().find(|of| of["$ref"].is_string()))
    {
        return kind(named);
    }
    let word = match &property["type"] {
        Value::Array(words) => words.iter().find(|word| *word != "null").and_then(Value::as_str),
        word => word.as_str(),
    };
    match word {
        Some("string") => Kind::Text,
        Some("integer" | "number") => Kind::Number,
        Some("boolean") => Kind::Bool,
        Some("array") => Kind::List(Box::new(kind(&property["items"]))),
        Some("object") => {
            let values = &property["additionalProperties"];
            Kind::Object(values.is_object().then(|| Box::new(kind(values))))
        }
        _ => Kind::Any,
    }
}

fn meaning(def: &Value) -> String {
    // A link of the documentation leads nowhere on a page.
    let said = text(&def["description"]).replace("[`", "`").replace("`]", "`");
    said.replace("\n\n", " ").replace('\n', " ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
