//! A new file for a stack that runs: what it would change, that it is applied, and that it is taken back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "common/said.rs"]
mod said;

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Run, file, home, supervisor};
use rustix::process::{Pid, Signal};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use said::Said;
use serde_json::{Value, json};

/// The stack that runs.
const OLD: &str = "\
version: 1
name: shop
children:
  - {name: db, kind: process, command: [sleep, 1001]}
  - {name: web, kind: process, command: [sleep, 1002], dependencies: [db]}
  - {name: gone, kind: process, command: [sleep, 1003]}
  - {name: before, kind: process, command: [sleep, 1004]}
  - {name: same, kind: process, command: [sleep, 1005]}
";

/// It with one of each change.
const NEW: &str = "\
version: 1
name: shop
children:
  - {name: db, kind: process, command: [sleep, 1001], tags: [blue]}
  - {name: web, kind: process, command: [sleep, 2002], dependencies: [db]}
  - {name: after, kind: process, command: [sleep, 1004]}
  - {name: same, kind: process, command: [sleep, 1005]}
  - {name: more, kind: process, command: [sleep, 1006]}
";

/// A program that never becomes ready.
const NEVER: &str = "  - {name: slow, kind: process, command: [sleep, 1007], readiness: {log_line: never}, \
                     ready_within_secs: 1}\n";

const ALL: [&str; 5] = ["sleep 1001", "sleep 1002", "sleep 1003", "sleep 1004", "sleep 1005"];

/// The old stack, all of it up, started with these arguments.
fn run_with(args: &[&str]) -> Run {
    let run = Run::start(home(), OLD, &[&["--output", "json"], args].concat());
    up(run)
}

fn up(mut run: Run) -> Run {
    run.event("ChildRunning", "/");
    run.processes_with(&ALL);
    run
}

/// The binary, in the home of a run.
fn say(run: &Run, args: &[&str]) -> Said {
    say_with(run.home.path(), args)
}

fn say_with(home: &Path, args: &[&str]) -> Said {
    supervisor(home).args(args).env_remove("SUPERVISOR_SOCKET").output().unwrap().into()
}

