//! A run that is the parent of processes which it has not started: as the first process of a container, and where it took
//! the place of a shell that had children.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::net::TcpListener;
use std::process::Command;

use common::{Run, home, processes, soon};
use rustix::process::{Pid, Signal, kill_process};

/// 100 jobs that leave five orphans each and end with a code of their own, and somebody who keeps the stack up. An orphan
/// says when it has left the group of its job, which takes along whoever is in it, and at its end who its parent is.
fn family() -> String {
    let orphan = |n| {
        format!(
            "(setsid sh -c 'echo; exec >&-; sleep 0.0{n}; read a b c parent e < /proc/$$/stat; echo $parent >> $HOME/orphans' &)"
        )
    };
    let orphans = (1..=5).map(orphan).collect::<Vec<_>>().join("; ");
    let wait = ["read left"; 5].join("; ");
    let job = |n| {
        format!(
            "  - {{name: job{n}, kind: process, role: job, command: [sh, -c, \"{{ {orphans}; }} | {{ {wait}; }}; exit {n}\"]}}\n"
        )
    };
    let jobs: String = (1..=100).map(job).collect();
    format!(
        "version: 1\nname: family\nchildren:\n  - {{name: up, kind: process, command: [sleep, 1000]}}\n{jobs}"
    )
}

/// A stack of one program, and one with a socket to speak on.
const SMALL: &str = r#"
version: 1
name: small
children:
  - {name: up, kind: process, command: [sh, -c, "echo hello; exec sleep 1000"]}
  - name: told
    kind: process
    command: [sh, -c, "test -S \"$NOTIFY_SOCKET\" && echo a socket; exec sleep 1000"]
    readiness: {notify: true}
"#;

/// In a PID namespace of its own, where the supervisor is number 1, after `shell` was run there.
fn first(shell: &'static str) -> impl FnOnce(Command) -> Command {
    move |supervisor| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]);
        command.arg(format!("{shell}; exec \"$0\" \"$@\"")).arg(supervisor.get_program());
        command.args(supervisor.get_args());
        command.envs(supervisor.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }
}

/// Whether a PID namespace can be had; else the test is reported as skipped.
fn has_namespaces(test: &str) -> bool {
    let tried = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
    let can = tried.is_ok_and(|tried| tried.status.success());
    if !can {
        skip::skip(&format!("{test}: needs PID namespaces: root, and unshare of util-linux"));
    }
    can
}

/// The supervisor itself, by its number out here.
fn supervisor_of(run: &Run) -> Pid {
    soon("a supervisor", || {
        let all = processes(run.home.path());
        let is_it = |command: &str| command.contains("supervisor run ") && !command.starts_with("unshare ");
        all.into_iter().find(|process| is_it(&process.command)).map(|process| process.pid)
    })
}

/// How many children of this process have ended and were not taken note of.
fn zombies_of(parent: Pid) -> usize {
    let parent = parent.as_raw_nonzero().to_string();
    let is_one = |stat: String| {
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields.first() == Some(&"Z") && fields.get(1) == Some(&parent.as_str())
    };
    let stats = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    stats.filter(|stat| is_one(stat.clone())).count()
}

/// Runs the family, and looks at everybody's end. The supervisor has this number to its programs, or the one that it has
/// out here.
fn everybody_ends_as_told(number: Option<i32>, start: impl FnOnce(Command) -> Command) {
    let mut run = Run::under(home(), &family(), start);
    let orphans = run.home.path().join("orphans");
    soon("500 orphans", || (std::fs::read_to_string(&orphans).ok()?.lines().count() == 500).then_some(()));
    for _ in 0..100 {
        run.value(|line| line["event"]["payload"]["exit"]["kind"] == "failed");
    }
    let pid = supervisor_of(&run);
    let parents = std::fs::read_to_string(&orphans).unwrap();
    let number = number.unwrap_or_else(|| pid.as_raw_nonzero().get()).to_string();
    assert!(parents.lines().any(|parent| parent == number), "nobody was adopted: {parents}");
    soon("no zombie", || (zombies_of(pid) == 0).then_some(()));
    kill_process(pid, Signal::TERM).unwrap();
    let end = run.end();
    assert_eq!((end.code, end.err.as_str()), (Some(0), ""));
    for n in 1..=100 {
        let exit = end.outcome(&format!("/job{n}"))["exit"].clone();
        assert_eq!(exit["error"], format!("exit code {n}"), "{exit}");
    }
}

