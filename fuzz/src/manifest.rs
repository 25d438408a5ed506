//! Manifests: the text of one child, and a whole stack file.

use supervisor_api::manifest::{ChildManifest, StackManifest};
use supervisor_api::{SupervisorError, SupervisorPath};
use supervisor_stack::{Choices, Findings, Stack, StackError};
use tokio_supervisor::{IntoManifest, Registry};

use crate::bytes::Bytes;

/// A file that says every key; what is made of it reaches deeper than arbitrary text.
const ALL_KEYS: &str = include_str!("../../crates/stack/tests/good/all_keys.yaml");
/// A file with what is put in before it is a manifest.
const SEVERAL: &str = include_str!("../../crates/stack/tests/good/several.yaml");
/// A child that says much.
const ONE_CHILD: &str = "\
name: db
kind: process
command: [sleep, 10]
stop_signal: INT
success_exit_codes: [0, 143]
role: service
restart_policy: permanent
backoff: {initial_ms: 0, max_ms: 5000, jitter_ratio: 0.5, reset_after_secs: 30}
budget: {max_restarts: 3, window_secs: 60, on_exhausted: escalate}
readiness: {tcp: \"127.0.0.1:5432\", check_interval_secs: 0.5, timeout_secs: 2}
ready_within_secs: infinity
shutdown: {graceful_timeout_ms: infinity, abort_wait_ms: 0}
tags: [data, \"on\"]
";

/// Reads the bytes as manifests. The first byte says how: as they are, or as changes to a good text.
///
/// # Panics
/// When a refusal names no place or cannot be printed, or what was accepted does not read back the same.
pub fn manifest(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_first() else { return };
    if how % 4 == 0 {
        file(rest.to_vec());
        if let Ok(text) = std::str::from_utf8(rest) {
            child(text);
        }
    } else {
        let good = if how % 4 == 1 { SEVERAL } else { ALL_KEYS };
        file(changed(good, &mut Bytes::new(rest)).into_bytes());
        child(&changed(ONE_CHILD, &mut Bytes::new(rest)));
    }
}

/// What may stand where a value stood.
const VALUES: &[&str] = &[
    "0",
    "-1",
    "1",
    "0.5",
    "1e999",
    "99999999999999999999",
    ".nan",
    "true",
    "no",
    "null",
    "~",
    "infinity",
    "unlimited",
    "''",
    "a",
    "web",
    "db",
    "\"\\u202e\"",
    "[",
    "[a]",
    "[[a]]",
    "{a: 1}",
    "{",
    "*x",
    "&x 1",
    "!!str 1",
    "<<",
    "|",
    "\t",
    "supervisor",
    "process",
    "async_worker",
    "job",
    "sidecar",
    "explicit",
    "INT",
    "SIGKILL",
    "127.0.0.1:0",
    "http://a:1/",
    "${db-password}",
    "${mode}",
    "${many}",
    "$${mode} ${mode}",
    "${replica}",
    "permanent",
    "temporary",
    "one_for_all",
    "all_done",
    "never",
];

/// The text with some lines changed.
fn changed(text: &str, bytes: &mut Bytes<'_>) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..8 {
        if bytes.is_empty() || lines.is_empty() {
            break;
        }
        let at = bytes.below(lines.len());
        match bytes.below(8) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => lines[at].insert_str(0, "  "),
            3 => lines[at] = lines[at].trim_start().to_owned(),
            4 => {
                let other = bytes.below(lines.len());
                lines.swap(at, other);
            }
            5 => lines[at] = with_key(&lines[at], bytes),
            _ => lines[at] = with_value(&lines[at], bytes),
        }
    }
    lines.join("\n")
}

/// Another value after one of the colons.
fn with_value(line: &str, bytes: &mut Bytes<'_>) -> String {
    let colons: Vec<usize> = line.match_indices(": ").map(|(at, _)| at + 2).collect();
    let value = bytes.pick(VALUES);
    if colons.is_empty() {
        return format!("{line}{value}");
    }
    let from = bytes.pick(&colons);
    let to = line[from..].find([',', '}']).map_or(line.len(), |length| from + length);
    format!("{}{value}{}", &line[..from], &line[to..])
}

