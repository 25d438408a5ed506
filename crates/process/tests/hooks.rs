//! What runs before a program is started, and after it has ended.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::time::Duration;

use common::{Bench, LONG, until};
use supervisor_api::Exit;
use supervisor_process::{Probe, ProgramSpec, Readiness};

fn sh(script: &str) -> ProgramSpec {
    ProgramSpec::new("sh").args(["-c", script])
}

fn shell(script: &str) -> [&str; 3] {
    ["sh", "-c", script]
}

/// A hook that tells how the program ended.
const TELLS: [&str; 3] = ["sh", "-c", "echo post ${EXIT_CODE-none} ${EXIT_STATUS-none}"];

/// Runs it to its end by itself.
async fn over(spec: ProgramSpec) -> (Exit, String, Vec<String>) {
    let bench = Bench::new();
    let exit = bench.start(spec).await.unwrap();
    (exit, bench.text(), bench.seen().warnings)
}

#[tokio::test]
async fn hooks_run_before_and_after_in_the_surroundings_of_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let spec = sh("echo run; pwd -P > /dev/null; test -e made")
        .working_dir(dir.path())
        .env("WHO", "me")
        .umask(0o077)
        .pre_start(shell("touch made; umask; echo pre $WHO; pwd -P"), LONG)
        .post_stop(shell("echo post $WHO $EXIT_CODE $EXIT_STATUS; umask; pwd -P"), LONG);
    let (exit, text, warnings) = over(spec).await;
    let here = dir.path().canonicalize().unwrap().display().to_string();
    assert_eq!(text, format!("0077\npre me\n{here}\nrun\npost me exited 0\n0077\n{here}"));
    assert_eq!((exit, warnings), (Exit::Completed, vec![]));
}

#[tokio::test]
async fn post_stop_is_told_how_the_program_ended() {
    for (script, words, exit) in [
        ("exit 0", "exited 0", Exit::Completed),
        ("exit 3", "exited 3", Exit::failed("exit code 3")),
        ("kill -9 $$", "killed KILL", Exit::Killed { signal: 9, by_us: false }),
        ("kill -USR1 $$", "killed USR1", Exit::Killed { signal: 10, by_us: false }),
    ] {
        let (ended, text, _) = over(sh(script).post_stop(TELLS, LONG)).await;
        assert_eq!((text, ended), (format!("post {words}"), exit));
    }
    let (ended, text, _) = over(ProgramSpec::new("/no/such/program").post_stop(TELLS, LONG)).await;
    assert_eq!(text, "post none none");
    assert!(matches!(ended, Exit::Failed { .. }), "{ended}");
}

#[tokio::test]
async fn a_pre_start_that_ends_badly_is_a_failed_start() {
    for (script, limit, words) in [
        ("echo the disk is full >&2; exit 4", LONG, "pre_start: exit code 4: the disk is full"),
        ("kill -9 $$", LONG, "pre_start: killed by SIGKILL"),
        ("sleep 1000", Duration::from_millis(30), "pre_start: not done within 30ms, killed"),
    ] {
        let spec = sh("echo run").pre_start(shell(script), limit).post_stop(TELLS, LONG);
        let (exit, text, _) = over(spec).await;
        assert_eq!(exit, Exit::failed(words));
        assert!(text.ends_with("post none none") && !text.contains("run"), "{text}");
    }
    let (exit, _, _) = over(sh("echo run").pre_start(["/no/such/hook"], LONG)).await;
    assert!(exit.to_string().contains("pre_start: cannot start `/no/such/hook`"), "{exit}");
}

#[tokio::test]
async fn a_pre_start_is_stopped_and_killed_as_the_program_would_be() {
    let stopped = |script: &str| sh("echo run").pre_start(shell(script), LONG);
    let bench = Bench::new();
    let run = bench.start(stopped("echo up; exec sleep 1000"));
    bench.until("up", |seen| !seen.lines.is_empty()).await;
    assert_eq!(bench.seen().phases, ["runs its pre_start"]);
    assert_eq!(bench.seen().pid, None, "it is not the program");
    bench.stop();
    assert_eq!((run.await.unwrap(), bench.text().as_str()), (Exit::Stopped, "up"));

    let bench = Bench::new();
    let run = bench.start(stopped("trap 'echo heard' TERM; echo up; while :; do sleep 0.01; done"));
    bench.until("up", |seen| !seen.lines.is_empty()).await;
    bench.stop();
    bench.until("heard", |seen| seen.lines.len() > 1).await;
    bench.kill();
    assert_eq!(run.await.unwrap(), Exit::Killed { signal: 9, by_us: true });
}

