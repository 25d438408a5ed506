//! `docs/stack-file.md` is true: its files are good, and its tables are those of the schema.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use supervisor_stack::{Choices, Stack, schema};

const BEGIN: &str = "<!-- keys: begin.";
const END: &str = "<!-- keys: end -->";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/stack-file.md")
}

/// The mappings of a file, in the order of the page: the type in the schema, and what the page calls it.
const MAPPINGS: &[(&str, &str)] = &[
    ("StackManifest", "The file"),
    ("SecretsPlace", "An item of `secrets_from`"),
    ("ControlManifest", "`control`"),
    ("RoleManifest", "An item of `control.roles`"),
    ("RegistrationManifest", "`control.registration`"),
    ("AuditKept", "`control.audit`"),
    ("ControlLimits", "`control.limits`"),
    ("HealthManifest", "`health`"),
    ("DashboardListens", "`dashboard`"),
    ("SupervisorManifest", "`supervisor`"),
    ("RootShutdownManifest", "`supervisor.shutdown`"),
    ("DefaultsManifest", "`defaults`"),
    ("ChildManifest", "A child"),
    ("DependencyUntil", "An item of `dependencies`"),
    ("BackoffManifest", "`backoff`"),
    ("BudgetLimits", "`budget`"),
    ("ReadinessProbe", "`readiness`"),
    ("HealthCheckManifest", "`health_check`"),
    ("HttpRequestManifest", "`http` of a probe"),
    ("HeaderEntry", "An item of `http.headers`"),
    ("ResponseHeader", "`http.response_header`"),
    ("ShutdownManifest", "`shutdown` of a child"),
    ("EscalationStep", "An item of `escalation`"),
    ("ScheduleEntry", "`schedule`"),
    ("HookEntry", "`pre_start` and `post_stop`"),
    ("SocketManifest", "An item of `sockets`"),
    ("StdinFile", "`stdin`"),
    ("EnvironmentEntry", "An item of `environment`"),
    ("EnvFileEntry", "`env_file`"),
    ("SecretEntry", "An item of `secrets`"),
    ("LogFileManifest", "`log`"),
    ("ResourceLimits", "`resource_limits`"),
    ("CommandPermissions", "`command_permissions`"),
    ("DynamicManifest", "`dynamic`"),
    ("SidecarConfig", "`sidecar_config`"),
];

/// The tables of all keys.
fn tables() -> String {
    let schema = schema();
    let mut out = String::new();
    for (owner, title) in MAPPINGS {
        let definition = if *owner == "StackManifest" { &schema } else { &schema["$defs"][owner] };
        let required: Vec<&str> =
            definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        writeln!(out, "\n### {title}\n\n| key | value | meaning |\n|---|---|---|").unwrap();
        for (key, property) in definition["properties"].as_object().unwrap() {
            let needed = if required.contains(&key.as_str()) { " Required." } else { "" };
            let meaning = property["description"].as_str().unwrap();
            writeln!(out, "| `{key}` | {} | {meaning}{needed} |", value(property, &schema)).unwrap();
        }
    }
    out
}

/// What may stand there, in words.
fn value(shape: &Value, schema: &Value) -> String {
    if let Some(name) = shape["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return match MAPPINGS.iter().find(|(owner, _)| *owner == name) {
            Some((_, title)) => format!("[mapping](#{})", anchor(title)),
            None => value(&schema["$defs"][name], schema),
        };
    }
    if let Some(word) = shape["const"].as_str() {
        return format!("`{word}`");
    }
    for many in ["anyOf", "oneOf"] {
        if let Some(shapes) = shape[many].as_array() {
            let each: Vec<String> = shapes.iter().map(|shape| value(shape, schema)).collect();
            let words = each.iter().all(|text| text.starts_with('`'));
            return each.join(if words { " " } else { " or " });
        }
    }
    if let Some(words) = shape["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect();
        return words.join(" ");
    }
    match shape["type"].as_str() {
        Some("array") => format!("list of: {}", value(&shape["items"], schema)),
        Some("integer") => "whole number".to_owned(),
        Some("number") => "number".to_owned(),
        Some("boolean") => "`true` `false`".to_owned(),
        Some("string") => "text".to_owned(),
        Some("object") => "mapping of names to values".to_owned(),
        other => panic!("{other:?} has no words: {shape}"),
    }
}

/// The anchor of a heading, as Markdown readers make it.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn the_tables_of_the_page_are_those_of_the_schema() {
    let text = std::fs::read_to_string(page()).unwrap();
    let begin = text.find(BEGIN).unwrap();
    let begin = begin + text[begin..].find('\n').unwrap() + 1;
    let end = text.find(END).unwrap();
    let fresh = format!("{}{}\n{}", &text[..begin], tables(), &text[end..]);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(page(), fresh).unwrap();
    } else {
        assert!(text == fresh, "docs/stack-file.md is stale; UPDATE_EXPECTED=1 writes it");
    }
}

#[test]
fn every_mapping_of_the_schema_is_on_the_page() {
    let schema = schema();
    let with_keys = schema["$defs"].as_object().unwrap().iter();
    let with_keys = with_keys.filter(|(_, definition)| definition["properties"].is_object());
    let there: BTreeSet<&str> = MAPPINGS.iter().map(|(owner, _)| *owner).collect();
    for (owner, _) in with_keys {
        assert!(there.contains(owner.as_str()), "{owner} is in no table");
    }
}

#[test]
fn every_file_of_the_page_is_good() {
    let text = std::fs::read_to_string(page()).unwrap();
    let blocks: Vec<&str> =
        text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    // A file that one of them includes.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mail.yaml"), "children: []\n").unwrap();
    let beside = dir.path().join("stack.yaml");
    assert!(blocks.len() >= 7, "only {} were found", blocks.len());
    for block in blocks {
        let file = if block.starts_with("version:") {
            block.to_owned()
        } else {
            let children: String = block.lines().map(|line| format!("  {line}\n")).collect();
            format!("version: 1\nname: page\nchildren:\n{children}")
        };
        let stack = Stack::parse_as("docs/stack-file.md", file.as_str(), Some(&beside), &Choices::default());
        let stack = stack.unwrap_or_else(|error| panic!("{error}\nin\n{file}"));
        assert_eq!(stack.warnings.to_string(), "");
    }
}
