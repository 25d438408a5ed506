//! Every file in `tests/bad` is refused with the text beside it.
//!
//! After a wanted change of a message: `UPDATE_EXPECTED=1 cargo test -p supervisor-stack --test bad_files`,
//! then read the difference.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use supervisor_stack::Stack;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad")
}

/// What is said of a file, known by its bare name.
fn message(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    match Stack::parse(name, std::fs::read(path).unwrap()) {
        Ok(_) => panic!("{name} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_bad_file_is_refused_with_the_text_beside_it() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        seen += 1;
        let message = message(&path);
        let beside = path.with_extension("txt");
        if update {
            std::fs::write(&beside, &message).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if expected != message {
            wrong.push(format!("--- {}\nexpected:\n{expected}\nfound:\n{message}", path.display()));
        }
    }
    assert!(seen >= 30, "only {seen} files were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_message_names_a_place_and_shows_its_line() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().unwrap().to_str().unwrap();
            let message = message(&path);
            let lines: Vec<&str> = message.lines().collect();
            for finding in lines.chunks(3).filter(|lines| !lines[0].starts_with('…')) {
                let [head, line, mark] = finding else { panic!("{message}") };
                let mut place = head.strip_prefix(name).unwrap().split(':').skip(1);
                let number: usize = place.next().unwrap().parse().unwrap();
                assert!(place.next().unwrap().parse::<usize>().is_ok(), "{head}");
                assert!(line.starts_with(&format!(" {number} | ")), "{head}\n{line}");
                assert!(mark.trim_end().ends_with('^'), "{head}\n{mark}");
            }
        }
    }
}
