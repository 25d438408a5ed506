//! What any child has: role, restart, back-off, budget, order among siblings, stop, permissions.

use tokio_supervisor::api::manifest::StopSignal;
use tokio_supervisor::{EventKind, Exit, Lifecycle, SupervisorError};

use crate::tree::{block, delay_ms, launch};

/// A child that runs a shell script, with more keys.
fn shell(name: &str, script: &str, keys: &str) -> String {
    let more = if keys.is_empty() { String::new() } else { format!(", {keys}") };
    format!("  - {{name: {name}, kind: process, command: [sh, -c, {script:?}]{more}}}\n")
}

#[test]
pub(crate) fn a_role_says_what_an_end_means() {
    block(async {
        let mut tree = launch("", &shell("a", "exit 0", "role: service"));
        tree.until("/a", EventKind::ChildRestarted).await;
        for keys in ["role: job", "task_role: job", "role: worker"] {
            let mut tree = launch("", &shell("a", "exit 0", keys));
            tree.until("/a", EventKind::ChildCompleted).await;
        }
    });
}

#[test]
pub(crate) fn a_job_is_tried_again_only_with_retry() {
    block(async {
        let mut tree = launch("", &shell("a", "exit 1", "role: job, retry: true"));
        tree.until("/a", EventKind::ChildRestarted).await;
        let tree = launch("", &shell("a", "exit 1", "role: job, retry: false"));
        assert_eq!(&*tree.end().await.reason, "nothing is left to run; /a failed");
    });
}

#[test]
pub(crate) fn the_restart_policy_wins_over_the_role() {
    block(async {
        let mut tree = launch("", &shell("a", "exit 0", "role: service, restart_policy: transient"));
        tree.until("/a", EventKind::ChildCompleted).await;
    });
}

#[test]
pub(crate) fn delays_begin_at_initial_double_and_end_at_max() {
    block(async {
        let backoff = "backoff: {initial_ms: 20, max_ms: 50, jitter_ratio: 0}";
        let child = shell("a", "exit 1", "budget: unlimited, criticality: optional");
        let own = shell("a", "exit 1", &format!("budget: unlimited, criticality: optional, {backoff}"));
        for (top, child) in [("", own), (&*format!("supervisor: {{defaults: {{{backoff}}}}}"), child)] {
            let mut tree = launch(top, &child);
            for expected in [0, 20, 40, 50, 50] {
                let end = tree.until("/a", EventKind::ChildFailed).await;
                assert_eq!(delay_ms(&end), expected, "{end}");
            }
        }
    });
}

#[test]
pub(crate) fn jitter_moves_a_delay_by_at_most_its_share() {
    block(async {
        let keys = "budget: unlimited, criticality: optional, backoff: {initial_ms: 100, max_ms: 100, jitter_ratio: 0.5}";
        let mut tree = launch("", &shell("a", "exit 1", keys));
        tree.until("/a", EventKind::ChildFailed).await;
        let mut delays = Vec::new();
        for _ in 0..8 {
            delays.push(delay_ms(&tree.until("/a", EventKind::ChildFailed).await));
        }
        assert!(delays.iter().all(|delay| (50..=150).contains(delay)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay != delays[0]), "{delays:?}");
    });
}

#[test]
pub(crate) fn a_run_that_lasts_long_enough_ends_the_streak() {
    block(async {
        let keys = |reset: &str| {
            format!(
                "budget: unlimited, criticality: optional, backoff: {{initial_ms: 77, jitter_ratio: 0{reset}}}"
            )
        };
        let mut tree = launch("", &shell("a", "sleep 0.2; exit 1", &keys(", reset_after_secs: 0.1")));
        for _ in 0..3 {
            assert_eq!(delay_ms(&tree.until("/a", EventKind::ChildFailed).await), 0);
        }
        let mut tree = launch("", &shell("a", "sleep 0.2; exit 1", &keys("")));
        tree.until("/a", EventKind::ChildFailed).await;
        assert_eq!(delay_ms(&tree.until("/a", EventKind::ChildFailed).await), 77);
    });
}

