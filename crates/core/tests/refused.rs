//! What is refused changes nothing.

use supervisor_api::{EventKind, Lifecycle};
use supervisor_testkit::*;

#[test]
fn d12_r93_a_spec_that_the_running_tree_refuses_leaves_the_settings_of_the_root() {
    let mut bench = Bench::launch(one_for_one([perm("a"), perm("b")]));
    let refused = bench.apply(one_for_all([perm("a"), sup("b", one_for_one([]))]));
    bench.refused(refused);
    let before = bench.generation("b");
    bench.crash("a");
    bench.pass(secs(1));
    assert_eq!((bench.generation("a"), bench.generation("b")), (2, before));
}

#[test]
fn r36_a_refused_start_by_hand_leaves_the_streak_as_it_is() {
    let mut bench = Bench::launch(one_for_one([perm("a").steps(ms(100), secs(1))]).unlimited());
    bench.crash("a");
    bench.crash("a");
    assert_eq!(bench.state("a"), Lifecycle::Backoff);
    let refused = bench.start_again("a");
    bench.refused(refused);
    bench.pass(secs(1));
    assert_eq!(bench.row("a").attempt, 2);
    assert_eq!(bench.count(EventKind::BackoffScheduled), 1);
}
