//! A program that cannot be started says why, and names the place.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{executable, failure_of, until, zombies};
use supervisor_process::ProgramSpec;

fn file(dir: &Path, name: &str, content: &[u8], mode: u32) -> PathBuf {
    let path = dir.join(name);
    executable(&path, content);
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

async fn fails_with(spec: ProgramSpec, expected: &str) {
    assert_eq!(failure_of(spec).await, expected);
}

#[tokio::test]
async fn no_zombie_is_left_by_a_failed_start() {
    for _ in 0..50 {
        failure_of(ProgramSpec::new("/etc/passwd")).await;
    }
    // Other tests of this file start programs beside this one; those are gone in a moment.
    until("without a zombie", || zombies().is_empty()).await;
}

#[tokio::test]
async fn a_program_that_is_in_no_directory_of_path() {
    let spec = ProgramSpec::new("no-such-program").env("PATH", "/nowhere:/bin");
    let expected = "cannot start `no-such-program`: not found in PATH (/nowhere:/bin); \
                    name it with its directory, or add that to PATH";
    fails_with(spec, expected).await;
}

#[tokio::test]
async fn a_path_without_a_file() {
    fails_with(ProgramSpec::new("/no/such/file"), "cannot start `/no/such/file`: no such file").await;
}

#[tokio::test]
async fn a_relative_path_names_the_directory_it_is_relative_to() {
    let spec = ProgramSpec::new("./tool").working_dir("/");
    fails_with(spec, "cannot start `./tool`: no such file (relative to working_dir `/`)").await;
}

#[tokio::test]
async fn a_file_that_is_not_executable_by_path_and_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "tool", b"#!/bin/sh\n", 0o644);
    let expected = format!("cannot start `{}`: not executable; allow it with `chmod +x`", path.display());
    fails_with(ProgramSpec::new(&path), &expected).await;
    fails_with(ProgramSpec::new("tool").env("PATH", dir.path().to_str().unwrap()), &expected).await;
}

#[tokio::test]
async fn a_directory_is_no_program() {
    fails_with(ProgramSpec::new("/usr"), "cannot start `/usr`: it is a directory").await;
}

#[tokio::test]
async fn an_unknown_format_is_not_handed_to_a_shell() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("it-ran");
    let script = format!("echo > {}\n", mark.display());
    let expected = "not in a format that can be executed: a script needs a first line like `#!/bin/sh`, \
                    a binary must be made for this machine";
    for (name, content) in [("script", script.as_bytes()), ("empty", b""), ("garbage", b"\x7fELF\0\0\0\0")] {
        let path = file(dir.path(), name, content, 0o755);
        fails_with(ProgramSpec::new(&path), &format!("cannot start `{}`: {expected}", path.display())).await;
    }
    assert!(!mark.exists(), "a shell ran it");
}

#[tokio::test]
async fn a_missing_interpreter_is_told_from_a_missing_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "tool", b"#!/no/such/python3\nprint()\n", 0o755);
    let expected = format!(
        "cannot start `{}`: the interpreter in its first line is missing: #!/no/such/python3",
        path.display()
    );
    fails_with(ProgramSpec::new(&path), &expected).await;
}

#[tokio::test]
async fn a_bad_working_directory_is_told_from_a_bad_program() {
    let spec = ProgramSpec::new("/bin/true").working_dir("/no/such/dir");
    fails_with(spec, "cannot start `/bin/true`: working_dir `/no/such/dir`: no such file or directory").await;
    let spec = ProgramSpec::new("/bin/true").working_dir("/etc/passwd");
    fails_with(spec, "cannot start `/bin/true`: working_dir `/etc/passwd`: not a directory").await;
}

#[tokio::test]
async fn arguments_that_are_too_long() {
    let spec = ProgramSpec::new("/bin/true").arg("x".repeat(1 << 20));
    let expected = "cannot start `/bin/true`: its arguments and environment are too long for the system";
    fails_with(spec, expected).await;
}

#[tokio::test]
async fn a_word_with_a_nul() {
    let spec = ProgramSpec::new("/bin/true").arg("a\0b");
    fails_with(spec, "cannot start `/bin/true`: an argument contains a NUL character").await;
}
