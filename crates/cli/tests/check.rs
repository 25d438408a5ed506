//! `supervisor check` and `supervisor schema`, as they are seen from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

const GOOD: &str = "version: 1\nname: demo\nchildren:\n  - {name: web, kind: process, command: [sleep, 1]}\n";

fn supervisor(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_supervisor")).args(args).output().unwrap()
}

fn check(path: &Path) -> (Option<i32>, String, String) {
    let output = supervisor(&["check", path.to_str().unwrap()]);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_good_file_ends_with_0_and_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("good.yaml");
    std::fs::write(&path, GOOD).unwrap();
    let (code, out, err) = check(&path);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, format!("{}: good, 1 child; stopping takes at most 6s\n", path.display()));
}

#[test]
fn an_invalid_file_ends_with_78_and_every_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.yaml");
    std::fs::write(&path, GOOD.replace("kind: process", "kind: proces, rol: job")).unwrap();
    let (code, out, err) = check(&path);
    assert_eq!((code, out.as_str()), (Some(78), ""));
    for words in
        [":4:23: error: /web: `kind` must be", ":4:31: error: /web: unknown key `rol`", ": 2 errors\n"]
    {
        assert!(err.contains(words), "{err}");
    }
}

#[test]
fn what_is_no_readable_file_ends_with_66() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (path, words) in [
        (dir.path().to_owned(), "it is a directory, not a file"),
        (fifo, "it is a named pipe, not a file"),
        (dir.path().join("absent.yaml"), "No such file or directory"),
    ] {
        let (code, _, err) = check(&path);
        assert_eq!(code, Some(66), "{err}");
        assert!(err.contains(words) && err.contains(path.to_str().unwrap()), "{err}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for args in [&["check"][..], &["chek", "x"], &["check", "a", "b"], &["check", "--bogus", "a"], &[]] {
        assert_eq!(supervisor(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn the_schema_is_printed_as_it_is_committed() {
    let output = supervisor(&["schema"]);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/stack.schema.json");
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), std::fs::read_to_string(committed).unwrap());
}

#[test]
fn the_help_has_examples_and_the_example_file_is_good() {
    let help = String::from_utf8(supervisor(&["--help"]).stdout).unwrap();
    let from = help.find("version: 1").unwrap();
    let until = help.find("\nExamples:").unwrap();
    // The help indents the file by two columns.
    let file: String = help[from..until]
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line)))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("help.yaml");
    std::fs::write(&path, file).unwrap();
    let (code, _, err) = check(&path);
    assert_eq!(code, Some(0), "{err}");
    for command in ["check", "schema"] {
        let help = String::from_utf8(supervisor(&[command, "--help"]).stdout).unwrap();
        assert!(help.contains("Example"), "{help}");
    }
}

#[test]
fn every_example_file_is_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let (code, _, err) = check(&path);
            assert_eq!(code, Some(0), "{err}");
            seen.push(path.file_name().unwrap().to_owned());
        }
    }
    assert!(seen.iter().any(|name| name == "quickstart.yaml"), "{seen:?}");
}

#[test]
fn a_doubtful_file_is_good_unless_it_is_checked_strictly() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doubtful.yaml");
    let text = "version: 1\nname: demo\nchildren:\n  - name: group\n    kind: supervisor\n    \
                shutdown: {graceful_timeout_ms: 100}\n    children: []\n";
    std::fs::write(&path, text).unwrap();
    let (code, out, err) = check(&path);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("doubtful.yaml: good, 1 child; "), "{out}");
    assert!(err.contains(":6:37: warning: /group: a finite grace can kill a supervisor"), "{err}");
    let output = supervisor(&["check", "--strict", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.ends_with("doubtful.yaml: 1 warning, which --strict refuses\n"), "{err}");
}

#[test]
fn mistakes_of_the_whole_tree_have_their_line_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tree.yaml");
    let text = "version: 1\nname: demo\nchildren:\n\
                \x20 - {name: a, kind: process, command: [x], dependencies: [b]}\n\
                \x20 - {name: b, kind: process, command: [x], dependencies: [a]}\n\
                \x20 - {name: c, kind: process, command: [x], dependencies: [aa]}\n\
                \x20 - {name: d, kind: async_worker}\n";
    std::fs::write(&path, text).unwrap();
    let (code, _, err) = check(&path);
    assert_eq!(code, Some(78));
    for words in [
        ":4:44: error: /a: the dependencies form a cycle: a -> b -> a; remove one of them",
        ":6:59: error: /c: there is no sibling 'aa'; did you mean a?",
        ":7:12: error: /d: no factory named 'd' is registered",
        ": 3 errors\n",
    ] {
        assert!(err.contains(words), "{words} is not in:\n{err}");
    }
}

#[test]
fn d8_the_longest_stop_is_told_and_who_is_not_in_it() {
    let stop = |supervisor: &str, web: &str| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stop.yaml");
        let text = format!(
            "version: 1\nname: demo\nsupervisor: {supervisor}\nchildren:\n\
             \x20 - {{name: web, kind: process, command: [x], shutdown: {{{web}}}}}\n\
             \x20 - {{name: log, kind: process, command: [x], shutdown: {{graceful_timeout_ms: 2500}}}}\n"
        );
        std::fs::write(&path, text).unwrap();
        let (code, out, err) = check(&path);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        out.split_once("good, 2 children; ").unwrap().1.trim_end().to_owned()
    };
    assert_eq!(stop("{}", "graceful_timeout_ms: brutal, abort_wait_ms: 500"), "stopping takes at most 4s");
    let endless = "graceful_timeout_ms: infinity";
    let besides = "stopping takes at most 3.5s, besides what is waited for without end: /web";
    assert_eq!(stop("{}", endless), besides);
    let cut = "{shutdown: {graceful_timeout_ms: 10000}}";
    assert_eq!(stop(cut, endless), "stopping takes at most 12s");
}

#[test]
fn r47_what_is_rarely_meant_is_told_with_its_line_and_refused_strictly() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lost.yaml");
    let text = "version: 1\nname: demo\nchildren:\n  - name: group\n    kind: supervisor\n    \
                restart_policy: transient\n    children:\n      - {name: web, kind: process, command: [x]}\n";
    std::fs::write(&path, text).unwrap();
    let (code, _, err) = check(&path);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        err.contains(":6:21: warning: /group: a transient supervisor that gives up is not started"),
        "{err}"
    );
    let strict = supervisor(&["check", "--strict", path.to_str().unwrap()]);
    assert_eq!(strict.status.code(), Some(78));
}
