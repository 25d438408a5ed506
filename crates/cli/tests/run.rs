//! `supervisor run` with real programs: they come back, they are stopped in order, none is left.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Run, file, home, processes, quickstart_text, supervisor, wait_gone};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

/// The programs of the example: path, and a text that is in the command of that program alone.
const QUICKSTART: [(&str, &str); 5] = [
    ("/web", "http.server"),
    ("/visitor", "web is up"),
    ("/flaky", "on purpose"),
    ("/pipeline/producer", "echo produced"),
    ("/pipeline/consumer", "echo consumed"),
];

fn quickstart() -> Run {
    let mut run = Run::json(&quickstart_text());
    run.event("ChildRunning", "/");
    run
}

/// Waits until each of these paths was killed, and then until each runs again.
fn killed_and_back(run: &mut Run, paths: &[&str]) {
    let mut killed: Vec<&str> = paths.to_vec();
    let mut down: Vec<&str> = paths.to_vec();
    while !killed.is_empty() || !down.is_empty() {
        let line = run.value(|line| line["type"] == "event");
        let event = &line["event"];
        let path = event["target_path"].as_str().unwrap();
        let payload = &event["payload"];
        if payload["exit"]["kind"] == "killed" && payload["exit"]["signal"] == 9 {
            assert_eq!(payload["exit"]["by_us"], false, "{event}");
            assert!(payload["next_in_ms"].as_u64().unwrap_or(0) <= 6_000, "within the back-off: {event}");
            killed.retain(|other| *other != path);
        }
        let runs = ["ChildRunning", "ChildRestarted"].contains(&event["event_type"].as_str().unwrap());
        if runs && !killed.contains(&path) {
            down.retain(|other| *other != path);
        }
    }
}

#[test]
fn every_program_of_the_quickstart_comes_back_when_it_is_killed_alone_and_with_all_others() {
    let mut run = quickstart();
    for (path, text) in QUICKSTART {
        kill_process(run.program(text), Signal::KILL).unwrap();
        killed_and_back(&mut run, &[path]);
    }
    let pids = QUICKSTART.map(|(_, text)| run.program(text));
    // Otherwise the end of one of the pipeline could stop the other before it is killed.
    run.at_one_moment(|| pids.into_iter().for_each(|pid| kill_process(pid, Signal::KILL).unwrap()));
    killed_and_back(&mut run, &QUICKSTART.map(|(path, _)| path));
    let end = run.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
}

#[test]
fn the_quickstart_runs_without_python_too() {
    let home = home();
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for program in ["sh", "sleep"] {
        std::os::unix::fs::symlink(format!("/bin/{program}"), bin.join(program)).unwrap();
    }
    let text = quickstart_text().replace(
        "defaults:\n",
        &format!("defaults:\n    environment: [{{name: PATH, value: {}}}]\n", bin.display()),
    );
    let mut run = Run::start(home, &text, &["--output", "json"]);
    run.output("/web", "Serving nothing: there is no python3");
    run.output("/visitor", "hello, web is up");
    assert_eq!(run.stop().code, Some(0));
}

#[test]
fn sigterm_stops_the_quickstart_in_reverse_order_and_leaves_no_process() {
    let run = quickstart();
    let before = run.processes_with(&["sleep 5 ", "sleep 1000 "]);
    assert!(before.len() >= 8, "{before:?}");
    let home = run.home.path().to_owned();
    run.signal(Signal::TERM);
    // The guardian ends an instant after the supervisor.
    wait_gone(&before);
    let end = run.end();
    assert_eq!((end.code, end.err.as_str()), (Some(0), ""));
    let expected = ["/pipeline", "/pipeline/consumer", "/pipeline/producer", "/flaky", "/visitor", "/web"];
    assert_eq!(end.paths_of("ChildStopping"), expected);
    assert!(end.values().iter().any(|line| line["event"]["payload"]["requested_by"] == "SIGTERM"));
    assert_eq!(processes(&home).len(), 0);
    for (path, _) in QUICKSTART {
        assert_eq!(end.outcome(path)["exit"]["kind"], "stopped", "{path}");
    }
}

