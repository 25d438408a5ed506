//! `supervisor top` in a real terminal, over a real run with real programs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/said.rs"]
#[allow(dead_code, reason = "not every test needs everything")]
mod said;
#[path = "../steer/shop.rs"]
#[allow(dead_code, reason = "not every test needs everything")]
mod shop;
#[path = "../../../client/tests/target/mod.rs"]
mod target;
mod terminal;

use std::path::PathBuf;

use rustix::process::{Signal, kill_process};
use serde_json::Value;

use common::{Run, home, processes, soon, supervisor};
use said::Said;
use shop::Shop;
use terminal::{PROMPT, Terminal, has_tmux};

/// A program that tells which signals it gets, one that stays in back-off when it fails, one that is broken, and a
/// supervisor.
const STACK: &str = r#"
version: 1
name: shop
children:
  - name: web
    kind: process
    command: [sh, -c, "trap 'echo heard' HUP; echo web is up; printf 'evil \\033[31m\\007\\n'; while :; do sleep 0.1; done"]
    reload_signal: HUP
    readiness: {log_line: web is up}
  - name: mail
    kind: process
    command: [sleep, "1001"]
    backoff: {initial_ms: 600000, max_ms: 600000}
  - name: broken
    kind: process
    criticality: optional
    budget: {max_restarts: 1, window_secs: 60}
    command: [sh, -c, "echo no disk; exit 3"]
  - name: jobs
    kind: supervisor
    children:
      - {name: one, kind: process, command: [sleep, "1002"]}
      - {name: two, kind: process, command: [sleep, "1003"]}
"#;

fn up(home: tempfile::TempDir) -> Run {
    let mut run = Run::start(home, STACK, &["--output", "json"]);
    let mut due = vec![("ChildQuarantined", "/broken"), ("ChildRunning", "/")];
    while !due.is_empty() {
        let line = run.value(|line| line["type"] == "event");
        let (kind, path) = (&line["event"]["event_type"], &line["event"]["target_path"]);
        due.retain(|(wanted, at)| kind != wanted || path != at);
    }
    run
}

fn socket(run: &Run) -> PathBuf {
    run.home.path().join("run/tokio-supervisor/shop.sock")
}

/// What another command says of the same run.
fn say(run: &Run, args: &[&str]) -> Said {
    let mut command = supervisor(run.home.path());
    command.args(args).env("SUPERVISOR_SOCKET", socket(run));
    command.output().unwrap().into()
}

fn row(run: &Run, path: &str) -> Value {
    say(run, &["status", path, "--output", "json"]).json()["row"].clone()
}