#[test]
pub(crate) fn a_childs_budget_has_figures_and_an_action() {
    block(async {
        let keys =
            "backoff: {initial_ms: 0}, budget: {max_restarts: 2, window_secs: 33, on_exhausted: quarantine}";
        let mut tree = launch("", &shell("a", "exit 1", keys));
        let exhausted = tree.until("/a", EventKind::BudgetExhausted).await;
        assert_eq!(exhausted.event.numbers[..3], [2, 2, 33_000]);
        tree.until("/a", EventKind::ChildQuarantined).await;
        assert!(tree.handle.is_alive());
        // What was before the window does not count.
        let keys = "backoff: {initial_ms: 0}, budget: {max_restarts: 1, window_secs: 0.1}";
        let mut tree = launch("", &shell("a", "sleep 0.2; exit 1", keys));
        for _ in 0..4 {
            tree.until("/a", EventKind::ChildRestarted).await;
        }
    });
}

#[test]
pub(crate) fn an_optional_child_is_parked_where_another_takes_the_tree_down() {
    block(async {
        let keys = "backoff: {initial_ms: 0}, budget: {max_restarts: 0}";
        let optional = shell("a", "exit 1", &format!("{keys}, criticality: optional"));
        launch("", &optional).until("/a", EventKind::ChildQuarantined).await;
        let by_default = "supervisor: {defaults: {criticality: optional}}";
        launch(by_default, &shell("a", "exit 1", keys)).until("/a", EventKind::ChildQuarantined).await;
        let report = launch("", &shell("a", "exit 1", keys)).end().await;
        assert_eq!(&*report.phase, "escalation");
    });
}

#[test]
pub(crate) fn a_dependant_waits_for_a_job_to_end_well() {
    block(async {
        let children = shell("b", "sleep 1000", "dependencies: [a]") + &shell("a", "sleep 0.1", "role: job");
        let mut tree = launch("", &children);
        let waits = tree.until("/b", EventKind::ChildWaiting).await;
        assert_eq!(waits.next_path.unwrap().as_str(), "/a");
        tree.until("/a", EventKind::ChildCompleted).await;
        tree.until("/b", EventKind::ChildRunning).await;
    });
}

#[test]
pub(crate) fn what_is_waited_for_of_a_sibling_can_be_said() {
    block(async {
        // It fails at once, and never says that it is ready.
        let job = shell("a", "sleep 0.1; exit 1", "role: job, readiness: {log_line: never}");
        let after = |name: &str, until: &str| {
            shell(name, "sleep 1000", &format!("dependencies: [{{name: a, condition: {until}}}]"))
        };
        let waiting = ["ready", "started", "completed", "completed_ok"];
        let mut tree = launch("", &(job + &waiting.map(|until| after(until, until)).concat()));
        tree.until("/started", EventKind::ChildRunning).await;
        assert!(!tree.seen().iter().any(|line| line.contains("/a failed")), "{:?}", tree.seen());
        tree.until("/completed", EventKind::ChildRunning).await;
        let state = |name: &str| tree.handle.child(name).unwrap().state.lifecycle_state;
        assert_eq!(["ready", "completed_ok"].map(state), [Lifecycle::Waiting; 2]);
    });
}

#[test]
pub(crate) fn dependants_are_restarted_when_it_is_said() {
    block(async {
        let children = |keys: &str| {
            shell("a", "sleep 0.2; exit 1", keys) + &shell("b", "sleep 1000", "dependencies: [a]")
        };
        let mut tree = launch("", &children("restart_dependants: true"));
        tree.until("/a", EventKind::ChildFailed).await;
        tree.until("/b", EventKind::ChildStopping).await;
        let mut tree = launch("", &children("restart_dependants: false"));
        tree.until("/a", EventKind::ChildRestarted).await;
        assert!(!tree.seen().iter().any(|line| line.contains("/b stopping")), "{:?}", tree.seen());
    });
}

