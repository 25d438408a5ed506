//! What only a program has: command, surroundings, probes.

use tokio_supervisor::{EventKind, Exit, Lifecycle};

use crate::tree::{block, launch};

/// A child that runs a shell script, with more keys.
pub(crate) fn shell(name: &str, script: &str, keys: &str) -> String {
    let more = if keys.is_empty() { String::new() } else { format!(", {keys}") };
    format!("  - {{name: {name}, kind: process, command: [sh, -c, {script:?}]{more}}}\n")
}

#[test]
pub(crate) fn a_command_gets_its_words_as_they_are() {
    block(async {
        let child = "  - {name: a, kind: process, role: job, command: [sh, -c, 'echo \"$0,$1\"', \"a b\", \"$HOME\"]}";
        let mut tree = launch("", child);
        assert_eq!(tree.said("/a").await, "a b,$HOME");
        assert_eq!(&*tree.end().await.phase, "all_done");
    });
}

#[test]
pub(crate) fn the_working_directory_is_the_childs_or_the_default() {
    block(async {
        let children = shell("a", "pwd", "role: job") + &shell("b", "pwd", "role: job, working_dir: /usr");
        let mut tree = launch("supervisor: {defaults: {working_dir: /}}", &children);
        assert_eq!(tree.said("/a").await, "/");
        let mut tree = launch("supervisor: {defaults: {working_dir: /}}", &children);
        assert_eq!(tree.said("/b").await, "/usr");
    });
}

#[test]
pub(crate) fn the_stop_signal_is_the_one_that_is_sent() {
    block(async {
        let script = "trap 'echo usr1; exit 0' USR1; echo up; while :; do sleep 0.01; done";
        let mut tree =
            launch("", &shell("a", script, "stop_signal: USR1, shutdown: {graceful_timeout_ms: 60000}"));
        assert_eq!(tree.said("/a").await, "up");
        tree.stop().await;
        // The shell may first tell of its own child, which got the signal too.
        while tree.said("/a").await != "usr1" {}
    });
}

#[test]
pub(crate) fn a_program_alone_is_told_to_read_its_configuration_again() {
    block(async {
        // What it has started would end by the signal, and be missed.
        let script = "sleep 1000 & trap 'kill -0 $! && echo read again' HUP; echo up; while :; do wait; done";
        let mut tree = launch(
            "",
            &(shell("a", script, "reload_signal: HUP") + &shell("b", "echo up; exec sleep 60", "")),
        );
        assert_eq!(tree.said("/a").await, "up");
        tree.handle.started().await.unwrap();
        tree.handle.reload_child("/a", "test", "a new file").await.unwrap();
        assert_eq!(tree.said("/a").await, "read again");
        let refused = tree.handle.reload_child("/b", "test", "a new file").await.unwrap_err().to_string();
        assert!(refused.contains("/b has no `reload_signal`"), "{refused}");
    });
}

#[test]
pub(crate) fn what_does_not_end_at_the_stop_signal_gets_the_next_ones_within_its_grace() {
    block(async {
        let script = "trap 'echo term; t=1' TERM; trap 'echo int; i=1' INT; trap 'echo quit; q=1' QUIT; echo up; \
                      until [ \"$t$i$q\" = 111 ]; do sleep 0.01; done";
        let keys = "escalation: [{signal: INT, after_ms: 150}, {signal: QUIT, after_ms: 150}], \
                    shutdown: {graceful_timeout_ms: 60000}";
        let mut tree = launch("", &shell("a", script, keys));
        assert_eq!(tree.said("/a").await, "up");
        let asked = tokio::time::Instant::now();
        tree.stop().await;
        let took = asked.elapsed().as_millis();
        assert!((300..60_000).contains(&took), "each waited for its time, and none for the grace: {took} ms");
        let mut left = vec!["term", "int", "quit"];
        while !left.is_empty() {
            // The shell tells of its own child, too, which gets each signal.
            let said = tree.said("/a").await;
            left.retain(|word| *word != said);
        }
        tree.until("/a", EventKind::ChildStopped).await;
    });
}

#[test]
pub(crate) fn success_exit_codes_are_good_ends() {
    block(async {
        let keys = "role: job, success_exit_codes: [3]";
        let mut tree = launch("", &(shell("a", "exit 3", keys) + &shell("b", "exit 0", keys)));
        tree.until("/a", EventKind::ChildCompleted).await;
        let mut tree = launch("", &shell("b", "exit 0", keys));
        tree.until("/b", EventKind::ChildFailed).await;
    });
}

