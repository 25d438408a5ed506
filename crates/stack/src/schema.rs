//! The JSON Schema of a stack file, made from the types of `supervisor_api::manifest`.

use serde_json::{Value, json};
use supervisor_api::manifest::{KEY_ALIASES, StackManifest, WORD_ALIASES};

/// The schema as the types give it.
pub(crate) fn of_types() -> Value {
    supervisor_yaml::schema_of::<StackManifest>()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_may_be_null() {
        let mut schema = schema();
        // But for the default of a variable, and for the word of `stdin`, which stand for something.
        schema["$defs"]["VariableDefault"] = json!(null);
        let text = schema.to_string();
        assert_eq!(text.matches("\"null\"").count(), text.matches("\"const\":\"null\"").count(), "{text}");
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

    #[test]
    fn the_tables_beside_the_types_name_types_keys_and_words_that_exist() {
        let schema = of_types();
        let keys = |owner: &str| schema["$defs"][owner]["properties"].as_object().unwrap().clone();
        for (owner, spelling, key) in KEY_ALIASES {
            assert!(
                keys(owner).contains_key(*key) && !keys(owner).contains_key(*spelling),
                "{owner} {spelling}"
            );
        }
        for (owner, spelling, word) in WORD_ALIASES {
            let words = schema["$defs"][owner]["oneOf"].as_array().unwrap();
            assert!(words.iter().any(|known| known["const"] == *word), "{owner} {spelling}");
        }
    }
}
