//! `cargo xtask gen`: files that are generated from the code and committed.
//!
//! Each line of the table is a program of ours that prints one file. Continuous integration asks with `--check`
//! whether what is committed is what would be printed now. The built pages of the dashboard come last; see `ui`.

use std::fs;
use std::path::Path;

use crate::{Outcome, shell, typescript, ui};

/// A committed file and the `cargo` arguments of the program that prints what is in it.
struct Generated {
    file: &'static str,
    by: &'static [&'static str],
    form: Form,
}

/// How the file follows from what is printed.
enum Form {
    AsPrinted,
    /// The types of the dashboard, from a JSON Schema.
    TypeScript,
}

const WIRE_SCHEMA: &[&str] =
    &["run", "--quiet", "--package", "supervisor-api", "--features", "schema,wire", "--example", "wire"];

const GENERATED: &[Generated] = &[
    Generated {
        file: "docs/stack.schema.json",
        by: &["run", "--quiet", "--package", "supervisor-cli", "--", "schema"],
        form: Form::AsPrinted,
    },
    Generated {
        file: "docs/relay.schema.json",
        by: &["run", "--quiet", "--package", "supervisor-cli", "--", "relay", "schema"],
        form: Form::AsPrinted,
    },
    Generated {
        file: "docs/words.schema.json",
        by: &["run", "--quiet", "--package", "supervisor-api", "--features", "schema", "--example", "words"],
        form: Form::AsPrinted,
    },
    Generated { file: "docs/wire.schema.json", by: WIRE_SCHEMA, form: Form::AsPrinted },
    Generated { file: "ui/src/wire.ts", by: WIRE_SCHEMA, form: Form::TypeScript },
    Generated {
        file: "docs/protocol.md",
        by: &[
            "run",
            "--quiet",
            "--package",
            "supervisor-api",
            "--features",
            "schema,wire",
            "--example",
            "protocol",
        ],
        form: Form::AsPrinted,
    },
    Generated {
        file: "docs/events.md",
        by: &["run", "--quiet", "--package", "supervisor-api", "--example", "events"],
        form: Form::AsPrinted,
    },
];

/// The verb `gen`.
pub(crate) fn generate(arguments: &[String]) -> Outcome {
    let check = crate::check_flag("gen", arguments)?;
    let mut problems = Vec::new();
    for Generated { file, by, form } in GENERATED {
        let printed = shell::output(shell::cargo(by.iter().copied()))?;
        let fresh = match form {
            Form::AsPrinted => printed,
            Form::TypeScript => typescript::module(&printed)?,
        };
        let path = shell::root().join(file);
        if check {
            problems.extend(stale(&path, file, &fresh));
        } else if write(&path, &fresh)? {
            println!("{file}: written");
        } else {
            println!("{file}: was fresh");
        }
    }
    // The types of the wire are among the sources of the pages, so these come last.
    if check {
        problems.extend(ui::stale()?);
    } else {
        ui::refresh()?;
    }
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    if check {
        println!("gen: {} files and ui/dist, all fresh", GENERATED.len());
    }
    Ok(())
}

fn stale(path: &Path, file: &str, fresh: &str) -> Option<String> {
    match fs::read_to_string(path) {
        Ok(committed) if committed == fresh => None,
        Ok(committed) => {
            Some(format!("{file}:{}: is stale; run `cargo xtask gen`", first_difference(&committed, fresh)))
        }
        Err(error) => Some(format!("{file} cannot be read ({error}); run `cargo xtask gen`")),
    }
}

/// The first line, counted from 1, in which two texts differ.
fn first_difference(a: &str, b: &str) -> usize {
    let same = a.split('\n').zip(b.split('\n')).take_while(|(a, b)| a == b).count();
    same + 1
}

/// Writes the file if it is not already so, and says whether it did.
fn write(path: &Path, fresh: &str) -> Result<bool, String> {
    if fs::read_to_string(path).is_ok_and(|committed| committed == fresh) {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    fs::write(path, fresh).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("xtask-generated-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_written_once_and_then_fresh() {
        let folder = Folder::new("write");
        let path = folder.0.join("deep/a.json");
        assert_eq!(write(&path, "one\n"), Ok(true));
        assert_eq!(write(&path, "one\n"), Ok(false));
        assert_eq!(stale(&path, "a.json", "one\n"), None);
    }

    #[test]
    fn a_stale_and_a_missing_file_are_problems_that_name_the_verb() {
        let folder = Folder::new("stale");
        let path = folder.0.join("a.json");
        assert!(stale(&path, "a.json", "one\n").unwrap().contains("cannot be read"));
        write(&path, "one\ntwo\n").unwrap();
        let problem = stale(&path, "a.json", "one\n2\n");
        assert_eq!(problem, Some("a.json:2: is stale; run `cargo xtask gen`".into()));
    }

    #[test]
    fn a_difference_is_found_also_in_the_last_newline() {
        assert_eq!(first_difference("a\nb\n", "a\nb"), 3);
        assert_eq!(first_difference("", "a"), 1);
    }
}