#[test]
pub(crate) fn the_limits_of_a_program_are_set() {
    block(async {
        let keys = "role: job, resource_limits: {max_file_descriptors: 77, max_core_mb: 3, max_user_processes: 4321, \
                    max_file_size_mb: 5, max_address_space_mb: 600, max_stack_mb: 2, max_cpu_secs: 90, \
                    max_locked_memory_mb: 0}";
        let mut tree = launch("", &shell("a", "exec cat /proc/self/limits", keys));
        let mut left = vec![
            "Max cpu time 90 91 seconds",
            "Max file size 5242880 5242880 bytes",
            "Max stack size 2097152 2097152 bytes",
            "Max core file size 3145728 3145728 bytes",
            "Max processes 4321 4321 processes",
            "Max open files 77 77 files",
            "Max locked memory 0 0 bytes",
            "Max address space 629145600 629145600 bytes",
        ];
        while !left.is_empty() {
            let line = tree.said("/a").await.split_whitespace().collect::<Vec<_>>().join(" ");
            left.retain(|row| *row != line);
        }
    });
}

#[test]
pub(crate) fn a_program_above_its_memory_is_stopped_for_it() {
    block(async {
        let script = "x=$(head -c 60000000 /dev/zero | tr '\\0' x); while :; do sleep 60; done";
        let mut tree = launch("", &shell("a", script, "resource_limits: {max_memory_mb: 20}"));
        let ended = tree.until("/a", EventKind::ChildFailed).await;
        assert!(ended.to_string().contains("MiB of memory, its limit is 20 MiB"), "{ended}");
        tree.stop().await;
    });
}

#[test]
pub(crate) fn a_program_above_its_cpu_is_stopped_for_it() {
    block(async {
        let idle = shell("b", "while :; do sleep 60; done", "resource_limits: {max_cpu_percent: 50}");
        let busy = shell("a", "while :; do :; done", "resource_limits: {max_cpu_percent: 3}");
        let mut tree = launch("", &(busy + &idle));
        let ended = tree.until("/a", EventKind::ChildFailed).await;
        let text = ended.to_string();
        assert!(text.contains("% CPU, its limit is 3 %"), "{text}");
        assert_eq!(tree.handle.child("/b").unwrap().state.lifecycle_state, Lifecycle::Running);
        tree.stop().await;
    });
}

#[test]
pub(crate) fn a_program_with_too_many_processes_is_stopped_for_it() {
    block(async {
        let script = "sleep 1000 & sleep 1000 & wait";
        let mut tree = launch("", &shell("a", script, "resource_limits: {max_processes: 2}"));
        let ended = tree.until("/a", EventKind::ChildFailed).await;
        assert!(ended.to_string().contains("has 3 processes and threads, its limit is 2"), "{ended}");
        tree.stop().await;
    });
}

#[test]
pub(crate) fn a_limit_that_only_a_cgroup_has_is_marked_where_there_is_none() {
    block(async {
        let limits = "resource_limits: {high_memory_mb: 20, max_memory_mb: 900}";
        let mut tree = launch("", &shell("a", "sleep 1000", limits));
        let told = tree.until("/a", EventKind::LimitUnenforced).await.to_string();
        assert!(told.ends_with("nothing holds it to resource_limits.high_memory_mb"), "{told}");
        let marked = tree.handle.child("/a").unwrap().diagnostics;
        assert_eq!(marked["resource_limits.high_memory_mb"], "unenforced");
        tree.stop().await;
    });
}

#[test]
fn a_task_above_its_share_of_a_worker_is_stopped_for_it() {
    block(async {
        let task = |name: &str, factory: &str| {
            format!(
                "  - {{name: {name}, kind: async_worker, factory: {factory}, resource_limits: {{max_cpu_percent: 20}}}}\n"
            )
        };
        let mut tree = launch("", &(task("a", "busy") + &task("b", "idle")));
        let ended = tree.until("/a", EventKind::ChildUnhealthy).await;
        let text = ended.to_string();
        assert!(text.contains("% of a worker's time, its limit is 20 %"), "{text}");
        let (a, b) = (tree.handle.child("/a").unwrap(), tree.handle.child("/b").unwrap());
        assert_eq!(b.state.lifecycle_state, Lifecycle::Running);
        assert_eq!(b.poll_times.map(|times| times.busy_percent), Some(0));
        assert!(a.diagnostics.is_empty(), "{:?}", a.diagnostics);
        tree.stop().await;
    });
}

