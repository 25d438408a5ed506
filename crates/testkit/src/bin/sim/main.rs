//! The simulator's command: `cargo xtask sim` builds it in release and runs it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to a developer at a terminal"
)]

mod clock;
mod planted;
mod summary;

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::clock::Clock;
use self::summary::{Part, Summary};
use supervisor_testkit::sim::{Batch, Finding, LEAST_INPUTS, Seeds, Simulator, Size};

const HELP: &str = "\
Runs trees of supervisors through random lives and checks every invariant: after every step for what the step
touched, every 64 steps and at the end for the whole tree.

cargo xtask sim [--seeds N] [--from S] [--small | --changes] [--jobs J] [--minutes M]
cargo xtask sim --seed S [--trace] [--small | --changes]
cargo xtask sim --planted [--from S] [--jobs J]

  --seeds N     so many seeds (default 20000)
  --from S      the first seed (default 0; with --minutes and --planted drawn from the clock, and printed)
  --small       small schedules: at most 8 children in two levels; others have up to 200 children in five
                levels. All have at least 50 inputs that come while the tree has not ended
  --changes     trees at rest, whose children behave: each gets one or two other specs and then its own again.
                What the plan said comes true, and the way back leads to where it came from
  --minutes M   as many seeds as fit into M minutes
  --jobs J      so many threads (default: one per core)
  --seed S      one seed again; what it breaks is made as small as it can be
  --trace       with --seed: the whole tree, and every input and effect
  --planted     builds faults into the machine, one at a time, and sees that each is found

A seed that broke something is run again with `--seed S`, and with `--small` or `--changes` if it was one of those.
The last line is for programs:

sim: seeds=N steps=N schedules_per_s=N violations=N markers_hit=N/N planted_found=N/N

  seeds, steps      what was run: seeds, and calls of the machine
  schedules_per_s   seeds per second of one core's time
  violations        seeds that broke something while no fault was planted
  markers_hit       rare paths that were reached, of all
  planted_found     planted faults that were found, of all that have to be

A dash stands for what a run does not measure: `planted_found=-/-` without --planted, `schedules_per_s=-` with
it, `markers_hit=-/-` with it and with --changes.

Exit code 1: something is broken, a seed had fewer inputs than it must have, or a batch of 100000 full seeds
and more left a marker unhit; with --planted also that a fault was not found in time, or its finding could not be
made small.";

/// Batches of so many full seeds must hit every marker.
const LARGE: u64 = 100_000;

/// So many findings are made small and shown.
const SHOWN: usize = 5;

#[derive(Debug, Default)]
struct Arguments {
    seeds: Option<u64>,
    from: Option<u64>,
    size: Size,
    minutes: Option<f64>,
    jobs: Option<usize>,
    seed: Option<u64>,
    trace: bool,
    planted: bool,
    help: bool,
}

fn main() -> ExitCode {
    match read(std::env::args().skip(1)).and_then(|arguments| act(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("sim: {problem}; see --help");
            ExitCode::FAILURE
        }
    }
}

fn read(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut read = Arguments::default();
    while let Some(word) = words.next() {
        let mut number = || words.next().ok_or_else(|| format!("{word} needs a number"));
        match word.as_str() {
            "--seeds" => read.seeds = Some(parsed(&word, &number()?)?),
            "--from" => read.from = Some(parsed(&word, &number()?)?),
            "--seed" => read.seed = Some(parsed(&word, &number()?)?),
            "--minutes" => read.minutes = Some(parsed(&word, &number()?)?),
            "--jobs" => read.jobs = Some(parsed(&word, &number()?)?),
            "--small" => read.size = Size::Small,
            "--changes" => read.size = Size::Changes,
            "--trace" => read.trace = true,
            "--planted" => read.planted = true,
            "-h" | "--help" => read.help = true,
            other => return Err(format!("there is no option `{other}`")),
        }
    }
    if read.trace && read.seed.is_none() {
        return Err("--trace needs --seed".into());
    }
    Ok(read)
}

fn parsed<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} needs a number, not `{text}`"))
}

/// Says whether all is well.
fn act(arguments: &Arguments) -> Result<bool, String> {
    if arguments.help {
        println!("{HELP}");
        return Ok(true);
    }
    if let Some(seed) = arguments.seed {
        return Ok(one(seed, arguments.size, arguments.trace));
    }
    if arguments.planted {
        return planted::hunt(arguments.from.unwrap_or_else(drawn_seed), jobs(arguments));
    }
    Ok(many(arguments))
}

/// One seed, with everything about it.
fn one(seed: u64, size: Size, trace: bool) -> bool {
    let mut simulator = Simulator::default();
    let ran = quietly(|| simulator.hashed(seed, size));
    if trace {
        for line in &quietly(|| simulator.trace(seed, size)).trace {
            println!("{line}");
        }
    }
    println!("seed {seed}: {} steps, trace {:016x}", ran.steps, ran.digest.unwrap_or_default());
    let Some(fault) = ran.fault else { return true };
    println!("{fault}\n");
    if let Some(finding) = quietly(|| simulator.shrink(seed, size)) {
        show(&finding);
    }
    false
}

