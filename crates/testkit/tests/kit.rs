//! The kit: scripted children of the library, under paused time.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use supervisor_api::Lifecycle;
use supervisor_testkit::{Run, Script, TestTree, ms, secs};
use tokio_supervisor::{Backoff, ChildSpec, Exit, ReadinessMode, Strategy, SupervisorSpec};

async fn start(children: impl IntoIterator<Item = ChildSpec>) -> TestTree {
    TestTree::start(SupervisorSpec::root(children)).await
}

fn service(name: &str, script: impl Into<Script>) -> ChildSpec {
    ChildSpec::service(name, script.into().play())
}

fn explicit(name: &str, run: Run) -> ChildSpec {
    service(name, run).readiness(ReadinessMode::Explicit)
}

/// Doubling from 100 ms, without jitter.
fn steps() -> Backoff {
    Backoff { jitter_ratio: 0.0, ..Backoff::default() }
}

/// The message of the panic of an expectation.
fn failure(tree: &mut TestTree, expect: impl FnOnce(&mut TestTree)) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| expect(tree))).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

// ---- scripts ----

#[tokio::test(start_paused = true)]
async fn d3_a_failing_child_restarts_when_its_trace_says() {
    let mut tree = start([service("web", Run::fails_after(secs(2), "boom")).backoff(steps())]).await;
    tree.expect(["web: declared → running"]);
    tree.advance(secs(2)).await;
    tree.expect(["web: running → starting (failed: boom), next start now", "web: starting → running"]);
    tree.advance(secs(2)).await;
    tree.expect(["web: running → backoff (failed: boom), next start in 100 ms"]);
    tree.advance(ms(99)).await;
    tree.expect_nothing();
    tree.advance(ms(1)).await;
    tree.expect(["web: backoff → running"]);
}

#[tokio::test(start_paused = true)]
async fn d14_one_run_of_a_script_panics_and_the_others_do_not() {
    let script = Script::always(Run::fails_after(secs(1), "again")).run(3, Run::panics("boom"));
    let mut tree = start([service("web", script)]).await;
    tree.until_line("failed: again").await;
    tree.until_line("failed: again").await;
    tree.expect_nothing();
    tree.until_line("web: running → backoff (panicked: boom)").await;
    assert_eq!(tree.child("web").unwrap().state.generation, 3);
    assert!(tree.exits("web").unwrap()[2].exit.to_string().contains("play.rs"), "it is a real panic");
}

#[tokio::test(start_paused = true)]
async fn r32_a_start_that_fails_and_one_that_never_gets_ready() {
    let root = SupervisorSpec::root([explicit("web", Run::fails_to_start())]);
    let mut tree = TestTree::launch(root).await;
    let error = tree.started().await.unwrap_err().to_string();
    assert!(error.contains("/web did not start: failed: no start"), "{error}");
    tree.until_ended().await;
    tree.expect_in_order(["web: declared → starting", "web: starting → failed (failed: no start)"]);

    let never = explicit("web", Run::never_ready()).ready_within(secs(3));
    let mut tree = TestTree::launch(SupervisorSpec::root([never])).await;
    tree.advance(ms(2_999)).await;
    tree.expect(["web: declared → starting"]);
    tree.advance(ms(1)).await;
    tree.expect_in_order([
        "web: starting → stopping",
        "web: stopping → failed (timed out: not ready within 3s)",
    ]);
}

#[tokio::test(start_paused = true)]
async fn d19_a_child_is_ready_after_its_time_or_declines() {
    let mut tree =
        start([explicit("slow", Run::ready_after(secs(4))), explicit("no", Run::declines())]).await;
    assert_eq!(tree.now(), secs(4));
    tree.expect([
        "slow: declared → starting",
        "slow: starting → running",
        "no: declared → starting",
        "no: starting → stopped (its script says so)",
    ]);
}

#[tokio::test(start_paused = true)]
async fn r18_a_run_that_completes_is_over() {
    let mut tree = start([ChildSpec::worker("w", Run::completes_after(secs(1)).play())]).await;
    tree.until("w", Lifecycle::Completed).await;
    assert_eq!(tree.now(), secs(1));
}