#[test]
fn orphans_are_reaped_by_the_first_process_and_every_end_of_its_own_children_is_told_right() {
    if has_namespaces("orphans_are_reaped_by_the_first_process") {
        everybody_ends_as_told(Some(1), first(":"));
    }
}

#[test]
fn orphans_are_reaped_by_a_subreaper_too() {
    if !skip::has("python3", "orphans_are_reaped_by_a_subreaper_too") {
        return;
    }
    // PR_SET_CHILD_SUBREAPER, which stays over an exec.
    let script = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])";
    everybody_ends_as_told(None, |supervisor| {
        let mut command = Command::new("python3");
        command.args(["-c", script]).arg(supervisor.get_program()).args(supervisor.get_args());
        command.envs(supervisor.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    });
}

#[test]
fn the_first_process_hears_its_signals_and_needs_no_proc() {
    if !has_namespaces("the_first_process_hears_its_signals") {
        return;
    }
    for (shell, args, signal) in
        [(":", &[][..], Signal::INT), ("mount -t tmpfs none /proc", &["--no-socket"][..], Signal::TERM)]
    {
        let mut run = Run::under(home(), SMALL, |mut supervisor| {
            first(shell)({
                supervisor.args(args);
                supervisor
            })
        });
        run.output("/told", "a socket");
        let pid = supervisor_of(&run);
        kill_process(pid, Signal::HUP).unwrap();
        run.error("SIGHUP: reloaded: nothing changes");
        kill_process(pid, signal).unwrap();
        let end = run.end();
        assert_eq!(end.code, Some(0), "{shell}: {}", end.err);
        assert!(!end.err.contains("guardian"), "{}", end.err);
    }
    let end = Run::under(home(), SMALL, first("mount -t tmpfs none /proc")).end();
    assert_eq!(end.code, Some(73));
    assert!(end.err.contains("/proc is not mounted; mount it, or run without a socket"), "{}", end.err);
}

#[test]
fn without_proc_a_program_has_a_port_and_no_unix_socket() {
    if !has_namespaces("without_proc_a_program_has_a_port") {
        return;
    }
    let run = |home: tempfile::TempDir, listen: &str| {
        let text = format!(
            "version: 1\nname: listens\nchildren: [{{name: job, kind: process, \
             role: job, command: [\"true\"], sockets: [{{listen: \"{listen}\"}}]}}]"
        );
        Run::under(home, &text, |mut supervisor| {
            supervisor.arg("--no-socket");
            first("mount -t tmpfs none /proc")(supervisor)
        })
        .end()
    };
    // Free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let end = run(home(), &port.to_string());
    assert_eq!(end.code, Some(0), "{}", end.err);
    let home = home();
    let listen = format!("unix:{}/web.sock", home.path().display());
    let end = run(home, &listen);
    assert_eq!(end.code, Some(1));
    assert!(end.err.contains(&format!("cannot start `true`: sockets: {listen}: ")), "{}", end.err);
}

#[test]
fn what_the_shell_before_has_left_is_reaped() {
    let mut run = Run::under(home(), SMALL, |supervisor| {
        let mut command = Command::new("sh");
        let ends = "sh -c 'sleep 0.01; exit 1' & sh -c 'sleep 0.5; echo > $HOME/left' & exec \"$0\" \"$@\"";
        command.args(["-c", ends]).arg(supervisor.get_program()).args(supervisor.get_args());
        command.envs(supervisor.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    });
    run.output("/up", "hello");
    let left = run.home.path().join("left");
    soon("the end of the second", || left.exists().then_some(()));
    soon("no zombie", || (zombies_of(run.pid()) == 0).then_some(()));
    assert_eq!(run.stop().code, Some(0));
}
