//! `--planted`: a fault is built into the machine, and the simulator has to find it, by an invariant that names
//! it and within the number of seeds that the catalogue says. This proves that the checks bite.

#[cfg(not(planted))]
pub(crate) fn hunt(_: u64, _: usize) -> Result<bool, String> {
    Err("the faults are not built in; run `cargo xtask sim --planted`".into())
}

#[cfg(planted)]
pub(crate) use hunting::hunt;

#[cfg(planted)]
mod hunting {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};

    use supervisor_core::faults::{CATALOGUE, Found, Planted, plant};
    use supervisor_testkit::Invariant;
    use supervisor_testkit::sim::{Fault, Seeds, Simulator, Size};

    use crate::clock::Clock;
    use crate::quietly;
    use crate::summary::{Part, Summary};

    /// How the hunt for one fault went.
    struct Hunt {
        planted: &'static Planted,
        found: &'static Found,
        seeds: u64,
        steps: u64,
        /// Seeds that break something without the fault too.
        unsound: Vec<(u64, Size)>,
        outcome: Outcome,
    }

    enum Outcome {
        Caught(Catch),
        /// What was found instead, if anything.
        Missed(Option<String>),
    }

    /// The seed under which a fault shows, and the invariant that says so.
    #[derive(Clone, Copy)]
    struct Catch {
        seed: u64,
        size: Size,
        invariant: Invariant,
    }

    /// Hunts every fault that the simulator must find; says whether all were found.
    pub(crate) fn hunt(from: u64, jobs: usize) -> Result<bool, String> {
        let clock = Clock::start();
        let prey: Vec<_> =
            CATALOGUE.iter().filter_map(|planted| Some((planted, planted.found.as_ref()?))).collect();
        println!("sim: {} planted faults, from seed {from}, {jobs} threads", prey.len());
        let hunts = share(&prey, jobs, |(planted, found)| hunt_one(planted, found, from));
        let missed: Vec<_> = hunts.iter().filter(|hunt| hunt.catch().is_none()).collect();
        let unclear = distil(&hunts, jobs);
        for hunt in &missed {
            println!(
                "not found in time: {}; again: cargo xtask sim --planted --from {from}",
                hunt.planted.name
            );
        }
        let seeds: u64 = hunts.iter().map(|hunt| hunt.seeds).sum();
        let steps: u64 = hunts.iter().map(|hunt| hunt.steps).sum();
        let found = hunts.len() - missed.len();
        // One seed may break something on its own in many hunts.
        let unsound: BTreeMap<_, _> = hunts.iter().flat_map(|hunt| &hunt.unsound).copied().collect();
        for (seed, size) in &unsound {
            println!(
                "something is broken with no fault planted: cargo xtask sim --seed {seed}{}",
                size.flag()
            );
        }
        let summary = Summary {
            seeds,
            steps,
            schedules_per_s: None,
            violations: unsound.len() as u64,
            markers: None,
            planted: Some(Part(found, hunts.len())),
        };
        println!("{}\n{summary}", clock.took(jobs));
        Ok(missed.is_empty() && unclear == 0 && unsound.is_empty())
    }

    /// Does something with each item, on several threads; the results come in the order of the items.
    fn share<T: Sync, R: Send>(items: &[T], jobs: usize, act: impl Fn(&T) -> R + Sync) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(BTreeMap::new());
        quietly(|| {
            std::thread::scope(|scope| {
                for _ in 0..jobs {
                    scope.spawn(|| {
                        loop {
                            let at = next.fetch_add(1, Ordering::Relaxed);
                            let Some(item) = items.get(at) else { return };
                            let result = act(item);
                            done.lock().unwrap_or_else(PoisonError::into_inner).insert(at, result);
                        }
                    });
                }
            });
        });
        done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
    }

    impl Hunt {
        fn catch(&self) -> Option<Catch> {
            match self.outcome {
                Outcome::Caught(catch) => Some(catch),
                Outcome::Missed(_) => None,
            }
        }

        fn tell(&self) {
            let (name, within) = (self.planted.name, self.found.within);
            match &self.outcome {
                Outcome::Caught(Catch { seed, invariant, .. }) => println!(
                    "{name}: found at seed {seed}, after {} of {within} seeds, by invariant {}: {}",
                    self.seeds,
                    invariant.number(),
                    invariant.name()
                ),
                Outcome::Missed(other) => println!(
                    "{name}: NOT FOUND within {within} seeds by the invariants {:?}; {}",
                    self.found.invariants,
                    other.as_deref().unwrap_or("nothing else either")
                ),
            }
        }
    }

    fn hunt_one(planted: &'static Planted, found: &'static Found, from: u64) -> Hunt {
        plant(Some(planted.fault));
        let mut simulator = Simulator::default();
        let mut hunt =
            Hunt { planted, found, seeds: 0, steps: 0, unsound: Vec::new(), outcome: Outcome::Missed(None) };
        for seed in from..from.saturating_add(u64::from(found.within)) {
            let size = Seeds { from, count: None, size: None, jobs: 1 }.size_of(seed);
            hunt.seeds += 1;
            match hunt.run(&mut simulator, seed, size) {
                Some(Fault::Broken { invariant, .. }) if found.invariants.contains(&invariant.number()) => {
                    if is_sound(&mut simulator, planted, seed, size) {
                        hunt.outcome = Outcome::Caught(Catch { seed, size, invariant });
                        break;
                    }
                    hunt.unsound.push((seed, size));
                }
                Some(fault) => {
                    if let Outcome::Missed(other @ None) = &mut hunt.outcome {
                        *other = Some(format!("but seed {seed}: {fault}"));
                    }
                }
                None => {}
            }
        }
        plant(None);
        hunt.tell();
        hunt
    }

    impl Hunt {
        /// Runs one seed; twice, if the fault is one of trees that do not repeat themselves.
        fn run(&mut self, simulator: &mut Simulator, seed: u64, size: Size) -> Option<Fault> {
            let repeats = self.found.invariants.contains(&Invariant::Repeatable.number());
            let ran = if repeats { simulator.hashed(seed, size) } else { simulator.run(seed, size) };
            self.steps += ran.steps;
            if repeats && simulator.hashed(seed, size) != ran {
                let text = "another run gives another trace".to_owned();
                return Some(Fault::Broken { invariant: Invariant::Repeatable, text });
            }
            ran.fault
        }
    }

    /// Whether the seed breaks nothing without the fault: what it breaks with it is then the fault's doing.
    fn is_sound(simulator: &mut Simulator, planted: &Planted, seed: u64, size: Size) -> bool {
        plant(None);
        let sound = simulator.run(seed, size).fault.is_none();
        plant(Some(planted.fault));
        sound
    }

    // ---- what a finding is worth to who reads it ----

    /// Makes one finding of every invariant as small as it can be, and sees that it still is the same, every time, and
    /// that nothing can be left out of it. Says how many are not like that.
    fn distil(hunts: &[Hunt], jobs: usize) -> usize {
        let mut first = BTreeMap::new();
        for hunt in hunts {
            // That a tree does not repeat itself is not seen in one trace.
            if let Some(catch) = hunt.catch().filter(|catch| catch.invariant != Invariant::Repeatable) {
                first.entry(catch.invariant).or_insert((hunt.planted, catch));
            }
        }
        let catches: Vec<_> = first.into_values().collect();
        share(&catches, jobs, |(planted, catch)| !is_distilled(planted, *catch))
            .into_iter()
            .filter(|unclear| *unclear)
            .count()
    }

    fn is_distilled(planted: &Planted, catch: Catch) -> bool {
        let Catch { seed, size, invariant } = catch;
        plant(Some(planted.fault));
        let mut simulator = Simulator::default();
        let whole = simulator.trace(seed, size);
        let again = simulator.trace(seed, size) == whole;
        let smallest = simulator.shrink(seed, size);
        plant(None);
        let lines = smallest.as_ref().map_or(usize::MAX, |smallest| smallest.trace.len());
        let minimal = smallest.as_ref().is_some_and(|smallest| smallest.minimal);
        let same = smallest
            .zip(whole.fault.as_ref())
            .is_some_and(|(smallest, whole)| smallest.fault.kind() == whole.kind());
        let number = invariant.number();
        let good = again && same && minimal && lines < whole.trace.len();
        let (name, word) = (planted.name, if good { "" } else { "NOT " });
        println!(
            "{word}told in few lines: invariant {number}, {name}, seed {seed}: {lines} of {}",
            whole.trace.len()
        );
        good
    }
}