#[test]
pub(crate) fn a_sidecar_starts_before_its_primary_and_ends_with_it() {
    block(async {
        for keys in ["primary: a", "sidecar_config: {primary_child_id: a}"] {
            let children = shell("a", "sleep 0.1", "role: job")
                + &shell("s", "sleep 1000", &format!("role: sidecar, {keys}"));
            let mut tree = launch("", &children);
            tree.until("/s", EventKind::ChildRunning).await;
            tree.until("/a", EventKind::ChildCompleted).await;
            tree.until("/s", EventKind::ChildStopped).await;
            assert_eq!(&*tree.end().await.phase, "all_done");
        }
    });
}

#[test]
pub(crate) fn a_start_that_takes_too_long_has_failed() {
    block(async {
        let never = "readiness: {log_line: NEVER}";
        let own = shell("a", "sleep 1000", &format!("{never}, ready_within_secs: 0.1"));
        let by_default = "supervisor: {defaults: {ready_within_secs: 0.1}}";
        for (top, child) in [("", own), (by_default, shell("a", "sleep 1000", never))] {
            let mut tree = launch(top, &child);
            let failed = tree.until("/a", EventKind::ChildStartFailed).await;
            let exit = failed.event.detail.unwrap().exit.clone().unwrap();
            assert!(matches!(exit, Exit::TimedOut { .. }), "{exit}");
        }
    });
}

#[test]
pub(crate) fn a_program_that_does_not_stop_is_killed_after_its_grace() {
    block(async {
        let deaf = "trap '' TERM; echo up; while :; do sleep 0.01; done";
        let shutdown = "shutdown: {graceful_timeout_ms: 120, abort_wait_ms: 30000}";
        let by_default = format!("supervisor: {{defaults: {{{shutdown}}}}}");
        for (top, child) in [("", shell("a", deaf, shutdown)), (&*by_default, shell("a", deaf, ""))] {
            let mut tree = launch(top, &child);
            assert_eq!(tree.said("/a").await, "up");
            tree.stop().await;
            let stopping = tree.until("/a", EventKind::ChildStopping).await;
            assert_eq!(stopping.event.numbers[0], 120);
            let killing = tree.until("/a", EventKind::ChildKilling).await;
            assert!(killing.event.numbers[0] >= 120);
            tree.until("/a", EventKind::ChildStopped).await;
        }
    });
}

#[test]
pub(crate) fn a_kill_that_is_not_confirmed_in_time_is_unresponsive() {
    block(async {
        for top in ["", "supervisor: {defaults: {shutdown: {graceful_timeout_ms: brutal, abort_wait_ms: 0}}}"]
        {
            let own =
                if top.is_empty() { "shutdown: {graceful_timeout_ms: brutal, abort_wait_ms: 0}" } else { "" };
            let mut tree = launch(top, &shell("a", "echo up; sleep 1000", own));
            assert_eq!(tree.said("/a").await, "up");
            tree.stop().await;
            tree.until("/a", EventKind::ChildUnresponsive).await;
        }
    });
}

#[test]
pub(crate) fn commands_that_a_child_does_not_permit_are_refused() {
    block(async {
        let forbidden = "command_permissions: {allow_shutdown: false, allow_restart: false}";
        let by_default = format!("supervisor: {{defaults: {{{forbidden}}}}}");
        for (top, child) in
            [("", shell("a", "sleep 1000", forbidden)), (&*by_default, shell("a", "sleep 1000", ""))]
        {
            let tree = launch(top, &child);
            tree.handle.started().await.unwrap();
            let refused = |result| matches!(result, Err(SupervisorError::NotPermitted { .. }));
            assert!(refused(tree.handle.pause_child("/a", "test", "to see").await));
            assert!(refused(tree.handle.restart_child("/a", "test", "to see").await));
            assert_eq!(&*tree.stop().await.phase, "shutdown");
        }
        let tree = launch("", &shell("a", "sleep 1000", "command_permissions: {allow_restart: true}"));
        tree.handle.started().await.unwrap();
        tree.handle.restart_child("/a", "test", "to see").await.unwrap();
        tree.handle.pause_child("/a", "test", "to see").await.unwrap();
    });
}

