//! What a probe asks and takes, and what a program says of itself.

use tokio::sync::mpsc::UnboundedReceiver;
use tokio_supervisor::{EventKind, Exit, Lifecycle};

use crate::programs::shell;
use crate::server;
use crate::skip;
use crate::tree::{Tree, block, launch};

/// A web server that gives each request the next of these answers, the last one for ever.
pub(crate) async fn serve(answers: Vec<&str>) -> (String, UnboundedReceiver<String>) {
    server::serve(answers.into_iter().map(|answer| format!("HTTP/1.0 {answer}")).collect()).await
}

/// A sleeping program with these keys.
fn sleeper(keys: &str) -> Tree {
    launch("", &format!("  - {{name: a, kind: process, command: [sleep, \"1000\"], {keys}}}\n"))
}

/// A program in Python that has `say(TEXT)`, with these keys; `None` where there is no Python.
fn speaker(test: &str, script: &str, keys: &str) -> Option<Tree> {
    let begin = "import os, socket, time
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sender.connect(os.environ['NOTIFY_SOCKET'])
say = lambda text: sender.send(text.encode())
";
    let command = serde_json::json!(["python3", "-c", format!("{begin}{script}\ntime.sleep(1000)")]);
    skip::has("python3", test)
        .then(|| launch("", &format!("  - {{name: a, kind: process, command: {command}, {keys}}}\n")))
}

