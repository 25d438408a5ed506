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
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, PoisonError};

    use supervisor_core::faults::{CATALOGUE, Found, Planted, plant};
    use supervisor_testkit::Invariant;
    use supervisor_testkit::sim::{Fault, Seeds, Simulator, Size};

    use crate::clock::Clock;
    use crate::quietly;

    /// How the hunt for one fault went.
    struct Hunt {
        name: &'static str,
        found: bool,
        line: String,
        seeds: u64,
        steps: u64,
    }

    /// Hunts every fault that the simulator must find; says whether all were found.
    pub(crate) fn hunt(from: u64, jobs: usize) -> Result<bool, String> {
        let clock = Clock::start();
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        let prey: Vec<_> = CATALOGUE.iter().filter_map(|fault| Some((fault, fault.found?))).collect();
        println!("sim: {} planted faults, from seed {from}, {jobs} threads", prey.len());
        quietly(|| {
            std::thread::scope(|scope| {
                for _ in 0..jobs {
                    scope.spawn(|| {
                        while let Some((planted, found)) = prey.get(next.fetch_add(1, Ordering::Relaxed)) {
                            let hunt = hunt_one(planted, found, from);
                            println!("{}", hunt.line);
                            done.lock().unwrap_or_else(PoisonError::into_inner).push(hunt);
                        }
                    });
                }
            });
        });
        let hunts = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let found = hunts.iter().filter(|hunt| hunt.found).count();
        let missed: Vec<_> = hunts.iter().filter(|hunt| !hunt.found).map(|hunt| hunt.name).collect();
        if !missed.is_empty() {
            println!("not found in time: {}", missed.join(", "));
        }
        let seeds: u64 = hunts.iter().map(|hunt| hunt.seeds).sum();
        let steps: u64 = hunts.iter().map(|hunt| hunt.steps).sum();
        let rate = clock.rate(seeds, jobs);
        println!("{}", clock.took(jobs));
        println!(
            "sim: seeds={seeds} steps={steps} schedules_per_s={rate} violations={} markers_hit=0/0 \
             planted_found={found}/{}",
            hunts.len() - missed.len(),
            hunts.len()
        );
        Ok(missed.is_empty())
    }

    /// Whether the seed breaks nothing without the fault: what it breaks with it is then the fault's doing.
    fn is_sound(simulator: &mut Simulator, planted: &Planted, seed: u64, size: Size) -> bool {
        plant(None);
        let sound = simulator.run(seed, size).fault.is_none();
        plant(Some(planted.fault));
        sound
    }

    fn hunt_one(planted: &Planted, found: &Found, from: u64) -> Hunt {
        plant(Some(planted.fault));
        let mut simulator = Simulator::default();
        let mix = Seeds { from, count: None, size: None, jobs: 1 };
        let mut hunt = Hunt { name: planted.name, found: false, line: String::new(), seeds: 0, steps: 0 };
        let mut other = None;
        for seed in from..from.saturating_add(u64::from(found.within)) {
            let size = mix.size_of(seed);
            let mut ran = simulator.run(seed, size);
            hunt.seeds += 1;
            hunt.steps += ran.steps;
            if found.invariants.contains(&Invariant::Repeatable.number()) && simulator.run(seed, size) != ran
            {
                let text = "another run gives another trace".to_owned();
                ran.fault = Some(Fault::Broken { invariant: Invariant::Repeatable, text });
            }
            match ran.fault {
                Some(Fault::Broken { invariant, .. })
                    if found.invariants.contains(&invariant.number())
                        && is_sound(&mut simulator, planted, seed, size) =>
                {
                    hunt.found = true;
                    let (tried, number) = (hunt.seeds, invariant.number());
                    hunt.line = format!(
                        "{}: found at seed {seed}, after {tried} of {} seeds, by invariant {number}: {}",
                        planted.name,
                        found.within,
                        invariant.name()
                    );
                    break;
                }
                Some(fault) if other.is_none() => other = Some(format!("seed {seed}: {fault}")),
                _ => {}
            }
        }
        if !hunt.found {
            let other =
                other.map_or_else(|| "nothing else either".to_owned(), |other| format!("but {other}"));
            hunt.line = format!(
                "{}: NOT FOUND within {} seeds by the invariants {:?}; {other}",
                planted.name, found.within, found.invariants
            );
        }
        plant(None);
        hunt
    }
}
