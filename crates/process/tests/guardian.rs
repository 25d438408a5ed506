//! A supervisor that is killed with SIGKILL takes its programs along.
//!
//! The supervisor of these tests is the example `guarded`, in a process of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Mark, exists, pids, status, until};
use rustix::process::{Pid, Signal, kill_process};
use supervisor_process::guardian::{self, GuardianError, Helper};

const GUARDIAN: &str = env!("CARGO_BIN_EXE_supervisor-guardian");

fn guarded() -> PathBuf {
    let path = Path::new(GUARDIAN).parent().unwrap().join("examples/guarded");
    assert!(path.exists(), "{} is missing; build it with `cargo build --example guarded`", path.display());
    path
}

/// A supervisor in a process of its own, running one script.
struct Supervisor {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    mark: Mark,
}

impl Supervisor {
    /// `options` stand before the program.
    fn start(options: &[&str], script: &str) -> Self {
        Self::start_by(Command::new(guarded()), options, script)
    }

    fn start_by(mut command: Command, options: &[&str], script: &str) -> Self {
        let mark = Mark::new();
        // The environment of a program is made anew, so its mark travels as a word of the command.
        let marked = format!("{}={} exec sh -c '{script}'", Mark::NAME, mark.name());
        command.args(options).args(["sh", "-c", &marked]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines, mark }
    }

    /// The next line of the program.
    fn line(&mut self) -> String {
        self.lines.next().expect("the program ended").unwrap()
    }

    fn guardian(&self) -> Option<u32> {
        let parent = self.process.id().to_string();
        pids().find(|&pid| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.starts_with(b"supervisor-guardian\0")
                && exists(pid)
                && parent_of(pid) == Some(parent.clone())
        })
    }

    async fn until_guardian(&self, wanted: impl Fn(u32) -> bool) -> u32 {
        let mut found = None;
        until("a guardian", || {
            found = self.guardian().filter(|pid| wanted(*pid));
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// SIGKILL, without a moment to clean up.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        for pid in self.mark.processes().into_keys() {
            let _ = kill_process(pid_of(pid), Signal::KILL);
        }
    }
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().unwrap()).unwrap()
}

fn parent_of(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("PPid:")).map(|parent| parent.trim().to_owned())
}

/// The number of its session, which is 0 for one that began outside this namespace of processes.
fn session(pid: u32) -> i64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // After the name, which is in brackets and may hold anything: state, parent, group, session.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().nth(3).unwrap().parse().unwrap()
}

async fn until_gone(pid: u32) {
    until("gone", || status_if_any(pid).is_none_or(|state| state.starts_with('Z'))).await;
}

fn status_if_any(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("State:")).map(|state| state.trim().to_owned())
}

/// A program that ignores what can be ignored, with children and grandchildren that do so too: five
/// processes.
const FAMILY: &str = "trap \"\" TERM HUP INT; (sleep 60 & sleep 60; true) & echo up; sleep 60; echo over";

#[tokio::test]
async fn sigkill_of_the_supervisor_leaves_no_program_grandchildren_included() {
    for options in [&[][..], &["--helper", GUARDIAN]] {
        let mut supervisor = Supervisor::start(options, FAMILY);
        assert_eq!(supervisor.line(), "up");
        supervisor.mark.until(5).await;
        let guardian = supervisor.until_guardian(|_| true).await;
        supervisor.kill();
        supervisor.mark.until(0).await;
        until_gone(guardian).await;
    }
}

#[tokio::test]
async fn without_a_guardian_the_program_itself_dies_and_its_children_do_not() {
    let mut supervisor = Supervisor::start(&["--no-guardian"], "sleep 61 & echo up; exec sleep 60");
    assert_eq!(supervisor.line(), "up");
    supervisor.mark.until(2).await;
    assert_eq!(supervisor.guardian(), None);
    supervisor.kill();
    supervisor.mark.until_commands(&["sleep 61 "]).await;
}

#[tokio::test]
async fn a_guardian_that_dies_is_replaced_and_told_the_living_groups() {
    let mut supervisor = Supervisor::start(&[], FAMILY);
    assert_eq!(supervisor.line(), "up");
    supervisor.mark.until(5).await;
    let mut guardian = supervisor.until_guardian(|_| true).await;
    for _ in 0..3 {
        kill_process(pid_of(guardian), Signal::KILL).unwrap();
        guardian = supervisor.until_guardian(|pid| pid != guardian).await;
    }
    assert_eq!(supervisor.mark.processes().len(), 5, "the death of a guardian kills nobody");
    // It has the group in its book when it holds the descriptor of its leader.
    until("told", || open_descriptors(guardian) == 5).await;
    supervisor.kill();
    supervisor.mark.until(0).await;
}