const FAMILY: &str = r#"
version: 1
name: family
children:
  - name: parent
    kind: process
    command: [sh, -c, "sh -c 'echo grandchild is up; exec sleep 1000' & exec sleep 1001"]
    shutdown: {graceful_timeout_ms: 60000}
"#;

#[test]
fn sigkill_of_the_supervisor_leaves_no_process_grandchildren_included() {
    let mut run = Run::json(FAMILY);
    run.output("/parent", "grandchild is up");
    let before = run.processes_with(&["sleep 1000 ", "sleep 1001 "]);
    run.signal(Signal::KILL);
    wait_gone(&before);
    assert_eq!(run.processes().len(), 0);
}

#[test]
fn the_end_of_a_program_takes_its_grandchildren_along() {
    let mut run = Run::json(FAMILY);
    run.output("/parent", "grandchild is up");
    let first = run.processes_with(&["sleep 1000 ", "sleep 1001 "]);
    let first: Vec<_> = first.into_iter().filter(|process| process.command.contains("sleep")).collect();
    kill_process(run.program("sleep 1001"), Signal::KILL).unwrap();
    wait_gone(&first);
    run.event("ChildRestarted", "/parent");
    assert_eq!(run.stop().code, Some(0));
}

/// A program that does not mind SIGTERM and says so, again and again.
const STUBBORN: &str = r#"
version: 1
name: stubborn
children:
  - name: deaf
    kind: process
    command: [sh, -c, "trap 'echo asked' TERM; echo up; while :; do sleep 0.05; echo beat; done"]
    shutdown: {graceful_timeout_ms: infinity, abort_wait_ms: 60000}
"#;

#[test]
fn d20_a_second_signal_skips_the_grace_of_a_program_that_ignores_the_first() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut run = Run::json(STUBBORN);
        run.output("/deaf", "up");
        run.signal(signal);
        run.output("/deaf", "asked");
        // Well after the first, so that it is not the same request sent twice.
        (0..4).for_each(|_| run.output("/deaf", "beat"));
        run.signal(signal);
        let end = run.end();
        assert_eq!(end.code, Some(0), "{}", end.err);
        let exit = end.outcome("/deaf")["exit"].clone();
        assert_eq!((&exit["kind"], &exit["by_us"]), (&"killed".into(), &true.into()));
    }
}

#[test]
fn a_signal_that_is_sent_twice_at_once_is_one_request() {
    let mut run = Run::json(
        r#"
version: 1
name: twice
children:
  - name: tidy
    kind: process
    command: [sh, -c, "trap 'sleep 0.3; echo tidied; exit 0' TERM; echo up; while :; do sleep 0.05; done"]
    shutdown: {graceful_timeout_ms: 60000}
"#,
    );
    run.output("/tidy", "up");
    run.at_one_moment(|| [Signal::TERM, Signal::INT].into_iter().for_each(|signal| run.signal(signal)));
    let end = run.end();
    assert_eq!(end.outcome("/tidy")["exit"]["kind"], "stopped");
    assert_eq!(end.code, Some(0));
}

#[test]
fn the_files_own_limit_cuts_a_stop_that_takes_too_long() {
    let limited =
        STUBBORN.replace("children:", "supervisor: {shutdown: {graceful_timeout_ms: 200}}\nchildren:");
    let mut run = Run::json(&limited);
    run.output("/deaf", "up");
    let end = run.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert_eq!(end.outcome("/deaf")["exit"]["by_us"], true);
    let cut = end.values().into_iter().find(|line| line["event"]["event_type"] == "ShutdownPhaseChanged");
    let reason = cut.unwrap()["event"]["payload"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("graceful_timeout_ms: 200"), "{reason}");
}

#[test]
fn a_second_run_of_the_same_stack_is_refused_with_73_and_names_the_first() {
    let mut run = Run::json(STUBBORN);
    run.output("/deaf", "up");
    let again =
        supervisor(run.home.path()).arg("run").arg(run.home.path().join("stack.yaml")).output().unwrap();
    let said = String::from_utf8(again.stderr).unwrap();
    assert_eq!(again.status.code(), Some(73), "{said}");
    let pid = run.pid().as_raw_nonzero();
    assert!(said.contains(&format!("`stubborn` runs already as process {pid}")), "{said}");
}

