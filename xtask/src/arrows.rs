//! Who may depend on whom.
//!
//! Three tables: the arrows between our crates, what the pure core may compile, and what a library user may be made
//! to compile. Dev-dependencies are free: tests may look at anything.

use std::collections::BTreeSet;

use crate::Outcome;
use crate::metadata::{Metadata, Package, closure, host};

/// Each crate with the crates of the workspace that it may use.
///
/// Only the library sees the core: programs, control plane and stack files go through its public face, so whatever
/// they can do a user can do. Relay and client see words only: what is not in `supervisor-api` cannot be shown.
const ARROWS: &[(&str, &[&str])] = &[
    ("supervisor-api", &[]),
    ("supervisor-core", &["supervisor-api"]),
    ("tokio-supervisor", &["supervisor-api", "supervisor-core"]),
    ("supervisor-process", &["supervisor-api", "tokio-supervisor"]),
    ("supervisor-ledger", &["supervisor-api"]),
    ("supervisor-socket", &["supervisor-api"]),
    ("supervisor-yaml", &["supervisor-api"]),
    ("supervisor-control", &["supervisor-api", "tokio-supervisor", "supervisor-ledger", "supervisor-socket"]),
    ("supervisor-client", &["supervisor-api", "supervisor-socket"]),
    (
        "supervisor-relay",
        &["supervisor-api", "supervisor-client", "supervisor-ledger", "supervisor-socket", "supervisor-yaml"],
    ),
    (
        "supervisor-stack",
        &[
            "supervisor-api",
            "tokio-supervisor",
            "supervisor-process",
            "supervisor-control",
            "supervisor-relay",
            "supervisor-yaml",
        ],
    ),
    (
        "supervisor-cli",
        &["supervisor-api", "supervisor-stack", "supervisor-client", "supervisor-relay", "supervisor-ledger"],
    ),
    ("supervisor-testkit", &["supervisor-api", "supervisor-core", "tokio-supervisor"]),
    (
        "supervisor-fuzz",
        &[
            "supervisor-api",
            "supervisor-control",
            "supervisor-core",
            "supervisor-socket",
            "supervisor-stack",
            "supervisor-testkit",
            "tokio-supervisor",
        ],
    ),
    ("supervisor-oracle", &["supervisor-api", "supervisor-core", "supervisor-testkit"]),
    ("supervisor-chaos", &["supervisor-testkit", "tokio-supervisor", "supervisor-process"]),
    ("supervisor-load", &["supervisor-api", "supervisor-socket"]),
    // The peers use it, and know nothing of us.
    ("supervisor-bench-kit", &[]),
    // What it measures a user can do.
    (
        "supervisor-benches",
        &[
            "supervisor-api",
            "supervisor-bench-kit",
            "tokio-supervisor",
            "supervisor-control",
            "supervisor-process",
        ],
    ),
    ("xtask", &[]),
];

/// Everything `supervisor-core` may compile, with the reason. None of it brings a clock, a thread, tokio or
/// randomness; a new line needs the same proof.
const CORE_MAY_COMPILE: &[(&str, &str)] = &[
    ("supervisor-core", "itself"),
    ("supervisor-api", "the words"),
    ("foldhash", "the hash of its tables, with seeds that are given"),
    ("hashbrown", "hash tables; without its default hasher, which would bring random seeds"),
    ("serde", "the words are serialisable"),
    ("serde_core", "part of serde"),
    ("serde_derive", "serde's derive, at compile time"),
    ("thiserror", "error types"),
    ("thiserror-impl", "thiserror's derive, at compile time"),
    ("proc-macro2", "of the derives, at compile time"),
    ("quote", "of the derives, at compile time"),
    ("syn", "of the derives, at compile time"),
    ("unicode-ident", "of the derives, at compile time"),
];

/// Crates that must never see the machine or its shell, at any distance.
const WORDS_ONLY: &[&str] = &["supervisor-client", "supervisor-relay"];
const MACHINE_AND_SHELL: &[&str] = &["supervisor-core", "tokio-supervisor"];