#[test]
fn a_crash_is_seen_with_its_reason_and_a_restart_takes_effect_after_a_reason() {
    if !has_tmux("a_crash_is_seen_with_its_reason_and_a_restart_takes_effect_after_a_reason") {
        return;
    }
    let run = up(home());
    let terminal = Terminal::open(run.home.path(), 130, 40);
    terminal.top("");
    terminal.line(&["▲ /broken", "quarantined", "exit code 3"]);
    terminal.line(&["  mail", "● running"]);
    // It is measured every two seconds.
    terminal.line(&["  one", "● running", "%", "iB"]);

    // The first time it is started again at once.
    kill_process(run.program("sleep 1001"), Signal::KILL).unwrap();
    terminal.line(&["  mail", "● running", "last failure: killed by signal 9"]);
    soon("the second run", || (row(&run, "/mail")["generation"] == 2).then_some(()));
    kill_process(run.program("sleep 1001"), Signal::KILL).unwrap();
    terminal.line(&["  mail", "◷ back-off", "killed by signal 9; starts again in"]);
    terminal.line(&["◷ /mail back-off for"]);
    terminal.press(&["/"]);
    terminal.types("mail");
    terminal.press(&["Enter"]);
    terminal.line(&["Details of /mail"]);
    terminal.line(&["last ends", "ago:", "signal 9"]);
    terminal.press(&["R"]);
    terminal.line(&["Restart /mail"]);
    terminal.press(&["Enter"]);
    terminal.line(&["Say why first."]);
    terminal.types("the test says so");
    terminal.press(&["Enter"]);
    terminal.line(&["✓ restart /mail", "running, run 3"]);
    terminal.line(&["  mail", "● running"]);
    assert_eq!(row(&run, "/mail")["generation"], 3);
    let audit = run.home.path().join(".local/state/tokio-supervisor/shop/audit");
    let told = say(&run, &["audit", "show", "--output", "json", audit.to_str().unwrap()]).out;
    assert!(told.contains("the test says so"), "{told}");
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_supervisor_is_restarted_after_a_look_at_whom_it_affects_and_a_yes() {
    if !has_tmux("a_supervisor_is_restarted_after_a_look_at_whom_it_affects_and_a_yes") {
        return;
    }
    let run = up(home());
    let terminal = Terminal::open(run.home.path(), 130, 40);
    terminal.top("");
    terminal.types("/jobs\nr");
    terminal.line(&["/jobs/one: "]);
    terminal.types("new world\nn");
    terminal.line(&["nothing was done: it was not confirmed"]);
    assert_eq!(row(&run, "/jobs/one")["generation"], 1);
    terminal.types("r");
    terminal.line(&["/jobs/one: "]);
    terminal.types("new world\ny");
    terminal.line(&["✓ restart /jobs", "run 2"]);
    soon("the other run", || (row(&run, "/jobs")["generation"] == 2).then_some(()));
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn the_log_is_followed_held_and_searched_and_a_signal_is_sent() {
    if !has_tmux("the_log_is_followed_held_and_searched_and_a_signal_is_sent") {
        return;
    }
    let run = up(home());
    let terminal = Terminal::open(run.home.path(), 130, 40);
    terminal.top("");
    terminal.types("/web\no");
    terminal.line(&["Log of /web", "following"]);
    // What was said before anybody looked, and what it would do to a terminal.
    terminal.line(&["web is up"]);
    terminal.line(&["evil \\x1b[31m\\x07"]);
    terminal.types("S");
    terminal.line(&["Signal", "RELOAD"]);
    terminal.types("\nlook again\n");
    terminal.line(&["✓ signal /web", "was asked to reload"]);
    terminal.until("what came", |screen| screen.lines().any(|line| line.trim_end().ends_with(" heard")));
    terminal.types("f");
    terminal.line(&["Log of /web", "held"]);
    terminal.types("S\nlook again\n");
    terminal.line(&["Log of /web", "held: 1 new"]);
    terminal.types("/IS UP\n");
    terminal.until("what was found, marked", |_| terminal.coloured_screen().contains("7mis up"));
    terminal.types("/nowhere\n");
    terminal.line(&["nothing in this log has “nowhere” in it"]);
    terminal.types("G");
    terminal.line(&["Log of /web", "following"]);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_killed_supervisor_is_gone_for_all_to_see_and_its_successor_is_found() {
    if !has_tmux("a_killed_supervisor_is_gone_for_all_to_see_and_its_successor_is_found") {
        return;
    }
    let run = up(home());
    let terminal = Terminal::open(run.home.path(), 130, 40);
    terminal.top("");
    let (pid, mut processes) = (run.pid(), run.processes());
    processes.retain(|process| process.pid == pid || process.parent == pid.as_raw_nonzero().get());
    run.signal(Signal::KILL);
    terminal.line(&["✕ NOT LIVE"]);
    terminal.line(&["DISCONNECTED since", "reconnecting"]);
    terminal.types("/web\nR");
    terminal.line(&["Not live: nothing can be sent now."]);
    common::wait_gone(&processes);
    let run = up(run.take_home());
    terminal.until("the new run", |screen| screen.contains("● live") && !screen.contains("DISCONNECTED"));
    terminal.line(&["the target was started again"]);
    terminal.types("r");
    terminal.line(&["Restart /web"]);
    terminal.types("as before\n");
    terminal.line(&["✓ restart /web", "running, run 2"]);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    if !has_tmux("the_terminal_is_given_back_however_it_ends") {
        return;
    }
    let run = up(home());
    let mark = run.home.path().join("modes").display().to_string();
    let terminal = Terminal::open(run.home.path(), 100, 30);
    let shows = |what: &str| terminal.until(what, |screen| screen.contains("CHILD"));
    for key in ["q", "C-c"] {
        terminal.top("");
        assert_eq!(terminal.says("#{alternate_on} #{cursor_flag}"), "1 0");
        terminal.press(&[key]);
        terminal.is_given_back(&mark);
    }
    let signals = |signal: Signal| {
        let all = processes(run.home.path());
        let top = all.iter().find(|process| process.command.contains("supervisor top")).unwrap();
        kill_process(top.pid, signal).unwrap();
    };
    terminal.top("");
    signals(Signal::TERM);
    terminal.is_given_back(&mark);
    // Suspended by its key, and from outside: either way the shell can be used, and then it goes on.
    terminal.top("");
    terminal.press(&["C-z"]);
    terminal.is_given_back(&mark);
    terminal.enter("clear; fg");
    shows("the tree again");
    signals(Signal::STOP);
    terminal.until("the shell", |screen| screen.contains("Stopped"));
    // It had no time to give the terminal back, so Enter is no end of a line.
    terminal.types("fg");
    terminal.press(&["C-j"]);
    terminal.until("the tree once more", |screen| screen.contains("CHILD") && !screen.contains("Stopped"));
    terminal.types("?");
    terminal.line(&["Keys"]);
    terminal.types(" q");
    terminal.is_given_back(&mark);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn any_size_does_and_no_color_is_heard() {
    if !has_tmux("any_size_does_and_no_color_is_heard") {
        return;
    }
    let run = up(home());
    let terminal = Terminal::open(run.home.path(), 130, 40);
    terminal.top("");
    let is_coloured = |screen: &str| screen.contains("38;5;2m");
    assert!(is_coloured(&terminal.coloured_screen()));
    for (width, height) in [(40, 10), (12, 4), (1, 1), (200, 60), (80, 24)] {
        terminal.resize(width, height);
        terminal.until("that size", |_| {
            terminal.says("#{window_width} #{window_height}") == format!("{width} {height}")
        });
        if height >= 10 {
            terminal.line(&["web", "● running"]);
        }
    }
    terminal.press(&["q"]);
    terminal.until("the shell", |screen| screen.contains(PROMPT));
    terminal.enter("export NO_COLOR=1");
    terminal.top("");
    terminal.line(&["web", "● running"]);
    let plain = terminal.coloured_screen();
    assert!(
        !["38;5;", "48;5;", "\u{1b}[31m", "\u{1b}[32m"].iter().any(|code| plain.contains(code)),
        "{plain:?}"
    );
    terminal.press(&["q"]);
    terminal.until("the shell", |screen| screen.contains(PROMPT) && !screen.contains("CHILD"));
    terminal.top("--color always");
    assert!(is_coloured(&terminal.coloured_screen()));
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn who_is_in_the_tree_is_changed_with_a_file_a_name_and_a_yes() {
    if !has_tmux("who_is_in_the_tree_is_changed_with_a_file_a_name_and_a_yes") {
        return;
    }
    let run = up(home());
    let new = run.home.path().join("new.yaml");
    std::fs::write(&new, "name: cache\nkind: process\ncommand: [sleep, \"1004\"]\n").unwrap();
    let next = run.home.path().join("next.yaml");
    let more = "  - {name: extra, kind: process, command: [sleep, \"${HOW_LONG}\"]}\n";
    let text = STACK.replace(
        "children:\n  - name: web",
        &format!("variables: {{HOW_LONG: {{}}}}\nchildren:\n{more}  - name: web"),
    );
    std::fs::write(&next, text).unwrap();
    let terminal = Terminal::open(run.home.path(), 130, 40);
    terminal.top("--set HOW_LONG=1005");

    terminal.types("/jobs\nA");
    terminal.line(&["Add child under /jobs"]);
    terminal.types("/nowhere.yaml\n");
    terminal.line(&["cannot read /nowhere.yaml"]);
    terminal.press(&["Escape"]);
    // Escape and a letter at once would be another key.
    terminal.line(&["nothing was done"]);
    terminal.types(&format!("A{}\n", new.display()));
    terminal.line(&["name: cache"]);
    terminal.types("faster\ny");
    terminal.line(&["✓ add child /jobs", "/jobs/cache added"]);
    terminal.line(&["  cache", "● running"]);

    terminal.types("/cache\nD");
    terminal.line(&["takes it out of the tree"]);
    terminal.types("slower\n/jobs/cache\n");
    terminal.line(&["Type cache first."]);
    terminal.press(&["C-u"]);
    terminal.types("cache\n");
    terminal.line(&["✓ remove /jobs/cache", "removed"]);

    terminal.types(&format!("F{}\n", next.display()));
    terminal.line(&["+ /extra"]);
    terminal.types("one more\ny");
    terminal.line(&["✓ apply file: shop", "1 added"]);
    terminal.line(&["  extra", "● running"]);
    run.program("sleep 1005");

    // The file that the run was started with has nobody called so.
    terminal.types("L");
    terminal.line(&["/extra: removed"]);
    terminal.types("back again\ny");
    terminal.line(&["✓ reload: shop", "1 removed"]);
    terminal.until("the tree without it", |screen| !screen.contains("  extra"));
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn the_tree_is_shut_down_after_its_name() {
    if !has_tmux("the_tree_is_shut_down_after_its_name") {
        return;
    }
    let run = up(home());
    let terminal = Terminal::open(run.home.path(), 130, 40);
    terminal.top("");
    terminal.types("X");
    terminal.line(&["This stops the whole tree and ends the target."]);
    terminal.types("the day is over\nshop\n");
    terminal.line(&["✓ shut down: shop is down"]);
    terminal.line(&["✕ NOT LIVE"]);
    assert_eq!(run.end().code, Some(0));
}

#[test]
fn a_viewer_of_another_kind_of_target_sees_all_and_is_told_what_it_may_not() {
    if !has_tmux("a_viewer_of_another_kind_of_target_sees_all_and_is_told_what_it_may_not") {
        return;
    }
    let shop = Shop::after(|world| world.role = Some("viewer".to_owned()));
    let terminal = Terminal::open(shop.home.path(), 120, 30);
    terminal.top("");
    terminal.line(&["shop", "● live", "viewer"]);
    terminal.line(&["nightly", "✓ completed"]);
    terminal.types("jR");
    terminal.line(&["Restart /db: Needs the role operator; you are viewer."]);
    terminal.types("a");
    terminal.line(&["S  Signal", "This target does not take this command."]);
    assert!(shop.world(|world| world.commands.is_empty()));
}

#[test]
fn without_a_terminal_or_a_target_it_says_what_helps() {
    let home = home();
    let say = |args: &[&str]| -> Said { supervisor(home.path()).args(args).output().unwrap().into() };
    say(&["top"]).fails(2, &["needs a terminal", "`supervisor status`", "`supervisor events --follow`"]);
    if !has_tmux("without_a_terminal_or_a_target_it_says_what_helps") {
        return;
    }
    let terminal = Terminal::open(home.path(), 160, 30);
    terminal.enter(&format!("{} top; echo it is $?", env!("CARGO_BIN_EXE_supervisor")));
    terminal.line(&["it is 3"]);
    assert!(terminal.screen().contains("there is no socket"), "{}", terminal.screen());
}