#[tokio::test(start_paused = true)]
async fn d8_a_run_that_hangs_on_stop_is_aborted_after_its_grace() {
    let mut tree = start([service("web", Run::healthy().ignores_stop()).grace(secs(3))]).await;
    tree.take();
    let report = tree.stop().await;
    tree.expect([
        "/: running → stopping (shutdown: it is over)",
        "web: running → stopping, killed in 3 s",
        "web: killed (deadline)",
        "web: ended badly while stopping (aborted after its grace)",
        "web: stopping → stopped (aborted after its grace)",
        "/: stopping → stopped",
    ]);
    assert_eq!((tree.now(), report.phase.as_ref()), (secs(3), "shutdown"));
}

#[tokio::test(start_paused = true)]
async fn d22_a_run_stops_after_its_time_and_with_its_exit() {
    let run = Run::healthy().stops_after(secs(2)).stops_with(Exit::failed("odd"));
    let mut tree = start([service("web", run)]).await;
    tree.stop().await;
    tree.expect_in_order(["web: running → stopping", "web: stopping → stopped (failed: odd)"]);
    assert_eq!(tree.now(), secs(2));
}

#[tokio::test(start_paused = true)]
async fn d22_a_run_that_is_stopping_can_still_end_by_itself_before() {
    let run = Run::fails_after(secs(1), "boom").stops_after(secs(4));
    let mut tree = start([service("web", run)]).await;
    tree.stop().await;
    assert_eq!(tree.now(), secs(1));
    tree.expect_in_order(["web: stopping → stopped (failed: boom)"]);
}

#[tokio::test(start_paused = true)]
async fn d13_a_run_keeps_its_heartbeat_until_it_goes_silent() {
    let beats = |name, run: Run| service(name, run).heartbeat(secs(1), secs(1), 2);
    let silent = Script::default().run(1, Run::healthy().silent_after(secs(5)));
    let silent = service("silent", silent).heartbeat(secs(1), secs(1), 2);
    let mut tree = start([beats("beats", Run::healthy()), silent]).await;
    tree.advance(secs(60)).await;
    tree.expect_in_order([
        "silent: healthy",
        "silent: missed a heartbeat (no heartbeat for 2s)",
        "silent: unhealthy (no heartbeat for 2s)",
        "silent: running → stopping (heartbeat)",
        "silent: stopping → starting (unhealthy: no heartbeat for 2s; 2 misses in a row), next start now",
    ]);
    tree.expect_never("beats: missed");
    assert_eq!(tree.child("silent").unwrap().state.generation, 2, "the second run beats for ever");
}

#[tokio::test(start_paused = true)]
async fn d13_a_probed_child_has_no_promise_to_keep() {
    let web =
        service("web", Run::healthy()).probe(secs(1), secs(1), 5, |_| async { Err::<(), _>("no answer") });
    let mut tree = start([web]).await;
    tree.until_line("web: unhealthy (the probe says: no answer)").await;
    assert_eq!(tree.now(), secs(4), "no beat of the script came in between");
}

#[tokio::test(start_paused = true)]
async fn d8_a_managed_child_that_does_not_die_is_unresponsive_until_it_does() {
    let run = Run::healthy().ignores_stop().dies_after(secs(3));
    let web = ChildSpec::managed("web", run.play()).grace(secs(1)).abort_wait(secs(1));
    let mut tree = start([web]).await;
    let handle = tree.handle().clone();
    let restart = tokio::spawn(async move { handle.restart_child("web", "me", "because").await });
    tree.until("web", Lifecycle::Unresponsive).await;
    assert_eq!(tree.now(), secs(2));
    tree.until("web", Lifecycle::Running).await;
    assert_eq!(tree.now(), secs(4), "three seconds after it was killed");
    restart.await.unwrap().unwrap();
    let web = ChildSpec::managed("web", Run::healthy().immortal().play()).grace(secs(1));
    let mut tree = start([web]).await;
    tree.stop().await;
    assert_eq!(tree.now(), secs(2));
    tree.expect_in_order(["web: stopping → unresponsive"]);
}