/// The library and the most crates its user may be made to compile with default features, itself included.
const LIBRARY: &str = "tokio-supervisor";
const LIBRARY_MAY_COMPILE: usize = 30;

/// Features whose place in the default set is decided.
const FEATURES: &[(&str, &str, bool)] = &[
    ("supervisor-api", "schema", false),
    // The core and the library need no JSON.
    ("supervisor-api", "wire", false),
    ("tokio-supervisor", "signals", true),
    // Each brings crates that only some users need.
    ("tokio-supervisor", "manifest", false),
    ("tokio-supervisor", "tracing", false),
    ("tokio-supervisor", "metrics", false),
    // On for users; the tests of the core do without it, and so without tokio.
    ("supervisor-testkit", "tokio", true),
];

/// Checks all of the above against the workspace.
pub(crate) fn check(metadata: &Metadata) -> Outcome {
    let members = metadata.members();
    let platform = host()?;
    let mut problems = arrow_problems(&members, ARROWS);
    problems.extend(feature_problems(&members, FEATURES));
    for member in &members {
        if member.name == "supervisor-core" {
            problems.extend(core_problems(&closure(&member.name, &platform)?));
        }
        if WORDS_ONLY.contains(&member.name.as_str()) {
            problems.extend(words_only_problems(&member.name, &closure(&member.name, &platform)?));
        }
    }
    let library = closure(LIBRARY, &platform)?;
    println!(
        "{LIBRARY} compiles {} crates with default features (at most {LIBRARY_MAY_COMPILE})",
        library.len()
    );
    problems.extend(size_problem(&library));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn arrow_problems(members: &[&Package], arrows: &[(&str, &[&str])]) -> Vec<String> {
    let ours: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut problems = Vec::new();
    for member in members {
        let Some((name, allowed)) = arrows.iter().find(|(name, _)| *name == member.name) else {
            problems.push(format!(
                "`{}` has no line in ARROWS (xtask/src/arrows.rs); decide what it may use",
                member.name
            ));
            continue;
        };
        let declared =
            member.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
        for dependency in declared.map(|dependency| dependency.name.as_str()) {
            if ours.contains(dependency) && !allowed.contains(&dependency) {
                let may = if allowed.is_empty() { "no crate of ours".into() } else { allowed.join(", ") };
                problems.push(format!("`{name}` must not depend on `{dependency}`; it may use {may}"));
            }
        }
    }
    problems
}

fn feature_problems(members: &[&Package], features: &[(&str, &str, bool)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (package, feature, on) in features {
        let Some(member) = members.iter().find(|member| member.name == *package) else { continue };
        let is_on =
            member.features.get("default").is_some_and(|list| list.iter().any(|name| name == feature));
        if !member.features.contains_key(*feature) {
            problems.push(format!("`{package}` has no feature `{feature}`"));
        } else if is_on != *on {
            let word = if *on { "on" } else { "off" };
            problems.push(format!("feature `{feature}` of `{package}` must be {word} by default"));
        }
    }
    problems
}

fn core_problems(compiled: &BTreeSet<String>) -> Vec<String> {
    let strange =
        compiled.iter().filter(|package| !CORE_MAY_COMPILE.iter().any(|(name, _)| *name == bare(package)));
    strange
        .map(|package| {
            format!(
                "`supervisor-core` compiles `{package}`, which is not in CORE_MAY_COMPILE (xtask/src/arrows.rs): \
                 remove it, or show there that it brings no clock, thread, tokio or randomness"
            )
        })
        .collect()
}

fn words_only_problems(member: &str, compiled: &BTreeSet<String>) -> Vec<String> {
    let seen = compiled.iter().map(|package| bare(package)).filter(|name| MACHINE_AND_SHELL.contains(name));
    seen.map(|name| format!("`{member}` sees `{name}` through its dependencies; it may know words only"))
        .collect()
}

fn size_problem(compiled: &BTreeSet<String>) -> Option<String> {
    (compiled.len() > LIBRARY_MAY_COMPILE).then(|| {
        let all: Vec<_> = compiled.iter().map(String::as_str).collect();
        let count = compiled.len();
        format!(
            "`{LIBRARY}` compiles {count} crates, at most {LIBRARY_MAY_COMPILE} are allowed: {}",
            all.join(", ")
        )
    })
}

/// The name in `name v1.2.3`.
fn bare(package: &str) -> &str {
    package.split(' ').next().unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|(name, kind)| Dependency { name: (*name).into(), kind: kind.map(str::to_owned) })
            .collect();
        Package { name: name.into(), dependencies, ..Package::default() }
    }

    fn set(packages: &[&str]) -> BTreeSet<String> {
        packages.iter().map(|package| (*package).to_owned()).collect()
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_a_problem() {
        let core = package("supervisor-core", &[]);
        for kind in [None, Some("build")] {
            let process = package("supervisor-process", &[("supervisor-core", kind)]);
            let problems = arrow_problems(&[&core, &process], ARROWS);
            assert_eq!(problems.len(), 1);
            assert!(
                problems[0].contains("`supervisor-process` must not depend on `supervisor-core`"),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn allowed_arrows_foreign_crates_and_dev_dependencies_are_no_problem() {
        let api = package("supervisor-api", &[("serde", None)]);
        let testkit = package("supervisor-testkit", &[]);
        let core =
            package("supervisor-core", &[("supervisor-api", None), ("supervisor-testkit", Some("dev"))]);
        assert_eq!(arrow_problems(&[&api, &core, &testkit], ARROWS), Vec::<String>::new());
    }

    #[test]
    fn a_crate_without_a_line_in_the_table_is_a_problem() {
        let problems = arrow_problems(&[&package("supervisor-extra", &[])], ARROWS);
        assert!(problems[0].contains("`supervisor-extra` has no line"), "{problems:?}");
    }

    #[test]
    fn no_crate_but_the_library_and_those_that_test_it_may_use_the_core() {
        let users: Vec<_> = ARROWS
            .iter()
            .filter(|(_, may)| may.contains(&"supervisor-core"))
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(users, ["tokio-supervisor", "supervisor-testkit", "supervisor-fuzz", "supervisor-oracle"]);
    }

    #[test]
    fn tokio_in_the_core_is_a_problem_at_any_distance() {
        let problems = core_problems(&set(&["supervisor-core v0.1.0", "serde v1.0.0", "tokio v1.47.0"]));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("`tokio v1.47.0`"), "{problems:?}");
    }

    #[test]
    fn a_relay_that_reaches_the_library_is_a_problem() {
        let problems = words_only_problems(
            "supervisor-relay",
            &set(&["supervisor-api v0.1.0", "tokio-supervisor v0.1.0"]),
        );
        assert_eq!(
            problems,
            ["`supervisor-relay` sees `tokio-supervisor` through its dependencies; it may know words only"]
        );
    }

    #[test]
    fn thirty_crates_are_allowed_and_thirty_one_are_not() {
        let many = |count: usize| (0..count).map(|n| format!("p{n} v1.0.0")).collect();
        assert_eq!(size_problem(&many(30)), None);
        assert!(size_problem(&many(31)).unwrap().contains("compiles 31 crates"));
    }

    #[test]
    fn a_feature_that_is_missing_or_wrongly_on_or_off_is_a_problem() {
        let mut api = package("api", &[]);
        let problem = |api: &Package, on| feature_problems(&[api], &[("api", "schema", on)]);
        assert_eq!(problem(&api, false), ["`api` has no feature `schema`"]);
        api.features.insert("schema".into(), vec![]);
        assert_eq!(problem(&api, false), Vec::<String>::new());
        assert_eq!(problem(&api, true), ["feature `schema` of `api` must be on by default"]);
        api.features.insert("default".into(), vec!["schema".into()]);
        assert_eq!(problem(&api, false), ["feature `schema` of `api` must be off by default"]);
    }
}
