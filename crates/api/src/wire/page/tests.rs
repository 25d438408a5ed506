//! Everything has a text that says enough, and everything is on the page.

use serde_json::Value;

use super::types::{first_word, sentences};
use super::*;

/// The fields, with the word of the variant they belong to, if there are variants.
fn fields(of: &Type) -> Vec<(Option<&str>, &Field)> {
    match &of.shape {
        Shape::Fields(fields) => fields.iter().map(|field| (None, field)).collect(),
        Shape::Tagged { variants, .. } => variants
            .iter()
            .flat_map(|variant| variant.fields.iter().map(|field| (Some(variant.word.as_str()), field)))
            .collect(),
        Shape::Words(_) | Shape::Plain => Vec::new(),
    }
}

/// What its text does not say and has to.
fn lacks(field: &Field) -> Vec<&'static str> {
    let begins = |word: &str| sentences(&field.absence).iter().any(|said| first_word(said) == word);
    let says_nothing =
        |words: &[&str]| sentences(&field.nothing).iter().any(|said| words.contains(&first_word(said)));
    let nothing_is_said = match &field.kind {
        Kind::Text | Kind::List(_) | Kind::Object(_) => says_nothing(&["Empty", "Never"]),
        Kind::Number => says_nothing(&["0", "Never"]),
        Kind::Bool => says_nothing(&["False"]),
        // The type says it.
        Kind::Named(_) | Kind::Any => true,
    };
    let checks = [
        (!field.meaning.is_empty(), "what it means"),
        (!field.may_be_absent || begins("Absent"), "what its absence means: 'Absent …'"),
        (field.may_be_absent || !field.may_be_null || begins("Null"), "what null means: 'Null …'"),
        (nothing_is_said, "what nothing means: '0 …', 'Empty …', 'False …' or 'Never …'"),
    ];
    checks.into_iter().filter(|(said, _)| !said).map(|(_, what)| what).collect()
}

#[test]
fn every_field_of_every_type_says_what_it_means_and_what_its_absence_and_nothing_in_it_mean() {
    let mut lacking = Vec::new();
    for of in every_type().values() {
        if of.meaning.is_empty() {
            lacking.push(format!("{}: what it is", of.name));
        }
        for (word, field) in fields(of) {
            let place = word.map_or_else(|| of.name.clone(), |word| format!("{}.{word}", of.name));
            lacking.extend(lacks(field).iter().map(|what| format!("{place}.{}: {what}", field.key)));
        }
        if let Shape::Words(words) = &of.shape {
            let silent = words.iter().filter(|(_, meaning)| meaning.is_empty());
            lacking.extend(silent.map(|(word, _)| format!("{}: what '{word}' means", of.name)));
        }
    }
    assert!(lacking.is_empty(), "write it in the doc comments:\n{}", lacking.join("\n"));
}

#[test]
fn a_field_that_says_too_little_is_found() {
    let silent = serde_json::json!({"$defs": {"T": {"description": "A type.", "type": "object", "required": ["b", "c"], "properties": {
        "a": {"description": "A count. 0: none.", "type": ["integer", "null"]},
        "b": {"description": "A count. Null: not counted.", "type": ["integer", "null"]},
        "c": {"description": "Null: none. Empty: none.", "type": ["string", "null"]},
    }}}});
    let lacking = |key: &str| {
        let types = types::types(&silent);
        let fields = fields(&types["T"]);
        lacks(fields.iter().find(|(_, field)| field.key == key).unwrap().1).join("; ")
    };
    assert!(lacking("a").starts_with("what its absence"), "{}", lacking("a"));
    assert!(lacking("b").starts_with("what nothing"), "{}", lacking("b"));
    assert!(lacking("c").starts_with("what it means"), "{}", lacking("c"));
}

#[test]
fn the_table_of_methods_names_the_types_that_are_read_and_the_results_that_are_written() {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Request>().to_value();
    let requests = schema["oneOf"].as_array().unwrap();
    assert_eq!(requests.len(), Method::TABLE.len());
    let mut results = BTreeSet::new();
    for spec in Method::TABLE {
        let of = |line: &&Value| line["properties"]["method"]["const"] == spec.name;
        let params = &requests.iter().find(of).unwrap()["properties"]["params"]["$ref"];
        let name = params.as_str().map_or("", |path| path.trim_start_matches("#/$defs/"));
        assert_eq!(name, spec.params, "{}", spec.name);
        results.insert(spec.result.to_owned());
    }
    let Shape::Tagged { variants, .. } = &every_type()["ResultBody"].shape else { panic!("no variants") };
    assert_eq!(results, variants.iter().map(|variant| variant.word.clone()).collect());
}

#[test]
fn every_method_code_and_type_is_on_the_page_and_every_link_leads_to_something() {
    let page = protocol_page();
    for spec in Method::TABLE {
        assert!(page.contains(&format!("| `{}`", spec.name)), "{}", spec.name);
    }
    for code in ErrorCode::ALL.iter().filter(|code| code.stages() != [Stage::Session]) {
        assert!(page.contains(&format!("| `{code}` |")), "{code}");
    }
    for of in every_type().values() {
        for (_, field) in fields(of) {
            assert!(page.contains(&format!("| `{}` |", field.key)), "{}.{}", of.name, field.key);
        }
    }
    let headings: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")))
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect();
    let links: Vec<_> = page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 100, "{}", links.len());
    for link in links {
        assert!(headings.contains(link), "#{link}");
    }
}