/// Another file beside that of the run.
fn beside(run: &Run, name: &str, text: &str) -> String {
    let path = run.home.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn pid(run: &Run, command: &str) -> Option<Pid> {
    run.processes()
        .into_iter()
        .find(|process| process.command.starts_with(command))
        .map(|process| process.pid)
}

#[test]
fn d12_a_plan_says_who_comes_who_goes_and_which_keys_differ_and_changes_nothing() {
    let run = run_with(&[]);
    let new = beside(&run, "new.yaml", NEW);
    say(&run, &["plan", &new]).is("
shop: 2 added, 2 removed, 1 restarted, 1 changed while running, 1 untouched
  - /gone
  > /before -> /after
  + /more
  ! /web  command
  ~ /db  tags
");
    let answer = say(&run, &["plan", &new, "--output", "json"]).json();
    assert_eq!(
        answer,
        json!({"type": "plan", "target_id": "shop",
            "plan": {"added": ["/after", "/more"], "removed": ["/before", "/gone"], "restarted": ["/web"],
                "updated": ["/db"], "unchanged": 1},
            "details": {"changed": [{"child_path": "/web", "keys": ["command"]}, {"child_path": "/db", "keys": ["tags"]}],
                "renamed": [{"from": "/before", "to": "/after"}]}})
    );
    let old = beside(&run, "old.yaml", OLD);
    say(&run, &["plan", &old]).is("shop: nothing changes");
    run.processes_with(&ALL);
    assert_eq!(pid(&run, "sleep 2002"), None);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn d12_a_file_is_applied_after_a_yes_and_who_it_does_not_touch_keeps_its_process() {
    let run = run_with(&[]);
    let new = beside(&run, "new.yaml", NEW);
    let asked = say(&run, &["apply", &new, "--reason", "x"]);
    asked.fails(2, &["This makes shop be as the file says", "> /before -> /after", "`--yes`"]);
    let kept = ["sleep 1001", "sleep 1005"].map(|command| pid(&run, command).unwrap());

    let done = say(&run, &["apply", &new, "--reason", "x", "--yes"]);
    done.is("shop: 2 added, 2 removed, 1 restarted, 1 changed while running, 1 untouched");
    run.processes_with(&["sleep 1001", "sleep 2002", "sleep 1004", "sleep 1005", "sleep 1006"]);
    assert_eq!(["sleep 1001", "sleep 1005"].map(|command| pid(&run, command).unwrap()), kept);
    assert_eq!((pid(&run, "sleep 1002"), pid(&run, "sleep 1003")), (None, None));
    // The text was taken once: the file of the run is as it was.
    say(&run, &["reload", "--reason", "back", "--yes"])
        .is("shop: 2 added, 2 removed, 1 restarted, 1 changed while running, 1 untouched");
    run.processes_with(&ALL);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn d12_who_has_another_name_is_stopped_before_it_is_started_under_it() {
    let mut run = run_with(&[]);
    let new = beside(&run, "new.yaml", NEW);
    assert_eq!(say(&run, &["apply", &new, "--reason", "x", "--yes"]).code, Some(0));
    run.event("ChildRunning", "/more");
    let seen: Vec<Value> = run.seen.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at = |kind: &str, path: &str| {
        let is_it =
            |value: &Value| value["event"]["event_type"] == kind && value["event"]["target_path"] == path;
        seen.iter().position(is_it).unwrap()
    };
    let removed = at("ChildRuntimeStateRemoved", "/before").max(at("ChildRuntimeStateRemoved", "/gone"));
    assert!(removed < at("ChildStarting", "/after").min(at("ChildStarting", "/more")));
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_file_with_mistakes_is_told_with_its_lines_and_changes_nothing() {
    let run = run_with(&[]);
    let before = ALL.map(|command| pid(&run, command).unwrap());
    let bad = beside(&run, "bad.yaml", &NEW.replace("kind: process", "kind: proces"));
    for args in [&["plan", &bad][..], &["apply", &bad, "--reason", "x", "--yes"]] {
        let said = say(&run, args);
        said.fails(
            1,
            &["bad.yaml:4:22: error: /db", "did you mean `process`?", "bad.yaml:8:24: error: /more"],
        );
    }
    // What the run says of its own file comes on one line, and is shown on several.
    file(run.home.path(), &NEW.replace("kind: process", "kind: proces"));
    let said = say(&run, &["reload", "--reason", "x", "--yes"]);
    said.fails(1, &["stack.yaml:4:22: error: /db"]);
    assert!(said.err.lines().count() > 2 && !said.err.contains("u{a}"), "{}", said.err);
    say(&run, &["plan", "nothere.yaml"]).fails(2, &["cannot read nothere.yaml"]);
    assert_eq!(ALL.map(|command| pid(&run, command).unwrap()), before);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn d12_a_file_with_which_somebody_does_not_come_up_is_taken_back_unless_that_is_not_wanted() {
    let run = run_with(&[]);
    let bad = beside(&run, "bad.yaml", &format!("{}{NEVER}", NEW.replace("2002", "3002")));
    let kept = pid(&run, "sleep 1005").unwrap();
    let said = say(&run, &["apply", &bad, "--reason", "x", "--yes"]);
    said.fails(1, &["command_failed", "/slow is", "the spec from before is applied again"]);
    run.processes_with(&ALL);
    assert_eq!(pid(&run, "sleep 3002"), None);

    let said = say(&run, &["apply", &bad, "--reason", "x", "--yes", "--no-rollback"]);
    said.fails(1, &["the new spec is applied, but /slow is", "the tree goes on trying"]);
    run.processes_with(&["sleep 1001", "sleep 3002", "sleep 1004", "sleep 1005", "sleep 1006"]);
    assert_eq!(pid(&run, "sleep 1005"), Some(kept));
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn the_run_that_a_file_is_for_is_found_by_its_name() {
    let home = home();
    let other = OLD.replace("name: shop", "name: other").replace("sleep, 10", "sleep, 90");
    let mut first = Run::start(home, &other, &["--output", "json"]);
    first.event("ChildRunning", "/");
    // A second run of the same user, with another name.
    let file = file(first.home.path(), OLD);
    let mut second = supervisor(first.home.path());
    second.args(["run", "--dashboard", "off"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let mut second = second.spawn().unwrap();
    first.processes_with(&ALL);
    say(&first, &["tree"]).fails(2, &["several targets run here"]);
    say(&first, &["plan", file.to_str().unwrap()]).is("shop: nothing changes");
    let stranger = beside(&first, "stranger.yaml", &OLD.replace("name: shop", "name: stranger"));
    say(&first, &["plan", &stranger]).fails(3, &["the stack `stranger` does not run here"]);
    rustix::process::kill_process(Pid::from_child(&second), Signal::TERM).unwrap();
    assert!(second.wait().unwrap().success());
    assert_eq!(first.stop().code, Some(0));
}

#[test]
fn sighup_applies_the_file_again_and_tells_what_is_wrong_with_it() {
    let mut run = run_with(&[]);
    let kept = pid(&run, "sleep 1005").unwrap();
    file(run.home.path(), &NEW.replace("kind: process", "kind: proces"));
    run.signal(Signal::HUP);
    file_is_refused_then(&mut run, NEW);
    assert_eq!(pid(&run, "sleep 1005"), Some(kept));
    let end = run.stop();
    assert_eq!(end.code, Some(0));
    assert!(
        end.err.contains("stack.yaml:4:22: error: /db") && end.err.contains("SIGHUP: not reloaded"),
        "{}",
        end.err
    );
    assert!(end.err.contains("SIGHUP: reloaded: 2 added, 2 removed, 1 restarted"), "{}", end.err);
}

/// Puts a good file there and asks until it is taken: a hangup while the one before is looked at is the same hangup.
fn file_is_refused_then(run: &mut Run, text: &str) {
    run.error("not reloaded");
    file(run.home.path(), text);
    run.signal(Signal::HUP);
    let applied = run.event("SpecApplied", "/");
    assert_eq!(applied["event"]["payload"]["requested_by"], "supervisor run", "{applied}");
    run.event("ChildRunning", "/more");
    run.processes_with(&["sleep 1001", "sleep 2002", "sleep 1004", "sleep 1005", "sleep 1006"]);
}

#[test]
fn sighup_works_without_a_socket_and_a_dashboard() {
    let mut run = run_with(&["--no-socket"]);
    file(run.home.path(), NEW);
    run.signal(Signal::HUP);
    run.event("ChildRunning", "/more");
    run.processes_with(&["sleep 1001", "sleep 2002", "sleep 1004", "sleep 1005", "sleep 1006"]);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_file_that_is_watched_is_applied_when_it_has_changed_and_taken_back_when_that_does_not_work() {
    let mut run = run_with(&["--watch"]);
    file(run.home.path(), NEW);
    run.event("SpecApplied", "/");
    run.event("ChildRunning", "/more");
    run.processes_with(&["sleep 1001", "sleep 2002", "sleep 1004", "sleep 1005", "sleep 1006"]);
    file(run.home.path(), &format!("{}{NEVER}", NEW.replace("2002", "3002")));
    run.event("SpecApplied", "/");
    run.event("SpecApplied", "/");
    run.error("/slow is");
    run.processes_with(&["sleep 1001", "sleep 2002", "sleep 1004", "sleep 1005", "sleep 1006"]);
    assert_eq!(pid(&run, "sleep 3002"), None);
    assert_eq!(run.stop().code, Some(0));
}

/// A terminal of which the run is the session: what is left of it is the person's end.
fn at_a_terminal(words: &[&str]) -> (File, Run) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
    let program = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let run = Run::under(home(), OLD, |ours: Command| {
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(words).arg(ours.get_program()).args(ours.get_args()).stdin(program);
        command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    });
    (File::from(person), up(run))
}

#[test]
fn a_run_whose_terminal_is_gone_stops_in_order() {
    let (person, mut run) = at_a_terminal(&[]);
    drop(person);
    let stop = run.event("ShutdownRequested", "/");
    assert_eq!(stop["event"]["payload"]["reason"], "the terminal is gone", "{stop}");
    assert_eq!(run.end().code, Some(0));
}

#[test]
fn a_run_whose_terminal_goes_while_a_file_is_applied_does_not_wait_for_that() {
    let (person, mut run) = at_a_terminal(&[]);
    file(
        run.home.path(),
        &format!("{OLD}{}", NEVER.replace("ready_within_secs: 1}", "ready_within_secs: 600}")),
    );
    run.signal(Signal::HUP);
    run.event("ChildStarting", "/slow");
    drop(person);
    let stop = run.event("ShutdownRequested", "/");
    assert_eq!(stop["event"]["payload"]["reason"], "the terminal is gone", "{stop}");
    assert_eq!(run.end().code, Some(0));
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let (person, run) = at_a_terminal(&["nohup"]);
    drop(person);
    // A hangup would have come before this.
    run.signal(Signal::HUP);
    assert_eq!(say(&run, &["health"]).code, Some(0));
    let end = run.stop();
    assert_eq!(end.code, Some(0));
    assert!(!end.err.contains("reloaded"), "{}", end.err);
}

#[test]
fn what_would_happen_is_told_and_does_not() {
    let run = run_with(&[]);
    say(&run, &["what-if", "crash", "/db"]).is("/db: restarted");
    say(&run, &["what-if", "stop", "db"]).is("/db: paused");
    say(&run, &["what-if", "restart", "db"]).is("/db: restarted");
    let new = beside(&run, "new.yaml", NEW);
    let said = say(&run, &["what-if", "apply", &new]);
    for line in ["/after: running", "/more: running", "/before: removed", "/gone: removed", "/web: restarted"]
    {
        assert!(said.out.lines().any(|said| said == line), "{line}: {}", said.out);
    }
    let down = say(&run, &["what-if", "shutdown", "--output", "json"]).json();
    assert_eq!(down["what_if"]["affected"].as_array().unwrap().len(), 6, "{down}");
    say(&run, &["what-if", "crash"]).fails(2, &["say which child"]);
    say(&run, &["what-if", "apply"]).fails(2, &["say which file"]);
    say(&run, &["what-if", "shutdown", "/db"]).fails(2, &["leave the path out"]);
    say(&run, &["what-if", "remove", "/db"]).fails(1, &["/web", "depends on"]);
    say(&run, &["what-if", "crash", "/"]).fails(1, &["/ is a supervisor"]);
    say(&run, &["what-if", "crash", "/nobody"]).fails(1, &["there is no child /nobody"]);
    run.processes_with(&ALL);
    say(&run, &["pause", "/gone", "--reason", "x"]);
    say(&run, &["what-if", "crash", "/gone"]).fails(1, &["/gone is paused and has no run that could fail"]);
    assert_eq!(run.stop().code, Some(0));
}

/// A stack with a variable without a default.
const VARIED: &str = "\
version: 1
name: \"${stack}\"
variables: {stack: shop, secs: ~}
children:
  - {name: web, kind: process, command: [sleep, \"${secs}\"]}
";

/// It ended well.
#[track_caller]
fn good(said: Said) {
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
}

#[test]
fn variables_are_set_where_the_file_is_read_and_a_run_keeps_its_own() {
    let mut run =
        Run::start_with(home(), VARIED, &["--output", "json", "--set", "secs=3001"], &[("stack", "shop")]);
    run.event("ChildRunning", "/");
    run.processes_with(&["sleep 3001"]);
    let path = run.home.path().join("stack.yaml").to_str().unwrap().to_owned();
    let set = |value: &'static str| ["--set", value];
    let check = |args: &[&str]| say(&run, &[&["check", &path], args].concat());
    check(&[]).fails(78, &["stack.yaml:3:26: error: the variable 'secs' has no value", "--set secs=VALUE"]);
    good(check(&set("secs=1")));
    check(&["--set", "secs=1", "--set", "sec=1"]).fails(78, &["'sec'", "did you mean `secs`?"]);
    say(&run, &["plan", &path]).fails(1, &["nothing was changed", "stack.yaml:3:26:"]);
    say(&run, &[&["plan", &path][..], &set("secs=3001")].concat()).is("shop: nothing changes");
    say(&run, &[&["plan", &path][..], &set("secs=3002")].concat())
        .is("shop: 1 restarted, 0 untouched\n  ! /web  command");
    good(say(&run, &[&["what-if", "apply", &path][..], &set("secs=3002")].concat()));
    good(say(&run, &[&["apply", &path, "--reason", "x", "--yes"][..], &set("secs=3002")].concat()));
    run.processes_with(&["sleep 3002"]);
    good(say(&run, &["reload", "--reason", "x", "--yes"]));
    run.processes_with(&["sleep 3001"]);
    // A mistake is told where it is in the file, and not in what was sent.
    let bad = beside(&run, "bad.yaml", &VARIED.replace("process", "proces"));
    say(&run, &[&["plan", &bad][..], &set("secs=1")].concat())
        .fails(1, &["bad.yaml:5:23:", "did you mean `process`?"]);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn more_and_fewer_replicas_leave_the_others_alone() {
    let text = |many: u32| {
        format!(
            "version: 1\nname: shop\nchildren:\n  - {{name: web, kind: process, replicas: {many}, command: [sleep, '400${{replica}}']}}\n"
        )
    };
    let mut run = Run::start(home(), &text(4), &["--output", "json"]);
    run.event("ChildRunning", "/");
    run.processes_with(&["sleep 4001", "sleep 4002", "sleep 4003", "sleep 4004"]);
    let kept = ["sleep 4001", "sleep 4002"].map(|command| pid(&run, command).unwrap());
    let (six, two) = (beside(&run, "six.yaml", &text(6)), beside(&run, "two.yaml", &text(2)));
    say(&run, &["plan", &six]).is("shop: 2 added, 4 untouched\n  + /web-5\n  + /web-6");
    good(say(&run, &["apply", &six, "--reason", "x", "--yes"]));
    run.processes_with(&["sleep 4001", "sleep 4002", "sleep 4003", "sleep 4004", "sleep 4005", "sleep 4006"]);
    say(&run, &["apply", &two, "--reason", "x", "--yes"]).is("shop: 4 removed, 2 untouched");
    run.processes_with(&["sleep 4001", "sleep 4002"]);
    assert_eq!(["sleep 4001", "sleep 4002"].map(|command| pid(&run, command).unwrap()), kept);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_run_keeps_the_profiles_that_it_was_started_with() {
    let text = |more: &str| {
        format!(
            "version: 1\nname: shop\nchildren:\n  - {{name: web, kind: process, command: [sleep, 5001]}}\n  \
             - {{name: mail, kind: process, command: [sleep, 5002], profiles: [dev]}}\n  \
             - {{name: probe, kind: process, command: [sleep, 5003], profiles: [test]}}\n{more}"
        )
    };
    let mut run = Run::start(home(), &text(""), &["--output", "json", "--profile", "dev"]);
    run.event("ChildRunning", "/");
    run.processes_with(&["sleep 5001", "sleep 5002"]);
    let path = run.home.path().join("stack.yaml").to_str().unwrap().to_owned();
    say(&run, &["plan", &path, "--profile", "dev"]).is("shop: nothing changes");
    say(&run, &["plan", &path]).is("shop: 1 removed, 1 untouched\n  - /mail");
    say(&run, &["plan", &path, "--profile", "dev", "--profile", "test"])
        .is("shop: 1 added, 2 untouched\n  + /probe");
    let by_variable = |profiles: &str| {
        let mut command = supervisor(run.home.path());
        command.args(["plan", &path]).env("SUPERVISOR_PROFILES", profiles).env_remove("SUPERVISOR_SOCKET");
        Said::from(command.output().unwrap())
    };
    by_variable("dev,test").is("shop: 1 added, 2 untouched\n  + /probe");
    by_variable("").is("shop: 1 removed, 1 untouched\n  - /mail");
    let check = say(&run, &["check", &path, "--profile", "prod"]);
    check.fails(78, &["the profile 'prod' is selected, and no child is in it; there are dev, test"]);
    file(run.home.path(), &text("  - {name: more, kind: process, command: [sleep, 5004]}\n"));
    run.signal(Signal::HUP);
    run.processes_with(&["sleep 5001", "sleep 5002", "sleep 5004"]);
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn a_run_that_watches_its_file_sees_what_that_includes() {
    let text = "version: 1\nname: shop\ninclude: ['conf.d/*.yaml']\nchildren:\n  - {name: web, kind: process, command: [sleep, 6001]}\n";
    let home = home();
    std::fs::create_dir(home.path().join("conf.d")).unwrap();
    let mut run = Run::start(home, text, &["--output", "json", "--watch"]);
    run.event("ChildRunning", "/");
    run.processes_with(&["sleep 6001"]);
    let kept = pid(&run, "sleep 6001");
    let child =
        |secs: u32| format!("children:\n  - {{name: more, kind: process, command: [sleep, {secs}]}}\n");
    for secs in [6002, 6003] {
        beside(&run, "conf.d/more.yaml", &child(secs));
        run.processes_with(&["sleep 6001", &format!("sleep {secs}")]);
    }
    let path = run.home.path().join("stack.yaml").to_str().unwrap().to_owned();
    say(&run, &["plan", &path]).is("shop: nothing changes");
    // A mistake there is told with its line, and changes nothing.
    beside(&run, "conf.d/more.yaml", "children:\n  - {name: more, kind: proces}\n");
    run.error("conf.d/more.yaml:2:");
    std::fs::remove_file(run.home.path().join("conf.d/more.yaml")).unwrap();
    run.event("ChildRuntimeStateRemoved", "/more");
    assert_eq!(pid(&run, "sleep 6001"), kept);
    assert_eq!(run.stop().code, Some(0));
}
