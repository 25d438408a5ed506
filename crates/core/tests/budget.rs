//! Restart budget and escalation: rules R40-R52, and what R103 says of the same.

use supervisor_api::{EventKind, Exit, Lifecycle};
use supervisor_core::End;
use supervisor_testkit::*;

fn single(budget: u32) -> Bench {
    let mut bench = Bench::launch(otp(one_for_one([perm("a")]).budget(budget, secs(5))));
    bench.take();
    bench
}

fn starts(bench: &mut Bench, name: &str) -> usize {
    let line = format!("start {name}");
    bench.take().iter().filter(|other| **other == line).count()
}

#[test]
fn r40_r103_d4_n_restarts_are_made_and_the_next_is_not_attempted() {
    for budget in 0..5 {
        let mut bench = single(budget);
        for _ in 0..budget {
            bench.crash("a");
            assert_eq!(bench.take(), ["down a: failed: boom", "start a"]);
        }
        bench.crash("a");
        assert_eq!(bench.take(), ["down a: failed: boom", "done gave up"]);
        assert_eq!(bench.count(EventKind::BudgetExhausted), 1);
    }
}

#[test]
fn r41_r103_d4_without_budget_the_first_failure_escalates() {
    let mut bench = Bench::launch(otp(one_for_one([perm("a"), perm("b"), perm("c")]).budget(0, secs(5))));
    bench.take();
    bench.crash("b");
    assert_eq!(
        bench.take(),
        ["down b: failed: boom", "stop c", "down c", "stop a", "down a", "done gave up"]
    );
}

#[test]
fn r42_one_charge_for_each_exit_however_many_children_it_touches() {
    let children = ["a", "b", "c", "d", "e"].map(perm);
    let mut bench = Bench::launch(otp(one_for_all(children).budget(2, secs(5))));
    bench.crash("a");
    bench.crash("e");
    assert_eq!(bench.ended(), None);
    bench.crash("c");
    assert!(bench.ended().is_some());
}

#[test]
fn r43_stopping_and_starting_by_hand_is_not_charged() {
    let mut bench = Bench::launch(otp(one_for_all([perm("a"), tran("t")]).budget(0, secs(5))));
    for _ in 0..10 {
        let terminate = bench.terminate("a");
        let again = bench.start_again("a");
        bench.ok(terminate);
        bench.ok(again);
    }
    bench.finish("t");
    assert_eq!(bench.ended(), None);
    assert_eq!(bench.generation("a"), 11);
}

#[test]
fn r43_failing_starts_by_hand_are_not_charged() {
    let a = perm("a").explicit().runs(2..=9, Run::fails_to_start());
    let mut bench = Bench::launch(otp(one_for_one([a, perm("b")]).budget(0, secs(5))));
    bench.terminate("a");
    for _ in 0..8 {
        let again = bench.start_again("a");
        bench.refused(again);
        let add = bench.start_child("/", perm("x").explicit().always(Run::fails_to_start()));
        bench.refused(add);
    }
    assert_eq!(bench.ended(), None);
    assert_eq!((bench.state("b"), bench.generation("b")), (Lifecycle::Running, 1));
}

#[test]
fn r44_d2_the_window_slides_over_exact_instants() {
    // Charges at 0, 3 and 5.5 s: the first has left the window when the third comes.
    let mut bench = single(2);
    bench.crash("a");
    bench.pass(secs(3));
    bench.crash("a");
    bench.pass(ms(2_500));
    bench.crash("a");
    assert_eq!(bench.ended(), None);
    // The window (1 s, 6 s] holds those at 3 and 5.5.
    bench.pass(ms(500));
    bench.crash("a");
    assert!(bench.ended().is_some());
}

#[test]
fn r45_d2_a_charge_leaves_the_window_exactly_when_it_is_as_old_as_the_window() {
    let just_before = std::time::Duration::from_nanos(4_999_999_999);
    let mut bench = single(1);
    bench.crash("a");
    bench.pass(just_before);
    bench.crash("a");
    assert!(bench.ended().is_some(), "one nanosecond before");

    let mut bench = single(1);
    bench.crash("a");
    bench.pass(secs(5));
    bench.crash("a");
    assert_eq!(bench.ended(), None, "exactly then");
}