#[test]
fn json_output_is_one_object_per_line_whatever_programs_print() {
    let run = Run::json(
        r#"
version: 1
name: json
children:
  - name: talker
    kind: process
    role: job
    command: [sh, -c, "printf '\"quoted\" \\\\ \\033[31mred\\377\\n{\"type\": 1}\\nno newline at the end'; echo oops >&2"]
"#,
    );
    let end = run.end();
    assert_eq!(end.code, Some(0), "{}", end.err);
    let values = end.values();
    assert!(values.iter().all(|line| line["type"].is_string() && line["target_id"] == "json"), "{values:?}");
    assert!(end.out.iter().all(|line| line.starts_with(r#"{"type":""#)));
    let said: Vec<&Value> =
        values.iter().filter(|line| line["type"] == "log").map(|line| &line["log"]).collect();
    let of = |stream: &str| {
        let lines = said.iter().filter(|log| log["fields"]["stream"] == stream);
        lines.map(|log| log["message"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of("stdout")[1..], ["{\"type\": 1}", "no newline at the end"]);
    assert!(of("stdout")[0].starts_with("\"quoted\" \\ ") && !of("stdout")[0].contains('\u{1b}'));
    assert_eq!(of("stderr"), ["oops"]);
    let sequences: Vec<u64> = values.iter().filter_map(|line| line["event"]["sequence"].as_u64()).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
}

const TALK: &str = r#"
version: 1
name: talk
children:
  - {name: talker, kind: process, role: job, command: [sh, -c, "echo hello; exit 3"]}
"#;

#[test]
fn text_output_has_a_line_per_event_and_programs_after_their_path() {
    let end = Run::start(home(), TALK, &[]).end();
    let text = end.out.join("\n");
    let has = |words: &str| end.out.iter().any(|line| line.contains(words));
    assert!(has("talk: 1 child from "), "{text}");
    assert!(has(" /talker running"), "{text}");
    assert!(has(" /talker | hello"), "{text}");
    assert!(has(" /talker ended: failed: exit code 3 [ran "), "{text}");
    assert!(has("talk is down after ") && has(": nothing is left to do"), "{text}");
    assert_eq!(end.out.last().unwrap(), "  /talker  failed: exit code 3");
    assert!(!text.contains('\u{1b}'), "no colour without a terminal");
    assert_eq!(end.err, "supervisor: /talker failed: exit code 3\n");
}

#[test]
fn colour_comes_when_it_is_asked_for() {
    let coloured = Run::start(home(), TALK, &["--color", "always"]).end();
    assert!(coloured.out.iter().all(|line| line.contains("\u{1b}[")), "{:?}", coloured.out);
    let plain = Run::start(home(), TALK, &["--color=never"]).end();
    assert!(!plain.out.iter().any(|line| line.contains('\u{1b}')));
}

#[test]
fn a_reader_that_goes_away_stops_nothing() {
    let home = home();
    let path = file(
        home.path(),
        r#"
version: 1
name: unread
children:
  - name: writer
    kind: process
    command: [sh, -c, "trap 'echo done > $HOME/done; exit 0' TERM; while :; do echo line; sleep 0.01; done"]
    shutdown: {graceful_timeout_ms: 60000}
"#,
    );
    let mut command = supervisor(home.path());
    command.arg("run").arg(path).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
    // The third, so that what is gone is met while programs write.
    lines.find(|line| line.as_ref().unwrap().ends_with("| line")).unwrap().unwrap();
    drop(lines);
    kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(home.path().join("done").exists(), "the program was asked to stop");
}

#[test]
fn a_reader_that_does_not_read_holds_up_nobody() {
    let home = home();
    let path = file(
        home.path(),
        r#"
version: 1
name: flood
children:
  - name: flood
    kind: process
    role: job
    command: [sh, -c, "yes | head -c 200000"]
"#,
    );
    let mut command = supervisor(home.path());
    command.arg("run").arg(path).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Held open and never read. Its program ends all the same, and so does the stack.
    let stdout = child.stdout.take().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(stdout);
}
