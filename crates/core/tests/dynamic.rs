//! Dynamic supervisors: rules R85-R89, and D23.

use supervisor_api::command::OtpVerb;
use supervisor_api::policy::{RestartType, Strategy};
use supervisor_api::{EventKind, Exit, Lifecycle, SupervisorError};
use supervisor_core::{Address, Command, Reply, SupervisorSettings, resolve};
use supervisor_testkit::*;

fn launch(max: u32) -> Bench {
    let mut bench = Bench::launch(otp(one_for_one([sup("d", dynamic(max).budget(9, secs(5)))])));
    bench.take();
    bench
}

#[test]
fn r85_a_full_supervisor_refuses_and_starts_nothing() {
    let mut bench = launch(2);
    bench.start_child("d", perm("a"));
    bench.start_child("d", temp("b"));
    bench.take();
    for ticket in [bench.start_child("d", perm("c")), bench.add("d", perm("e"))] {
        assert!(matches!(bench.refused(ticket), SupervisorError::MaxChildren { max: 2, .. }));
    }
    assert_eq!(bench.take(), [""; 0]);
    bench.finish("d/b");
    let ticket = bench.start_child("d", perm("c"));
    bench.ok(ticket);
    assert_eq!(bench.take(), ["down d/b: completed", "start d/c"]);
}

#[test]
fn r85_zero_is_a_limit_too() {
    let mut bench = launch(0);
    let ticket = bench.start_child("d", perm("a"));
    assert!(matches!(bench.refused(ticket), SupervisorError::MaxChildren { max: 0, .. }));
}

#[test]
fn r85_a_crash_never_frees_a_place() {
    let mut bench = launch(1);
    let a = perm("a").explicit().steps(ms(100), secs(1)).run(3, Run::fails_to_start());
    bench.start_child("d", a);
    bench.crash("d/a");
    let after_restart = bench.start_child("d", perm("b"));
    bench.refused(after_restart);
    bench.crash("d/a");
    bench.pass(ms(100));
    assert_eq!(bench.state("d/a"), Lifecycle::Backoff);
    let in_retry = bench.start_child("d", perm("b"));
    assert!(matches!(bench.refused(in_retry), SupervisorError::MaxChildren { .. }));
}

#[test]
fn r86_every_run_of_a_child_is_built_from_the_body_it_was_added_with() {
    let mut bench = launch(9);
    bench.start_child("d", perm("other"));
    let ticket =
        bench.start_child("d", perm("a").always(Run::healthy().stops_with(Exit::failed("as a does"))));
    let Reply::Added { key, .. } = *bench.ok(ticket) else { panic!("added") };
    for generation in 2..5 {
        bench.crash("d/a");
        assert_eq!((bench.key("d/a"), bench.generation("d/a")), (key, generation));
    }
    bench.take();
    bench.ask(Command::Otp(OtpVerb::Terminate, Address::Key(key)));
    assert_eq!(bench.take(), ["stop d/a", "down d/a: failed: as a does"], "the last run is one of a");
}

#[test]
fn r87_d23_what_a_temporary_child_was_built_from_is_dropped_when_it_ends() {
    let mut bench = launch(1_000);
    for n in 0..500 {
        let ticket = bench.start_child("d", temp("shot"));
        bench.ok(ticket);
        assert_eq!(bench.generation("d/shot"), 1, "another child each time, round {n}");
        bench.finish("d/shot");
        assert_eq!(bench.find("d/shot"), None);
        assert_eq!(bench.kept_for_nothing(), [""; 0]);
    }
    let counts = bench.machine().count_children(bench.key("d")).unwrap();
    assert_eq!((counts.specs, counts.active), (0, 0));
}

#[test]
fn r88_a_child_in_retry_can_be_terminated() {
    let mut bench = launch(1);
    bench.start_child("d", perm("a").explicit().steps(secs(1), secs(1)).runs(2..=9, Run::fails_to_start()));
    let key = bench.key("d/a");
    bench.crash("d/a");
    assert_eq!(bench.state("d/a"), Lifecycle::Backoff);
    let ticket = bench.ask(Command::Otp(OtpVerb::Terminate, Address::Key(key)));
    bench.ok(ticket);
    assert_eq!(bench.find("d/a"), None);
    bench.take();
    bench.pass(secs(60));
    assert_eq!(bench.take(), [""; 0]);
    let again = bench.start_child("d", perm("b"));
    bench.ok(again);
}

#[test]
fn r89_a_dynamic_supervisor_refuses_significant_children() {
    let mut bench = launch(9);
    let ticket = bench.start_child("d", tran("a").significant());
    assert!(matches!(bench.refused(ticket), SupervisorError::InvalidSpec(_)));
    assert_eq!(bench.find("d/a"), None);
    assert_eq!(bench.take(), [""; 0]);
}

#[test]
fn r89_d11_a_dynamic_supervisor_restarts_one_for_one_and_knows_no_dependencies() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let mut decl = one_for_one([]).decl();
        decl.settings = SupervisorSettings {
            strategy: Some(strategy),
            dynamic: Some(3),
            ..SupervisorSettings::default()
        };
        assert!(resolve(&decl).is_err(), "{strategy}");
    }
    let mut bench = launch(9);
    bench.start_child("d", perm("a"));
    let ticket = bench.start_child("d", perm("b").after(["a"]));
    assert!(matches!(bench.refused(ticket), SupervisorError::InvalidSpec(_)));
}

#[test]
fn r50_r22_a_crash_in_a_dynamic_supervisor_touches_nobody_else() {
    let mut bench = launch(9);
    for name in ["a", "b", "c"] {
        bench.start_child("d", perm(name));
    }
    bench.take();
    bench.crash("d/b");
    assert_eq!(bench.take(), ["down d/b: failed: boom", "start d/b"]);
}

#[test]
fn d23_a_one_shot_leaves_no_trace_however_it_ends() {
    for exit in [Exit::Completed, Exit::failed("boom"), Exit::Killed { signal: 9, by_us: false }] {
        let mut bench = launch(9);
        bench.start_child("d", temp("once"));
        assert_eq!(bench.policy("d/once").restart, RestartType::Temporary);
        bench.end("d/once", exit);
        assert_eq!(bench.find("d/once"), None);
        assert_eq!(bench.events(EventKind::ChildRuntimeStateRemoved, "d/once").len(), 1);
        assert_eq!((bench.ended(), bench.state("d")), (None, Lifecycle::Running));
    }
}

#[test]
fn d23_names_are_free_again_and_mean_another_child() {
    let mut bench = launch(9);
    bench.start_child("d", temp("once"));
    let first = bench.key("d/once");
    bench.finish("d/once");
    bench.start_child("d", temp("once"));
    assert_ne!(bench.key("d/once"), first);
}
