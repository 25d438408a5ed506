//! A new spec that changes what a child runs, or takes that away until somebody registers it (D12).

use supervisor_api::Lifecycle;
use supervisor_testkit::*;

fn quick(name: &str) -> Child {
    perm(name).steps(ms(0), ms(0))
}

#[test]
fn d12_d5_what_is_in_a_row_changes_only_with_an_event() {
    // The bench compares rows with events after every input.
    let mut bench = Bench::launch(one_for_one([perm("a").steps(ms(0), ms(0))]).unlimited());
    bench.crash("a");
    bench.crash("a");
    let ticket = bench.apply(one_for_one([perm("a").steps(ms(0), ms(0)).version(2).unbound()]));
    bench.ok(ticket);
    assert!(!bench.state("a").is_live());
    bench.bind("a");
    assert_eq!((bench.state("a"), bench.generation("a")), (Lifecycle::Running, 4));
}

#[test]
fn d12_a_child_whose_body_is_unbound_live_does_not_claim_to_start() {
    let mut bench = Bench::launch(one_for_one([quick("a")]).unlimited());
    bench.apply(one_for_one([quick("a").unbound()]).unlimited());
    if bench.living().contains(&"a".to_owned()) {
        bench.crash("a");
    }
    assert!(!bench.state("a").is_live(), "{} without a run", bench.state("a"));
    bench.bind("a");
    assert_eq!(bench.state("a"), Lifecycle::Running);
}

#[test]
fn d12_a_child_that_loses_its_body_while_it_waits_or_backs_off_starts_when_it_has_one_again() {
    let api = || quick("api").after(["db"]);
    let mut bench = Bench::launch(one_for_one([quick("db"), api()]).unlimited());
    bench.pause("db");
    bench.crash("api");
    assert_eq!(bench.state("api"), Lifecycle::Waiting);
    bench.apply(one_for_one([quick("db"), api().unbound()]).unlimited());
    bench.resume("db");
    bench.bind("api");
    assert_eq!(bench.state("api"), Lifecycle::Running);

    for tree in [one_for_one, one_for_all, rest_for_one] {
        let tree = |a: Child| tree(vec![quick("first"), a, quick("last")]).unlimited();
        let slow = || perm("a").steps(ms(100), secs(1));
        let mut bench = Bench::launch(tree(slow()));
        bench.crash("a");
        bench.crash("a");
        assert_eq!(bench.state("a"), Lifecycle::Backoff);
        bench.apply(tree(slow().unbound()));
        bench.pass(secs(9));
        bench.bind("a");
        assert_eq!(bench.state("a"), Lifecycle::Running);

        let mut bench = Bench::launch(tree(slow()));
        bench.apply(tree(slow().unbound()));
        bench.crash("a");
        bench.pass(secs(9));
        bench.bind("a");
        assert_eq!(["first", "a", "last"].map(|name| bench.state(name)), [Lifecycle::Running; 3]);
    }
}

#[test]
fn d12_r29_a_child_that_loses_its_body_while_its_group_is_down_starts_when_it_has_one_again() {
    for tree in [one_for_all, rest_for_one] {
        let spec = |a: Child| tree(vec![quick("first"), a]).unlimited();
        let slow = || quick("a").always(Run::healthy().stops_after(ms(10)));
        let mut bench = Bench::launch(spec(slow()));
        bench.crash("first");
        bench.apply(spec(slow().version(2).unbound()));
        bench.pass(secs(1));
        assert_eq!((bench.state("first"), bench.state("a")), (Lifecycle::Running, Lifecycle::Stopped));
        bench.bind("a");
        assert_eq!(bench.state("a"), Lifecycle::Running);

        // The same when the trigger goes with the same spec.
        let mut bench = Bench::launch(spec(slow()));
        bench.crash("first");
        bench.apply(tree(vec![slow().version(2).unbound()]));
        bench.pass(secs(1));
        bench.bind("a");
        assert_eq!(bench.state("a"), Lifecycle::Running);

        // Who was told to rest goes on resting.
        let mut bench = Bench::launch(spec(slow()));
        bench.crash("first");
        bench.apply(spec(slow().version(2).unbound()));
        bench.pass(secs(1));
        bench.terminate("a");
        bench.bind("a");
        assert_eq!(bench.state("a"), Lifecycle::Stopped);
    }
}