#[test]
fn r103_d4_the_limit_resets_after_the_window() {
    let mut bench = single(3);
    for _ in 0..10 {
        for _ in 0..3 {
            bench.crash("a");
        }
        assert_eq!(bench.ended(), None);
        bench.pass(secs(5));
    }
}

#[test]
fn r46_d9_a_supervisor_that_gives_up_stops_the_others_in_reverse_and_says_why() {
    let below = one_for_one([perm("x"), perm("y"), perm("z")]).budget(0, secs(5));
    let tree =
        one_for_one([perm("a"), sup("s", below).restart(supervisor_api::policy::RestartType::Transient)]);
    let mut bench = Bench::launch(otp(tree));
    bench.take();
    bench.crash("s/y");
    assert_eq!(bench.take(), ["down s/y: failed: boom", "stop s/z", "down s/z", "stop s/x", "down s/x"]);
    let states = ["s/x", "s/y", "s/z"].map(|name| bench.state(name));
    assert_eq!(states, [Lifecycle::Stopped, Lifecycle::Failed, Lifecycle::Stopped]);
    assert_eq!(bench.events(EventKind::Escalated, "s").len(), 1);
    assert_eq!([bench.state("s"), bench.state("a")], [Lifecycle::Failed, Lifecycle::Running]);
}

#[test]
fn r47_d9_what_a_parent_does_with_a_supervisor_that_gave_up() {
    use supervisor_api::policy::RestartType::*;
    let tree = |restart, budget| {
        let below = one_for_one([perm("x")]).budget(0, secs(5));
        otp(one_for_one([perm("a"), sup("s", below).restart(restart)]).budget(budget, secs(5)))
    };
    let mut permanent = Bench::launch(tree(Permanent, 1));
    permanent.take();
    permanent.crash("s/x");
    assert_eq!(permanent.take(), ["down s/x: failed: boom", "start s/x"]);
    assert_eq!(permanent.state("s"), Lifecycle::Running);
    permanent.crash("s/x");
    assert_eq!(
        permanent.take(),
        ["down s/x: failed: boom", "stop a", "down a", "done gave up"],
        "its restart is charged to the parent"
    );

    let mut transient = Bench::launch(tree(Transient, 0));
    transient.crash("s/x");
    assert_eq!(transient.state("s"), Lifecycle::Failed, "not restarted, and never 'completed'");
    assert_eq!(transient.state("a"), Lifecycle::Running);
    assert_eq!(transient.ended(), None);

    let mut temporary = Bench::launch(tree(Temporary, 0));
    temporary.crash("s/x");
    assert_eq!((temporary.find("s"), temporary.find("s/x")), (None, None), "it vanishes");
    assert_eq!(temporary.ended(), None);
}

#[test]
fn r48_d9_a_restarted_supervisor_has_its_static_specs_and_an_empty_budget() {
    let below = one_for_one([perm("x"), perm("y")]).budget(1, secs(60));
    let mut bench = Bench::launch(otp(one_for_one([sup("s", below)]).budget(9, secs(60))));
    bench.start_child("s", perm("extra"));
    bench.terminate("s/y");
    bench.take();
    bench.crash("s/x");
    assert_eq!(bench.take(), ["down s/x: failed: boom", "start s/x"]);
    bench.crash("s/x");
    assert_eq!(
        bench.take(),
        ["down s/x: failed: boom", "stop s/extra", "down s/extra", "start s/x", "start s/y"]
    );
    assert_eq!(bench.find("s/extra"), None);
    assert_eq!((bench.generation("s/x"), bench.generation("s/y")), (3, 2), "generations go on");
    assert_eq!(bench.generation("s"), 2);
    bench.crash("s/x");
    assert_eq!(bench.take(), ["down s/x: failed: boom", "start s/x"], "the budget is empty again");
}

#[test]
fn r48_d10_an_automatic_restart_of_the_supervisor_ends_a_pause_and_says_so() {
    let below = one_for_one([perm("x"), perm("held")]).budget(0, secs(60));
    let mut bench = Bench::launch(otp(one_for_one([sup("s", below)]).budget(9, secs(60))));
    bench.pause("s/held");
    bench.take();
    bench.crash("s/x");
    assert_eq!(bench.take(), ["down s/x: failed: boom", "start s/x", "start s/held"]);
}

