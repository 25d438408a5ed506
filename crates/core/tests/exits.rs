//! What happens when a child ends: the table of 1.2, rules R16-R21.

use supervisor_api::policy::RestartType;
use supervisor_api::{ChildKey, EventKind, Exit, Lifecycle, Severity};
use supervisor_core::Input;
use supervisor_testkit::*;

/// Every way in which a child can end by itself, and whether it is clean.
fn exits() -> Vec<(Exit, bool)> {
    vec![
        (Exit::Completed, true),
        (Exit::Stopped, true),
        (Exit::StoppedWith { value: "v".into() }, true),
        (Exit::failed("boom"), false),
        (Exit::Panicked { message: "no".into(), location: None }, false),
        (Exit::TimedOut { what: "ready".into() }, false),
        (Exit::Unhealthy { why: "silent".into() }, false),
        (Exit::Killed { signal: 9, by_us: false }, false),
        (Exit::Aborted, false),
    ]
}

const TYPES: [RestartType; 3] = [RestartType::Permanent, RestartType::Transient, RestartType::Temporary];

/// The rows of the table: whether an end leads to a restart, which is charged.
fn restarts(restart: RestartType, clean: bool) -> bool {
    match restart {
        RestartType::Permanent => true,
        RestartType::Transient => !clean,
        RestartType::Temporary => false,
    }
}

type Strategies = [(&'static str, fn([Child; 3]) -> Tree); 3];

fn strategies() -> Strategies {
    [
        ("one_for_one", |children| one_for_one(children)),
        ("one_for_all", |children| one_for_all(children)),
        ("rest_for_one", |children| rest_for_one(children)),
    ]
}

/// Walks exit x restart type x strategy.
fn matrix(mut check: impl FnMut(&str, Exit, bool, RestartType, &str, Tree)) {
    for (strategy, tree) in strategies() {
        for restart in TYPES {
            for (exit, clean) in exits() {
                let children = [perm("before"), child("x").restart(restart), perm("behind")];
                let name = format!("{exit}, {restart}, {strategy}");
                check(&name, exit, clean, restart, strategy, tree(children));
            }
        }
    }
}

#[test]
fn r16_r17_r18_r19_r25_exit_by_restart_type_by_strategy() {
    matrix(|name, exit, clean, restart, strategy, tree| {
        let mut bench = Bench::launch(otp(tree.budget(1, secs(5))));
        bench.end("x", exit);
        let again = restarts(restart, clean);
        match (again, restart) {
            (true, _) => {
                assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Running, 2), "{name}");
            }
            (false, RestartType::Temporary) => assert_eq!(bench.find("x"), None, "{name}"),
            (false, _) => {
                assert_eq!((bench.state("x"), bench.generation("x")), (Lifecycle::Completed, 1), "{name}");
            }
        }
        let before = if again && strategy == "one_for_all" { 2 } else { 1 };
        let behind = if again && strategy != "one_for_one" { 2 } else { 1 };
        assert_eq!(bench.generation("before"), before, "{name}: siblings only with a restart");
        assert_eq!(bench.generation("behind"), behind, "{name}: siblings only with a restart");
    });
}

#[test]
fn r16_r17_r18_r19_r43_what_is_charged_by_restart_type_by_strategy() {
    matrix(|name, exit, clean, restart, _, tree| {
        let mut bench = Bench::launch(otp(tree.budget(0, secs(5))));
        bench.end("x", exit);
        assert_eq!(bench.ended().is_some(), restarts(restart, clean), "{name}");
    });
}

#[test]
fn r17_a_permanent_child_that_returns_normally_is_restarted_and_charged() {
    let mut bench = Bench::launch(otp(one_for_one([perm("a")]).budget(1, secs(5))));
    bench.take();
    bench.finish("a");
    assert_eq!(bench.take(), ["down a: completed", "start a"]);
    bench.finish("a");
    assert_eq!(bench.take(), ["down a: completed", "done gave up"]);
}

