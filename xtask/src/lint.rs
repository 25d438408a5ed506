//! `cargo xtask lint` and its quick half, `cargo xtask check`.

use crate::metadata::{Metadata, Package};
use crate::shell::{self, Stopwatch};
use crate::{Outcome, arrows, bench, deny, manifests, msrv, ui, unsafety};

/// A named check.
type Check<'a> = (&'a str, Box<dyn Fn() -> Outcome + 'a>);

/// The verb `check`.
pub(crate) fn check(_: &[String]) -> Outcome {
    all(&[("formatting", Box::new(formatting)), ("clippy", Box::new(clippy))])
}

/// The verb `lint`.
pub(crate) fn lint(_: &[String]) -> Outcome {
    let metadata = Metadata::load()?;
    all(&[
        ("formatting", Box::new(formatting)),
        ("manifests", Box::new(|| manifests::check(&metadata))),
        ("dependency rules", Box::new(|| arrows::check(&metadata))),
        ("bans, licences, sources", Box::new(|| deny::check(&metadata))),
        ("Rust version", Box::new(|| msrv::check(&metadata))),
        ("unsafe", Box::new(unsafety::check)),
        ("clippy", Box::new(clippy)),
        ("features", Box::new(|| features(&metadata))),
        ("docs", Box::new(docs)),
        ("dashboard", Box::new(ui::lint)),
    ])
}

/// Runs every check, also after one has failed: one run tells everything that is wrong.
fn all(checks: &[Check<'_>]) -> Outcome {
    let mut failed = Vec::new();
    for (name, check) in checks {
        let watch = Stopwatch::start();
        let end = check();
        let seconds = watch.elapsed().as_secs_f32();
        match end {
            Ok(()) => println!("ok      {name} ({seconds:.1} s)"),
            Err(problem) => {
                println!("FAILED  {name} ({seconds:.1} s)\n{problem}");
                failed.push(*name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// Of the workspace, and of that of the peers, which is not compiled for it.
fn formatting() -> Outcome {
    for workspace in ["Cargo.toml", bench::PEERS_MANIFEST] {
        shell::run(shell::cargo(["fmt", "--all", "--manifest-path", workspace, "--check"]))
            .map_err(|problem| format!("{problem}; the same without `--check` puts it right"))?;
    }
    Ok(())
}

fn clippy() -> Outcome {
    shell::run(shell::cargo(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

/// Clippy again, for each package that has features, without any and with all of them.
fn features(metadata: &Metadata) -> Outcome {
    for member in metadata.members().into_iter().filter(|member| has_features(member)) {
        for set in ["--no-default-features", "--all-features"] {
            let name = member.name.as_str();
            shell::run(shell::cargo(["clippy", "--quiet", "--package", name, set, "--", "-D", "warnings"]))?;
        }
    }
    Ok(())
}

fn has_features(package: &Package) -> bool {
    package.features.keys().any(|feature| feature != "default")
}

fn docs() -> Outcome {
    let mut command = shell::cargo(["doc", "--quiet", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    shell::run(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_does_not_stop_the_next_and_every_failed_one_is_named() {
        let fail = || Err("broken".into());
        let checks: [Check<'_>; 3] =
            [("one", Box::new(fail)), ("two", Box::new(|| Ok(()))), ("three", Box::new(fail))];
        assert_eq!(all(&checks), Err("failed: one, three".into()));
        assert_eq!(all(&checks[1..2]), Ok(()));
    }

    #[test]
    fn a_package_has_features_if_it_has_more_than_the_default_set() {
        let mut package = Package::default();
        package.features.insert("default".into(), vec![]);
        assert!(!has_features(&package));
        package.features.insert("schema".into(), vec![]);
        assert!(has_features(&package));
    }

    #[test]
    fn the_core_bans_every_method_that_the_workspace_bans() {
        let banned = |file: &str| -> Vec<String> {
            let text = std::fs::read_to_string(shell::root().join(file)).unwrap();
            let table: toml::Table = text.parse().unwrap();
            let methods = table["disallowed-methods"].as_array().unwrap();
            methods.iter().map(|method| method["path"].as_str().unwrap().to_owned()).collect()
        };
        let core = banned("crates/core/clippy.toml");
        for method in banned("clippy.toml") {
            assert!(core.contains(&method), "crates/core/clippy.toml lacks {method}");
        }
    }
}
