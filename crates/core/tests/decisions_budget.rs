//! Decision D4: budgets and what their exhaustion does, and R51.

use supervisor_api::policy::{Backoff, OnExhausted};
use supervisor_api::{EventKind, Lifecycle};
use supervisor_core::End;
use supervisor_testkit::*;

/// Lets `name` crash, and says how many milliseconds it took until it ran again.
fn delay(bench: &mut Bench, name: &str) -> u128 {
    bench.crash_and_wait(name).as_millis()
}

fn stepped(name: &str) -> Child {
    perm(name).steps(ms(100), ms(400))
}

/// Lets `name` crash this often, however long it takes to come back.
fn crash_times(bench: &mut Bench, name: &str, times: usize) {
    for _ in 0..times {
        bench.crash(name);
        bench.pass(secs(1));
    }
}

fn quick(name: &str) -> Child {
    perm(name).backoff(Backoff::none())
}

#[test]
fn d4_precedence_child_then_criticality_then_supervisor_then_escalate() {
    use OnExhausted::*;
    let cases = [
        (child("x"), None, Escalate),
        (child("x"), Some(ShutdownTree), ShutdownTree),
        (child("x").critical(), Some(Quarantine), Quarantine),
        (child("x").optional(), None, Quarantine),
        (child("x").optional(), Some(ShutdownTree), Quarantine),
        (child("x").optional().on_exhausted(Escalate), Some(ShutdownTree), Escalate),
        (child("x").on_exhausted(Quarantine), Some(ShutdownTree), Quarantine),
    ];
    for (child, supervisor, expected) in cases {
        let mut tree = one_for_one([child]);
        if let Some(action) = supervisor {
            tree = tree.on_exhausted(action);
        }
        let resolved = tree.resolve().unwrap();
        assert_eq!(resolved.root.children[0].policy.on_exhausted, expected);
    }
}

#[test]
fn d4_quarantine_has_a_budget_of_its_own_and_is_charged_to_that_alone() {
    let x = quick("x").optional().budget(2, secs(60));
    for tree in [one_for_one, one_for_all, rest_for_one].map(|tree| tree([quick("a"), x.clone(), quick("b")]))
    {
        let mut bench = Bench::launch(tree.budget(0, secs(60)));
        crash_times(&mut bench, "x", 2);
        assert_eq!(bench.state("x"), Lifecycle::Running);
        let siblings = ["a", "b"].map(|name| bench.generation(name));
        bench.take();
        bench.crash("x");
        assert_eq!(bench.take(), ["down x: failed: boom"], "no sibling is touched, nothing is attempted");
        assert_eq!(bench.state("x"), Lifecycle::Quarantined);
        assert_eq!(["a", "b"].map(|name| bench.generation(name)), siblings);
        assert_eq!(bench.events(EventKind::ChildQuarantined, "x").len(), 1);
        bench.pass(secs(600));
        assert_eq!(bench.take(), [""; 0], "for ever");
        bench.crash("a");
        assert!(bench.ended().is_some(), "the supervisor's own budget is still 0");
    }
}

#[test]
fn d4_quarantine_without_figures_uses_those_of_the_supervisor() {
    let mut bench =
        Bench::launch(one_for_one([quick("x").optional(), quick("y").optional()]).budget(1, secs(60)));
    bench.crash("x");
    bench.crash("y");
    assert_eq!(["x", "y"].map(|name| bench.state(name)), [Lifecycle::Running; 2], "each has its own");
    bench.crash("x");
    assert_eq!(["x", "y"].map(|name| bench.state(name)), [Lifecycle::Quarantined, Lifecycle::Running]);
}

#[test]
fn d4_any_other_child_with_a_budget_is_charged_to_both() {
    let tree =
        |own, shared| one_for_one([quick("x").budget(own, secs(60)), quick("y")]).budget(shared, secs(60));
    let mut bench = Bench::launch(tree(1, 5));
    bench.crash("x");
    assert_eq!(bench.ended(), None);
    bench.crash("x");
    assert!(matches!(bench.ended(), Some(End::GaveUp { .. })), "its own is exhausted");

    let mut bench = Bench::launch(tree(5, 1));
    bench.crash("x");
    bench.crash("y");
    assert!(matches!(bench.ended(), Some(End::GaveUp { .. })), "the shared one is exhausted by both");
}

/// `x` in a supervisor whose restart the root could afford.
fn below(own: Option<OnExhausted>, shared: OnExhausted) -> Bench {
    let x = quick("x");
    let x = own.into_iter().fold(x, |x, own| x.on_exhausted(own).budget(0, secs(60)));
    let s = one_for_one([x]).on_exhausted(shared).budget(0, secs(60));
    let mut bench = Bench::launch(one_for_one([perm("a"), sup("s", s), perm("b")]).budget(9, secs(60)));
    bench.take();
    bench.crash("s/x");
    bench
}

#[test]
fn d4_if_both_are_exhausted_the_stronger_acts() {
    use OnExhausted::*;
    for (own, shared) in [(ShutdownTree, Escalate), (Escalate, ShutdownTree)] {
        let bench = below(Some(own), shared);
        assert!(bench.ended().is_some(), "{own} and {shared}");
    }
    let bench = below(Some(Escalate), Escalate);
    assert_eq!((bench.ended(), bench.generation("s")), (None, 2));
}

