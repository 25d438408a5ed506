//! Decisions D15 and D18: sidecars, and jobs.

use supervisor_api::policy::RestartType;
use supervisor_api::{Cause, Lifecycle};
use supervisor_testkit::*;

fn quick(name: &str) -> Child {
    perm(name).steps(ms(0), ms(0))
}

// ---- D15 ----

fn with_sidecar() -> Tree {
    let main = quick("main").restart(RestartType::Transient);
    one_for_one([main, sidecar("proxy", "main").steps(ms(0), ms(0)), quick("other")])
}

#[test]
fn d15_a_sidecar_starts_before_its_primary_and_stops_after_it() {
    let mut bench = Bench::launch(with_sidecar());
    assert_eq!(bench.take(), ["start proxy", "start main", "start other", "started"]);
    bench.shutdown();
    let stops: Vec<_> = bench.take().into_iter().filter(|line| line.starts_with("stop")).collect();
    assert_eq!(stops, ["stop other", "stop main", "stop proxy"]);
}

#[test]
fn d15_a_sidecar_goes_with_its_primary_and_comes_before_it() {
    for park in [Bench::pause, Bench::quarantine] {
        let mut bench = Bench::launch(with_sidecar());
        bench.take();
        park(&mut bench, "main");
        let mut trace = bench.take();
        trace.sort();
        assert_eq!(trace, ["down main", "down proxy", "stop main", "stop proxy"]);
        assert_eq!(bench.state("proxy"), Lifecycle::Stopped);
        bench.resume("main");
        assert_eq!(bench.take(), ["start proxy", "start main"]);
    }
    let mut bench = Bench::launch(with_sidecar());
    bench.take();
    bench.finish("main");
    assert_eq!(bench.take(), ["down main: completed", "stop proxy", "down proxy"]);
    assert_eq!(bench.state("proxy"), Lifecycle::Stopped);
    bench.start_again("main");
    assert_eq!(bench.take(), ["start proxy", "start main"]);

    let remove = bench.remove("main");
    bench.ok(remove);
    assert_eq!(bench.take()[..1], ["stop main"]);
    assert!(!bench.living().contains(&"proxy".to_owned()));
}

#[test]
fn d15_d4_a_sidecar_goes_with_a_primary_that_fails_for_good() {
    let tree =
        one_for_all([quick("main").optional().budget(0, secs(60)), sidecar("proxy", "main"), quick("other")]);
    let mut bench = Bench::launch(tree);
    bench.take();
    bench.crash("main");
    assert_eq!(bench.take(), ["down main: failed: boom", "stop proxy", "down proxy"]);
    assert_eq!([bench.state("main"), bench.state("proxy")], [Lifecycle::Quarantined, Lifecycle::Stopped]);

    let mut bench = Bench::launch(one_for_one([job("main"), sidecar("proxy", "main")]));
    bench.take();
    bench.crash("main");
    assert_eq!(bench.take(), ["down main: failed: boom", "stop proxy", "down proxy"]);
    assert_eq!([bench.state("main"), bench.state("proxy")], [Lifecycle::Failed, Lifecycle::Stopped]);
}

#[test]
fn d15_a_sidecar_stays_while_its_primary_is_restarted_and_the_other_way_round() {
    let mut bench = Bench::launch(with_sidecar().unlimited());
    bench.take();
    bench.crash("main");
    assert_eq!(bench.take(), ["down main: failed: boom", "start main"]);
    bench.crash("proxy");
    assert_eq!(bench.take(), ["down proxy: failed: boom", "start proxy"]);
    assert_eq!(bench.policy("proxy").restart, RestartType::Permanent);
}

/// `logs` is added at run time, so that it stands behind `other`, and its primary before it.
#[test]
fn d15_r26_a_sidecar_whose_primary_runs_is_started_with_its_group_although_the_highest_is_parked() {
    let tree = rest_for_one([quick("main"), sidecar("proxy", "main"), quick("other")]);
    let mut bench = Bench::launch(tree);
    bench.add("", sidecar("logs", "proxy"));
    bench.pause("main");
    bench.restart("proxy");
    bench.pass(secs(1));
    assert_eq!([bench.state("main"), bench.state("proxy")], [Lifecycle::Paused, Lifecycle::Running]);
    bench.crash("other");
    bench.pass(secs(1));
    assert_eq!([bench.state("logs"), bench.state("other")], [Lifecycle::Running; 2]);
    assert_eq!([bench.generation("logs"), bench.generation("other")], [2, 2]);
}

