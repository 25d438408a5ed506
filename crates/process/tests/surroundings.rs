//! What a program finds around it when it starts.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;

use common::{Bench, end, executable, sh, status, until};
use supervisor_api::Exit;
use supervisor_process::ProgramSpec;

/// Runs `spec`, which must end well, and gives what it wrote.
async fn output_of(spec: ProgramSpec) -> String {
    let bench = Bench::new();
    let exit = end(bench.start(spec)).await;
    assert_eq!(exit, Exit::Completed, "{}", bench.text());
    bench.text()
}

/// Starts a program that waits, looks at it through its process id, and ends it.
async fn look_at<T>(spec: ProgramSpec, look: impl FnOnce(u32) -> T) -> T {
    let bench = Bench::new();
    let run = bench.start(spec);
    let pid = bench.pid("pid").await;
    // The shell says its id and then executes the program that is looked at.
    until("asleep", || fs::read(format!("/proc/{pid}/cmdline")).unwrap() == b"sleep\x0060\0").await;
    let seen = look(pid);
    bench.kill();
    end(run).await;
    seen
}

fn waiting() -> ProgramSpec {
    sh("echo pid=$$; exec sleep 60")
}

#[tokio::test]
async fn s18_no_descriptor_is_inherited_beyond_the_first_three() {
    // `dup` makes a descriptor that stays open over exec, as a careless library would.
    let file = fs::File::open("/etc/passwd").unwrap();
    let careless = rustix::io::dup(&file).unwrap();
    assert!(!rustix::io::fcntl_getfd(&careless).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    assert!(careless.as_raw_fd() > 2);
    let bench = Bench::new();
    let run = bench.start(waiting());
    let pid = bench.pid("pid").await;
    let open = || -> BTreeSet<String> {
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    // The loader of a program opens its libraries for a moment; what is inherited stays.
    until("only three", || open() == BTreeSet::from(["0", "1", "2"].map(String::from))).await;
    assert_eq!(fs::read_link(format!("/proc/{pid}/fd/0")).unwrap(), std::path::Path::new("/dev/null"));
    bench.kill();
    end(run).await;
}

#[tokio::test]
async fn no_signal_is_blocked_or_ignored() {
    // Rust ignores SIGPIPE in every process, this one included.
    assert_ne!(u64::from_str_radix(&status(std::process::id(), "SigIgn"), 16).unwrap(), 0);
    let masks = look_at(waiting(), |pid| [status(pid, "SigIgn"), status(pid, "SigBlk")]).await;
    assert_eq!(masks.map(|mask| u64::from_str_radix(&mask, 16).unwrap()), [0, 0]);
}

#[tokio::test]
async fn it_leads_a_group_of_its_own() {
    let group = look_at(waiting(), |pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let group = stat[stat.rfind(')').unwrap()..].split(' ').nth(3).unwrap().to_owned();
        (pid.to_string(), group)
    });
    let (pid, group) = group.await;
    assert_eq!(pid, group);
}

#[tokio::test]
async fn s18_the_environment_is_the_listed_names_and_the_specs_own() {
    let text =
        output_of(ProgramSpec::new("env").env("COLOUR", "green").env("HOME", "/srv").env("COLOUR", "blue"))
            .await;
    let names: BTreeSet<_> = text.lines().map(|line| line.split('=').next().unwrap()).collect();
    let allowed = |name: &str| {
        supervisor_process::INHERITED.contains(&name) || name.starts_with("LC_") || name == "SUPERVISOR_RUN"
    };
    // Cargo gives its tests many variables, none of them listed.
    assert!(std::env::vars().any(|(name, _)| name.starts_with("CARGO")));
    let others: Vec<_> = names.iter().filter(|name| !allowed(name)).collect();
    assert_eq!(others, [&"COLOUR"]);
    for line in ["COLOUR=blue", "HOME=/srv"] {
        assert!(text.lines().any(|found| found == line), "{text}");
    }
    assert!(names.contains("PATH"));
}

#[tokio::test]
async fn words_are_not_read_by_a_shell() {
    let args = ["%s|", "$HOME", "a b", "*", "", "'\"\\"];
    assert_eq!(output_of(ProgramSpec::new("printf").args(args)).await, "$HOME|a b|*||'\"\\|");
}

#[tokio::test]
async fn the_working_directory_is_the_one_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let dir = fs::canonicalize(dir.path()).unwrap();
    assert_eq!(output_of(ProgramSpec::new("pwd").working_dir(&dir)).await, dir.display().to_string());
}

#[tokio::test]
async fn a_relative_program_is_found_from_its_working_directory() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    executable(&dir.path().join("bin/tool"), "#!/bin/sh\necho here\n");
    let spec = |program: &str| ProgramSpec::new(program).working_dir(dir.path());
    assert_eq!(output_of(spec("bin/tool")).await, "here");
    assert_eq!(output_of(spec("tool").env("PATH", "bin")).await, "here");
}

#[tokio::test]
async fn s18_privileges_cannot_be_gained_unless_that_is_allowed() {
    assert_eq!(look_at(waiting(), |pid| status(pid, "NoNewPrivs")).await, "1");
    assert_eq!(look_at(waiting().allow_new_privileges(), |pid| status(pid, "NoNewPrivs")).await, "0");
}
