//! Trees made of bytes. Many have mistakes on purpose: they must be refused with words.

use std::time::Duration;

use supervisor_api::Exit;
use supervisor_api::policy::{AutoShutdown, Heartbeat, OnExhausted, RestartType};
use supervisor_testkit::{
    Child, Run, Tree, child, dynamic, job, one_for_all, one_for_one, otp, perm, rest_for_one, service,
    sidecar, sup, temp, tran, worker,
};

use crate::bytes::Bytes;

/// The names of children; few, so that they meet.
const NAMES: &[&str] = &["a", "b", "c", "d", "e", "f"];

/// A tree with at most 6 children per supervisor, two supervisors deep.
pub(crate) fn tree(bytes: &mut Bytes<'_>, depth: u32) -> Tree {
    if depth < 2 && bytes.often(30) {
        return dynamic(bytes.pick(&[3, 0, 1])).budget(2, Duration::from_secs(1));
    }
    let count = bytes.pick(&[2, 3, 4, 6, 5, 1, 0]);
    // Mistakes are rare, or hardly any tree would be without one.
    let auto_shutdown = if bytes.often(60) { bytes.pick(AutoShutdown::ALL) } else { AutoShutdown::Never };
    let significant = matches!(auto_shutdown, AutoShutdown::AnySignificant | AutoShutdown::AllSignificant);
    let children: Vec<Child> = (0..count).map(|at| one(bytes, NAMES[at], at, depth, significant)).collect();
    let tree = bytes.pick(&[one_for_one as fn(Vec<Child>) -> Tree, one_for_all, rest_for_one])(children);
    let tree = settings(bytes, tree).auto_shutdown(auto_shutdown);
    if bytes.often(40) { otp(tree) } else { tree }
}

fn settings(bytes: &mut Bytes<'_>, mut tree: Tree) -> Tree {
    tree = match bytes.below(6) {
        0 => tree,
        1 => tree.unlimited(),
        2 => tree.budget(bytes.below(2) as u32, Duration::from_millis(500)),
        _ => tree.budget(5, bytes.ms(&[5_000, 60_000, 1_000])),
    };
    if bytes.often(100) {
        tree = tree.by_dependencies();
    }
    if bytes.often(100) {
        tree = tree.retries_start();
    }
    if bytes.often(60) {
        tree = tree.concurrent();
    }
    if bytes.often(30) {
        tree = tree.on_exhausted(bytes.pick(&[OnExhausted::ShutdownTree, OnExhausted::Quarantine]));
    }
    tree
}

/// A child that may be added: its name is one of those that are there, or not.
pub(crate) fn newcomer(bytes: &mut Bytes<'_>) -> Child {
    let at = bytes.below(NAMES.len());
    one(bytes, NAMES[at], at, 1, false)
}

fn one(bytes: &mut Bytes<'_>, name: &str, at: usize, depth: u32, significant: bool) -> Child {
    if depth > 0 && bytes.often(50) {
        let below = tree(bytes, depth - 1);
        let node = sup(name, below).restart(bytes.pick(RestartType::ALL));
        // Always with a delay: what fails at once for ever must not hold the clock.
        return node.steps(Duration::from_millis(20), Duration::from_millis(200));
    }
    let mut child = kind(bytes, name, at);
    for generation in 1..=4 {
        if bytes.often(70) {
            child = child.run(generation, run(bytes));
        }
    }
    if bytes.often(90) {
        child = child.explicit().within(bytes.ms(&[300, 10, 60_000]));
    }
    if at > 0 && bytes.often(80) {
        child = child.after([NAMES[bytes.below(at)]]);
    }
    if bytes.often(3) {
        // A later sibling, itself or nobody: a mistake, unless nobody waits in a circle.
        child = child.after([bytes.pick(NAMES)]);
    }
    if bytes.often(30) {
        child = child.optional();
    }
    if bytes.often(20) {
        child = child.critical();
    }
    if bytes.often(40) {
        child = child.budget(bytes.below(3) as u32, bytes.ms(&[2_000, 60_000]));
    }
    if bytes.often(30) {
        child = child.on_exhausted(bytes.pick(OnExhausted::ALL));
    }
    if bytes.often(30) {
        let (interval, timeout) = (bytes.ms(&[80, 1_000]), bytes.ms(&[20, 0]));
        child = child.heartbeat(Heartbeat { interval, timeout, max_retries: 1 + bytes.below(3) as u32 });
    }
    if bytes.often(if significant { 60 } else { 2 }) {
        child = child.significant();
    }
    child = match bytes.below(8) {
        0 => child.brutal(),
        1 => child.infinite(),
        2 => child.grace(Duration::ZERO),
        _ => child.grace(bytes.ms(&[60, 5_000])),
    };
    if bytes.often(20) {
        child = child.unbound();
    }
    if bytes.often(40) {
        child = child.restart_dependants();
    }
    child = child.abort_wait(bytes.ms(&[50, 0, 1_000])).steps(bytes.ms(&[0, 30]), Duration::from_millis(120));
    child.version(bytes.below(2) as u32)
}

fn kind(bytes: &mut Bytes<'_>, name: &str, at: usize) -> Child {
    match bytes.below(9) {
        0 => perm(name),
        1 => tran(name),
        2 => temp(name),
        3 => job(name),
        4 => job(name).retry(),
        5 => service(name),
        6 => worker(name),
        7 if at > 0 => sidecar(name, NAMES[bytes.below(at)]),
        _ => child(name),
    }
}

/// What one run does. Never an end at once in the usual run: such a tree would never come to rest.
fn run(bytes: &mut Bytes<'_>) -> Run {
    const SPANS: &[u64] = &[1, 50, 300, 7_000];
    let mut run = match bytes.below(8) {
        0 => Run::never_ready(),
        1 => Run::ready_after(bytes.ms(SPANS)),
        2 => Run::declines(),
        3 => Run::fails_to_start(),
        _ => Run::healthy(),
    };
    if bytes.often(90) {
        run = run.ends_after(bytes.ms(SPANS), exit(bytes));
    }
    match bytes.below(8) {
        0 => run.ignores_stop(),
        1 => run.immortal(),
        2 => run.ignores_stop().dies_after(bytes.ms(SPANS)),
        3 => run.stops_after(bytes.ms(SPANS)),
        4 => run.stops_with(exit(bytes)),
        _ => run,
    }
}

/// Every way in which a run can end by itself.
pub(crate) fn exit(bytes: &mut Bytes<'_>) -> Exit {
    match bytes.below(8) {
        0 => Exit::Completed,
        1 => Exit::StoppedWith { value: "v".into() },
        2 => Exit::Panicked { message: "no".into(), location: None },
        3 => Exit::Killed { signal: 9, by_us: false },
        4 => Exit::TimedOut { what: "it".into() },
        5 => Exit::Aborted,
        _ => Exit::failed("boom"),
    }
}