#[test]
fn r18_a_transient_child_that_ends_well_keeps_its_spec() {
    let mut bench = Bench::launch(otp(one_for_one([tran("t")])));
    bench.finish("t");
    assert_eq!(bench.state("t"), Lifecycle::Completed);
    let ticket = bench.start_again("t");
    bench.ok(ticket);
    assert_eq!((bench.state("t"), bench.generation("t")), (Lifecycle::Running, 2));
}

#[test]
fn r18_a_dynamic_supervisor_forgets_a_transient_child_that_ends_well() {
    let mut bench = Bench::launch(otp(one_for_one([sup("d", dynamic(9))])));
    bench.start_child("d", tran("t"));
    bench.finish("d/t");
    assert_eq!(bench.find("d/t"), None);
}

#[test]
fn r19_twenty_crashing_temporary_children_leave_a_supervisor_without_budget_alive() {
    let children: Vec<Child> = (0..20).map(|n| temp(&format!("t{n}"))).collect();
    let mut bench = Bench::launch(otp(one_for_all(children).budget(0, secs(5)).with(perm("p"))));
    for n in 0..20 {
        let name = format!("t{n}");
        bench.crash(&name);
        assert_eq!(bench.find(&name), None);
    }
    assert_eq!(bench.ended(), None);
    assert_eq!((bench.state("p"), bench.generation("p")), (Lifecycle::Running, 1));
}

#[test]
fn r20_reporting_depends_on_restart_type_and_exit() {
    for restart in TYPES {
        for (exit, clean) in exits() {
            let tree = one_for_one([child("x").restart(restart), perm("y")]);
            let mut bench = Bench::launch(otp(tree.budget(9, secs(5))));
            let key = bench.key("x");
            bench.forget_events();
            bench.end("x", exit.clone());
            let reported = bench.heard().iter().any(|heard| {
                heard.event.child == key
                    && heard.event.kind.severity() >= Severity::Warning
                    && heard.event.detail.as_ref().and_then(|detail| detail.exit.as_ref()) == Some(&exit)
            });
            assert_eq!(reported, restart == RestartType::Permanent || !clean, "{restart}, {exit}");
        }
    }
}

#[test]
fn r20_a_panic_is_reported_as_one() {
    let mut bench = Bench::launch(otp(one_for_one([perm("x")])));
    bench.end("x", Exit::Panicked { message: "no".into(), location: Some("src/a.rs:1:2".into()) });
    assert_eq!(bench.events(EventKind::ChildPanicked, "x").len(), 1);
}

#[test]
fn r21_d5_messages_about_what_is_no_child_change_nothing() {
    let mut bench = Bench::launch(otp(one_for_one([perm("a"), temp("t")]).budget(1, secs(5))));
    let (a, t) = (bench.key("a"), bench.key("t"));
    bench.finish("t");
    bench.crash("a");
    bench.take();
    bench.forget_events();
    let before = bench.machine().stale_messages();
    let nobody = ChildKey { index: 4_000, epoch: 7 };
    let late = |bench: &mut Bench, key, generation| {
        bench.say(Input::Exited { key, generation, exit: Exit::failed("late") });
        bench.say(Input::Declined { key, generation, reason: "late".into() });
        bench.say(Input::Missed { key, generation, why: "late".into() });
        bench.say(Input::Ready { key, generation });
        bench.say(Input::Beat { key, generation });
    };
    late(&mut bench, a, 1);
    assert_eq!(bench.machine().stale_messages(), before + 5, "those about an older run are counted");
    for (key, generation) in [(a, 3), (a, 0), (t, 1), (nobody, 1), (ChildKey::ROOT, 9)] {
        late(&mut bench, key, generation);
    }
    bench.say(Input::Bound { key: nobody });
    bench.say(Input::Tick);
    bench.settle();
    assert_eq!(bench.take(), [""; 0]);
    assert_eq!(bench.heard(), []);
    assert_eq!((bench.state("a"), bench.generation("a")), (Lifecycle::Running, 2));
}
