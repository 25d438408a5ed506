//! Banned crates, licences and sources: the policy of `deny.toml` against the packages of the graph.
//!
//! The file has the form that `cargo deny` reads, so that tool can be used too; nobody has to build it.

use std::fs;

use serde::Deserialize;
use spdx::{Expression, ParseMode};

use crate::metadata::{Metadata, Package};
use crate::{Outcome, shell};

#[derive(Debug, Deserialize)]
struct Policy {
    bans: Bans,
    licenses: Licences,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
    allow_git: Vec<String>,
}

/// Checks every package of the graph against `deny.toml`.
pub(crate) fn check(metadata: &Metadata) -> Outcome {
    let path = shell::root().join("deny.toml");
    let text = fs::read_to_string(&path).map_err(|error| format!("deny.toml cannot be read: {error}"))?;
    let policy: Policy = toml::from_str(&text).map_err(|error| format!("deny.toml: {error}"))?;
    let problems: Vec<_> = metadata.packages.iter().flat_map(|package| policy.problems(package)).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

impl Policy {
    fn problems(&self, package: &Package) -> Vec<String> {
        let who = format!("`{} {}`", package.name, package.version);
        let ban = self.bans.deny.iter().find(|ban| ban.name == package.name);
        let ban = ban.map(|ban| format!("{who} is banned: {}", ban.reason));
        let licence = self.licence_problem(package).map(|problem| format!("{who} {problem}"));
        let source = self.source_problem(package).map(|problem| format!("{who} {problem}"));
        [ban, licence, source].into_iter().flatten().collect()
    }

    fn licence_problem(&self, package: &Package) -> Option<String> {
        let Some(stated) = &package.license else { return Some("states no licence".into()) };
        // Old manifests write `MIT/Apache-2.0`; lax parsing reads that as `OR`.
        let expression = match Expression::parse_mode(stated, ParseMode::LAX) {
            Ok(expression) => expression,
            Err(error) => {
                return Some(format!(
                    "states the licence `{stated}`, which cannot be read: {}",
                    error.reason
                ));
            }
        };
        let allowed = expression.evaluate(|licence| self.licenses.allow.contains(&licence.to_string()));
        (!allowed).then(|| format!("has the licence `{stated}`, which deny.toml does not allow"))
    }

    fn source_problem(&self, package: &Package) -> Option<String> {
        let source = package.source.as_deref()?;
        let known = |list: &[String], address: &str| list.iter().any(|allowed| allowed == address);
        let allowed = match source.split_once('+') {
            Some(("registry" | "sparse", registry)) => known(&self.sources.allow_registry, registry),
            Some(("git", repository)) => {
                known(&self.sources.allow_git, repository.split(['?', '#']).next().unwrap_or(repository))
            }
            _ => false,
        };
        (!allowed).then(|| format!("comes from `{source}`, which deny.toml does not allow"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        [bans]
        deny = [{ crate = "openssl", reason = "we use rustls" }]
        [licenses]
        allow = ["MIT", "Apache-2.0 WITH LLVM-exception"]
        [sources]
        allow-registry = ["https://example.org/index"]
        allow-git = ["https://example.org/repo"]
    "#;

    fn problems(name: &str, licence: Option<&str>, source: Option<&str>) -> Vec<String> {
        let policy: Policy = toml::from_str(POLICY).unwrap();
        policy.problems(&Package {
            name: name.into(),
            version: "1.0.0".into(),
            license: licence.map(str::to_owned),
            source: source.map(str::to_owned),
            ..Package::default()
        })
    }

    #[test]
    fn a_banned_crate_is_a_problem_with_its_reason() {
        assert_eq!(problems("openssl", Some("MIT"), None), ["`openssl 1.0.0` is banned: we use rustls"]);
        assert_eq!(problems("openssl-probe", Some("MIT"), None), Vec::<String>::new());
    }

    #[test]
    fn one_allowed_side_of_an_or_is_enough_and_every_side_of_an_and_is_needed() {
        for good in
            ["MIT", "MIT OR GPL-3.0-only", "GPL-3.0-only/MIT", "Apache-2.0 WITH LLVM-exception AND MIT"]
        {
            assert_eq!(problems("a", Some(good), None), Vec::<String>::new(), "{good}");
        }
        for bad in ["Apache-2.0", "GPL-3.0-only", "MIT AND GPL-3.0-only"] {
            let found = problems("a", Some(bad), None);
            assert!(found[0].contains("deny.toml does not allow"), "{bad}: {found:?}");
        }
    }

    #[test]
    fn a_missing_or_unreadable_licence_is_a_problem() {
        assert_eq!(problems("a", None, None), ["`a 1.0.0` states no licence"]);
        assert!(problems("a", Some("do what you like"), None)[0].contains("cannot be read"));
    }

    #[test]
    fn only_listed_registries_and_repositories_are_sources() {
        for good in ["registry+https://example.org/index", "git+https://example.org/repo?rev=1#1234"] {
            assert_eq!(problems("a", Some("MIT"), Some(good)), Vec::<String>::new(), "{good}");
        }
        for bad in ["registry+https://example.com/index", "git+https://example.org/other", "elsewhere"] {
            assert!(problems("a", Some("MIT"), Some(bad))[0].contains("does not allow"), "{bad}");
        }
    }

    #[test]
    fn a_ban_without_a_reason_is_refused() {
        let text = POLICY.replace(r#", reason = "we use rustls""#, "");
        assert!(toml::from_str::<Policy>(&text).unwrap_err().to_string().contains("reason"));
    }
}
