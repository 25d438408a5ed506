//! The JSON Schema of a stack file, made from the types of `supervisor_api::manifest`.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use supervisor_api::manifest::{KEY_ALIASES, StackManifest, WORD_ALIASES};

/// The schema as the types give it, without the null that stands for an absent key: in a file a
/// key is either there with a value or not there.
pub(crate) fn of_types() -> Value {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<StackManifest>().to_value();
    tidy(&mut schema);
    schema
}

/// The JSON Schema of a stack file, for editors and other tools. It says what a file may hold, not
/// everything that makes it valid: that siblings exist and agree is for [`Stack::read`](crate::Stack::read).
pub fn schema() -> Value {
    let mut schema = of_types();
    schema["title"] = json!("Stack file");
    for (owner, spelling, key) in KEY_ALIASES {
        let properties = &mut schema["$defs"][owner]["properties"];
        let mut other = properties[key].clone();
        other["description"] = json!(format!("Another spelling of `{key}`."));
        properties[spelling] = other;
    }
    for (owner, spelling, word) in WORD_ALIASES {
        if let Some(words) = schema["$defs"][owner]["oneOf"].as_array_mut() {
            let description = format!("Another spelling of `{word}`.");
            words.push(json!({"type": "string", "const": spelling, "description": description}));
        }
    }
    schema
}

/// Removes null alternatives, and the line breaks inside descriptions.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(map) => {
            map.values_mut().for_each(tidy);
            drop_null_type(map);
            drop_null_alternative(map);
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ");
            }
        }
        _ => {}
    }
}

/// `["integer", "null"]` becomes `"integer"`.
fn drop_null_type(map: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = map.get_mut("type") else { return };
    types.retain(|word| word != "null");
    if let [only] = &types[..] {
        let only = only.clone();
        map.insert("type".to_owned(), only);
    }
}

/// `anyOf: [X, {type: null}]` becomes X, with the description of the key.
fn drop_null_alternative(map: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = map.get_mut("anyOf") else { return };
    alternatives.retain(|alternative| alternative.get("type") != Some(&json!("null")));
    let [Value::Object(only)] = &alternatives[..] else { return };
    let only = only.clone();
    map.remove("anyOf");
    for (key, value) in only {
        map.entry(key).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use supervisor_api::manifest::LATER;

    #[test]
    fn no_key_may_be_null() {
        let text = schema().to_string();
        assert!(!text.contains("\"null\""), "{text}");
    }

    #[test]
    fn keys_of_later_versions_are_not_in_the_schema() {
        let schema = schema();
        for later in LATER {
            let owner = if later.owner == "StackManifest" { &schema } else { &schema["$defs"][later.owner] };
            assert!(owner["properties"].is_object(), "{} is no type of the schema", later.owner);
            assert!(owner["properties"].get(later.key).is_none(), "{}", later.key);
        }
    }

    #[test]
    fn every_key_says_what_it_is() {
        let schema = schema();
        let definitions = schema["$defs"].as_object().unwrap().values().chain([&schema]);
        for definition in definitions {
            for (key, property) in definition["properties"].as_object().into_iter().flatten() {
                assert!(property["description"].is_string(), "{key}");
            }
        }
    }
}
