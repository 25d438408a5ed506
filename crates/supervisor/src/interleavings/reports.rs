//! Slot and queue: what children report reaches the driver, who is woken for it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{SMALL, bare, block_on, exhaust, explore, thread};
use crate::queue::{BEAT, EXIT, READY};
use crate::slot::{How, KILL};
use crate::tree::Tree;
use crate::{ChildSpec, Exit};

/// Takes reports as the driver does, until `done` says so; sleeps when there is none.
fn take(tree: &Tree, mut done: impl FnMut(u32, u32) -> bool) {
    let mut out = VecDeque::new();
    loop {
        tree.queue.drain(&tree.table, &mut out);
        let mut seen = Vec::new();
        let mut enough = false;
        for (index, bits) in out.drain(..) {
            assert_ne!(bits, 0, "an entry without a report");
            assert!(!seen.contains(&index), "two entries for one child");
            seen.push(index);
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
            say(&[(1, READY), (1, EXIT), (2, BEAT)]),
            say(&[(2, READY), (2, EXIT), (1, BEAT)]),
            say(&[(3, EXIT)]),
        ];
        let mut missing = HashMap::from([(1, READY | EXIT | BEAT), (2, READY | EXIT | BEAT), (3, EXIT)]);
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
            move || tree.report(1, EXIT)
        });
        take(&tree, |index, bits| (index, bits) == (1, EXIT));
        reporter.join().unwrap();
    });
}

#[test]
fn a_kill_reaches_a_run_that_nothing_else_would_wake() {
    explore(1_000, || {
        let tree = bare([ChildSpec::service("a", |_| std::future::pending::<()>())], &SMALL);
        tree.launch();
        let slot = tree.table.slot(1);
        // Somebody is at the tree, so the end is left to the driver.
        let _held = tree.brain();
        slot.raise(KILL);
        slot.ring();
        take(&tree, |index, bits| (index, bits) == (1, EXIT));
        let end = slot.cell().take_end().expect("the end is noted before it is reported");
        assert!(matches!(end.how, How::Exited(Exit::Aborted)), "{:?}", end.how);
    });
}