/// The key of another line, or one that there is not.
fn with_key(line: &str, bytes: &mut Bytes<'_>) -> String {
    const KEYS: &[&str] = &[
        "name",
        "kind",
        "children",
        "dependencies",
        "primary",
        "role",
        "budget",
        "user",
        "comand",
        "variables",
        "include",
        "replicas",
        "profiles",
        "secret_ref",
        "dynamic",
    ];
    let indent = line.len() - line.trim_start().len();
    let value = line.split_once(": ").map_or("", |(_, value)| value);
    format!("{}{}: {value}", &line[..indent], bytes.pick(KEYS))
}

fn file(text: Vec<u8>) {
    let lines = String::from_utf8_lossy(&text).split(['\n', '\r']).count() as u32;
    match Stack::parse_with("it.yaml", text.clone(), registry()) {
        Ok(stack) => {
            expanded(text, &stack.manifest);
            assert_eq!(stack.warnings.errors(), 0);
            check(&stack.warnings, lines);
            reads_back(&stack.manifest);
        }
        Err(StackError::Invalid(findings)) => {
            assert!(findings.errors() > 0, "refused without a mistake");
            check(&findings, lines);
        }
        Err(other) => panic!("a text cannot be unreadable: {other}"),
    }
}

/// The factories that the good text names.
fn registry() -> Registry {
    Registry::new()
        .factory("parse", |ctx| async move {
            ctx.stopping().await;
        })
        .blocking("index", |ctx| while !ctx.is_stopping() {})
}

/// Every finding is about a place of the text and can be printed.
fn check(findings: &Findings, lines: u32) {
    for finding in findings.iter() {
        assert!(!finding.message.is_empty(), "a finding without a word");
        let place = finding.place;
        assert!((1..=lines).contains(&place.line), "{place:?} of {lines} lines: {}", finding.message);
        assert!(place.column >= 1 && place.length >= 1, "{place:?}: {}", finding.message);
    }
    let text = findings.to_string();
    let strange =
        text.chars().find(|c| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c));
    assert_eq!(strange, None, "{text:?}");
}

/// With everything put in, the text says the same and has nothing left to be put in.
fn expanded(text: Vec<u8>, manifest: &StackManifest) {
    let expand = |text: Vec<u8>| {
        Stack::expand("it.yaml", text, None, &Choices::default())
            .unwrap_or_else(|error| panic!("what was accepted is not expanded: {error}"))
    };
    let out = expand(text);
    match Stack::parse_with("expanded.yaml", out.clone(), registry()) {
        Ok(again) => assert_eq!(&again.manifest, manifest, "{out}"),
        Err(error) => panic!("what was accepted is refused when it is expanded: {error}\n{out}"),
    }
    assert_eq!(expand(out.clone().into_bytes()), out);
}

/// Written as JSON, which is YAML too, the file says the same.
fn reads_back(manifest: &StackManifest) {
    let text = json(manifest);
    match Stack::parse_with("again.yaml", text.clone(), registry()) {
        Ok(again) => assert_eq!(&again.manifest, manifest, "{text}"),
        Err(error) => panic!("what was accepted is refused when it is written again: {error}\n{text}"),
    }
}

fn child(text: &str) {
    match text.into_manifest() {
        Ok(manifest) => {
            // Whatever contradicts itself says so; here only without a panic.
            let findings = manifest.problems(&SupervisorPath::root());
            assert!(findings.iter().all(|finding| !finding.message.is_empty()), "a finding without a word");
            let again: Result<ChildManifest, _> = json(&manifest).into_manifest();
            assert_eq!(again.as_ref(), Ok(&manifest), "{text}");
        }
        Err(SupervisorError::InvalidSpec(findings)) => {
            assert!(findings.iter().any(|finding| !finding.warning && !finding.message.is_empty()));
        }
        Err(other) => panic!("a text is refused by what is wrong in it, not by: {other}"),
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| panic!("cannot be written: {error}"))
}