/// Panics are findings; they are told once, with the others.
fn quietly<T>(act: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = act();
    std::panic::set_hook(hook);
    result
}

fn show(finding: &Finding) {
    println!("---- seed {}: the smallest schedule that breaks the same", finding.seed);
    for line in &finding.trace {
        println!("{line}");
    }
    println!("{}", finding.fault);
    println!("again: cargo xtask sim --seed {} --trace{}\n", finding.seed, finding.size.flag());
}

/// How many threads.
fn jobs(arguments: &Arguments) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    arguments.jobs.unwrap_or(cores).max(1)
}

fn many(arguments: &Arguments) -> bool {
    let clock = Clock::start();
    let from = arguments.from.unwrap_or_else(|| arguments.minutes.map_or(0, |_| drawn_seed()));
    let count = arguments.seeds.or(if arguments.minutes.is_some() { None } else { Some(20_000) });
    let jobs = jobs(arguments);
    let seeds = Seeds { from, count, size: Some(arguments.size), jobs };
    println!("sim: from seed {from}, {jobs} threads");
    let limit = arguments.minutes.map(|minutes| Duration::from_secs_f64(minutes.max(0.0) * 60.0));
    let told = Mutex::new(Duration::ZERO);
    let batch = quietly(|| {
        let goes_on = |so_far, violations| {
            let elapsed = clock.elapsed();
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if elapsed >= *told + Duration::from_secs(10) {
                *told = elapsed;
                eprintln!("sim: {so_far} seeds, {violations} violations, {} s", elapsed.as_secs());
            }
            limit.is_none_or(|limit| elapsed < limit)
        };
        seeds.run(&goes_on, &|seed, fault| eprintln!("sim: seed {seed}: {fault}"))
    });
    let (rate, took) = (clock.rate(batch.seeds, jobs), clock.took(jobs));
    show_findings(&batch);
    sum_up(&batch, arguments.size, rate, &took)
}

/// The figures of a batch; says whether all is well.
fn sum_up(batch: &Batch, size: Size, rate: u64, took: &str) -> bool {
    let (markers, enough) = match size {
        Size::Changes => {
            println!(
                "new specs that changed something, each held against what became of it: {}",
                batch.changes
            );
            (None, batch.changes > 0)
        }
        Size::Full | Size::Small => {
            let (reached, all) = show_markers(batch);
            println!("fewest inputs of a seed: {} (at least {LEAST_INPUTS})", batch.shortest);
            let long = batch.shortest >= u64::from(LEAST_INPUTS);
            (Some(Part(reached, all)), long && (batch.full < LARGE || reached == all))
        }
    };
    if let Some(mean) = batch.full_steps.checked_div(batch.full) {
        println!("mean steps of a full seed: {mean}");
    }
    println!("{took}");
    let summary = Summary {
        seeds: batch.seeds,
        steps: batch.steps,
        schedules_per_s: Some(rate),
        violations: batch.violations,
        markers,
        planted: None,
    };
    println!("{summary}");
    batch.violations == 0 && enough
}

/// Which rare paths were not reached, and the rarest of those that were. How many were reached, of all.
fn show_markers(batch: &Batch) -> (usize, usize) {
    let markers = batch.markers();
    for marker in markers.iter().filter(|marker| marker.hits == 0) {
        println!("not reached: {}", marker.name);
    }
    let mut reached: Vec<_> = markers.iter().filter(|marker| marker.hits > 0).collect();
    reached.sort_by_key(|marker| marker.hits);
    let rarest = reached.iter().take(5).map(|marker| format!("{} ({})", marker.name, marker.hits));
    println!("rarest: {}", rarest.collect::<Vec<_>>().join(", "));
    (reached.len(), markers.len())
}

/// The first findings of each kind, made small, and how many there are of it.
fn show_findings(batch: &Batch) {
    let mut simulator = Simulator::default();
    let mut kinds: Vec<String> = Vec::new();
    for (seed, size, fault) in &batch.faults {
        if kinds.contains(&fault.kind()) {
            continue;
        }
        kinds.push(fault.kind());
        if kinds.len() > SHOWN {
            continue;
        }
        println!("seed {seed} ({size:?}): {fault}");
        if let Some(finding) = quietly(|| simulator.shrink(*seed, *size)) {
            show(&finding);
        }
    }
    for kind in kinds {
        let alike: Vec<_> = batch.faults.iter().filter(|(_, _, fault)| fault.kind() == kind).collect();
        let seeds = alike.iter().take(10).map(|(seed, size, _)| format!("{seed}{}", size.flag()));
        let seeds = seeds.collect::<Vec<_>>().join(", ");
        println!("{kind}: {} of the first {} violations; seeds {seeds}", alike.len(), batch.faults.len());
    }
}

/// A seed nobody chose.
#[expect(clippy::disallowed_methods, reason = "a new batch wants a new seed; it is printed")]
fn drawn_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as u64 >> 10
}
