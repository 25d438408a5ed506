//! How a run ended, and the exit code (D20).

use supervisor_api::command::CommandResult;
use supervisor_api::report::{
    ChildShutdownOutcome, RuntimeControlPlaneState, RuntimeExitReport, ShutdownResult,
};
use supervisor_api::{Exit as Ended, Lifecycle, SupervisorPath};
use supervisor_stack::tokio_supervisor::SupervisorHandle;

use crate::exit::Exit;

/// How a run ended.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What did not go well, as sentences; what led to it follows on lines of its own.
    pub(crate) problems: Vec<String>,
    pub(crate) report: RuntimeExitReport,
    pub(crate) result: ShutdownResult,
    /// From launch to end.
    pub(crate) ran_nanos: u64,
}

impl Ending {
    /// Waits for the end of the tree and judges it.
    pub(crate) async fn of(handle: &SupervisorHandle) -> Self {
        let report = handle.join().await;
        // After the end this asks for nothing and gives the result again.
        let result = match handle.shutdown_tree("supervisor", "the report").await {
            Ok(CommandResult::Shutdown { result }) => result,
            _ => ShutdownResult::default(),
        };
        let ran_nanos = report.completed_at_unix_nanos.saturating_sub(handle.health().started_at_unix_nanos);
        Self::judge(report, result, ran_nanos)
    }

    fn judge(report: RuntimeExitReport, result: ShutdownResult, ran_nanos: u64) -> Self {
        let mut problems = Vec::new();
        match (report.state, &*report.phase) {
            (RuntimeControlPlaneState::Completed, "shutdown") => {}
            (RuntimeControlPlaneState::Completed, "all_done" | "auto_shutdown") => {
                problems.extend(result.outcomes.iter().filter_map(failure));
            }
            (_, phase) => problems.push(gave_up(phase, &report.reason)),
        }
        if !result.reconcile.unresponsive.is_empty() {
            problems.push(did_not_stop(&result.reconcile.unresponsive));
        }
        let exit = if problems.is_empty() { Exit::Good } else { Exit::Failed };
        Self { exit, problems, report, result, ran_nanos }
    }
}

fn failure(outcome: &ChildShutdownOutcome) -> Option<String> {
    let failed = outcome.state == Lifecycle::Failed;
    let how = || outcome.exit.as_ref().map(|exit| format!(": {}", how(exit))).unwrap_or_default();
    failed.then(|| format!("{} failed{}", outcome.path, how()))
}

/// The exit after the word of the state, which says already that it is a failure.
pub(super) fn how(exit: &Ended) -> String {
    match exit {
        Ended::Failed { error } => error.to_string(),
        _ => exit.to_string(),
    }
}

/// The sentence for a tree that failed, its chain of causes a line each.
fn gave_up(phase: &str, reason: &str) -> String {
    let what = match phase {
        "start" => "the start failed",
        "escalation" => "the stack gave up",
        _ => "the supervisor itself failed",
    };
    format!("{what}:\n  {}", reason.replace(" -> ", "\n  -> "))
}

fn did_not_stop(paths: &[SupervisorPath]) -> String {
    let paths: Vec<&str> = paths.iter().map(SupervisorPath::as_str).collect();
    format!("did not stop: {}", paths.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use supervisor_api::report::RuntimeFailureReason;

    fn result(state: Lifecycle) -> ShutdownResult {
        let path = SupervisorPath::parse("/a").unwrap();
        let exit = Some(Ended::failed("boom"));
        let mut result = ShutdownResult::default();
        if state == Lifecycle::Unresponsive {
            result.reconcile.unresponsive.push(path.clone());
        }
        result.outcomes.push(ChildShutdownOutcome { path, state, generation: 1, exit, took_micros: 1 });
        result
    }

    fn exit(phase: &str, state: Lifecycle) -> (u8, String) {
        let ending = Ending::judge(RuntimeExitReport::completed(phase, "r", 0), result(state), 0);
        (ending.exit.code(), ending.problems.join(";"))
    }

    #[test]
    fn d20_a_stack_that_was_asked_to_stop_ends_well_unless_somebody_does_not_stop() {
        assert_eq!(exit("shutdown", Lifecycle::Failed), (0, String::new()));
        assert_eq!(exit("shutdown", Lifecycle::Unresponsive), (1, "did not stop: /a".into()));
    }

    #[test]
    fn d20_a_stack_that_is_done_fails_with_a_failed_child_and_names_it() {
        assert_eq!(exit("all_done", Lifecycle::Completed), (0, String::new()));
        assert_eq!(exit("all_done", Lifecycle::Failed), (1, "/a failed: boom".into()));
        assert_eq!(exit("auto_shutdown", Lifecycle::Failed).0, 1);
        assert_eq!(exit("auto_shutdown", Lifecycle::Stopped).0, 0);
    }

    #[test]
    fn a_tree_that_gave_up_says_what_led_to_it_line_by_line() {
        let reason = RuntimeFailureReason::new("escalation", "/a failed -> / gave up", false, true);
        let ending = Ending::judge(RuntimeExitReport::failed(reason, 0), ShutdownResult::default(), 0);
        assert_eq!(ending.exit, Exit::Failed);
        assert_eq!(ending.problems, ["the stack gave up:\n  /a failed\n  -> / gave up"]);
    }
}
