//! What a supervisor has, at the root of a file (`supervisor:`) and nested in it.

use supervisor_api::manifest::ChildManifest;
use tokio_supervisor::{EventKind, SupervisorError};

use crate::tree::{block, both, launch};

const IDLE: &str = "kind: async_worker, factory: idle";
const FAILS: &str = "kind: process, command: [sh, -c, exit 1], backoff: {initial_ms: 0}";

#[test]
pub(crate) fn the_strategy_says_who_is_restarted() {
    block(async {
        let children = format!("{{name: a, {IDLE}}}, {{name: b, {FAILS}}}");
        for (mut tree, above) in both("strategy: one_for_all", &children) {
            tree.until(&format!("{above}/b"), EventKind::ChildFailed).await;
            tree.until(&format!("{above}/a"), EventKind::ChildStopped).await;
        }
    });
}

#[test]
pub(crate) fn the_budget_of_a_supervisor_is_for_its_children() {
    block(async {
        let budget = "budget: {max_restarts: 2, window_secs: 44, on_exhausted: quarantine}";
        for (mut tree, above) in both(budget, &format!("{{name: a, {FAILS}}}, {{name: b, {IDLE}}}")) {
            let path = format!("{above}/a");
            let exhausted = tree.until(&path, EventKind::BudgetExhausted).await;
            assert_eq!(exhausted.event.numbers[..3], [2, 2, 44_000]);
            tree.until(&path, EventKind::ChildQuarantined).await;
        }
        for (mut tree, above) in both("budget: unlimited", &format!("{{name: a, {FAILS}}}")) {
            for _ in 0..8 {
                tree.until(&format!("{above}/a"), EventKind::ChildRestarted).await;
            }
        }
    });
}

#[test]
pub(crate) fn under_profile_otp_the_second_failure_is_too_much() {
    block(async {
        for (mut tree, above) in both("profile: otp", &format!("{{name: a, {FAILS}}}")) {
            let exhausted = tree.until(&format!("{above}/a"), EventKind::BudgetExhausted).await;
            assert_eq!(exhausted.event.numbers[..3], [1, 1, 5_000]);
        }
    });
}

#[test]
pub(crate) fn declared_order_waits_for_each_and_dependencies_for_those_named_only() {
    block(async {
        let children = format!(
            "{{name: slow, kind: async_worker, factory: late, readiness: explicit}}, {{name: b, {IDLE}}}"
        );
        for (order, first) in [("declared", "slow"), ("dependencies", "b")] {
            for (mut tree, above) in both(&format!("order: {order}"), &children) {
                let running = tree
                    .event(|event| {
                        event.event.kind == EventKind::ChildRunning
                            && event
                                .path
                                .parent()
                                .is_some_and(|parent| parent.as_str().trim_end_matches('/') == above)
                    })
                    .await;
                assert_eq!(running.path.last_segment(), Some(first), "{order}");
            }
        }
        // What a file has when it does not say.
        let mut tree = launch("", &format!("  [{children}]"));
        tree.until("/b", EventKind::ChildRunning).await;
        assert!(!tree.seen().iter().any(|line| line.contains("/slow running")), "{:?}", tree.seen());
    });
}

#[test]
pub(crate) fn children_are_stopped_one_by_one_or_at_once() {
    block(async {
        let children = format!("{{name: a, {IDLE}}}, {{name: b, {IDLE}}}");
        for (stop, second) in
            [("sequential", EventKind::ChildStopped), ("concurrent", EventKind::ChildStopping)]
        {
            for (mut tree, above) in both(&format!("stop: {stop}"), &children) {
                tree.handle.started().await.unwrap();
                tree.stop().await;
                let ours = |path: &str| path == format!("{above}/a") || path == format!("{above}/b");
                tree.event(|event| event.event.kind == EventKind::ChildStopping && ours(event.path.as_str()))
                    .await;
                let then = tree.event(|event| ours(event.path.as_str())).await;
                assert_eq!(then.event.kind, second, "{stop}");
            }
        }
    });
}