#[test]
fn a_limit_that_nothing_holds_a_task_to_is_marked_and_told_once() {
    block(async {
        let limits = "resource_limits: {max_memory_mb: 10, max_cpu_percent: 90}";
        let task = |name: &str, limits: &str| {
            format!("  - {{name: {name}, kind: async_worker, factory: idle, {limits}}}\n")
        };
        let tree = &mut launch("", &(task("a", limits) + &task("b", "tags: [x]")));
        let told = tree.until("/a", EventKind::LimitUnenforced).await;
        let text = told.to_string();
        assert!(text.ends_with("nothing holds it to resource_limits.max_memory_mb"), "{text}");
        let marked = tree.handle.child("/a").unwrap().diagnostics;
        let marked: Vec<_> = marked.iter().map(|(key, word)| (*key, word.as_str())).collect();
        assert_eq!(marked, [("resource_limits.max_memory_mb", "unenforced")]);
        assert!(tree.handle.child("/b").unwrap().diagnostics.is_empty());
        tree.handle.restart_child("/a", "test", "again").await.unwrap();
        tree.stop().await;
        tree.until("/", EventKind::ShutdownCompleted).await;
        let times = tree.seen().iter().filter(|line| line.contains("nothing holds it to"));
        assert_eq!(times.count(), 1, "{:#?}", tree.seen());
    });
}

#[test]
pub(crate) fn variables_come_from_the_child_the_defaults_and_secrets() {
    block(async {
        let top =
            "supervisor: {defaults: {environment: [{name: A, value: default}, {name: B, value: default}]}}";
        let keys = "role: job, environment: [{name: B, value: own}, {name: C, secret_ref: \"${s}\"}], \
                    secrets: [{name: s, key: CARGO_PKG_NAME}]";
        let mut tree = launch(top, &shell("a", "echo $A $B $C", keys));
        assert_eq!(tree.said("/a").await, "default own supervisor-stack");
    });
}

#[test]
pub(crate) fn a_secret_is_read_by_its_name_and_may_be_missing_only_when_it_is_said() {
    block(async {
        let task = |keys: &str| {
            format!("  - {{name: a, kind: async_worker, factory: teller, secrets: [{{name: s, {keys}}}]}}")
        };
        let mut tree = launch("", &task("key: CARGO_PKG_NAME"));
        assert_eq!(tree.said("/a").await, "Some(\"supervisor-stack\")");
        let mut tree = launch("", &task("key: NO_SUCH_VARIABLE, required: false"));
        assert_eq!(tree.said("/a").await, "None");
        let absent = "role: job, environment: [{name: A, secret_ref: \"${s}\"}], \
                      secrets: [{name: s, key: NO_SUCH_VARIABLE, required: false}]";
        let mut tree = launch("", &shell("a", "echo ${A-none}", absent));
        assert_eq!(tree.said("/a").await, "none");
        let mut tree = launch("", &task("key: NO_SUCH_VARIABLE, required: true"));
        let refused = tree.event(|event| event.path.as_str() == "/a" && event.event.detail.is_some()).await;
        assert!(refused.to_string().contains("NO_SUCH_VARIABLE"), "{refused}");
    });
}

/// Starts a program with this readiness; its sibling waits for it.
async fn ready(readiness: &str, script: &str) {
    let children = shell("a", script, &format!("readiness: {readiness}"))
        + &shell("b", "sleep 1000", "dependencies: [a]");
    let mut tree = launch("", &children);
    tree.until("/b", EventKind::ChildWaiting).await;
    tree.until("/a", EventKind::ChildRunning).await;
    tree.until("/b", EventKind::ChildRunning).await;
    tree.stop().await;
}

#[test]
pub(crate) fn a_program_is_ready_when_its_probe_succeeds() {
    block(async {
        let web = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = web.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = web.accept().await {
                let answer = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
            }
        });
        ready(&format!("{{tcp: \"{at}\"}}"), "sleep 1000").await;
        ready(&format!("{{http: \"http://{at}/\"}}"), "sleep 1000").await;
        ready("{exec: [\"true\"]}", "sleep 1000").await;
        ready("{log_line: READY}", "echo READY now; sleep 1000").await;
        let mut tree = launch("", &shell("a", "sleep 1000", "readiness: {delay_ms: 200}"));
        let starting = tree.until("/a", EventKind::ChildStarting).await.at;
        let running = tree.until("/a", EventKind::ChildRunning).await.at;
        assert!(running - starting >= 200_000_000, "{} ns", running - starting);
    });
}

