//! Slot and queue: what children report reaches the driver, who is woken for it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use supervisor_core::Input;

use super::{SMALL, bare, block_on, exhaust, explore, thread};
use crate::driver::What;
use crate::queue::{BEAT, DUE, READY, Report};
use crate::slot::{How, KILL, RunEnd};
use crate::sync::atomic::Ordering;
use crate::sync::yield_now;
use crate::tree::Tree;
use crate::{ChildSpec, Exit};

/// An end was left; what was said has smaller numbers.
const END: u32 = 1 << 16;

fn end(generation: u64) -> RunEnd {
    RunEnd { epoch: 0, generation, was_asked: false, how: How::Exited(Exit::Completed) }
}

/// Takes reports as the driver does, until `done` says so; sleeps when there is none. An end reads as [`END`].
fn take(tree: &Tree, mut done: impl FnMut(u32, u32) -> bool) {
    let mut out = VecDeque::new();
    loop {
        tree.queue.take(&mut out);
        let mut seen = Vec::new();
        let mut enough = false;
        for report in out.drain(..) {
            let (index, bits) = match report {
                Report::Said(index) => {
                    assert!(!seen.contains(&index), "two entries for what one child said");
                    seen.push(index);
                    (index, tree.table.slot(index).pending.swap(0, Ordering::AcqRel))
                }
                Report::Ended(index, _) => (index, END),
            };
            assert_ne!(bits, 0, "an entry without a report");
            enough |= done(index, bits);
        }
        if enough {
            return;
        }
        if tree.queue.is_empty() {
            block_on(tree.rung());
        }
    }
}

#[test]
fn no_exit_readiness_or_heartbeat_is_lost_and_the_driver_never_sleeps_over_one() {
    explore(3_000, || {
        let tree = bare([], &SMALL);
        let say = |reports: &'static [(u32, u32)]| {
            let tree = Arc::clone(&tree);
            thread(move || reports.iter().for_each(|&(index, bit)| tree.report(index, bit)))
        };
        let reporters = [
            say(&[(1, READY), (1, DUE), (2, BEAT)]),
            say(&[(2, READY), (2, DUE), (1, BEAT)]),
            thread({
                let tree = Arc::clone(&tree);
                move || {
                    if tree.queue.leave(3, end(1)) {
                        tree.ring();
                    }
                }
            }),
        ];
        let mut missing = HashMap::from([(1, READY | DUE | BEAT), (2, READY | DUE | BEAT), (3, END)]);
        take(&tree, |index, bits| {
            let missing_here = missing.get_mut(&index).unwrap();
            *missing_here &= !bits;
            missing.values().all(|bits| *bits == 0)
        });
        reporters.into_iter().for_each(|reporter| reporter.join().unwrap());
        assert!(tree.queue.is_empty());
    });
}

#[test]
fn what_was_noted_before_a_report_is_seen_with_it() {
    explore(2_000, || {
        let tree = bare([], &SMALL);
        let child = thread({
            let tree = Arc::clone(&tree);
            move || {
                for beat in 1..=3 {
                    tree.table.slot(1).cell().beat = beat;
                    tree.report(1, BEAT);
                }
            }
        });
        let mut last = 0;
        take(&tree, |index, bits| {
            assert_eq!((index, bits), (1, BEAT));
            let beat = tree.table.slot(1).cell().beat;
            assert!(beat >= last, "a beat goes back");
            last = beat;
            last == 3
        });
        child.join().unwrap();
    });
}

#[test]
fn one_report_and_a_driver_about_to_sleep_meet_in_every_way() {
    exhaust(200_000, || {
        let tree = bare([], &SMALL);
        let reporter = thread({
            let tree = Arc::clone(&tree);
            move || tree.report(1, READY)
        });
        take(&tree, |index, bits| (index, bits) == (1, READY));
        reporter.join().unwrap();
    });
}

/// The ends that have reached the machine, once it has seen to what was left: somebody has taken it, or the driver is
/// woken for it.
fn ends(tree: &Arc<Tree>) -> Vec<Exit> {
    if !tree.queue.is_empty() {
        block_on(tree.rung());
        tree.turn();
    }
    let record = tree.brain().machine.take_record();
    let ended = record.calls.into_iter().filter_map(|call| match call.what {
        What::Handle(Input::Exited { exit, .. }) => Some(exit),
        _ => None,
    });
    ended.collect()
}

#[test]
fn an_end_that_is_left_and_whoever_lets_go_of_the_tree_meet_in_every_way() {
    exhaust(200_000, || {
        let tree = bare([], &SMALL);
        let held = tree.brain();
        let child = thread({
            let tree = Arc::clone(&tree);
            move || tree.leave_end(1, end(1))
        });
        drop(held);
        child.join().unwrap();
        assert_eq!(ends(&tree), [Exit::Completed]);
    });
}

#[test]
fn of_an_end_that_is_left_and_one_that_is_taken_in_place_none_is_lost() {
    explore(3_000, || {
        let tree = bare([], &SMALL);
        let other = thread({
            let tree = Arc::clone(&tree);
            move || drop(tree.report_end(2, end(2), false))
        });
        tree.leave_end(1, end(1));
        other.join().unwrap();
        assert_eq!(ends(&tree), [Exit::Completed, Exit::Completed]);
    });
}

#[test]
fn an_end_that_is_left_to_a_stint_and_the_end_of_that_meet_in_every_way() {
    explore(3_000, || {
        let tree = bare([], &SMALL);
        tree.stint.begin(1);
        let child = thread({
            let tree = Arc::clone(&tree);
            move || drop(tree.report_end(2, end(2), false))
        });
        tree.end_stint(1);
        child.join().unwrap();
        assert_eq!(ends(&tree), [Exit::Completed]);
    });
}

#[test]
fn what_is_left_to_a_stint_that_does_not_end_is_the_drivers() {
    explore(3_000, || {
        let tree = bare([], &SMALL);
        tree.stint.begin(1);
        let children = [2, 3].map(|index| {
            let tree = Arc::clone(&tree);
            thread(move || drop(tree.report_end(index, end(1), false)))
        });
        block_on(tree.stint.called());
        tree.turn();
        assert!(!tree.stint.is_of(1), "the driver has ended it");
        children.into_iter().for_each(|child| child.join().unwrap());
        // What came after the driver is seen to as if nobody had a stint.
        assert_eq!(ends(&tree), [Exit::Completed, Exit::Completed]);
    });
}

#[test]
fn an_end_that_is_left_while_others_are_at_the_tree_one_after_the_other_is_seen_to() {
    explore(3_000, || {
        let tree = bare([], &SMALL);
        let looks = [1, 2].map(|_| {
            let tree = Arc::clone(&tree);
            thread(move || (0..2).for_each(|_| drop(tree.brain())))
        });
        let child = thread({
            let tree = Arc::clone(&tree);
            move || tree.leave_end(1, end(1))
        });
        child.join().unwrap();
        looks.into_iter().for_each(|look| look.join().unwrap());
        assert_eq!(ends(&tree), [Exit::Completed]);
    });
}

#[test]
fn a_kill_reaches_a_run_that_nothing_else_would_wake() {
    explore(1_000, || {
        let tree = bare([ChildSpec::service("a", |_| std::future::pending::<()>())], &SMALL);
        tree.launch();
        let slot = tree.table.slot(1);
        // Somebody is at the tree, so the end is left to the driver.
        let held = tree.brain();
        slot.raise(KILL);
        slot.ring();
        while tree.queue.is_empty() {
            yield_now();
        }
        drop(held);
        assert_eq!(ends(&tree), [Exit::Aborted]);
    });
}
