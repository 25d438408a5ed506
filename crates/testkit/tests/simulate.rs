//! The simulator on specs of the library.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::panic::catch_unwind;

use supervisor_api::Lifecycle;
use supervisor_testkit::sim::{Fault, Finding, Options, Report, Size};
use supervisor_testkit::{Invariant, Run, Script, secs, simulate, simulate_with};
use tokio_supervisor::{ChildSpec, Strategy, SupervisorSpec};

/// Some of everything.
fn spec() -> SupervisorSpec {
    let child = |name: &str| ChildSpec::service(name, Script::default().play());
    let front = SupervisorSpec::new("front")
        .children([child("web"), ChildSpec::sidecar("log", "web", Run::healthy().play())])
        .strategy(Strategy::OneForAll);
    SupervisorSpec::root([
        ChildSpec::job("migrate", Run::completes_after(secs(1)).play()),
        child("db").depends_on(["migrate"]).heartbeat(secs(1), secs(1), 3),
        ChildSpec::supervisor(front).depends_on(["db"]),
        ChildSpec::supervisor(SupervisorSpec::new("sessions").dynamic(10)),
    ])
}

#[test]
fn a_spec_is_run_through_as_many_lives_as_were_asked_for() {
    let report = simulate(&spec(), 100);
    report.expect_sound();
    assert_eq!(report.seeds, 100);
    assert!(report.steps > 100 * 20, "{report}");
    assert_eq!(report, simulate(&spec(), 100), "the same seeds give the same");
    let other = simulate_with(&spec(), Options { from: 1_000_000, seeds: 100, findings: 1 });
    assert_ne!(report.steps, other.steps, "other seeds give something else");
}

#[test]
fn r6_a_spec_with_mistakes_is_not_simulated() {
    let twice = || ChildSpec::service("web", Run::healthy().play());
    let panic = catch_unwind(|| simulate(&SupervisorSpec::root([twice(), twice()]), 1)).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("/web: name: the name 'web' is used twice"), "{message}");
}

#[test]
fn a_finding_fails_the_test_with_its_seed_and_its_trace() {
    let fault =
        Fault::Broken { invariant: Invariant::StopBound, text: format!("web is {}", Lifecycle::Running) };
    let finding =
        Finding { seed: 7, size: Size::Full, fault, trace: vec!["0 ms: shutdown".to_owned()], minimal: true };
    let report = Report { seeds: 8, steps: 90, findings: vec![finding] };
    let panic = catch_unwind(|| report.expect_sound()).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.starts_with("8 seeds, 90 steps, 1 findings\nseed 7: invariant 12 ("), "{message}");
    assert!(message.ends_with("is broken: web is running\n  0 ms: shutdown"), "{message}");
}