#[test]
pub(crate) fn a_failed_start_is_unwound_or_tried_again() {
    block(async {
        let children = format!("{{name: a, {IDLE}}}, {{name: b, kind: process, command: [/nonexistent/x]}}");
        for (mut tree, above) in both("on_start_failure: unwind, order: declared", &children) {
            tree.until(&format!("{above}/b"), EventKind::ChildStartFailed).await;
            tree.until(&format!("{above}/a"), EventKind::ChildStopped).await;
        }
        for (mut tree, above) in both("on_start_failure: retry", &children) {
            tree.until(&format!("{above}/b"), EventKind::ChildStartFailed).await;
            tree.until(&format!("{above}/b"), EventKind::ChildRestarting).await;
        }
        let mut tree = launch("", &format!("  [{children}]"));
        tree.until("/b", EventKind::ChildRestarting).await;
    });
}

#[test]
pub(crate) fn a_significant_child_ends_its_supervisor() {
    block(async {
        let children = format!(
            "{{name: a, {IDLE}}}, {{name: b, kind: process, command: [\"true\"], role: worker, significant: true}}"
        );
        for (mut tree, above) in both("auto_shutdown: any_significant", &children) {
            tree.until(&format!("{above}/b"), EventKind::ChildCompleted).await;
            tree.until(&format!("{above}/a"), EventKind::ChildStopped).await;
        }
    });
}

#[test]
pub(crate) fn d20_a_stack_ends_when_it_is_done_unless_it_is_told_not_to() {
    block(async {
        let job = "  - {name: a, kind: process, command: [\"true\"], role: job}";
        assert_eq!(&*launch("", job).end().await.phase, "all_done");
        assert_eq!(&*launch("supervisor: {auto_shutdown: all_done}", job).end().await.phase, "all_done");
        let mut tree = launch("supervisor: {auto_shutdown: never}", job);
        tree.until("/a", EventKind::ChildCompleted).await;
        assert_eq!(&*tree.stop().await.phase, "shutdown");
    });
}

#[test]
pub(crate) fn a_dynamic_supervisor_takes_as_many_children_as_it_is_said() {
    block(async {
        let root = launch("supervisor: {dynamic: {max_children: 1}}", "  []");
        let nested = launch("", "  - {name: n, kind: supervisor, dynamic: {max_children: 1}}");
        for (tree, path) in [(root, "/"), (nested, "/n")] {
            tree.handle.started().await.unwrap();
            let manifest = |name: &str| {
                let json = format!(r#"{{"name": "{name}", "kind": "async_worker", "factory": "idle"}}"#);
                serde_json::from_str::<ChildManifest>(&json).unwrap()
            };
            tree.handle.add_child(path, manifest("a"), "test", "to see").await.unwrap();
            let second = tree.handle.add_child(path, manifest("b"), "test", "to see").await;
            assert!(matches!(second, Err(SupervisorError::MaxChildren { max: 1, .. })), "{second:?}");
        }
    });
}

#[test]
pub(crate) fn defaults_reach_the_children_of_children() {
    block(async {
        let inner =
            "{name: i, kind: supervisor, children: [{name: a, kind: process, role: job, command: [pwd]}]}";
        for (mut tree, above) in both("defaults: {working_dir: /usr}", inner) {
            assert_eq!(tree.said(&format!("{above}/i/a")).await, "/usr");
        }
    });
}

#[test]
pub(crate) fn the_whole_stop_can_be_limited() {
    block(async {
        let top = "supervisor: {shutdown: {graceful_timeout_ms: 150}}";
        let deaf = "trap '' TERM; echo up; while :; do sleep 0.01; done";
        let child = format!(
            "  - {{name: a, kind: process, command: [sh, -c, {deaf:?}], shutdown: {{graceful_timeout_ms: infinity}}}}"
        );
        let mut tree = launch(top, &child);
        assert_eq!(tree.said("/a").await, "up");
        tree.stop().await;
        tree.until("/", EventKind::ShutdownPhaseChanged).await;
        tree.until("/a", EventKind::ChildKilling).await;
    });
}
