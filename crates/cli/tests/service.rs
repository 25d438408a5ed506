//! A run that a service manager has started: what it tells the manager, and what it keeps from its programs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::{Run, file, home, soon, supervisor};
use rustix::process::{Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

/// What the service manager is: a socket that is read all the time, and what was heard on it.
struct Manager {
    heard: Receiver<String>,
    /// Leads to the socket, also when its file is gone.
    own: UnixDatagram,
}

impl Manager {
    /// On a socket that is a file.
    fn at(home: &Path) -> (Self, String) {
        let path = home.join("notify");
        (Self::on(SocketAddr::from_pathname(&path).unwrap()), path.to_str().unwrap().to_owned())
    }

    fn on(address: SocketAddr) -> Self {
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let own = UnixDatagram::unbound().unwrap();
        own.connect_addr(&address).unwrap();
        let (send, heard) = channel();
        // Its queue may be as short as ten messages.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let length = socket.recv(&mut buffer).unwrap();
                let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
                if send.send(message).is_err() {
                    break;
                }
            }
        });
        Self { heard, own }
    }

    /// The next message.
    #[track_caller]
    fn next(&self) -> String {
        self.heard.recv_timeout(Duration::from_secs(60)).expect("a message")
    }

    /// The next message that begins so.
    #[track_caller]
    fn until(&self, beginning: &str) -> String {
        std::iter::repeat_with(|| self.next()).find(|message| message.starts_with(beginning)).unwrap()
    }

    /// The next message that is more than a status.
    #[track_caller]
    fn word(&self) -> String {
        std::iter::repeat_with(|| self.next()).find(|message| !message.starts_with("STATUS=")).unwrap()
    }

    /// What was said until now and not looked at. Messages come in the order in which they were sent.
    #[track_caller]
    fn rest(&self) -> Vec<String> {
        const MARK: &str = "X_MARK=1";
        self.own.send(MARK.as_bytes()).unwrap();
        std::iter::repeat_with(|| self.next()).take_while(|message| message != MARK).collect()
    }
}

fn start(home: tempfile::TempDir, text: &str, variables: &[(&str, &str)]) -> Run {
    Run::start_with(home, text, &["--output", "json"], variables)
}

const SLOW: &str = r#"
version: 1
name: slow
children:
  - {name: db, kind: process, command: [sleep, 1000]}
  - name: web
    kind: process
    command: [sh, -c, "until test -e $HOME/go; do sleep 0.01; done; echo up; exec sleep 1001"]
    readiness: {log_line: up}
    role: job
"#;