#[test]
fn d4_d20_shutdown_tree_stops_everything_from_wherever_it_happens() {
    let mut bench = below(None, OnExhausted::ShutdownTree);
    let trace = bench.take();
    assert_eq!(trace[..5], ["down s/x: failed: boom", "stop b", "down b", "stop a", "down a"]);
    assert!(bench.ended().is_some());
}

#[test]
fn d4_the_exhausting_failure_is_charged_nowhere() {
    let mut bench =
        Bench::launch(one_for_one([quick("x").optional().budget(3, secs(60))]).budget(0, secs(9)));
    crash_times(&mut bench, "x", 4);
    assert_eq!(bench.state("x"), Lifecycle::Quarantined);
    let told = bench.events(EventKind::BudgetExhausted, "x");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].numbers[..3], [3, 3, 60_000]);
}

#[test]
fn d4_r34_a_group_that_is_down_already_is_started_without_the_parked_child() {
    let x = perm("x").explicit().optional().budget(2, secs(60)).steps(ms(100), secs(1));
    let x = x.runs(2..=9, Run::fails_to_start());
    let mut bench = Bench::launch(one_for_all([quick("a"), x, quick("b")]).budget(9, secs(60)));
    bench.take();
    bench.crash("x");
    bench.pass(secs(5));
    assert_eq!(bench.state("x"), Lifecycle::Quarantined);
    let trace = bench.take();
    assert!(trace.ends_with(&["start b".to_owned()]), "{trace:?}");
    assert_eq!(["a", "b"].map(|name| bench.state(name)), [Lifecycle::Running; 2]);
}

#[test]
fn d4_unlimited_never_gives_up() {
    let mut bench = Bench::launch(one_for_one([quick("x")]).unlimited());
    for _ in 0..2_000 {
        bench.crash("x");
    }
    assert_eq!((bench.ended(), bench.state("x")), (None, Lifecycle::Running));
}

#[test]
fn d4_d10_resume_brings_a_quarantined_child_back_with_a_clean_budget_and_streak() {
    for by_hand in [Bench::resume, Bench::restart] {
        let x = stepped("x").optional().budget(2, secs(600));
        let mut bench = Bench::launch(one_for_one([x]));
        crash_times(&mut bench, "x", 3);
        assert_eq!(bench.state("x"), Lifecycle::Quarantined);
        let ticket = by_hand(&mut bench, "x");
        bench.ok(ticket);
        assert_eq!((bench.state("x"), bench.row("x").attempt), (Lifecycle::Running, 0));
        assert_eq!(delay(&mut bench, "x"), 0);
        assert_eq!(delay(&mut bench, "x"), 100);
        bench.crash("x");
        assert_eq!(bench.state("x"), Lifecycle::Quarantined, "two more, and parked again");
    }
}

#[test]
fn d4_r51_a_budget_that_cannot_be_reached_is_warned_of() {
    let warned = |tree: Tree| {
        let warnings = tree.resolve().unwrap().warnings;
        warnings.iter().any(|finding| finding.path == "/x" && finding.key == "budget")
    };
    // Delays 0 + 1 + 2 + 4 s for four restarts.
    let x = || perm("x").steps(secs(1), secs(30));
    assert!(warned(one_for_one([x()]).budget(4, secs(7))), "the sum fills the window");
    assert!(!warned(one_for_one([x()]).budget(4, ms(7_001))));
    assert!(!warned(one_for_one([x()]).unlimited()));
    let jitter = Backoff { jitter_ratio: 0.5, ..Backoff::exponential(secs(1), secs(30)) };
    assert!(!warned(one_for_one([perm("x").backoff(jitter)]).budget(4, secs(7))), "the smallest sum counts");
    assert!(warned(one_for_one([perm("x").backoff(jitter)]).budget(4, ms(3_500))));
    let own = x().optional().budget(4, secs(7));
    assert!(warned(one_for_one([own]).budget(100, secs(1_000_000))), "its own budget too");
}

#[test]
fn d4_r51_under_an_unreachable_budget_failures_in_a_row_count() {
    let tree = || one_for_one([perm("x").steps(secs(1), secs(30)), perm("y")]).budget(3, secs(2));
    let mut bench = Bench::launch(tree());
    let delays: Vec<_> = (0..3).map(|_| delay(&mut bench, "x")).collect();
    assert_eq!(delays, [0, 1_000, 2_000]);
    bench.crash("x");
    assert!(matches!(bench.ended(), Some(End::GaveUp { .. })), "the fourth in a row");

    let mut bench = Bench::launch(tree());
    for _ in 0..5 {
        for _ in 0..3 {
            delay(&mut bench, "x");
        }
        bench.pass(secs(60));
    }
    assert_eq!(bench.ended(), None, "a run that lasts ends the row");
}

#[test]
fn d4_d9_people_are_told_of_the_budget_that_decided() {
    let told = |own, shared| {
        let x = quick("x").budget(own, secs(7));
        let mut bench = Bench::launch(one_for_one([x]).budget(shared, secs(9)));
        crash_times(&mut bench, "x", 1 + own.min(shared) as usize);
        let exhausted = bench.events(EventKind::BudgetExhausted, "x");
        assert_eq!(exhausted.len(), 1);
        [exhausted[0].numbers[1], exhausted[0].numbers[2]]
    };
    assert_eq!(told(1, 5), [1, 7_000], "its own");
    assert_eq!(told(5, 1), [1, 9_000], "the shared one");
}