fn open_descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count).unwrap_or_default()
}

#[tokio::test]
async fn the_guardian_is_deaf_to_what_ends_a_supervisor_and_out_of_reach_of_its_terminal() {
    let mut supervisor = Supervisor::start(&[], FAMILY);
    assert_eq!(supervisor.line(), "up");
    let guardian = supervisor.until_guardian(|_| true).await;
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        kill_process(pid_of(guardian), signal).unwrap();
    }
    assert_eq!(session(guardian), i64::from(guardian));
    assert_ne!(session(supervisor.process.id()), i64::from(guardian));
    assert_eq!(status(guardian, "ShdPnd"), "0000000000000000");
    assert_eq!(supervisor.guardian(), Some(guardian), "it was not replaced");
    let names = fs::read_dir(format!("/proc/{guardian}/fd")).unwrap();
    let names: BTreeSet<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.is_superset(&["0", "1", "2"].map(String::from).into()), "{names:?}");
    assert_eq!(fs::read_link(format!("/proc/{guardian}/cwd")).unwrap(), Path::new("/"));
    supervisor.kill();
    supervisor.mark.until(0).await;
}

#[tokio::test]
async fn a_supervisor_that_ends_well_leaves_no_guardian_and_no_zombie() {
    let mut supervisor = Supervisor::start(&[], "echo up; exit 0");
    assert_eq!(supervisor.line(), "up");
    let guardian = supervisor.guardian();
    assert!(supervisor.process.wait().unwrap().success());
    if let Some(guardian) = guardian {
        until_gone(guardian).await;
    }
}

#[tokio::test]
async fn signals_that_the_supervisor_was_started_to_ignore_are_not_ignored_by_its_program() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP USR1 CHLD; exec \"$0\" \"$@\""]).arg(guarded());
    let script = "grep -E \"SigIgn|SigBlk\" /proc/self/status";
    let mut supervisor = Supervisor::start_by(command, &[], script);
    let zero = "0000000000000000";
    assert_eq!(
        [supervisor.line(), supervisor.line()],
        [format!("SigBlk:\t{zero}"), format!("SigIgn:\t{zero}")]
    );
}

#[tokio::test]
async fn a_pipe_that_somebody_holds_open_does_not_keep_the_programs_of_a_dead_supervisor_alive() {
    use std::io::Write;
    use std::os::unix::process::CommandExt;

    let (read, mut write) = std::io::pipe().unwrap();
    // The shell stands for the supervisor, and this test for a child that hangs before exec and holds the
    // pipe.
    let script = "exec 3<&0; $0 --supervisor-guardian $$ <&3 & wait";
    let mut command = Command::new("sh");
    command.args(["-c", script, GUARDIAN]).stdin(read).stdout(Stdio::piped());
    let mut supervisor = command.spawn().unwrap();
    drop(command);
    let mut greeting = String::new();
    BufReader::new(supervisor.stdout.take().unwrap()).read_line(&mut greeting).unwrap();
    assert_eq!(greeting, "supervisor-guardian 1\n");

    let program = || Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
    let (mut first, mut second) = (program(), program());
    let mut began = |pid: u32| write.write_all(&[&b"+sg1"[..], &pid.to_le_bytes()].concat()).unwrap();
    began(first.id());
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&first.wait().unwrap()), Some(9));
    // Also one that got through to its exec only now.
    began(second.id());
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&second.wait().unwrap()), Some(9));
}

#[test]
fn a_helper_that_is_no_guardian_is_refused_with_what_it_did() {
    let refused = |path: &str| guardian::start(Helper::At(path.into())).unwrap_err();
    let error = refused("/no/such/helper");
    assert_eq!(
        error.to_string(),
        "cannot start the guardian /no/such/helper: No such file or directory (os error 2)"
    );
    let error = refused("/bin/true").to_string();
    assert!(
        error.starts_with("/bin/true did not answer as a guardian: it said nothing and ended"),
        "{error}"
    );
    let error = refused("/bin/echo");
    assert!(matches!(&error, GuardianError::NotAGuardian { answer, .. } if answer.contains("--supervisor")));
    assert!(error.to_string().contains("serve_if_asked"), "{error}");
    assert_eq!(guardian::status(), None);
}

#[test]
fn the_helper_called_by_hand_says_that_it_was_not_asked_to_serve() {
    for words in [&[][..], &["--help"], &["--supervisor-guardian"]] {
        let status = Command::new(GUARDIAN).args(words).stdin(Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(2));
    }
}