#[test]
fn the_manager_is_told_each_step_of_a_run_in_order() {
    let home = home();
    let (manager, name) = Manager::at(home.path());
    let run = start(home, SLOW, &[("NOTIFY_SOCKET", &name)]);
    assert_eq!(manager.until("STATUS=starting: 1 "), "STATUS=starting: 1 of 2 running; /web is starting");
    fs::write(run.home.path().join("go"), "").unwrap();
    assert_eq!(manager.word(), "READY=1\nSTATUS=2 of 2 running");

    let micros = || {
        let now = clock_gettime(ClockId::Monotonic);
        now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
    };
    let reloaded = |sentence: &str| {
        let before = micros();
        run.signal(Signal::HUP);
        let reloading = manager.word();
        let lines: Vec<_> = reloading.lines().collect();
        assert_eq!((lines[0], lines[2]), ("RELOADING=1", "STATUS=applying the file: 2 of 2 running"));
        let at: i64 = lines[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!((before..=micros()).contains(&at), "{before} {at}");
        assert_eq!(manager.word(), format!("READY=1\nSTATUS=2 of 2 running{sentence}"));
    };
    reloaded("");
    file(run.home.path(), "children: [");
    reloaded("; the file as it is now could not be applied");
    file(run.home.path(), SLOW);
    reloaded("");

    kill_process(run.program("sleep 1001"), Signal::KILL).unwrap();
    manager.until("STATUS=1 of 2 running; /web has failed");
    run.signal(Signal::TERM);
    let stopping = manager.word();
    assert!(
        stopping.starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS=stopping: "),
        "{stopping}"
    );
    assert_eq!(run.end().code, Some(0));
    assert_eq!(manager.rest().last().unwrap(), "STATUS=down");
}

#[test]
fn a_file_that_was_refused_is_forgotten_when_one_is_applied_through_the_socket_and_not_when_that_is_taken_back()
 {
    const UNAPPLIED: &str = "; the file as it is now could not be applied";
    let text = |more: &str| {
        format!(
            "version: 1\nname: again\nchildren:\n  - {{name: web, kind: process, command: [sleep, 1000]}}\n{more}"
        )
    };
    let home = home();
    let (manager, name) = Manager::at(home.path());
    let run = start(home, &text(""), &[("NOTIFY_SOCKET", &name)]);
    manager.until("READY=1");
    let say = |args: &[&str]| {
        let mut command = supervisor(run.home.path());
        command.args(args).args(["--reason", "test", "--yes"]).env_remove("SUPERVISOR_SOCKET");
        command.output().unwrap().status.code()
    };
    let exactly = |sentence: &str| {
        let message = format!("STATUS={sentence}");
        assert!(std::iter::repeat_with(|| manager.next()).any(|heard| heard == message));
    };
    let path = run.home.path().join("stack.yaml");
    for apply in [&["reload"][..], &["apply", path.to_str().unwrap()]] {
        file(run.home.path(), "children: [");
        run.signal(Signal::HUP);
        assert_eq!(manager.until("READY=1"), format!("READY=1\nSTATUS=1 of 1 running{UNAPPLIED}"));

        let never = "  - {name: slow, kind: process, command: [sleep, 1001], readiness: {log_line: never}, \
                     ready_within_secs: 0.2}\n";
        file(run.home.path(), &text(never));
        assert_eq!(say(apply), Some(1));
        // All of that is over, and what changes now is told after it.
        assert_eq!(say(&["pause", "/web"]), Some(0));
        exactly(&format!("0 of 1 running; /web is paused{UNAPPLIED}"));
        assert_eq!(say(&["resume", "/web"]), Some(0));
        exactly(&format!("1 of 1 running{UNAPPLIED}"));

        file(run.home.path(), &text(""));
        assert_eq!(say(apply), Some(0));
        exactly("1 of 1 running");
    }
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_stack_that_is_done_at_once_was_up_and_its_problem_is_its_last_word() {
    for (command, code, last) in
        [("exit 0", 0, "STATUS=down"), ("exit 7", 1, "STATUS=/job failed: exit code 7")]
    {
        let home = home();
        // An abstract socket; elsewhere it is a file.
        let name = format!("supervisor-test-{}-{code}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = Manager::on(address);
        let text = format!(
            "version: 1\nname: short\nchildren: [{{name: job, kind: process, role: job, command: [sh, -c, {command}]}}]"
        );
        let end = start(home, &text, &[("NOTIFY_SOCKET", &format!("@{name}"))]).end();
        assert_eq!((end.code, end.err.contains("service manager")), (Some(code), false), "{}", end.err);
        let words = manager.rest();
        let firsts =
            words.iter().filter(|word| !word.starts_with("STATUS=")).map(|word| word.lines().next().unwrap());
        assert_eq!(firsts.collect::<Vec<_>>(), ["READY=1", "STOPPING=1"]);
        assert_eq!(words.last().unwrap(), last);
    }
}

#[test]
fn a_stack_whose_critical_job_has_failed_is_not_called_ready_when_the_others_are_done() {
    let home = home();
    let (manager, name) = Manager::at(home.path());
    // What says when it is ready is not up for a moment, either.
    let text = r#"
version: 1
name: never
children:
  - {name: bad, kind: process, role: job, criticality: critical, command: [sh, -c, exit 7], readiness: {log_line: up}}
  - {name: long, kind: process, role: job, command: [sh, -c, "until test -e $HOME/go; do sleep 0.01; done"]}
"#;
    let mut run = start(home, text, &[("NOTIFY_SOCKET", &name)]);
    run.event("ChildRunning", "/");
    fs::write(run.home.path().join("go"), "").unwrap();
    assert_eq!(run.end().code, Some(1));
    let words = manager.rest();
    assert!(words.iter().all(|word| !word.contains("READY=1")), "{words:?}");
    assert!(words.iter().any(|word| word.starts_with("STOPPING=1")), "{words:?}");
    assert!(words.last().unwrap().starts_with("STATUS=/bad failed"), "{words:?}");
}

#[test]
fn a_stack_that_does_not_come_up_was_never_ready() {
    let home = home();
    let (manager, name) = Manager::at(home.path());
    let text = "version: 1\nname: bad\nsupervisor: {on_start_failure: unwind}\n\
                children: [{name: bad, kind: process, command: [/nonexistent/program]}]";
    let end = start(home, text, &[("NOTIFY_SOCKET", &name)]).end();
    assert_eq!(end.code, Some(1));
    let words = manager.rest();
    assert!(words.iter().all(|word| !word.contains("READY=1")), "{words:?}");
    let last = words.last().unwrap();
    assert!(last.starts_with("STATUS=the start failed: /bad did not start"), "{last}");
    assert!(last.contains("/nonexistent/program") && last.lines().count() == 1, "{last}");
}

#[test]
fn d21_the_watchdog_hears_nothing_while_a_critical_program_is_stale_and_hears_again_when_it_is_well() {
    let home = home();
    let (manager, name) = Manager::at(home.path());
    let well = home.path().join("well");
    fs::write(&well, "").unwrap();
    let text = format!(
        "version: 1\nname: watched\nchildren:\n  - name: web\n    kind: process\n    criticality: critical\n    \
         command: [sleep, 1000]\n    health_check: {{exec: [test, -e, {}], check_interval_secs: 0.05, timeout_secs: 30, \
         max_retries: 4294967295}}\n",
        well.display()
    );
    let mut run = start(home, &text, &[("NOTIFY_SOCKET", &name), ("WATCHDOG_USEC", "100000")]);
    manager.until("READY=1");
    for _ in 0..5 {
        manager.until("WATCHDOG=1");
    }
    fs::remove_file(&well).unwrap();
    run.error("supervisor: not alive: a critical child is stale");
    manager.rest();
    // A second of misses, in which there would have been twenty signs of life.
    for _ in 0..20 {
        run.event("ChildHeartbeatMissed", "/web");
    }
    let silence = manager.rest();
    assert!(!silence.contains(&"WATCHDOG=1".to_owned()), "{silence:?}");
    fs::write(&well, "").unwrap();
    manager.until("WATCHDOG=1");
    run.error("supervisor: alive again");
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_manager_that_is_not_there_is_told_once_and_the_stack_runs() {
    for (name, said) in [
        ("/nonexistent/notify", "cannot be told anything on NOTIFY_SOCKET=/nonexistent/notify"),
        ("vsock:2:1", "NOTIFY_SOCKET=vsock:2:1: neither a path"),
    ] {
        let mut run = start(home(), SLOW, &[("NOTIFY_SOCKET", name)]);
        fs::write(run.home.path().join("go"), "").unwrap();
        run.event("ChildRunning", "/");
        let end = run.stop();
        assert_eq!(end.code, Some(0));
        assert_eq!(end.err.matches(said).count(), 1, "{}", end.err);
    }
}

#[test]
fn what_the_manager_hands_to_the_run_is_not_handed_to_its_programs() {
    let home = home();
    let (manager, name) = Manager::at(home.path());
    let marker = home.path().join("handed over");
    fs::write(&marker, "").unwrap();
    let text = r#"
version: 1
name: sealed
children:
  - name: looks
    kind: process
    command: [sh, -c, "for fd in 3 4 5 6 7 8 9; do test -e /proc/$$/fd/$fd && echo has $fd; done; env; echo looked; exec sleep 1000"]
"#;
    let mut run = Run::under(home, text, |supervisor| {
        let mut command = Command::new("sh");
        let hand = "exec 3<\"$HOME/handed over\" 4<&3; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a:b exec \"$0\" \"$@\"";
        command.args(["-c", hand]).arg(supervisor.get_program()).args(supervisor.get_args());
        command.envs(supervisor.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("NOTIFY_SOCKET", &name).env("WATCHDOG_USEC", "60000000");
        command
    });
    manager.until("READY=1");
    run.output("/looks", "looked");
    let has = |word: &str| run.seen.iter().any(|line| line.contains(word));
    assert!(has("PATH="));
    for word in ["has 3", "has 4", "has 9", "LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_"] {
        assert!(!has(word), "{word}: {:?}", run.seen);
    }
    // The supervisor has them still, and nobody else of the run, such as its guardian.
    let holders = || {
        let holds = |pid: i32| {
            let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            links.filter_map(|link| fs::read_link(link.path()).ok()).any(|file| file == marker)
        };
        let mut holders: Vec<_> = (fs::read_dir("/proc").unwrap().flatten())
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| holds(*pid))
            .collect();
        holders.sort_unstable();
        holders
    };
    soon("one holder", || (holders() == [run.pid().as_raw_nonzero().get()]).then_some(()));
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn in_the_journal_each_line_has_the_level_that_it_matters_with() {
    let text = r#"
version: 1
name: levels
children:
  - {name: job, kind: process, role: job, command: [sh, -c, 'echo plain; echo "{\"level\":\"error\",\"msg\":\"bad\"}"; exit 7']}
"#;
    let lines = |journal: &dyn Fn(&fs::Metadata) -> String| {
        let home = home();
        let path = file(home.path(), text);
        let out = fs::File::create(home.path().join("out")).unwrap();
        let mut command = supervisor(home.path());
        command
            .args(["run", "--dashboard", "off"])
            .arg(path)
            .env("JOURNAL_STREAM", journal(&out.metadata().unwrap()));
        command.stderr(out.try_clone().unwrap()).stdout(out);
        assert_eq!(command.status().unwrap().code(), Some(1));
        fs::read_to_string(home.path().join("out")).unwrap()
    };
    let said = lines(&|out| format!("{}:{}", out.dev(), out.ino()));
    assert!(said.lines().all(|line| line.starts_with('<')), "{said}");
    let level = |words: &str| {
        said.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {said}"))[..3]
            .to_owned()
    };
    for (words, is) in [
        ("1 child from", "<6>"),
        ("/job running", "<6>"),
        ("| plain", "<6>"),
        ("| {\"level\"", "<3>"),
        ("/job ended: failed", "<4>"),
        ("  /job  failed: exit code 7", "<4>"),
        ("supervisor: /job failed", "<4>"),
    ] {
        assert_eq!(level(words), is, "{words}");
    }
    let elsewhere = lines(&|out| format!("{}:{}", out.dev(), out.ino() + 1));
    assert!(elsewhere.lines().all(|line| !line.starts_with('<')), "{elsewhere}");
}

#[test]
fn credentials_that_the_manager_gives_are_secrets_of_programs_and_their_place_is_not() {
    let home = home();
    let credentials = home.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::write(credentials.join("db_password"), "hunter2\n").unwrap();
    let text = "version: 1\nname: s\nsecrets_from: [credentials]\nchildren:\n  - name: a\n    kind: process\n    \
                command: [sh, -c, 'echo \"$PASSWORD,$CREDENTIALS_DIRECTORY\"; exec sleep 1000']\n    \
                environment: [{name: PASSWORD, secret_ref: \"${db_password}\"}]\n";
    let place = credentials.to_str().unwrap().to_owned();
    let mut run = Run::start_with(home, text, &["--no-socket"], &[("CREDENTIALS_DIRECTORY", &place)]);
    run.line(|line| line.ends_with("hunter2,"));
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_job_that_waits_for_its_time_is_ready_and_not_named() {
    let home = home();
    let (manager, place) = Manager::at(home.path());
    let text = "version: 1\nname: s\nchildren:\n  - {name: web, kind: process, command: [sleep, \"1000\"]}\n  \
                - {name: nightly, kind: process, role: job, command: [\"true\"], schedule: \"30 2 29 2 *\"}\n";
    let run = Run::start_with(home, text, &[], &[("NOTIFY_SOCKET", &place)]);
    assert!(manager.until("READY=1").contains("STATUS=1 of 1 running"));
    let health = supervisor(run.home.path()).args(["health", "--strict"]).output().unwrap();
    let said = String::from_utf8_lossy(&health.stdout);
    assert!(health.status.success() && said.contains("healthy"), "{said}");
    assert_eq!(run.stop().code, Some(0));
}