// ---- the tree ----

#[tokio::test(start_paused = true)]
async fn r23_commands_go_through_the_ordinary_handle_and_causes_are_named() {
    let group = SupervisorSpec::new("group")
        .children([
            service("a", Run::healthy()),
            service("b", Script::default().run(1, Run::fails_after(secs(1), "x"))),
        ])
        .strategy(Strategy::OneForAll);
    let mut tree = start([ChildSpec::supervisor(group)]).await;
    tree.advance(secs(1)).await;
    tree.expect_in_order([
        "group/b: running → backoff (failed: x)",
        "group/a: running → stopping (group restart: group/b)",
    ]);
    tree.pause_child("/group/a", "me", "a look").await.unwrap();
    tree.expect_in_order(["group/a: running → stopping (operator: a look)", "group/a: stopping → paused"]);
    tree.until("group/a", Lifecycle::Paused).await;
}

#[tokio::test(start_paused = true)]
async fn time_passes_step_by_step_and_ends_settled() {
    let mut tree = start([service("a", Run::fails_after(secs(1), "x")).unlimited()]).await;
    tree.take();
    tree.advance(Duration::from_secs(10)).await;
    assert_eq!(tree.now(), secs(10));
    let lines = tree.take();
    assert!(lines.len() > 10, "a restart a second, not one at the end: {lines:#?}");
    tree.settle().await;
    tree.expect_nothing();
}

#[tokio::test(start_paused = true)]
async fn two_trees_of_one_spec_have_one_trace() {
    let spec = || {
        let script = Script::always(Run::fails_after(ms(700), "x"));
        SupervisorSpec::root([service("a", script.clone()), service("b", script)]).budget(5, secs(60))
    };
    let mut traces = Vec::new();
    for _ in 0..2 {
        let mut tree = TestTree::start(spec()).await;
        tree.until_ended().await;
        traces.push(tree.trace().to_string());
    }
    assert_eq!(traces[0], traces[1]);
    assert!(traces[0].contains("exhausted its budget"), "{}", traces[0]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_expectation_says_what_differs_and_shows_everything_in_order() {
    let mut tree = start([service("web", Run::fails_after(ms(1_500), "boom")).backoff(steps())]).await;
    tree.take();
    tree.advance(secs(3)).await;
    let wrong = ["web: running → starting (failed: bang), next start now"];
    let message = failure(&mut tree, |tree| tree.expect(wrong));
    assert_eq!(
        message.lines().collect::<Vec<_>>(),
        [
            "line 1 is not as expected",
            "  wanted: web: running → starting (failed: bang), next start now",
            "    seen: web: running → starting (failed: boom), next start now",
            "what happened since the start:",
            "       0 ms  web: declared → running",
            "            -- looked at until here --",
            ">   1.500 s  web: running → starting (failed: boom), next start now",
            "    1.500 s  web: starting → running",
            "        3 s  web: running → backoff (failed: boom), next start in 100 ms",
        ]
    );
    assert!(failure(&mut tree, |tree| tree.expect(["web: gone"])).contains("seen: nothing more"));
    assert!(failure(&mut tree, |tree| tree.expect_never("boom")).contains("unwanted: boom"));
    tree.advance(secs(2)).await;
    let order = ["web: backoff", "web: declared"];
    let message = failure(&mut tree, |tree| tree.expect_in_order(order));
    assert!(
        message.contains("this did not happen after the line that is marked\n  wanted: web: declared"),
        "{message}"
    );
    assert!(message.contains(">   3.100 s  web: backoff → running"), "{message}");
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the tree did not start: /web did not start: failed: no start")]
async fn a_tree_that_does_not_start_fails_the_test() {
    start([explicit("web", Run::fails_to_start())]).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "web is not paused within a day: running")]
async fn a_state_that_never_comes_fails_the_test() {
    start([service("web", Run::healthy())]).await.until("web", Lifecycle::Paused).await;
}

#[tokio::test]
#[should_panic(expected = "time is not frozen")]
async fn a_tree_whose_time_runs_is_refused() {
    start([service("web", Run::healthy())]).await;
}