#[test]
pub(crate) fn only_listed_signals_are_sent() {
    block(async {
        // The shell itself says on standard error that its `sleep` was hit.
        let script = "exec 2>/dev/null; trap 'echo hung up' HUP; echo up; while :; do sleep 0.01; done";
        let own = "command_permissions: {allowed_signals: [HUP]}";
        let by_default = format!("supervisor: {{defaults: {{{own}}}}}");
        for (top, child) in [("", shell("a", script, own)), (&*by_default, shell("a", script, ""))] {
            let mut tree = launch(top, &child);
            assert_eq!(tree.said("/a").await, "up");
            // A program can speak before it counts as started.
            tree.handle.started().await.unwrap();
            let refused = tree.handle.signal_child("/a", StopSignal::Usr1, "test", "to see").await;
            assert!(matches!(refused, Err(SupervisorError::NotPermitted { .. })), "{refused:?}");
            tree.handle.signal_child("/a", StopSignal::Hup, "test", "to see").await.unwrap();
            assert_eq!(tree.said("/a").await, "hung up");
        }
        let tree = launch("", &shell("a", "sleep 1000", "command_permissions: {allowed_signals: []}"));
        tree.handle.started().await.unwrap();
        let refused = tree.handle.signal_child("/a", StopSignal::Hup, "test", "to see").await;
        assert!(matches!(refused, Err(SupervisorError::NotPermitted { .. })), "{refused:?}");
    });
}

#[test]
pub(crate) fn tags_are_kept_with_the_child() {
    block(async {
        let tree = launch("", &shell("a", "sleep 1000", "tags: [web, blue]"));
        let tags = tree.handle.child("/a").unwrap().tags;
        assert_eq!(tags.iter().map(|tag| &**tag).collect::<Vec<_>>(), ["web", "blue"]);
    });
}

#[test]
pub(crate) fn a_task_is_made_by_the_factory_it_names_or_is_called_like() {
    block(async {
        let children = "  - {name: idle, kind: async_worker}
  - {name: a, kind: async_worker, factory: late}
  - {name: b, kind: async_worker, factory_key: late}";
        let mut tree = launch("", children);
        tree.handle.started().await.unwrap();
        assert_eq!(tree.handle.children("/").unwrap().len(), 3);
        assert_eq!(tree.said("/b").await, "not ready yet");
    });
}

#[test]
pub(crate) fn a_task_with_explicit_readiness_says_itself_when_it_is_ready() {
    block(async {
        let children = "  - {name: a, kind: async_worker, factory: late, readiness: explicit}
  - {name: b, kind: async_worker, factory: idle, dependencies: [a]}";
        let mut tree = launch("", children);
        tree.until("/b", EventKind::ChildWaiting).await;
        tree.until("/a", EventKind::ChildReady).await;
        tree.until("/b", EventKind::ChildRunning).await;
    });
}

#[test]
pub(crate) fn a_task_that_misses_its_heartbeats_is_unhealthy() {
    block(async {
        let check = "health_check: {check_interval_secs: 0.05, timeout_secs: 0.05, max_retries: 3}";
        let mut tree = launch("", &format!("  - {{name: idle, kind: async_worker, {check}}}"));
        let unhealthy = tree.until("/idle", EventKind::ChildUnhealthy).await;
        assert_eq!(unhealthy.event.numbers[..2], [3, 3]);
    });
}