/// What the operator sees that the child is doing.
async fn phase(tree: &Tree, is_it: impl Fn(&str) -> bool) -> String {
    loop {
        let state = tree.handle.child("/a").unwrap();
        if let Some(phase) = state.phase.filter(|phase| is_it(phase)) {
            return phase.to_string();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[test]
pub(crate) fn an_answer_must_have_all_that_is_said_of_it() {
    block(async {
        let answers = [
            "200 OK\r\nX-State: warm\r\n\r\nall is well",
            "203 x\r\nX-State: cold\r\n\r\n",
            "203 x\r\nX-State: warm\r\n\r\nall is lost",
            "203 x\r\nX-State: warm\r\n\r\nall is well",
        ];
        for key in ["readiness", "health_check"] {
            let (url, mut questions) = serve(answers.to_vec()).await;
            let http = format!(
                "{{url: \"{url}\", status: [\"201-299\"], response_header: {{name: X-State, value: warm}}, \
                 body_contains: well}}"
            );
            let more = if key == "readiness" { "" } else { ", max_retries: 9" };
            let mut tree = sleeper(&format!(
                "{key}: {{http: {http}, check_interval_secs: 0.02, timeout_secs: 30{more}}}"
            ));
            if key == "readiness" {
                tree.until("/a", EventKind::ChildRunning).await;
                let tries = std::iter::from_fn(|| questions.try_recv().ok()).count();
                assert_eq!(tries, 4);
            } else {
                let mut said = Vec::new();
                for _ in 0..3 {
                    said.push(tree.until("/a", EventKind::ChildHeartbeatMissed).await.to_string());
                }
                for (said, words) in said.iter().zip([
                    "expected 201-299, got 200 OK",
                    "expected the header X-State: warm, got X-State: cold",
                    "expected \"well\" in the body, and its 11 bytes do not have it",
                ]) {
                    assert!(said.contains(words), "{said}");
                }
                tree.until("/a", EventKind::ChildHealthy).await;
            }
            tree.stop().await;
        }
    });
}

#[test]
pub(crate) fn headers_are_sent_with_values_and_with_secrets() {
    block(async {
        let (url, mut questions) = serve(vec!["200 OK\r\n\r\n"]).await;
        let headers = "headers: [{name: X-Plain, value: \"one two\"}, {name: X-Own, secret_ref: \"${s}\"}, \
                       {name: X-Other, secret_ref: \"${CARGO_PKG_NAME}\"}]";
        let secrets = "secrets: [{name: s, key: CARGO_PKG_NAME}]";
        for key in ["readiness", "health_check"] {
            let mut tree = sleeper(&format!("{key}: {{http: {{url: \"{url}\", {headers}}}}}, {secrets}"));
            tree.until("/a", EventKind::ChildRunning).await;
            let question = questions.recv().await.unwrap();
            for header in ["X-Plain: one two", "X-Own: supervisor-stack", "X-Other: supervisor-stack"] {
                assert!(question.contains(&format!("{header}\r\n")), "{question}");
            }
            tree.stop().await;
            let missing = headers.replace("${s}", "${NO_SUCH_VARIABLE}");
            let mut tree = sleeper(&format!("{key}: {{http: {{url: \"{url}\", {missing}}}}}"));
            let refused = tree.until("/a", EventKind::ChildStartFailed).await.to_string();
            let words = "the header 'X-Own' refers to the secret 'NO_SUCH_VARIABLE', which is not set";
            assert!(refused.contains(&format!("{key}: {words}")), "{refused}");
        }
    });
}

#[test]
pub(crate) fn ready_takes_as_many_good_tries_as_are_said() {
    block(async {
        let (url, mut questions) =
            serve(vec!["200 OK\r\n\r\n", "500 x\r\n\r\n", "200 OK\r\n\r\n", "200 OK\r\n\r\n"]).await;
        let keys = format!(
            "readiness: {{http: \"{url}\", check_interval_secs: 0.02, success_threshold: 2, timeout_secs: 30}}"
        );
        let mut tree = sleeper(&keys);
        tree.until("/a", EventKind::ChildRunning).await;
        assert_eq!(std::iter::from_fn(|| questions.try_recv().ok()).count(), 4);
        tree.stop().await;
    });
}

#[test]
pub(crate) fn no_miss_counts_in_the_start_period() {
    block(async {
        // Without the period this one is unhealthy at its first try.
        let dir = tempfile::tempdir().unwrap();
        let tries = dir.path().join("tries");
        let probe = format!("echo x >> {0}; test $(wc -l < {0}) -gt 3", tries.display());
        let check =
            format!("exec: [sh, -c, {probe:?}], check_interval_secs: 0.02, timeout_secs: 30, max_retries: 1");
        let mut tree = sleeper(&format!("health_check: {{{check}, start_period_secs: 3600}}"));
        loop {
            // No event tells of the first beat: the row does.
            let row = tree.handle.child("/a").unwrap();
            if row.last_heartbeat_unix_nanos.is_some() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(std::fs::read_to_string(&tries).unwrap().lines().count() > 3);
        tree.stop().await;
        tree.until("/a", EventKind::ChildStopped).await;
        assert!(!tree.seen().iter().any(|event| event.contains("missed a heartbeat")), "{:?}", tree.seen());
        let mut tree = sleeper(
            "health_check: {exec: [\"false\"], check_interval_secs: 0.02, timeout_secs: 30, max_retries: 1, start_period_secs: 0.3}",
        );
        let running = tree.until("/a", EventKind::ChildRunning).await.at;
        let unhealthy = tree.until("/a", EventKind::ChildUnhealthy).await.at;
        assert!(unhealthy - running >= 300_000_000, "{} ns", unhealthy - running);
    });
}

#[test]
pub(crate) fn a_program_is_ready_when_it_says_so() {
    block(async {
        let script = "say('STATUS=loading')\nwhile not os.path.exists('go'): time.sleep(0.005)\nsay('READY=1\\nSTATUS=serving')";
        let dir = tempfile::tempdir().unwrap();
        let keys = format!("readiness: {{notify: true}}, working_dir: {}", dir.path().display());
        let Some(mut tree) = speaker("a_program_is_ready_when_it_says_so", script, &keys) else { return };
        phase(&tree, |phase| phase == "loading").await;
        assert_eq!(tree.handle.child("/a").unwrap().state.lifecycle_state, Lifecycle::Starting);
        std::fs::write(dir.path().join("go"), "").unwrap();
        tree.until("/a", EventKind::ChildRunning).await;
        phase(&tree, |phase| phase == "serving").await;
        tree.stop().await;
    });
}

#[test]
pub(crate) fn a_program_that_sends_no_sign_of_life_is_unhealthy() {
    block(async {
        let test = "a_program_that_sends_no_sign_of_life_is_unhealthy";
        let keys = "health_check: {notify: true, check_interval_secs: 0.4, timeout_secs: 30, max_retries: 1}";
        // It beats, and then says that it has failed: nobody waits for the promise to break.
        let script =
            "assert os.environ['WATCHDOG_USEC'] == '400000'\nsay('WATCHDOG=1')\nsay('WATCHDOG=trigger')";
        let Some(mut tree) = speaker(test, script, keys) else { return };
        let unhealthy = tree.until("/a", EventKind::ChildUnhealthy).await.to_string();
        assert!(unhealthy.contains("it sent WATCHDOG=trigger"), "{unhealthy}");
        let end = tree.until("/a", EventKind::ChildFailed).await;
        assert!(matches!(end.event.detail.unwrap().exit, Some(Exit::Unhealthy { .. })));
        tree.until("/a", EventKind::ChildRestarted).await;
        // Silence breaks it.
        let keys = keys.replace("timeout_secs: 30", "timeout_secs: 0.1");
        let mut tree = speaker(test, "", &keys).unwrap();
        let unhealthy = tree.until("/a", EventKind::ChildUnhealthy).await.to_string();
        assert!(unhealthy.contains("no heartbeat for 500ms"), "{unhealthy}");
    });
}

#[test]
fn d13_a_program_that_ends_by_itself_is_probed_no_more_and_has_the_time_of_its_promise() {
    block(async {
        let test = "d13_a_program_that_ends_by_itself_is_probed_no_more_and_has_the_time_of_its_promise";
        // The probe is always good, so only its absence breaks the promise.
        let keys = "readiness: {notify: true}, health_check: {exec: [\"true\"], check_interval_secs: 0.02, \
                    timeout_secs: 1, max_retries: 1}";
        let script = "say('READY=1')\nsay('STOPPING=1\\nSTATUS=3 left')";
        let Some(mut tree) = speaker(test, script, keys) else { return };
        phase(&tree, |phase| phase == "stopping by itself; 3 left").await;
        let unhealthy = tree.until("/a", EventKind::ChildUnhealthy).await.to_string();
        assert!(unhealthy.contains("no heartbeat for 3.02s"), "{unhealthy}");
        tree.stop().await;
    });
}

/// A program that is not there any more is not probed, and its end is not taken for that of one that hangs.
#[test]
fn d13_what_runs_after_a_program_keeps_its_promise() {
    block(async {
        let test = "d13_what_runs_after_a_program_keeps_its_promise";
        let dir = tempfile::tempdir().unwrap();
        let up = dir.path().join("up").display().to_string();
        std::fs::write(&up, "").unwrap();
        let probe = format!("exec: [test, -e, {up}]");
        // The hook takes twice as long as the promise stands.
        let promise = "check_interval_secs: 0.5, timeout_secs: 1, max_retries: 2";
        let keys = |health: &str, first: &str| {
            let hook = format!("post_stop: [sh, -c, '{first}; sleep 5']");
            format!("restart_policy: temporary, {hook}, health_check: {{{health}, {promise}}}")
        };
        let probed = launch("", &shell("a", "sleep 1; exit 3", &keys(&probe, &format!("rm {up}"))));
        let speaks = speaker(test, "say('WATCHDOG=1')\nos._exit(3)", &keys("notify: true", "true"));
        // A job counts as started when its run begins; its program is executed after the hook.
        let job =
            |health: &str| format!("role: job, pre_start: [sleep, 5], health_check: {{{health}, {promise}}}");
        let probed_job = launch("", &shell("a", "exit 3", &job("exec: [\"false\"]")));
        let speaking_job = speaker(test, "os._exit(3)", &job("notify: true"));
        for mut tree in [Some(probed), speaks, Some(probed_job), speaking_job].into_iter().flatten() {
            let failed = tree.until("/a", EventKind::ChildFailed).await.to_string();
            assert!(failed.contains("exit code 3"), "{failed}");
            let misses =
                tree.seen().iter().filter(|line| line.contains("stale") || line.contains("nhealthy"));
            assert_eq!(misses.count(), 0, "{:#?}", tree.seen());
        }
    });
}
