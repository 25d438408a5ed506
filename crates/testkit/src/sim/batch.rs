//! Many seeds at once, on several threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::marks::{Mark, Marks};
use super::{Fault, Ran, Simulator, Size, knobs};
use crate::Invariant;

/// Seeds that a thread takes at once.
const CHUNK: u64 = 16;

/// One seed in so many is run twice, and the traces are compared (35).
const TWICE: u64 = 512;

/// So many faults are kept with their texts; the others are counted.
const KEPT: usize = 200;

/// A mark, and how often it was hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// What was reached.
    pub name: String,
    /// How often.
    pub hits: u64,
}

/// Which seeds to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeds {
    /// The first.
    pub from: u64,
    /// How many; `None` until told to stop.
    pub count: Option<u64>,
    /// The size of all; `None` is every second one small.
    pub size: Option<Size>,
    /// How many threads.
    pub jobs: usize,
}

/// What came of many seeds.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Seeds that were run.
    pub seeds: u64,
    /// Of these, full ones.
    pub full: u64,
    /// Calls of the machine.
    pub steps: u64,
    /// Of these, in full schedules.
    pub full_steps: u64,
    /// New specs that changed something, and were held against what became of them.
    pub changes: u64,
    /// The fewest inputs of trees that had not ended, in one schedule that broke nothing.
    pub shortest: u64,
    /// How many seeds broke something.
    pub violations: u64,
    /// Those with the lowest seeds.
    pub faults: Vec<(u64, Size, Fault)>,
    marks: Marks,
}

impl Seeds {
    /// The size of a seed.
    pub fn size_of(&self, seed: u64) -> Size {
        self.size.unwrap_or(if seed.is_multiple_of(2) { Size::Full } else { Size::Small })
    }

    /// Runs them. `goes_on` is asked from time to time, with the number of seeds and of violations so far;
    /// `false` ends the batch. `found` hears of each violation as it comes.
    pub fn run(
        &self,
        goes_on: &(dyn Fn(u64, u64) -> bool + Sync),
        found: &(dyn Fn(u64, &Fault) + Sync),
    ) -> Batch {
        let (next, violations) = (AtomicU64::new(0), AtomicU64::new(0));
        let stop = AtomicBool::new(false);
        let whole = Mutex::new(Batch { shortest: u64::MAX, ..Batch::default() });
        thread::scope(|scope| {
            for job in 0..self.jobs.max(1) {
                let (next, violations, stop, whole) = (&next, &violations, &stop, &whole);
                scope.spawn(move || {
                    let mut simulator = Simulator::default();
                    let mut batch = Batch { shortest: u64::MAX, ..Batch::default() };
                    while !stop.load(Ordering::Relaxed) {
                        let first = next.fetch_add(CHUNK, Ordering::Relaxed);
                        let count = self.count.unwrap_or(u64::MAX);
                        if first >= count {
                            break;
                        }
                        let before = batch.violations;
                        for at in first..(first + CHUNK).min(count) {
                            let seed = self.from.wrapping_add(at);
                            let known = batch.faults.len();
                            batch.run(&mut simulator, seed, self.size_of(seed));
                            if let Some((seed, _, fault)) = batch.faults.get(known) {
                                found(*seed, fault);
                            }
                        }
                        let new = batch.violations - before;
                        let all = violations.fetch_add(new, Ordering::Relaxed) + new;
                        if job == 0 && !goes_on(first, all) {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                    batch.marks.add(&simulator.room.marks);
                    whole.lock().unwrap_or_else(PoisonError::into_inner).add(batch);
                });
            }
        });
        let mut batch = whole.into_inner().unwrap_or_else(PoisonError::into_inner);
        batch.faults.sort_by_key(|(seed, _, _)| *seed);
        batch
    }
}

impl Batch {
    fn run(&mut self, simulator: &mut Simulator, seed: u64, size: Size) {
        self.spoil_one(simulator, seed, size);
        let ran =
            if seed.is_multiple_of(TWICE) { twice(simulator, seed, size) } else { simulator.run(seed, size) };
        self.seeds += 1;
        self.steps += ran.steps;
        self.changes += ran.changes;
        if size == Size::Full {
            self.full += 1;
            self.full_steps += ran.steps;
        }
        let Some(fault) = ran.fault else {
            self.shortest = self.shortest.min(ran.inputs);
            return;
        };
        self.violations += 1;
        if self.faults.len() < KEPT {
            self.faults.push((seed, size, fault));
        }
    }

    /// One seed in a hundred also makes a tree with a mistake, which must be refused.
    fn spoil_one(&mut self, simulator: &mut Simulator, seed: u64, size: Size) {
        if !seed.is_multiple_of(100) {
            return;
        }
        let tree = knobs::spoiled_tree(seed, size);
        match supervisor_core::resolve(&tree) {
            Err(findings) if findings.iter().any(|finding| !finding.warning) => {
                simulator.room.marks.hit(Mark::InvalidRefused);
            }
            _ => {
                self.violations += 1;
                let text = format!("a tree with a mistake is taken:\n{}", super::text::tree(&tree));
                self.faults.push((seed, size, Fault::Broken { invariant: Invariant::Apply, text }));
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.full += other.full;
        self.steps += other.steps;
        self.full_steps += other.full_steps;
        self.changes += other.changes;
        self.shortest = self.shortest.min(other.shortest);
        self.violations += other.violations;
        self.faults.extend(other.faults);
        self.marks.add(&other.marks);
    }

    /// Every mark.
    pub fn markers(&self) -> Vec<Marker> {
        self.marks.all().into_iter().map(|(name, hits)| Marker { name, hits }).collect()
    }
}

/// Runs a seed twice and compares the traces (35).
fn twice(simulator: &mut Simulator, seed: u64, size: Size) -> Ran {
    let (mut ran, again) = (simulator.hashed(seed, size), simulator.hashed(seed, size));
    if again != ran && ran.fault.is_none() {
        let text = format!("{} steps, then {}; or other effects", ran.steps, again.steps);
        ran.fault = Some(Fault::Broken { invariant: Invariant::Repeatable, text });
    }
    ran
}
