//! The unit file that is shipped: that systemd knows each of its lines, and that they mean what the binary does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;

use common::{file, home, supervisor};
use rustix::process::{Pid, Signal, kill_process};

const GOOD: &str = "version: 1\nname: shop\nchildren: [{name: web, kind: process, command: [sleep, 1000]}]\n";

/// Its lines: section, key, value.
fn lines() -> Vec<(String, String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd/supervisor@.service");
    let text = std::fs::read_to_string(path).unwrap();
    let mut section = String::new();
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => section = name.to_owned(),
            None => {
                let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
                lines.push((section.clone(), key.to_owned(), value.to_owned()));
            }
        }
    }
    lines
}

/// The last value of a key, which is the one that counts.
fn value(key: &str) -> String {
    let last = lines().into_iter().rev().find(|line| line.1 == key);
    last.unwrap_or_else(|| panic!("there is no {key}")).2
}

#[test]
fn systemd_knows_every_line() {
    // From systemd.unit(5), systemd.service(5), systemd.kill(5), systemd.exec(5) and systemd.resource-control(5): what each
    // takes. Words that stand alone are all that may be there.
    let known: &[(&str, &str, &[&str])] = &[
        ("Unit", "Description", &["*"]),
        ("Unit", "Documentation", &["https://*"]),
        ("Unit", "After", &["network.target"]),
        ("Unit", "StartLimitIntervalSec", &["TIME"]),
        ("Unit", "StartLimitBurst", &["NUMBER"]),
        ("Service", "Type", &["notify", "notify-reload"]),
        ("Service", "NotifyAccess", &["main"]),
        ("Service", "ExecStart", &["/*"]),
        ("Service", "TimeoutStartSec", &["TIME"]),
        ("Service", "TimeoutStopSec", &["TIME"]),
        ("Service", "WatchdogSec", &["TIME"]),
        ("Service", "WatchdogSignal", &["SIGTERM"]),
        ("Service", "Restart", &["on-failure"]),
        ("Service", "RestartSec", &["TIME"]),
        ("Service", "RestartPreventExitStatus", &["*"]),
        ("Service", "KillMode", &["mixed"]),
        ("Service", "Delegate", &["yes"]),
        ("Service", "OOMPolicy", &["continue"]),
        ("Service", "LockPersonality", &["yes"]),
        ("Install", "WantedBy", &["multi-user.target"]),
    ];
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = |text: &str| ["s", "min"].iter().any(|unit| text.strip_suffix(unit).is_some_and(is_number));
    for (section, key, value) in lines() {
        let found = known.iter().find(|known| (known.0, known.1) == (&*section, &*key));
        let (_, _, takes) = found.unwrap_or_else(|| panic!("[{section}] {key} is unknown"));
        let fits = takes.iter().any(|word| match (*word, word.strip_suffix('*')) {
            ("TIME", _) => is_time(&value),
            ("NUMBER", _) => is_number(&value),
            (_, Some(beginning)) => value.starts_with(beginning),
            (word, None) => value == word,
        });
        assert!(fits, "{key}={value}");
    }
    assert!(known.iter().all(|(_, key, _)| !value(key).is_empty()), "each stands there");
}

#[test]
fn what_would_end_the_same_way_again_is_not_restarted_and_what_may_not_is() {
    let prevented = value("RestartPreventExitStatus");
    let prevents = |code: Option<i32>| prevented.split(' ').any(|word| word.parse::<i32>().ok() == code);
    let home = home();
    let run = |args: &[&str]| supervisor(home.path()).arg("run").args(args).output().unwrap().status.code();
    let bad = home.path().join("bad.yaml");
    std::fs::write(&bad, "children: [").unwrap();
    for args in [&["--colour"][..], &["/nonexistent/stack.yaml"], &[bad.to_str().unwrap()]] {
        assert!(prevents(run(args)), "{args:?}");
    }
    let failing =
        "version: 1\nname: shop\nchildren: [{name: job, kind: process, role: job, command: [\"false\"]}]\n";
    let failing = file(home.path(), failing);
    assert!(!prevents(run(&["--dashboard", "off", failing.to_str().unwrap()])), "a stack that failed");
    assert!(!prevents(Some(73)), "what is in the way may be gone soon");
}

#[test]
fn its_command_line_runs_a_stack_that_comes_up() {
    let home = home();
    let path = file(home.path(), GOOD);
    let command = value("ExecStart");
    let words: Vec<_> = command.split(' ').collect();
    let ["/usr/local/bin/supervisor", arguments @ .., "/etc/supervisor/%i.yaml"] = &words[..] else {
        panic!("{command}")
    };
    let manager = UnixDatagram::bind(home.path().join("notify")).unwrap();
    let mut command = supervisor(home.path());
    command.args(arguments).arg(path).env("NOTIFY_SOCKET", home.path().join("notify"));
    let mut run = command.stdout(Stdio::null()).spawn().unwrap();
    let mut buffer = [0; 4096];
    let mut next = || {
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    while !next().starts_with("READY=1") {}
    kill_process(Pid::from_child(&run), Signal::TERM).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(0));
}