#[test]
fn d12_d0_a_child_that_has_ended_and_loses_its_body_takes_only_edges_of_the_table() {
    let ends: [fn(&mut Bench); 3] = [|b| b.finish("a"), |b| b.crash("a"), |b| _ = b.terminate("a")];
    for end in ends {
        for tree in [one_for_one, one_for_all] {
            let tree = |a: Child| tree(vec![a, quick("b")]).unlimited();
            let mut bench = Bench::launch(tree(job("a")));
            end(&mut bench);
            bench.apply(tree(tran("a").unbound()));
            // A group restart would revive it, if it could.
            bench.crash("b");
            assert!(!bench.state("a").is_live());
            let restart = bench.restart("a");
            assert!(!bench.state("a").is_live());
            bench.bind("a");
            let accepted = bench.reply(restart).is_none_or(Result::is_ok);
            assert_eq!(bench.state("a") == Lifecycle::Running, accepted, "{:?}", bench.reply(restart));
            assert_eq!(bench.state("b"), Lifecycle::Running);
        }
    }
}

#[test]
fn d12_d17_a_restart_that_waits_for_its_turn_is_answered_when_a_new_spec_takes_the_body() {
    let slow = || quick("first").explicit().always(Run::never_ready());
    let tree = |a: Child| one_for_one([slow(), a]).unlimited();
    let mut bench = Bench::launch(tree(quick("a")));
    bench.quarantine("a");
    let restart = bench.restart("a");
    bench.apply(tree(quick("a").version(2).unbound()));
    bench.ready("first");
    assert!(bench.reply(restart).is_some(), "nobody answers");
    bench.bind("a");
    assert_eq!(bench.state("a"), Lifecycle::Running);
}

#[test]
fn d12_a_child_that_another_brings_up_with_its_new_body_is_not_restarted_for_it() {
    let tree = |n| {
        one_for_one([quick("main").version(n).steps(secs(9), secs(9)), sidecar("proxy", "main").version(n)])
    };
    let mut bench = Bench::launch(tree(1));
    // The first restart is immediate.
    bench.crash("main");
    bench.terminate("proxy");
    bench.crash("main");
    assert_eq!([bench.state("main"), bench.state("proxy")], [Lifecycle::Backoff, Lifecycle::Stopped]);
    bench.take();
    bench.apply(tree(2));
    assert_eq!(bench.take(), ["start proxy", "start main"]);
}

#[test]
fn d12_who_rested_for_want_of_a_body_starts_when_a_spec_names_one_that_is_there() {
    let tree = |a: Child| one_for_one([quick("main"), a]);
    for child in [quick("a"), job("a"), sidecar("a", "main")] {
        let mut bench = Bench::launch(tree(child.clone()));
        bench.apply(tree(child.clone().version(2).unbound()));
        assert_eq!(bench.state("a"), Lifecycle::Stopped);
        let ticket = bench.apply(tree(child));
        bench.ok(ticket);
        assert_eq!((bench.state("a"), bench.generation("a")), (Lifecycle::Running, 2));
    }
}

#[test]
fn d12_d15_a_sidecar_without_a_body_is_not_due_for_ever_when_its_group_comes_up_without_its_primary() {
    let last = || quick("last").always(Run::healthy().stops_after(ms(1)));
    let main = || quick("main").explicit().always(Run::declines());
    let mut bench = Bench::launch(one_for_all([sidecar("proxy", "main"), main(), last()]));
    bench.crash("proxy");
    bench.apply(one_for_all([sidecar("proxy", "main").version(2).unbound(), job("main")]));
    bench.pass(secs(60));
    assert_eq!(bench.state("proxy"), Lifecycle::Stopped);
}
