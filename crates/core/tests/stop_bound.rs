//! The bound on a shutdown is kept whatever children do, and reached by those that do their worst.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use supervisor_core::{StopBound, stop_bound};
use supervisor_testkit::*;

fn bound(tree: &Tree) -> StopBound {
    stop_bound(&tree.resolve().unwrap())
}

/// A child that reacts to nothing.
fn dead(name: &str) -> Child {
    service(name).always(Run::healthy().immortal())
}

/// How long the shutdown takes when children do their worst.
fn worst(tree: Tree) -> Duration {
    let mut bench = Bench::launch(tree);
    bench.shutdown();
    let mut span = Duration::ZERO;
    while bench.ended().is_none() {
        bench.pass(ms(100));
        span += ms(100);
        assert!(span < secs(600), "it ends");
    }
    span
}

#[track_caller]
fn reached(tree: Tree, wanted: Duration) {
    let bound = bound(&tree);
    assert_eq!((bound.at_most, bound.endless.len()), (wanted, 0));
    assert_eq!(worst(tree), wanted);
}

#[test]
fn d8_a_sequential_supervisor_takes_the_sum_of_grace_and_abort_wait() {
    let short = dead("c").grace(ms(200)).abort_wait(ms(300));
    reached(one_for_one([dead("a"), dead("b").brutal(), short]), ms(6_000 + 1_000 + 500));
    reached(one_for_one([dead("a"), sup("s", one_for_one([dead("b"), dead("c")]))]), secs(18));
    reached(one_for_one([]), Duration::ZERO);
}

#[test]
fn d19_a_concurrent_supervisor_takes_its_longest_chain_of_dependants() {
    let tree = one_for_one([
        dead("db").grace(secs(1)),
        dead("api").grace(secs(2)).after(["db"]),
        dead("web").grace(secs(3)).after(["api"]),
        dead("slow").grace(secs(4)),
        dead("late").grace(secs(4)).after(["db"]),
    ]);
    reached(tree.clone().concurrent(), secs(2 + 3 + 4));
    reached(tree, secs(1 + 2 + 3 + 4 + 4 + 5));
}

#[test]
fn d15_a_concurrent_primary_waits_for_no_sidecar_but_the_sidecar_for_it() {
    reached(
        one_for_one([sidecar("log", "web").always(Run::healthy().immortal()), dead("web")]).concurrent(),
        secs(12),
    );
}

#[test]
fn r62_a_supervisor_with_a_grace_of_its_own_is_killed_with_all_below_it() {
    let below = || one_for_one([dead("a"), dead("b").abort_wait(secs(2)), dead("c")]);
    reached(one_for_one([sup("s", below()).grace(secs(3))]), secs(5));
    reached(one_for_one([sup("s", below()).brutal()]), secs(2));
    reached(one_for_one([sup("s", below()).grace(secs(100))]), secs(6 + 7 + 6));
    let deep = one_for_one([sup("t", below().concurrent()), dead("d")]);
    reached(one_for_one([sup("s", deep).grace(secs(1))]), secs(3));
}

#[test]
fn r55_children_without_a_limit_are_named_and_left_out() {
    let tree = one_for_one([dead("a"), sup("s", one_for_one([dead("b").infinite(), dead("c")]))]);
    let found = bound(&tree);
    assert_eq!(found.at_most, secs(12));
    assert_eq!(found.endless.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/s/b"]);
    assert_eq!(found.once_cut, secs(3));
    let limited = one_for_one([sup("s", one_for_one([dead("b").infinite()])).grace(secs(2))]);
    reached(limited, secs(3));
}

#[test]
fn d20_once_the_graces_are_cut_only_the_abort_waits_are_left() {
    let tree = one_for_one([dead("a").infinite(), dead("b"), sup("s", one_for_one([dead("c").brutal()]))]);
    let bound = bound(&tree);
    let mut bench = Bench::launch(tree);
    bench.shutdown();
    bench.pass(ms(500));
    bench.skip_graces();
    let before = bench.now();
    while bench.ended().is_none() {
        bench.pass(ms(100));
    }
    assert_eq!(bound.once_cut, secs(3));
    assert!(bench.now() - before <= bound.once_cut);
}

#[test]
fn d20_graces_that_are_cut_after_a_while_bound_also_who_has_none() {
    let bounded = || bound(&one_for_one([dead("a"), dead("b")]));
    assert_eq!(bounded().cut_after(secs(100)).at_most, secs(12));
    assert_eq!(bounded().cut_after(secs(3)).at_most, secs(3 + 2));
    let endless = bound(&one_for_one([dead("a").infinite(), dead("b")])).cut_after(secs(100));
    assert_eq!((endless.at_most, endless.endless.len()), (secs(102), 0));
}

#[test]
fn r54_a_dynamic_supervisor_counts_as_one_child_with_its_defaults() {
    assert_eq!(bound(&one_for_one([sup("s", dynamic(100))])).at_most, secs(6));
    let mut bench = Bench::launch(one_for_one([sup("s", dynamic(100))]));
    for name in ["a", "b", "c"] {
        bench.add("s", dead(name));
    }
    bench.settle();
    bench.shutdown();
    bench.pass(ms(5_999));
    assert!(bench.ended().is_none());
    bench.pass(ms(1));
    assert!(bench.ended().is_some(), "all are asked at once");
}

/// A tree of children that react to nothing. Times are tenths of a second.
fn random_tree(random: &mut Random, depth: u32, limited: bool) -> Tree {
    let tenths = |random: &mut Random, most| ms(100 * random.below(most));
    let mut children: Vec<Child> = Vec::new();
    for at in 0..random.below(5) {
        let mut child = if depth < 3 && random.below(4) == 0 {
            let below = sup(&format!("c{at}"), random_tree(random, depth + 1, limited));
            match random.below(3) {
                0 if limited => below.grace(tenths(random, 30)),
                1 if limited => below.brutal(),
                _ => below,
            }
        } else {
            let child = dead(&format!("c{at}")).abort_wait(tenths(random, 10));
            if random.below(5) == 0 { child.brutal() } else { child.grace(tenths(random, 20)) }
        };
        let names: Vec<String> = children.iter().map(|child| child.name().to_owned()).collect();
        let after: Vec<&str> = names.iter().map(String::as_str).filter(|_| random.below(3) == 0).collect();
        child = child.after(after);
        children.push(child);
    }
    let tree = one_for_one(children);
    if random.below(2) == 0 { tree.concurrent() } else { tree }
}

#[test]
fn d8_d19_the_bound_of_random_trees_is_what_children_that_react_to_nothing_take() {
    for seed in 0..400 {
        let tree = random_tree(&mut Random::new(seed), 0, false);
        let bound = bound(&tree);
        assert_eq!(worst(tree.clone()), bound.at_most, "seed {seed}: {tree:#?}");
    }
}

#[test]
fn r62_the_bound_of_random_trees_with_limited_supervisors_is_kept() {
    let mut reached = 0;
    for seed in 0..400 {
        let tree = random_tree(&mut Random::new(seed), 0, true);
        let (bound, worst) = (bound(&tree), worst(tree.clone()));
        assert!(worst <= bound.at_most, "seed {seed}: {worst:?} of {bound:?}: {tree:#?}");
        reached += u32::from(worst == bound.at_most);
    }
    assert!(reached > 300, "the bound is close: {reached} of 400 reach it");
}
