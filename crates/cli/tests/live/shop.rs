//! A stack that runs, and the binary that is told to look into it.

use std::path::PathBuf;
use std::process::Command;

use crate::common::{Run, home, supervisor};
use crate::said::Said;

/// A bit of everything: a program that tells which signals it gets, one that nobody may touch, one that does not stop, one
/// that is broken, one that is done, and a supervisor.
const STACK: &str = r#"
version: 1
name: shop
children:
  - name: web
    kind: process
    command: [sh, -c, "trap 'echo heard' HUP; echo web is up; while :; do sleep 0.1; done"]
    reload_signal: HUP
    readiness: {log_line: web is up}
  - name: mail
    kind: process
    command: [sh, -c, "echo mail is up; exec sleep 1000"]
    dependencies: [web]
  - name: locked
    kind: process
    command: [sh, -c, "trap : HUP; echo locked is up; while :; do sleep 0.1; done"]
    readiness: {log_line: locked is up}
    command_permissions: {allow_restart: false, allow_shutdown: false, allowed_signals: [HUP]}
  - name: stubborn
    kind: process
    command: [sh, -c, "trap '' TERM; echo stubborn is up; while :; do sleep 0.1; done"]
    readiness: {log_line: stubborn is up}
    shutdown: {graceful_timeout_ms: infinity}
  - name: broken
    kind: process
    criticality: optional
    budget: {max_restarts: 1, window_secs: 60}
    command: [sh, -c, "echo no disk; exit 3"]
  - name: prepare
    kind: process
    role: job
    command: [sh, -c, "echo prepared"]
  - name: jobs
    kind: supervisor
    children:
      - {name: one, kind: process, command: [sleep, "1000"]}
      - {name: two, kind: process, command: [sleep, "1000"]}
"#;

/// The stack, when everybody has come to where it stays.
pub(crate) struct Shop {
    pub(crate) run: Run,
}

impl Shop {
    pub(crate) fn up() -> Self {
        Self::over(home())
    }

    /// In a home in which there was one before.
    pub(crate) fn over(home: tempfile::TempDir) -> Self {
        let mut run = Run::start(home, STACK, &["--output", "json"]);
        // The order of these is left open.
        let mut due = vec![
            ("ChildRunning", "/mail"),
            ("ChildRunning", "/locked"),
            ("ChildRunning", "/stubborn"),
            ("ChildQuarantined", "/broken"),
            ("ChildCompleted", "/prepare"),
            ("ChildRunning", "/jobs"),
            ("ChildRunning", "/"),
        ];
        while !due.is_empty() {
            let line = run.value(|line| line["type"] == "event");
            let (kind, path) = (&line["event"]["event_type"], &line["event"]["target_path"]);
            due.retain(|(wanted, at)| kind != wanted || path != at);
        }
        Self { run }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.run.home.path().join("run/tokio-supervisor/shop.sock")
    }

    /// The binary with these arguments. The socket is named, because root looks where others have theirs, too.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = supervisor(self.run.home.path());
        command.args(args).env("SUPERVISOR_SOCKET", self.socket()).env("TZ", "UTC").env("USER", "ann");
        command.env_remove("NO_COLOR");
        command
    }

    pub(crate) fn say(&self, args: &[&str]) -> Said {
        self.command(args).output().unwrap().into()
    }

    pub(crate) fn json(&self, args: &[&str]) -> Said {
        self.command(args).args(["--output", "json"]).output().unwrap().into()
    }

    /// A command with a reason, without questions.
    pub(crate) fn act(&self, args: &[&str]) -> Said {
        self.say(&[args, &["--reason", "a test", "--yes"]].concat())
    }

    /// State and run of a child, as `status` tells it; `None` when there is no such child.
    pub(crate) fn row(&self, path: &str) -> Option<(String, u64)> {
        let said = self.json(&["status", path]);
        let row = said.json()["row"].clone();
        Some((row["lifecycle_state"].as_str()?.to_owned(), row["generation"].as_u64()?))
    }

    /// Ends the run: the stubborn one does not go by itself.
    pub(crate) fn kill(self) -> tempfile::TempDir {
        let run = self.run;
        let (pid, mut processes) = (run.pid(), run.processes());
        // Who looks from outside lives on.
        processes.retain(|process| process.pid == pid || process.parent == pid.as_raw_nonzero().get());
        run.signal(rustix::process::Signal::KILL);
        crate::common::wait_gone(&processes);
        run.take_home()
    }
}