#[test]
pub(crate) fn a_probe_is_tried_every_interval_and_each_try_ends_after_its_timeout() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let (tries, go) = (dir.path().join("tries"), dir.path().join("go"));
        // Tries hang and are given up, until they are let go on.
        let probe = format!("echo x >> {}; test -e {} || sleep 1000", tries.display(), go.display());
        let readiness =
            format!("readiness: {{exec: [sh, -c, {probe:?}], check_interval_secs: 0.02, timeout_secs: 0.2}}");
        let mut tree = launch("", &shell("a", "sleep 1000", &readiness));
        while std::fs::read_to_string(&tries).unwrap_or_default().lines().count() < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_ne!(tree.handle.child("/a").unwrap().state.lifecycle_state, Lifecycle::Running);
        std::fs::write(&go, "").unwrap();
        tree.until("/a", EventKind::ChildRunning).await;
        tree.stop().await;
        // One that would be good at its second try has none within an hour, and one that hangs for an hour neither.
        let second = dir.path().join("second");
        let second = format!("test -e {0} || {{ touch {0}; exit 1; }}", second.display());
        let more = dir.path().join("more");
        let hangs = format!("echo x >> {}; sleep 1000", more.display());
        let of = |probe: &str, key: &str| {
            let readiness = format!("readiness: {{exec: [sh, -c, {probe:?}], {key}: 3600}}");
            let readiness = format!(
                "{readiness}, ready_within_secs: 2, criticality: optional, budget: {{max_restarts: 0}}"
            );
            launch("", &shell("a", "sleep 1000", &readiness))
        };
        let mut trees = [of(&second, "check_interval_secs"), of(&hangs, "timeout_secs")];
        for tree in &mut trees {
            tree.until("/a", EventKind::ChildStartFailed).await;
        }
        assert_eq!(std::fs::read_to_string(&more).unwrap(), "x\n");
    });
}

#[test]
pub(crate) fn a_program_that_does_not_answer_is_unhealthy() {
    block(async {
        for probe in ["tcp: \"127.0.0.1:1\"", "http: \"http://127.0.0.1:1/\"", "exec: [\"false\"]"] {
            // So many misses that an interval of five seconds, which is the default, would take too long.
            let keys = format!(
                "health_check: {{{probe}, check_interval_secs: 0.02, timeout_secs: 30, max_retries: 20}}"
            );
            let mut tree = launch("", &shell("a", "sleep 1000", &keys));
            let missed = tree.until("/a", EventKind::ChildHeartbeatMissed).await;
            assert_eq!(missed.event.numbers[..2], [1, 20]);
            tree.until("/a", EventKind::ChildUnhealthy).await;
            let end = tree.until("/a", EventKind::ChildFailed).await;
            let exit = end.event.detail.unwrap().exit.clone().unwrap();
            assert!(matches!(exit, Exit::Unhealthy { .. }), "{exit}");
        }
    });
}

#[test]
pub(crate) fn a_program_that_answers_stays() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let tries = dir.path().join("tries");
        let probe = format!("echo x >> {0}; test $(wc -l < {0}) -lt 6", tries.display());
        let keys = format!(
            "health_check: {{exec: [sh, -c, {probe:?}], check_interval_secs: 0.05, timeout_secs: 60, max_retries: 1}}"
        );
        let mut tree = launch("", &shell("a", "sleep 1000", &keys));
        tree.until("/a", EventKind::ChildUnhealthy).await;
        assert!(std::fs::read_to_string(&tries).unwrap().lines().count() >= 6);
    });
}

#[test]
pub(crate) fn a_health_probe_that_hangs_is_a_miss() {
    block(async {
        // So many that tries of a second each, which is the default, would take too long.
        let keys = "health_check: {exec: [sleep, \"1000\"], check_interval_secs: 0.02, timeout_secs: 0.02, max_retries: 80}";
        let mut tree = launch("", &shell("a", "sleep 1000", keys));
        let unhealthy = tree.until("/a", EventKind::ChildUnhealthy).await;
        assert!(unhealthy.at >= 80 * 20_000_000, "80 tries of 20 ms: {} ns", unhealthy.at);
    });
}

#[test]
pub(crate) fn a_program_runs_before_each_start_and_must_end_well() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("made").display().to_string();
        let hook = format!("pre_start: [sh, -c, 'echo before $A; echo x >> {made}']");
        let keys = format!("{hook}, environment: [{{name: A, value: a}}]");
        let mut tree = launch("", &shell("a", &format!("wc -l < {made}; exec sleep 1000"), &keys));
        assert_eq!([tree.said("/a").await, tree.said("/a").await], ["before a", "1"]);
        tree.handle.restart_child("/a", "test", "again").await.unwrap();
        assert_eq!([tree.said("/a").await, tree.said("/a").await], ["before a", "2"]);
        let slow = "pre_start: {command: [sleep, 1000], timeout_secs: 0.05}";
        let mut tree = launch("", &shell("a", "echo up", slow));
        let failed = tree.until("/a", EventKind::ChildStartFailed).await.to_string();
        assert!(failed.contains("pre_start: not done within 50ms, killed"), "{failed}");
    });
}

