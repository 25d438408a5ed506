//! What a test needs that a machine may lack. A test that lacks it skips itself by name.

#![allow(dead_code, reason = "not every test needs everything")]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

/// Whether the tests run as root; else `test` is reported as skipped.
pub(crate) fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip(&format!("{test}: needs root; install with `sudo` before the command that runs the tests"));
    }
    root
}

/// Whether there is this program; else `test` is reported as skipped.
pub(crate) fn has(program: &str, test: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_program = |file: std::path::PathBuf| {
        file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    let found = std::env::split_paths(&path).any(|folder| is_program(folder.join(program)));
    if !found {
        skip(&format!("{test}: needs {program}; install with `apt-get install {program}`"));
    }
    found
}

#[expect(clippy::print_stdout, reason = "who runs the test alone sees why it does nothing")]
pub(crate) fn skip(line: &str) {
    match std::env::var_os("TEST_SKIP_REPORT") {
        Some(path) => writeln!(OpenOptions::new().append(true).open(path).unwrap(), "{line}").unwrap(),
        None => println!("SKIP {line}"),
    }
}
