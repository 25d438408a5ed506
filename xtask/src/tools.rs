//! Programs that some tests need and that a machine may lack.
//!
//! The table says which; as root on a Debian system the missing ones are installed, elsewhere the command that
//! installs them is shown. A test that still lacks its tool skips itself by name (see `summary.rs`).

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;

use crate::shell;

/// A program that a test needs beside what every Linux machine has.
#[derive(Debug)]
struct Tool {
    program: &'static str,
    /// Debian's package.
    package: &'static str,
    needed_by: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool { program: "erl", package: "erlang-base", needed_by: "the comparison with Erlang/OTP" },
    Tool { program: "chromium", package: "chromium", needed_by: "the tests of the dashboard in a browser" },
    Tool { program: "tmux", package: "tmux", needed_by: "the test of `supervisor top` in a terminal" },
    Tool { program: "python3", package: "python3", needed_by: "the test of the client in Python" },
    Tool { program: "nginx", package: "nginx", needed_by: "the tests with real servers" },
    Tool { program: "redis-server", package: "redis-server", needed_by: "the tests with real servers" },
    Tool { program: "postgres", package: "postgresql", needed_by: "the tests with real servers" },
];

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    on_path(program, &std::env::var_os("PATH").unwrap_or_default())
}

/// Installs what is missing where that is allowed, and otherwise says how to.
pub(crate) fn set_up() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let absent = missing(TOOLS, &with_postgres(&path));
    if absent.is_empty() {
        return;
    }
    let may_install = rustix::process::geteuid().is_root() && on_path("apt-get", &path);
    for tool in absent {
        if !(may_install && install(tool)) {
            println!("{}", advice(tool));
        }
    }
}

/// The folders of `path`, and those in which Debian has the programs of each version of PostgreSQL.
fn with_postgres(path: &OsStr) -> OsString {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let folders = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let all = std::env::split_paths(path).chain(folders);
    std::env::join_paths(all).unwrap_or_else(|_| path.to_owned())
}

fn missing<'a>(tools: &'a [Tool], path: &OsStr) -> Vec<&'a Tool> {
    tools.iter().filter(|tool| !on_path(tool.program, path)).collect()
}

fn advice(tool: &Tool) -> String {
    format!(
        "{} is not installed; {} needs it. Install it with `apt-get install {}`",
        tool.program, tool.needed_by, tool.package
    )
}

/// Whether an executable file of this name is in one of the folders of `path`.
fn on_path(program: &str, path: &OsStr) -> bool {
    std::env::split_paths(path).any(|folder| {
        folder
            .join(program)
            .metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

fn install(tool: &Tool) -> bool {
    let apt_get = |arguments: &[&str]| {
        let mut command = shell::program("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        shell::run(command)
    };
    let done = apt_get(&["update", "-q"])
        .and_then(|()| apt_get(&["install", "-q", "-y", "--no-install-recommends", tool.package]));
    if let Err(problem) = &done {
        println!("{problem}");
    }
    done.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Tool] = &[
        Tool { program: "sh", package: "dash", needed_by: "everybody" },
        Tool { program: "no-such-program", package: "no-such-package", needed_by: "the test" },
    ];

    #[test]
    fn only_a_tool_that_is_nowhere_on_the_path_is_missing() {
        let names =
            |path: &str| -> Vec<_> { missing(TABLE, OsStr::new(path)).iter().map(|t| t.program).collect() };
        assert_eq!(names("/nowhere:/bin:/usr/bin"), ["no-such-program"]);
        assert_eq!(names("/nowhere"), ["sh", "no-such-program"]);
    }

    #[test]
    fn a_folder_or_a_file_that_cannot_be_executed_is_no_program() {
        assert!(!on_path("bin", OsStr::new("/usr")));
        assert!(!on_path("Cargo.toml", shell::root().as_os_str()));
    }

    #[test]
    fn the_advice_names_the_tool_who_needs_it_and_the_command() {
        let text = advice(&TABLE[1]);
        assert!(text.contains("no-such-program") && text.contains("the test needs it"), "{text}");
        assert!(text.contains("`apt-get install no-such-package`"), "{text}");
    }
}
