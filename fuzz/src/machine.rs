//! Operations on the machine, through the bench that checks it after every step.

use std::time::Duration;

use supervisor_api::ChildKey;
use supervisor_api::command::{ControlVerb, OtpVerb};
use supervisor_core::{Address, Command, Input};
use supervisor_testkit::Bench;

use crate::bytes::Bytes;
use crate::tree::{exit, newcomer, tree};

/// The most operations of one run; more show nothing new and take longer.
const OPERATIONS: usize = 96;

/// Runs a tree through operations that the bytes choose, then brings it to its end.
///
/// # Panics
/// When an invariant of the bench is broken, a tree is refused without a word, a command is left without an
/// answer, or the tree does not end.
pub fn machine(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let seed = u64::from(bytes.byte());
    let mut bench = match Bench::try_begin(&tree(&mut bytes, 2), seed) {
        Ok(bench) => bench,
        Err(findings) => {
            assert!(findings.iter().any(|finding| !finding.warning), "refused, but only with warnings");
            assert!(findings.iter().all(|finding| !finding.message.is_empty()), "refused without a word");
            return;
        }
    };
    for _ in 0..OPERATIONS {
        if bytes.is_empty() || bench.ended().is_some() {
            break;
        }
        step(&mut bytes, &mut bench);
    }
    end(&mut bench);
}

/// One thing happens.
fn step(bytes: &mut Bytes<'_>, bench: &mut Bench) {
    match bytes.below(20) {
        0..=3 => bench.pass(bytes.ms(&[1, 0, 20, 150, 1_000, 7_000, 61_000])),
        4..=6 => {
            let living = bench.living_keys();
            if !living.is_empty() {
                let key = bytes.pick(&living);
                bench.end_key(key, exit(bytes));
            }
        }
        7 => report(bytes, bench),
        8..=11 => {
            let verb = bytes.pick(ControlVerb::ALL);
            let address = address(bytes, bench);
            bench.send(Command::Control(verb, address));
        }
        12 => {
            let verb = bytes.pick(OtpVerb::ALL);
            let address = address(bytes, bench);
            bench.send(Command::Otp(verb, address));
        }
        13 | 14 => {
            let (_, under, _) = anyone(bytes, bench);
            let child = newcomer(bytes);
            if bytes.often(128) {
                bench.add(&under, child)
            } else {
                bench.start_child(&under, child)
            };
        }
        15 => {
            let (key, ..) = anyone(bytes, bench);
            bench.say(Input::Bound { key });
        }
        16 => {
            let new = tree(bytes, 2);
            bench.apply(new);
        }
        17 => match bytes.below(16) {
            0 => _ = bench.send(Command::Shutdown),
            1 => _ = bench.send(Command::SkipGraces),
            2 => bench.say(Input::HardStop),
            _ => bench.beat_all(),
        },
        // Cut in the middle of whatever goes on.
        _ => {
            for _ in 0..bytes.below(4) {
                bench.turn();
            }
        }
    }
}

/// A report that may be about an older run, which must change nothing (D5).
fn report(bytes: &mut Bytes<'_>, bench: &mut Bench) {
    let (key, _, generation) = anyone(bytes, bench);
    let older = generation.saturating_sub(bytes.below(3) as u64);
    let stale = older < generation;
    bench.say(match bytes.below(5) {
        0 => Input::Beat { key, generation: older },
        1 => Input::Missed { key, generation: older, why: "no answer".into() },
        2 if stale => Input::Exited { key, generation: older, exit: exit(bytes) },
        3 if stale => Input::Declined { key, generation: older, reason: "late".into() },
        _ => Input::Ready { key, generation: older },
    });
}

fn anyone(bytes: &mut Bytes<'_>, bench: &Bench) -> (ChildKey, String, u64) {
    let all = bench.everyone();
    let (key, name, row) = bytes.pick(&all);
    (key, name, row.generation)
}

fn address(bytes: &mut Bytes<'_>, bench: &Bench) -> Address {
    let (key, name, _) = anyone(bytes, bench);
    match bytes.below(8) {
        0 => Address::Key(key),
        1 => Address::Text(name.rsplit('/').next().unwrap_or("a").into()),
        2 => Address::Text("/nobody/at/all".into()),
        3 => Address::Text("not a name".into()),
        _ => Address::Text(format!("/{}", name.trim_start_matches('/')).into()),
    }
}

/// Stops the tree: within its graces, then without them, and then the runs that nothing could stop.
fn end(bench: &mut Bench) {
    bench.settle();
    if bench.ended().is_none() {
        bench.shutdown();
        bench.pass(Duration::from_secs(60));
        bench.skip_graces();
        bench.pass(Duration::from_secs(60));
    }
    if bench.ended().is_none() {
        bench.fail("it does not end, though every grace was cut");
    }
    if !bench.unanswered().is_empty() {
        bench.fail(&format!("the commands {:?} have no answer", bench.unanswered()));
    }
    for key in bench.living_keys() {
        bench.end_key(key, supervisor_api::Exit::Aborted);
    }
    if !bench.living_keys().is_empty() {
        bench.fail("something was started after the end");
    }
}