#[tokio::test]
async fn what_a_pre_start_says_does_not_make_the_program_ready() {
    let bench = Bench::new();
    let spec = sh("read line; echo READY; exec sleep 1000")
        .stdin(supervisor_process::Input::File("/dev/null".into()))
        .pre_start(shell("echo READY"), LONG)
        .readiness(Readiness::probe(Probe::log_line("READY")));
    let held = sh("echo not yet; exec sleep 1000")
        .pre_start(shell("echo READY"), LONG)
        .readiness(Readiness::probe(Probe::log_line("READY")));
    let run = bench.start(spec);
    bench.until("ready", |seen| seen.ready).await;
    assert_eq!(bench.text(), "READY\nREADY");
    bench.stop();
    run.await.unwrap();
    let bench = Bench::new();
    let run = bench.start(held);
    bench.until("up", |seen| seen.lines.len() == 2).await;
    assert!(!bench.seen().ready);
    bench.stop();
    run.await.unwrap();
}

#[tokio::test]
async fn post_stop_has_its_time_beside_the_grace_of_the_program() {
    let bench = Bench::new();
    let stubborn = sh("trap '' TERM; echo up; while :; do sleep 0.01; done").post_stop(TELLS, LONG);
    let run = bench.start(stubborn);
    bench.until("up", |seen| !seen.lines.is_empty()).await;
    // All but 50 ms are for the hook, and nobody else kills the program.
    bench.stop_within(LONG + Duration::from_millis(50));
    assert_eq!(run.await.unwrap(), Exit::Killed { signal: 9, by_us: true });
    assert_eq!(bench.text(), "up\npost killed KILL");
    assert_eq!(
        bench.seen().warnings[0],
        "did not stop in time and is killed, so that post_stop has its time"
    );
}

#[tokio::test]
async fn a_pre_start_leaves_post_stop_its_time_and_hears_the_signals_of_the_escalation() {
    let hook = |script| sh("echo run").pre_start(shell(script), LONG).post_stop(TELLS, LONG);
    let bench = Bench::new();
    let run = bench.start(hook("trap '' TERM; echo up; while :; do sleep 0.01; done"));
    bench.until("up", |seen| !seen.lines.is_empty()).await;
    bench.stop_within(LONG + Duration::from_millis(50));
    assert_eq!(run.await.unwrap(), Exit::Killed { signal: 9, by_us: true });
    assert_eq!(bench.text(), "up\npost none none");

    let bench = Bench::new();
    let script = "trap '' TERM; trap 'exit 0' INT; echo up; while :; do sleep 0.01; done";
    let run = bench.start(hook(script).escalate(Duration::from_millis(10), supervisor_process::Signal::INT));
    bench.until("up", |seen| !seen.lines.is_empty()).await;
    bench.stop();
    assert_eq!(run.await.unwrap(), Exit::Stopped);
}

#[tokio::test]
async fn that_a_program_is_gone_is_told_before_its_post_stop_has_ended() {
    let bench = Bench::new();
    let run = bench.start(sh("exit 3").post_stop(shell("echo in; exec sleep 1000"), LONG));
    let seen = bench.until("in", |seen| !seen.lines.is_empty()).await;
    assert_eq!(seen.warnings, ["failed: exit code 3; runs its post_stop"]);
    assert_eq!(seen.phases.last().unwrap(), "runs its post_stop: failed: exit code 3");
    assert_eq!(seen.pid, None);
    bench.kill();
    assert_eq!(run.await.unwrap(), Exit::failed("exit code 3"));
}

#[tokio::test]
async fn post_stop_is_left_out_when_everything_is_to_be_killed_and_killed_when_that_comes_later() {
    let bench = Bench::new();
    let run = bench.start(sh("echo up; exec sleep 1000").post_stop(TELLS, LONG));
    bench.until("up", |seen| !seen.lines.is_empty()).await;
    bench.stop();
    bench.kill();
    run.await.unwrap();
    assert_eq!(bench.text(), "up");
    assert_eq!(bench.seen().warnings, ["post_stop: left out, since everything is to be killed"]);

    let bench = Bench::new();
    let run = bench.start(sh("exit 0").post_stop(shell("echo in; exec sleep 1000"), LONG));
    bench.until("in", |seen| !seen.lines.is_empty()).await;
    bench.stop();
    bench.kill();
    assert_eq!(run.await.unwrap(), Exit::Completed);
    assert_eq!(bench.seen().warnings, ["post_stop: killed, since the grace was over"]);
}

#[tokio::test]
async fn what_goes_wrong_with_post_stop_is_told_and_changes_nothing() {
    let limit = Duration::from_millis(30);
    for (script, limit, words) in [
        ("echo no >&2; exit 7", LONG, "post_stop: exit code 7: no"),
        ("sleep 1000", limit, "post_stop: not done within 30ms, killed"),
    ] {
        let (exit, _, warnings) = over(sh("exit 0").post_stop(shell(script), limit)).await;
        assert_eq!((exit, warnings), (Exit::Completed, vec![words.to_owned()]));
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_nothing_of_its_hooks() {
    for in_post in [false, true] {
        let hook = shell("echo pid=$$; exec sleep 1000");
        let spec =
            if in_post { sh("exit 0").post_stop(hook, LONG) } else { sh("exit 0").pre_start(hook, LONG) };
        let bench = Bench::new();
        let run = bench.start(spec);
        let pid = bench.pid("pid").await;
        run.abort();
        until("gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists()).await;
    }
}
