//! The driver and the bare machine tell the same story.
//!
//! In this crate's tests a [`Machine`] that keeps a record takes the place of the machine: of every call its
//! time, what was handed over and what came back. A random tree of scripted children is run by the real driver
//! under paused time. Then
//!
//! - a bare machine with the same spec and seed is handed the same calls and must answer the same, byte for byte
//!   (`replay`);
//! - what the children, the readers and those who asked saw must be what was decided, each thing once and in its
//!   order, and every report of theirs must have reached the machine (`check`);
//! - the bench of `supervisor-testkit` plays the same tree and must tell the same events (`simulated`);
//! - the same tree is played once more while the wall clock jumps, and everything but the stamps must be the same.

mod check;
mod live;
mod plan;
mod record;
mod replay;
mod simulated;

pub(crate) use record::Machine;
#[cfg(shuttle)]
pub(crate) use record::What;

use crate::clock;

/// Seeds of one run of a test.
const SEEDS: u64 = 400;

/// Which seeds are played: `TRACE_SEED=n` plays one, `TRACE_SEEDS=n` so many.
fn seeds() -> std::ops::Range<u64> {
    let said = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    match said("TRACE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..said("TRACE_SEEDS").unwrap_or(SEEDS),
    }
}

#[test]
fn d7_the_bare_machine_given_the_drivers_calls_decides_the_same_byte_for_byte() {
    let mut calls = 0;
    for seed in seeds() {
        let story = live::play(&plan::Plan::wild(seed));
        calls += story.record.calls.len();
        replay::same(&story.record).unwrap_or_else(|why| panic!("TRACE_SEED={seed}: {why}"));
    }
    assert!(calls > 10_000 || seeds().count() == 1, "{calls} calls prove little");
}

#[test]
fn d7_the_driver_carries_out_every_effect_once_and_hands_over_every_report() {
    let mut seen = check::Seen::default();
    for seed in seeds() {
        let story = live::play(&plan::Plan::wild(seed));
        check::all(&story, &mut seen).unwrap_or_else(|why| panic!("TRACE_SEED={seed}: {why}"));
    }
    assert!(seeds().count() == 1 || seen.is_rich(), "the seeds do not reach enough: {seen:?}");
}

#[test]
fn d7_the_simulated_tree_and_the_real_one_tell_the_same_events() {
    let (mut same, mut all) = (0, 0);
    for seed in seeds() {
        let told = simulated::same(&plan::Plan::plain(seed))
            .unwrap_or_else(|why| panic!("TRACE_SEED={seed}: {why}"));
        (same, all) = (same + told.0, all + told.1);
    }
    assert!(
        seeds().count() == 1 || same > 10_000 && same * 3 > all * 2,
        "{same} of {all} events prove little"
    );
}

#[test]
fn d2_r44_a_jump_of_the_wall_clock_changes_nothing_but_the_stamps() {
    let mut back = 0;
    for seed in seeds() {
        let plan = plan::Plan::wild(seed);
        let (steady, jumped) = (live::play(&plan), clock::restless(|| live::play(&plan)));
        for (steady, jumped) in told(&steady).zip(told(&jumped)) {
            assert_eq!(steady, jumped, "TRACE_SEED={seed}");
        }
        assert_eq!(told(&steady).count(), told(&jumped).count(), "TRACE_SEED={seed}");
        let stamps = jumped.events.windows(2);
        back += stamps.filter(|two| two[1].occurred_at_unix_nanos < two[0].occurred_at_unix_nanos).count();
    }
    assert!(back > 100 || seeds().count() == 1, "the wall clock went back {back} times only");
}

/// Everything about a story but what the wall clock said: the calls of the machine with what they led to, what the
/// runs noted, and the events.
fn told(story: &live::Story) -> impl Iterator<Item = String> {
    let calls = story.record.calls.iter().map(|call| format!("{call:?}"));
    let notes = story.notes.iter().map(|note| format!("{note:?}"));
    let events =
        story.events.iter().map(|event| format!("{} {} {:?}", event.sequence, event.at, event.event));
    calls.chain(notes).chain(events)
}