#[test]
pub(crate) fn a_program_runs_after_each_run_and_is_told_how_that_ended() {
    block(async {
        let hook = "post_stop: [sh, -c, 'echo after $EXIT_CODE $EXIT_STATUS']";
        let mut tree = launch("", &shell("a", "exit 3", &format!("restart_policy: temporary, {hook}")));
        assert_eq!(tree.said("/a").await, "failed: exit code 3; runs its post_stop");
        assert_eq!(tree.said("/a").await, "after exited 3");
        // It does not end at the stop signal, and all of its grace is for itself.
        let grace = format!("shutdown: {{graceful_timeout_ms: 50}}, {hook}");
        let mut tree = launch("", &shell("a", "trap '' TERM; echo up; while :; do sleep 0.01; done", &grace));
        assert_eq!(tree.said("/a").await, "up");
        tree.until("/a", EventKind::ChildReady).await;
        tree.stop().await;
        let told = "did not stop in time and is killed, so that post_stop has its time";
        assert_eq!(tree.said("/a").await, told);
        assert!(tree.said("/a").await.ends_with("; runs its post_stop"));
        assert_eq!(tree.said("/a").await, "after killed KILL");
        let slow = "restart_policy: temporary, post_stop: {command: [sleep, 1000], timeout_secs: 0.05}";
        let mut tree = launch("", &shell("a", "exit 0", slow));
        assert_eq!(tree.said("/a").await, "post_stop: not done within 50ms, killed");
        let brutal = shell("a", "true", &format!("{hook}, shutdown: {{graceful_timeout_ms: brutal}}"));
        let never = supervisor_stack::Stack::parse("f", format!("version: 1\nname: s\nchildren:\n{brutal}"));
        let never = never.unwrap_err().to_string();
        assert!(never.contains("`post_stop` would never run"), "{never}");
    });
}

#[test]
pub(crate) fn a_job_runs_each_time_that_its_schedule_says() {
    block(async {
        let keys = |schedule: &str| format!("role: job, schedule: {schedule}");
        let mut tree = launch("", &shell("a", "echo ran", &keys("{every_secs: 0.2}")));
        let shown = tree.handle.child("/a").unwrap();
        assert_eq!(shown.state.lifecycle_state, Lifecycle::Declared);
        for generation in 1..4 {
            assert_eq!(tree.said("/a").await, "ran");
            let done = tree.until("/a", EventKind::ChildCompleted).await;
            assert_eq!(done.event.row.generation, generation, "and the stack has not ended");
        }
        // At a time that is far away, which is shown.
        for (schedule, next) in [
            ("30 2 29 2 *", "-02-29 02:30:00"),
            ("{cron: 30 2 29 2 *, time_zone: Asia/Tokyo}", "-02-29 02:30:00 JST"),
        ] {
            let tree = launch("", &shell("a", "echo ran", &keys(schedule)));
            let shown = loop {
                if let Some(shown) = tree.handle.child("/a").unwrap().diagnostics.remove("schedule") {
                    break shown;
                }
                tokio::task::yield_now().await;
            };
            assert!(shown.starts_with("next run ") && shown.contains(next), "{shown}");
        }
    });
}

#[test]
pub(crate) fn a_time_that_comes_while_a_job_runs_is_left_out_or_made_up_for() {
    block(async {
        let dir = tempfile::tempdir().unwrap();
        for missed in ["skip", "run_once"] {
            let go = dir.path().join(missed).display().to_string();
            // One that is to make up for times lets two more come, and then says something.
            let later = if missed == "skip" { "" } else { "sleep 0.5; echo later; " };
            let script = format!("echo ran; {later}until test -e {go}; do sleep 0.01; done");
            let keys = format!("role: job, schedule: {{every_secs: 0.2, missed: {missed}}}");
            let mut tree = launch("", &shell("a", &script, &keys));
            assert_eq!(tree.said("/a").await, "ran");
            if missed == "skip" {
                assert_eq!(
                    tree.said("/a").await,
                    "its time has come while it was not at rest; that run is left out"
                );
            } else {
                assert_eq!(tree.said("/a").await, "later", "nothing is told in between");
            }
            std::fs::write(&go, "").unwrap();
            let again = tree.event(|event| event.event.row.generation == 2).await;
            assert_eq!(again.event.cause, tokio_supervisor::Cause::Schedule);
        }
    });
}
