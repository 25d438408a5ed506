//! The stated Rust version holds: no crate that is built into what we ship asks for a newer one.
//!
//! Clippy's `incompatible_msrv` watches our own code; this watches what we depend on.

use crate::Outcome;
use crate::metadata::{Metadata, Package};

/// Members that nobody installs.
const NOT_SHIPPED: &[&str] = &["supervisor-testkit", "xtask"];

/// Compares the workspace's `rust-version` with that of every dependency.
pub(crate) fn check(metadata: &Metadata) -> Outcome {
    let shipped = |package: &Package| !NOT_SHIPPED.contains(&package.name.as_str());
    let stated = metadata.members().into_iter().find_map(|member| member.rust_version.as_deref());
    let stated = stated.ok_or("no member states a rust-version")?;
    let problems = problems(stated, &metadata.reached_from(shipped));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn problems(stated: &str, packages: &[&Package]) -> Vec<String> {
    let too_new = packages.iter().filter_map(|package| {
        let wanted = package.rust_version.as_deref()?;
        (version(wanted) > version(stated)).then(|| {
            format!(
                "`{} {}` wants Rust {wanted}, but we promise {stated}: take an older version, or raise rust-version \
                 in Cargo.toml and say so in CHANGELOG.md",
                package.name, package.version
            )
        })
    });
    too_new.collect()
}

/// `1.85` and `1.85.0` are the same; a part that is no number (a pre-release) counts as 0.
fn version(text: &str) -> [u64; 3] {
    let mut parts = text.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(stated: &str, wanted: Option<&str>) -> usize {
        let package = Package { rust_version: wanted.map(str::to_owned), ..Package::default() };
        problems(stated, &[&package]).len()
    }

    #[test]
    fn a_dependency_that_wants_a_newer_rust_is_a_problem() {
        assert_eq!(found("1.89", Some("1.90")), 1);
        assert_eq!(found("1.89", Some("1.89.1")), 1);
        assert_eq!(found("1.89", Some("2.0")), 1);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(found("1.89", Some("1.9")), 0);
        assert_eq!(found("1.89", Some("1.89.0")), 0);
        assert_eq!(found("1.89.0", Some("1.89")), 0);
        assert_eq!(found("1.89", None), 0);
    }
}
