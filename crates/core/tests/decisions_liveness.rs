//! Decision D13: liveness.

use supervisor_api::policy::Heartbeat;
use supervisor_api::{EventKind, Exit, Health, Lifecycle};
use supervisor_core::{End, Input};
use supervisor_testkit::*;

fn quick(name: &str) -> Child {
    perm(name).steps(ms(0), ms(0))
}

const BEAT: Heartbeat = Heartbeat { interval: secs(1), timeout: ms(500), max_retries: 3 };

fn health(bench: &Bench) -> Health {
    bench.row("a").health
}

#[test]
fn d13_stale_at_the_first_miss_unhealthy_after_the_last_then_restarted_as_a_failure() {
    for child in [quick("a"), quick("a").restart(supervisor_api::policy::RestartType::Transient)] {
        let mut bench = Bench::launch(one_for_one([child.heartbeat(BEAT)]).budget(1, secs(60)));
        bench.take();
        bench.miss("a", "no answer");
        assert_eq!((health(&bench), bench.state("a")), (Health::Stale, Lifecycle::Running));
        bench.miss("a", "no answer");
        assert_eq!((health(&bench), bench.take()), (Health::Stale, vec![]));
        bench.miss("a", "no answer");
        assert_eq!(bench.take(), ["stop a", "down a", "start a"]);
        assert_eq!(bench.count(EventKind::ChildUnhealthy), 1);
        let exits = bench.heard().iter().filter_map(|heard| heard.event.detail.as_ref()?.exit.clone());
        assert!(exits.into_iter().any(|exit| matches!(exit, Exit::Unhealthy { .. })));
        for _ in 0..3 {
            bench.miss("a", "no answer");
        }
        assert!(matches!(bench.ended(), Some(End::GaveUp { .. })), "it is charged");
    }
}

#[test]
fn d13_a_beat_ends_a_row_of_misses() {
    let mut bench = Bench::launch(one_for_one([quick("a").heartbeat(BEAT)]));
    for _ in 0..5 {
        bench.miss("a", "no answer");
        bench.miss("a", "no answer");
        assert_eq!(health(&bench), Health::Stale);
        bench.beat("a");
        assert_eq!(health(&bench), Health::Healthy);
    }
    assert_eq!(bench.generation("a"), 1);
    assert_eq!(bench.count(EventKind::ChildHealthy), 5);
}

#[test]
fn d13_a_promised_beat_is_late_after_interval_and_timeout() {
    let mut bench = Bench::launch(one_for_one([quick("a").heartbeat(BEAT)]));
    bench.pass(ms(1_499));
    assert_ne!(health(&bench), Health::Stale);
    bench.pass(ms(1));
    assert_eq!(health(&bench), Health::Stale);
    assert_eq!(bench.count(EventKind::ChildHeartbeatMissed), 1);
    bench.pass(secs(3));
    assert_eq!(bench.count(EventKind::ChildUnhealthy), 1, "three late ones in a row");
    assert_eq!(bench.generation("a"), 2);
}

#[test]
fn d13_whoever_beats_in_time_is_healthy_for_ever() {
    let mut bench = Bench::launch(one_for_one([quick("a").heartbeat(BEAT)]));
    for _ in 0..100 {
        bench.pass(ms(1_400));
        bench.beat("a");
    }
    assert_eq!((health(&bench), bench.generation("a")), (Health::Healthy, 1));
    assert_eq!(bench.count(EventKind::ChildHeartbeatMissed), 0);
}

#[test]
fn d13_misses_count_from_started_not_from_spawned() {
    let a = quick("a").explicit().always(Run::ready_after(secs(10))).heartbeat(BEAT);
    let mut bench = Bench::launch(one_for_one([a]));
    bench.pass(ms(11_499));
    assert_eq!(bench.count(EventKind::ChildHeartbeatMissed), 0);
    bench.pass(ms(1));
    assert_eq!(bench.count(EventKind::ChildHeartbeatMissed), 1);
}

#[test]
fn d13_no_miss_counts_in_the_start_period_until_the_first_beat() {
    let a = || quick("a").heartbeat(BEAT).start_period(secs(10));
    let mut bench = Bench::launch(one_for_one([a()]));
    for _ in 0..9 {
        bench.pass(secs(1));
        bench.miss("a", "no answer");
    }
    assert_eq!((health(&bench), bench.count(EventKind::ChildHeartbeatMissed)), (Health::Unknown, 0));
    bench.pass(ms(1_000));
    bench.miss("a", "no answer");
    assert_eq!(
        (health(&bench), bench.count(EventKind::ChildHeartbeatMissed)),
        (Health::Stale, 1),
        "it is over"
    );
    // A beat ends it, and what comes after is judged as ever.
    let mut bench = Bench::launch(one_for_one([a()]));
    bench.beat("a");
    bench.pass(ms(1_500));
    assert_eq!(bench.count(EventKind::ChildHeartbeatMissed), 1);
    // The machine's own deadline for the first beat is that much later.
    let mut bench = Bench::launch(one_for_one([a()]));
    bench.pass(ms(11_499));
    assert_eq!(bench.count(EventKind::ChildHeartbeatMissed), 0);
    bench.pass(ms(1));
    assert_eq!(bench.count(EventKind::ChildHeartbeatMissed), 1);
    // Each run has its own, from started on.
    bench.pass(secs(2));
    assert_eq!((bench.generation("a"), bench.count(EventKind::ChildUnhealthy)), (2, 1));
    bench.miss("a", "no answer");
    assert_eq!(health(&bench), Health::Unknown);
}

#[test]
fn d13_a_run_that_says_it_has_failed_is_unhealthy_at_once() {
    let child = quick("a").heartbeat(BEAT).start_period(secs(10));
    let mut bench = Bench::launch(one_for_one([child, quick("b")]));
    bench.take();
    bench.unwell("a", "it says so");
    assert_eq!(bench.take(), ["stop a", "down a", "start a"]);
    assert_eq!(
        (bench.count(EventKind::ChildUnhealthy), bench.count(EventKind::ChildHeartbeatMissed)),
        (1, 0)
    );
    let told = bench.heard().iter().find(|heard| heard.event.kind == EventKind::ChildUnhealthy).unwrap();
    assert_eq!(told.event.numbers[..2], [3, 3]);
    // Who has promised nothing breaks nothing, and a word of an earlier run is none.
    bench.unwell("b", "it says so");
    let key = bench.key("a");
    bench.say(Input::Unwell { key, generation: 1, why: "late".into() });
    assert_eq!(bench.take(), [""; 0]);
}

#[test]
fn d13_d8_an_unhealthy_child_that_does_not_stop_is_killed() {
    let deaf = quick("a").grace(secs(2)).run(1, Run::healthy().ignores_stop());
    let mut bench = Bench::launch(one_for_one([deaf.heartbeat(BEAT)]));
    for _ in 0..3 {
        bench.miss("a", "no answer");
    }
    bench.take();
    bench.pass(secs(2));
    assert_eq!(bench.take(), ["kill a", "down a: aborted after its grace", "start a"]);
}
