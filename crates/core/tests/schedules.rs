//! Decision D20: children that start when their time has come.

use supervisor_api::policy::AutoShutdown;
use supervisor_api::report::TreeHealth;
use supervisor_api::{Cause, EventKind, Lifecycle, Next};
use supervisor_testkit::*;

/// A job that starts at its times, and ends when the bench says so.
fn nightly() -> Child {
    job("nightly").steps(ms(0), ms(0)).scheduled()
}

fn quick(name: &str) -> Child {
    perm(name).steps(ms(0), ms(0))
}

#[test]
fn d20_a_scheduled_job_rests_until_its_time_and_has_a_run_each_time() {
    let mut bench = Bench::launch(one_for_one([nightly(), quick("web")]));
    assert_eq!(bench.take(), ["start web", "started"]);
    assert_eq!(bench.state("nightly"), Lifecycle::Declared);
    assert_eq!(bench.machine().tally().tree_health(), TreeHealth::Healthy);
    for _ in 0..3 {
        bench.due("nightly");
        assert_eq!(bench.take(), ["start nightly"]);
        bench.finish("nightly");
        assert_eq!(bench.take(), ["down nightly: completed"]);
        assert_eq!(bench.state("nightly"), Lifecycle::Completed);
    }
    bench.due("nightly");
    bench.take();
    bench.crash("nightly");
    assert_eq!(bench.state("nightly"), Lifecycle::Failed);
    assert_eq!(
        bench.machine().tally().tree_health(),
        TreeHealth::Degraded,
        "a run that failed is shown until the next one"
    );
    bench.due("nightly");
    assert_eq!(bench.state("nightly"), Lifecycle::Running);
    assert_eq!(bench.machine().tally().tree_health(), TreeHealth::Healthy);
}

#[test]
fn d20_a_time_that_comes_while_the_job_runs_waits_or_is_held_is_nobodys() {
    let mut bench = Bench::launch(one_for_one([quick("db"), nightly().after(["db"])]));
    bench.take();
    bench.due("nightly");
    bench.take();
    bench.due("nightly");
    assert_eq!(bench.take(), [""; 0]);
    bench.finish("nightly");
    bench.take();
    bench.pause("nightly");
    bench.due("nightly");
    assert_eq!(bench.take(), [""; 0]);
    // It does not make up for it.
    bench.resume("nightly");
    assert_eq!(bench.take(), [""; 0]);
    assert_eq!(bench.state("nightly"), Lifecycle::Stopped);
    bench.pause("db");
    bench.take();
    bench.due("nightly");
    assert_eq!(bench.state("nightly"), Lifecycle::Waiting);
    bench.resume("db");
    assert_eq!(bench.take(), ["start db", "start nightly"]);
}

#[test]
fn d20_a_restart_runs_it_now() {
    let mut bench = Bench::launch(one_for_one([nightly()]));
    bench.take();
    bench.restart("nightly");
    assert_eq!(bench.take(), ["start nightly"]);
    bench.finish("nightly");
    bench.restart("nightly");
    assert_eq!(bench.take(), ["down nightly: completed", "start nightly"]);
    bench.restart("nightly");
    assert_eq!(bench.take(), ["stop nightly", "down nightly", "start nightly"]);
}

#[test]
fn d20_nobody_else_starts_it() {
    // Neither its group, nor a new incarnation of its supervisor.
    let nested = sup("nested", one_for_all([nightly(), quick("web")]));
    let mut bench = Bench::launch(one_for_one([nested]));
    bench.take();
    bench.crash("nested/web");
    assert_eq!(bench.take(), ["down nested/web: failed: boom", "start nested/web"]);
    bench.due("nested/nightly");
    bench.finish("nested/nightly");
    bench.take();
    bench.crash("nested/web");
    assert_eq!(bench.take(), ["down nested/web: failed: boom", "start nested/web"]);
    bench.restart("nested");
    let trace = bench.take();
    assert!(!trace.contains(&"start nested/nightly".to_owned()), "{trace:?}");
    bench.due("nested/nightly");
    assert_eq!(bench.take(), ["start nested/nightly"]);
}

#[test]
fn d20_a_run_that_failed_is_tried_again_by_its_own_rules() {
    let mut bench = Bench::launch(one_for_one([nightly().retry().steps(ms(100), ms(100))]));
    bench.take();
    bench.due("nightly");
    bench.take();
    bench.crash("nightly");
    bench.pass(ms(100));
    assert!(bench.take().contains(&"start nightly".to_owned()));
    bench.finish("nightly");
    assert_eq!(bench.state("nightly"), Lifecycle::Completed);
}