#[test]
fn r48_d10_an_automatic_restart_lets_go_who_was_paused_below_a_supervisor_that_never_ran() {
    let late = sup("late", one_for_one([perm("held")]));
    let slow = perm("slow").explicit().run(1, Run::never_ready()).run(2, Run::ready_after(ms(1)));
    let below = one_for_one([perm("x"), slow, late]).budget(0, secs(60));
    let mut bench = Bench::launch(otp(one_for_all([perm("y"), sup("s", below)]).budget(9, secs(60))));
    bench.pause("s/late/held");
    bench.crash("y");
    bench.pass(secs(1));
    assert_eq!(
        bench.state("s/late/held"),
        supervisor_api::Lifecycle::Running,
        "s was restarted with its group"
    );
}

#[test]
fn r49_budgets_multiply_through_levels() {
    for (inner, outer) in [(0, 0), (2, 1), (1, 3), (4, 4)] {
        let x = perm("x").always(Run::healthy().ends_after(ms(1), Exit::failed("boom")));
        let below = one_for_one([x]).budget(inner, secs(60));
        let mut bench = Bench::launch(otp(one_for_one([sup("s", below)]).budget(outer, secs(60))));
        bench.pass(secs(1));
        assert_eq!(starts(&mut bench, "s/x"), ((inner + 1) * (outer + 1)) as usize);
        assert!(matches!(bench.ended(), Some(End::GaveUp { .. })));
    }
}

#[test]
fn r50_the_budget_is_shared_by_all_children_dynamic_ones_too() {
    let mut bench = Bench::launch(otp(one_for_one([sup("d", dynamic(100).budget(1, secs(5)))])));
    for n in 0..100 {
        bench.start_child("d", perm(&format!("c{n}")));
    }
    assert_eq!(bench.living().len(), 100);
    bench.crash("d/c7");
    assert_eq!(bench.living().len(), 100);
    bench.crash("d/c93");
    assert_eq!(bench.living().len(), 0, "one looping child takes everyone down");
    assert_eq!((bench.state("d"), bench.generation("d")), (Lifecycle::Running, 2));
}

#[test]
fn r52_d17_recovery_by_hand_does_not_reset_the_log() {
    for by_hand in [Bench::restart, Bench::terminate] {
        let mut bench = single(1);
        bench.crash("a");
        by_hand(&mut bench, "a");
        if bench.state("a") == Lifecycle::Stopped {
            bench.start_again("a");
        }
        assert_eq!(bench.state("a"), Lifecycle::Running);
        bench.crash("a");
        assert!(bench.ended().is_some(), "only time resets it");
    }
}

#[test]
fn r48_d17_static_specs_come_back_with_every_new_incarnation_whatever_became_of_them() {
    let below = || one_for_one([perm("x"), temp("t"), perm("r"), temp("j")]).budget(0, secs(60));
    let again: [fn(&mut Bench); 4] = [
        |bench| bench.crash("s/x"),
        |bench| _ = bench.restart("s"),
        |bench| {
            bench.pause("s");
            bench.resume("s");
        },
        |bench| {
            bench.terminate("s");
            bench.start_again("s");
        },
    ];
    for again in again {
        let mut bench = Bench::launch(otp(one_for_one([sup("s", below())]).budget(9, secs(60))));
        bench.finish("s/t");
        bench.crash("s/j");
        bench.remove("s/r");
        for gone in ["s/t", "s/r", "s/j"] {
            assert_eq!(bench.find(gone), None);
        }
        bench.take();
        again(&mut bench);
        let starts: Vec<_> = bench.take().into_iter().filter(|line| line.starts_with("start ")).collect();
        assert_eq!(starts, ["start s/x", "start s/t", "start s/r", "start s/j"], "in their old places");
    }
}

#[test]
fn r48_d3_streaks_end_with_the_incarnation_of_the_supervisor() {
    let x = perm("x").steps(ms(100), secs(1));
    let mut bench = Bench::launch(one_for_one([sup("s", one_for_one([x]).unlimited())]));
    for _ in 0..3 {
        bench.crash("s/x");
        bench.pass(secs(1));
    }
    assert_eq!(bench.row("s/x").attempt, 3);
    bench.restart("s");
    assert_eq!(bench.row("s/x").attempt, 0);
    bench.take();
    bench.crash("s/x");
    assert_eq!(bench.take(), ["down s/x: failed: boom", "start s/x"], "the first of a new streak");
    assert_eq!(bench.row("s/x").attempt, 1);
}
