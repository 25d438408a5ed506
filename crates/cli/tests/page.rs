//! `docs/command-line.md` says what the binary's help says, and what it prints.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use common::{file, home, supervisor};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md");
    std::fs::read_to_string(path).unwrap()
}

fn help(command: &str) -> String {
    let home = home();
    String::from_utf8(supervisor(home.path()).args([command, "--help"]).output().unwrap().stdout).unwrap()
}

#[test]
fn the_exit_codes_of_the_page_are_those_of_the_help() {
    let page = page();
    for command in ["run", "check", "import", "relay"] {
        let help = help(command);
        let table = help.split("Exit codes:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let from = page.find(&format!("\n## {command}\n")).unwrap();
        let part = page[from + 1..].split("\n## ").next().unwrap();
        let rows = part.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit());
        let rows: Vec<String> = rows.map(|row| row.replace(['|', ' '], "")).collect();
        // The help may wrap its lines.
        assert_eq!(rows.concat(), table.split_whitespace().collect::<String>(), "{command}");
    }
}

#[test]
fn every_command_and_option_is_on_the_page() {
    let page = page();
    let home = home();
    let all = String::from_utf8(supervisor(home.path()).arg("--help").output().unwrap().stdout).unwrap();
    let commands = all.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for command in commands.lines().filter_map(|line| line.split_whitespace().next()).filter(|c| *c != "help")
    {
        assert!(page.contains(&format!("\n## {command}\n")), "{command}");
        let help = help(command);
        let words = help.split_whitespace().filter(|word| word.starts_with("--") && *word != "--help");
        for option in words {
            assert!(page.contains(option), "{option} of {command}");
        }
    }
}

#[test]
fn the_mistake_on_the_page_is_what_is_printed() {
    let home = home();
    let text = "version: 1\nname: s\nchildren:\n  - name: web\n    kind: proces\n    command: [x]\n";
    let path = file(home.path(), text);
    let output = supervisor(home.path()).arg("check").arg(&path).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let said = said.replace(path.to_str().unwrap(), "stack.yaml");
    assert!(page().contains(&said), "{said}");
}

#[test]
fn the_answer_to_a_good_file_is_the_one_on_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let home = home();
    let output = supervisor(home.path())
        .current_dir(root)
        .args(["check", "examples/quickstart.yaml"])
        .output()
        .unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.contains("good, ") && page().contains(&line), "{line}");
}
