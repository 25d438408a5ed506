//! The binary `supervisor`: runs a stack of programs from a file, and checks such files.

mod args;
mod check;
mod exit;
mod print;
mod read;
mod run;
mod schema;

use std::process::ExitCode;

use clap::Parser;
use supervisor_stack::guardian;

use args::{Args, Command};

fn main() -> ExitCode {
    // `run` executes this binary once more, to have a process that outlives it.
    if guardian::serve_if_asked() {
        return ExitCode::SUCCESS;
    }
    let exit = match Args::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Schema => schema::schema(),
    };
    exit.into()
}