fn between_slow_ones(nightly: Child) -> Tree {
    let slow = |name| quick(name).always(Run::healthy().stops_after(secs(1)));
    let db = quick("db").restart_dependants();
    one_for_all([db, slow("first"), nightly.after(["db"]), slow("second"), quick("web")])
}

/// `web` fails, and its group waits for `second`; meanwhile `db` takes down `nightly`, which waits for it. Then the
/// group takes in `nightly`, and waits for `first`.
fn cut_short(nightly: Child) -> Bench {
    let mut bench = Bench::launch(between_slow_ones(nightly));
    bench.due("nightly");
    bench.crash("web");
    bench.pause("db");
    assert_eq!(bench.state("nightly"), Lifecycle::Waiting);
    bench.pass(secs(1));
    assert_eq!((bench.state("nightly"), bench.state("first")), (Lifecycle::Stopped, Lifecycle::Stopping));
    let stopped = bench.events(EventKind::ChildStopped, "nightly");
    assert!(stopped.last().is_some_and(|event| matches!(event.next, Next::WithGroup(_))));
    bench.take();
    bench
}

#[test]
fn d20_d11_d18_a_run_that_a_dependency_cut_short_is_had_with_the_group() {
    let mut bench = cut_short(nightly());
    bench.resume("db");
    bench.pass(secs(1));
    assert_eq!(
        bench.take(),
        ["down first", "start db", "start first", "start nightly", "start second", "start web"]
    );
    // It had that run: the next group leaves it alone.
    bench.finish("nightly");
    bench.crash("web");
    bench.pass(secs(5));
    assert!(!bench.take().contains(&"start nightly".to_owned()));
}

#[test]
fn d20_d11_d18_a_run_that_a_dependency_cut_short_waits_for_it_again_when_its_group_is_up_first() {
    let mut bench = cut_short(nightly());
    bench.pass(secs(1));
    assert_eq!(bench.take(), ["down first", "start first", "start second", "start web"]);
    assert_eq!(bench.state("nightly"), Lifecycle::Waiting);
    bench.resume("db");
    assert_eq!(bench.take(), ["start db", "start nightly"]);
}

#[test]
fn d20_d12_a_schedule_that_comes_before_the_group_is_up_takes_away_the_run_with_it() {
    let once = || job("nightly").steps(ms(0), ms(0));
    let mut bench = cut_short(once());
    bench.apply(between_slow_ones(nightly()));
    bench.resume("db");
    bench.pass(secs(1));
    assert_eq!(bench.state("nightly"), Lifecycle::Stopped, "until its time comes");
    // Without the schedule it has had its run.
    bench.apply(between_slow_ones(once()));
    bench.crash("web");
    bench.pass(secs(5));
    assert_eq!(bench.state("nightly"), Lifecycle::Stopped);
}

#[test]
fn d20_a_stack_with_a_schedule_does_not_end_by_itself() {
    let stack =
        |child| one_for_one([child, job("once").steps(ms(0), ms(0))]).auto_shutdown(AutoShutdown::AllDone);
    let mut bench = Bench::launch(stack(nightly()));
    bench.finish("once");
    bench.due("nightly");
    bench.finish("nightly");
    bench.pass(secs(1_000_000));
    assert!(bench.ended().is_none());
    bench.apply(stack(job("nightly").steps(ms(0), ms(0))));
    assert!(bench.ended().is_some(), "without the schedule it has had its run");
}

#[test]
fn d20_d12_a_new_spec_gives_a_schedule_or_takes_it_away() {
    let with = || one_for_one([nightly(), quick("web")]);
    let without = || one_for_one([job("nightly").steps(ms(0), ms(0)), quick("web")]);
    let mut bench = Bench::launch(with());
    bench.take();
    bench.apply(without());
    assert_eq!(bench.take(), ["start nightly"], "it is a job like any other, and had no run");
    bench.apply(with());
    bench.finish("nightly");
    bench.take();
    bench.due("nightly");
    assert_eq!(bench.take(), ["start nightly"]);
    let starts = bench.events(EventKind::ChildRunning, "nightly");
    assert_eq!(starts.last().unwrap().cause, Cause::Schedule);
}

#[test]
fn d20_only_a_job_has_a_schedule() {
    let findings = one_for_one([quick("web").scheduled()]).resolve().unwrap_err();
    assert!(findings.iter().any(|finding| finding.key == "schedule"), "{findings:?}");
}
