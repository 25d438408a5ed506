//! A soak: a real tree of tasks and programs under random faults, watched from outside.
//!
//! Children run on a runtime of several threads and as real processes. They panic, hang, fail, flood and come late;
//! a killer sends signals from outside, and several people send commands. Meanwhile watchers that know nothing of the
//! supervisor's inside look for what must not happen:
//!
//! | file | what must hold |
//! |---|---|
//! | `lease` | at most one live incarnation of a path: runs claim it, programs lock a file |
//! | `readers` | every event or an explicit gap; a snapshot and the events after it are a later snapshot |
//! | `people` | each command has one answer, in bounded time; a read is answered at once |
//! | `census` | no zombie stays, no program outlives its tree; memory, descriptors and threads are flat |
//! | `scopes` | trees whose owner goes away leave nothing |
//! | `soak` | the last shutdown keeps its bound, names what did not stop, and leaves nothing |
//!
//! The seed decides what children do and what is asked; the scheduler of the machine decides the rest, so a seed gives
//! the same storm, not the same story. The last line is for machines; the exit code is 1 if anything did not hold.
#![expect(clippy::print_stdout, reason = "this program talks to a developer at a terminal")]

mod census;
mod killer;
mod lease;
mod people;
mod program;
mod readers;
mod scopes;
mod soak;
mod tasks;
mod tree;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Runs a tree of real tasks and processes under random faults, and watches what must hold.
#[derive(Debug, Parser)]
#[command(
    after_help = "The last line of the output is for machines. The exit code is 0 when everything held, else 1."
)]
struct Arguments {
    /// How long the storm lasts, in seconds. The shutdown after it takes some seconds more.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(2..))]
    seconds: u64,
    /// What decides the faults. Printed, so that the same storm can be had again; by default another each time.
    #[arg(long)]
    seed: Option<u64>,
    /// Plays one program of the tree. For the soak itself.
    #[arg(long, hide = true)]
    program: bool,
}

fn main() -> ExitCode {
    if supervisor_process::guardian::serve_if_asked() {
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    if arguments.program {
        return program::play();
    }
    let seed = arguments.seed.unwrap_or_else(any_seed);
    println!("soak: seed {seed}, {} s; again with --seed {seed}", arguments.seconds);
    match soak::run(seed, Duration::from_secs(arguments.seconds)) {
        Ok(summary) => {
            println!("{summary}");
            if summary.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(problem) => {
            println!("the soak could not run: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// A seed that differs from process to process, short enough to be typed.
fn any_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() % 1_000_000
}
