//! Node.js, and the packages that the dashboard is built and tested with.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};

use crate::{Outcome, shell, tools};

/// The oldest version that the build tools run on; it stands in `ui/package.json` too.
const OLDEST: (u32, u32) = (20, 19);

/// An npm command in the dashboard's folder.
pub(super) fn npm(arguments: &[&str]) -> Command {
    let mut command = shell::program("npm");
    command.args(arguments).current_dir(super::folder());
    command
}

/// Sees to it that Node.js and the packages are there, or says what is missing.
pub(super) fn ready() -> Outcome {
    for program in ["node", "npm"] {
        if !tools::has(program) {
            return Err(format!("{program} is not installed; {}", advice()));
        }
    }
    let mut node = shell::program("node");
    node.arg("--version");
    let version = shell::output(node)?;
    if !is_new_enough(&version) {
        return Err(format!("Node.js {} is too old; {}", version.trim(), advice()));
    }
    packages()
}

fn advice() -> String {
    format!("install Node.js {}.{} or a later one, which brings npm", OLDEST.0, OLDEST.1)
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches('v').split('.').map_while(|part| part.parse().ok());
    (numbers.next(), numbers.next()) >= (Some(OLDEST.0), Some(OLDEST.1))
}

/// Installs the packages of the lock file, unless exactly they are there.
fn packages() -> Outcome {
    let locked = read(&super::folder().join("package-lock.json"))?;
    let there = read(&super::folder().join("node_modules/.package-lock.json"));
    if there.is_ok_and(|there| fits(&locked, &there)) {
        return Ok(());
    }
    shell::run(npm(&["ci", "--no-audit", "--no-fund"]))
}

/// The packages of a lock file, by their place.
fn read(file: &Path) -> Result<Map<String, Value>, String> {
    let broken = |problem: &dyn std::fmt::Display| format!("{} cannot be read: {problem}", file.display());
    let text = fs::read_to_string(file).map_err(|error| broken(&error))?;
    let mut value: Value = serde_json::from_str(&text).map_err(|error| broken(&error))?;
    match value["packages"].take() {
        Value::Object(packages) => Ok(packages),
        _ => Err(broken(&"it has no `packages`")),
    }
}

/// Whether what is installed is what the lock file says, but for what other platforms need.
fn fits(locked: &Map<String, Value>, there: &Map<String, Value>) -> bool {
    let same = |place: &String, package: &Value| {
        let known = locked.get(place);
        known.is_some_and(|known| known["integrity"] == package["integrity"])
    };
    let needed = |place: &String, package: &Value| !place.is_empty() && package["optional"] != true;
    there.iter().all(|(place, package)| same(place, package))
        && locked
            .iter()
            .filter(|(place, package)| needed(place, package))
            .all(|(place, _)| there.contains_key(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        for good in ["v20.19.0\n", "v20.20.2", "v22.0.0", "v100.1.0"] {
            assert!(is_new_enough(good), "{good}");
        }
        for bad in ["v20.18.9", "v18.20.4", "v9.99.0", "", "node"] {
            assert!(!is_new_enough(bad), "{bad}");
        }
    }

    #[test]
    fn the_oldest_version_is_the_one_that_the_package_asks_for() {
        let text = fs::read_to_string(super::super::folder().join("package.json")).unwrap();
        assert!(text.contains(&format!("\"node\": \">={}.{}\"", OLDEST.0, OLDEST.1)), "{text}");
    }

    #[test]
    fn what_is_installed_fits_when_it_is_locked_and_nothing_needed_is_missing() {
        let packages = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let locked = packages(
            r#"{"": {}, "a": {"integrity": "1"}, "b": {"integrity": "2"}, "c": {"integrity": "3", "optional": true}}"#,
        );
        let fits = |there: &str| fits(&locked, &packages(there));
        assert!(fits(r#"{"a": {"integrity": "1"}, "b": {"integrity": "2"}}"#));
        assert!(fits(r#"{"a": {"integrity": "1"}, "b": {"integrity": "2"}, "c": {"integrity": "3"}}"#));
        assert!(!fits(r#"{"a": {"integrity": "1"}}"#), "one is missing");
        assert!(!fits(r#"{"a": {"integrity": "1"}, "b": {"integrity": "9"}}"#), "one is another");
        assert!(!fits(r#"{"a": {"integrity": "1"}, "b": {"integrity": "2"}, "d": {}}"#), "one is not locked");
    }
}
