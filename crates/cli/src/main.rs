//! The binary `supervisor`: runs a stack of programs from a file, and checks such files.

mod args;
mod check;
mod exit;
mod print;
mod schema;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    let exit = match Args::parse().command {
        Command::Check(args) => check::check(&args),
        Command::Schema => schema::schema(),
    };
    exit.into()
}
