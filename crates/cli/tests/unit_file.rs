//! The unit file that is shipped, and the drop-ins that the guide gives: that systemd knows each of their lines, and that they
//! mean what the binary does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../socket/tests/common/skip.rs"]
mod skip;

use std::ffi::OsString;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use common::{Run, home, soon, supervisor};
use supervisor_api::ChildId;
use supervisor_socket::Surroundings;

const GOOD: &str = "version: 1\nname: shop\nchildren: [{name: web, kind: process, command: [sleep, 1000]}]\n";

/// A file of the project.
fn text_of(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn unit() -> String {
    text_of("packaging/systemd/supervisor@.service")
}

fn guide() -> String {
    text_of("docs/guides/systemd.md")
}

/// What the guide says to write into drop-ins.
fn drop_ins() -> Vec<String> {
    let guide = guide();
    let blocks = guide.split("```ini\n").skip(1);
    let blocks: Vec<_> = blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect();
    assert_eq!(blocks.len(), 2, "one for a system that is read-only, and one for another user");
    blocks
}

/// The lines of such a file: section, key, value.
fn lines(text: &str) -> Vec<(String, String, String)> {
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

/// The last value of a key in it, which is the one that counts.
fn value_in(text: &str, key: &str) -> String {
    let last = lines(text).into_iter().rev().find(|line| line.1 == key);
    last.unwrap_or_else(|| panic!("there is no {key}")).2
}

/// The one in the unit.
fn value(key: &str) -> String {
    value_in(&unit(), key)
}

#[test]
fn every_line_is_one_that_systemd_describes() {
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
        ("Service", "ProtectSystem", &["strict"]),
        ("Service", "PrivateTmp", &["yes"]),
        ("Service", "StateDirectory", &["*"]),
        ("Service", "StateDirectoryMode", &["0700"]),
        ("Service", "RuntimeDirectory", &["*"]),
        ("Service", "RuntimeDirectoryMode", &["0700"]),
        ("Service", "RuntimeDirectoryPreserve", &["yes"]),
        ("Service", "User", &["*"]),
        ("Service", "Environment", &["XDG_STATE_HOME=*"]),
        ("Install", "WantedBy", &["multi-user.target"]),
    ];
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = |text: &str| ["s", "min"].iter().any(|unit| text.strip_suffix(unit).is_some_and(is_number));
    let all: Vec<_> = drop_ins().iter().chain([&unit()]).flat_map(|text| lines(text)).collect();
    for (section, key, value) in &all {
        let found = known.iter().find(|known| (known.0, known.1) == (section, key));
        let (_, _, takes) = found.unwrap_or_else(|| panic!("[{section}] {key} is unknown"));
        let fits = takes.iter().any(|word| match (*word, word.strip_suffix('*')) {
            ("TIME", _) => is_time(value),
            ("NUMBER", _) => is_number(value),
            (_, Some(beginning)) => value.starts_with(beginning),
            (word, None) => value == word,
        });
        assert!(fits, "{key}={value}");
    }
    assert!(known.iter().all(|known| all.iter().any(|line| line.1 == known.1)), "each stands there");
}

/// What systemd says of the unit with this drop-in; the program is the one that was built.
fn verify(drop_in: &str) -> Vec<String> {
    let home = home();
    let path = home.path().join("supervisor@shop.service");
    fs::write(&path, unit().replace("/usr/local/bin/supervisor", env!("CARGO_BIN_EXE_supervisor"))).unwrap();
    let beside = home.path().join("supervisor@shop.service.d");
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join("more.conf"), drop_in).unwrap();
    let output = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    // It looks at the other units of this machine, too.
    said.lines().filter(|line| line.contains("supervisor@")).map(ToOwned::to_owned).collect()
}

#[test]
fn systemd_itself_finds_nothing_wrong() {
    if !skip::has("systemd-analyze", "systemd_itself_finds_nothing_wrong") {
        return;
    }
    for drop_in in drop_ins().iter().chain([&String::new()]) {
        let mut said = verify(drop_in);
        // Before 253, which is why there are two lines `Type=`.
        said.retain(|line| !line.ends_with("Failed to parse service type, ignoring: notify-reload"));
        assert_eq!(said, [""; 0], "{drop_in}");
    }
    for wrong in ["[Service]\nRestartSecs=5s\n", "[Service]\nWatchdogSec=soon\n"] {
        let said = verify(wrong);
        assert!(said.iter().any(|line| line.contains("more.conf:2: ")), "{wrong}: {said:?}");
    }
}

#[test]
fn the_places_of_the_drop_ins_are_those_that_the_supervisor_uses() {
    let places = |uid, variable: &dyn Fn(&str) -> Option<OsString>| {
        let around = Surroundings::new(uid, variable);
        let state = around.state_place(&ChildId::new("shop").unwrap()).unwrap().path();
        (around.socket_places().swap_remove(0).path(), state)
    };
    let [strict, other_user] = &drop_ins()[..] else { panic!() };
    let (sockets, state) = places(0, &|_| None);
    assert_eq!(sockets, Path::new("/run").join(value_in(strict, "RuntimeDirectory")));
    assert_eq!(state.parent().unwrap(), Path::new("/var/lib").join(value_in(strict, "StateDirectory")));

    let home = Path::new("/var/lib").join(value_in(other_user, "StateDirectory"));
    let (name, state_home) = (value_in(other_user, "Environment"), home.to_str().unwrap());
    assert_eq!(name.replace("%S", "/var/lib"), format!("XDG_STATE_HOME={state_home}"));
    let (sockets, state) = places(7, &|name| (name == "XDG_STATE_HOME").then(|| state_home.into()));
    assert!(guide().contains(&format!("`{}`", sockets.display())), "{}", sockets.display());
    assert!(state.starts_with(home));
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
    let failing = common::file(home.path(), failing);
    assert!(!prevents(run(&["--dashboard", "off", failing.to_str().unwrap()])), "a stack that failed");
    assert!(!prevents(Some(73)), "what is in the way may be gone soon");
}

#[test]
fn its_command_line_runs_a_stack_that_comes_up() {
    let home = home();
    let command = value("ExecStart");
    let words: Vec<_> = command.split(' ').collect();
    let ["/usr/local/bin/supervisor", arguments @ .., "/etc/supervisor/%i.yaml"] = &words[..] else {
        panic!("{command}")
    };
    let name = home.path().join("notify");
    let manager = UnixDatagram::bind(&name).unwrap();
    manager.set_nonblocking(true).unwrap();
    let path = home.path().join("stack.yaml");
    let mut command = supervisor(home.path());
    command.args(arguments).arg(path).env("NOTIFY_SOCKET", name);
    let mut run = Run::under(home, GOOD, |_| command);
    let mut buffer = [0; 4096];
    soon("READY=1", || {
        let Ok(length) = manager.recv(&mut buffer) else {
            assert!(!run.has_ended(), "it has ended");
            return None;
        };
        buffer[..length].starts_with(b"READY=1").then_some(())
    });
    assert_eq!(run.stop().code, Some(0));
}