#[test]
fn d15_a_sidecar_that_is_started_without_its_primary_is_never_stuck() {
    for tree in [one_for_one, one_for_all, rest_for_one] {
        let proxy = sidecar("proxy", "main").steps(ms(10), ms(10));
        let mut bench = Bench::launch(tree(vec![job("main"), proxy, quick("other")]).unlimited());
        bench.finish("main");
        assert_eq!(bench.state("proxy"), Lifecycle::Stopped);
        bench.restart("proxy");
        if bench.state("proxy") == Lifecycle::Running {
            bench.crash("proxy");
        }
        bench.pass(secs(60));
        assert!(
            [Lifecycle::Running, Lifecycle::Stopped].contains(&bench.state("proxy")),
            "{}",
            bench.state("proxy")
        );
        bench.restart("main");
        assert_eq!([bench.state("proxy"), bench.state("main")], [Lifecycle::Running; 2]);
    }
}

#[test]
fn d15_what_roles_do_not_allow_is_refused() {
    let refused = |child: Child| one_for_one([child, perm("main")]).resolve().is_err();
    assert!(refused(job("j").restart(RestartType::Permanent)), "a permanent job");
    assert!(refused(child("s").role(supervisor_api::policy::Role::Sidecar)), "a sidecar without primary");
    assert!(refused(sidecar("s", "nobody")));
    assert!(refused(perm("p").primary("main")), "a primary without sidecar");
    assert!(!refused(sidecar("s", "main")));
}

// ---- D18 ----

#[test]
fn d18_a_job_keeps_its_row_after_it_ended() {
    let mut bench = Bench::launch(one_for_one([job("good"), job("bad")]).budget(0, secs(60)));
    bench.finish("good");
    bench.crash("bad");
    assert_eq!([bench.state("good"), bench.state("bad")], [Lifecycle::Completed, Lifecycle::Failed]);
    assert_eq!(bench.generation("good"), 1);
    assert_eq!(bench.ended(), None, "uncharged");
    for name in ["good", "bad"] {
        let ticket = bench.restart(name);
        bench.ok(ticket);
        assert_eq!(
            (bench.state(name), bench.generation(name)),
            (Lifecycle::Running, 2),
            "an operator runs it again"
        );
    }
}

#[test]
fn d18_no_group_restart_revives_a_job() {
    let tree = one_for_all([quick("a"), job("done"), job("again").retry(), job("bad")]);
    let mut bench = Bench::launch(tree.unlimited());
    bench.finish("done");
    bench.finish("again");
    bench.crash("bad");
    bench.take();
    bench.crash("a");
    assert_eq!(bench.take(), ["down a: failed: boom", "start a"]);
    use Lifecycle::*;
    assert_eq!(["done", "again", "bad"].map(|name| bench.state(name)), [Completed, Completed, Failed]);
}

#[test]
fn d18_a_group_restart_that_stops_a_running_job_fails_it_unless_it_retries() {
    let mut bench = Bench::launch(one_for_all([quick("a"), job("once"), job("again").retry()]).unlimited());
    let a = bench.key("a").index;
    bench.take();
    bench.crash("a");
    assert_eq!(
        bench.take(),
        [
            "down a: failed: boom",
            "stop again",
            "down again",
            "stop once",
            "down once",
            "start a",
            "start again"
        ]
    );
    assert_eq!([bench.state("once"), bench.state("again")], [Lifecycle::Failed, Lifecycle::Running]);
    let told: Vec<_> = bench.heard().iter().filter(|heard| heard.name == "once").collect();
    let last = told.iter().rev().find(|heard| heard.event.row.lifecycle == Lifecycle::Failed).unwrap();
    assert_eq!(last.event.cause, Cause::Group(a));
}

#[test]
fn d18_a_job_with_retry_is_tried_again_after_a_bad_end_only() {
    let mut bench = Bench::launch(one_for_one([job("j").retry().steps(ms(0), ms(0))]).budget(1, secs(60)));
    bench.crash("j");
    assert_eq!((bench.state("j"), bench.generation("j")), (Lifecycle::Running, 2));
    bench.finish("j");
    assert_eq!(bench.state("j"), Lifecycle::Completed);
}

#[test]
fn d18_r48_a_job_runs_once_per_incarnation_of_its_supervisor() {
    let below = one_for_one([job("j"), quick("dep").after(["j"]), quick("x")]).by_dependencies();
    let tree = one_for_one([sup("s", below.budget(0, secs(60))).steps(ms(0), ms(0))]);
    let mut bench = Bench::launch(tree.unlimited());
    bench.finish("s/j");
    assert_eq!(bench.state("s/dep"), Lifecycle::Running);
    bench.take();
    bench.crash("s/x");
    assert_eq!(bench.state("s/j"), Lifecycle::Running);
    assert_eq!(
        bench.state("s/dep"),
        Lifecycle::Waiting,
        "a completion in an earlier incarnation satisfies nobody: {:?}",
        bench.take()
    );
    bench.finish("s/j");
    assert_eq!(bench.state("s/dep"), Lifecycle::Running);
}
