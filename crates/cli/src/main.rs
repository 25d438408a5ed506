//! The binary `supervisor`: runs a stack of programs from a file, checks such files, and steers what runs.

mod args;
mod audit;
mod cert;
mod check;
mod exit;
mod import;
mod pages;
mod paint;
mod print;
mod read;
mod relay;
mod run;
mod schema;
mod span;
mod steer;
mod threads;
mod top;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;
use supervisor_stack::guardian;

use args::{Args, Command};
use exit::Exit;

fn main() -> ExitCode {
    // `run` executes this binary once more, to have a process that outlives it.
    if guardian::serve_if_asked() {
        return ExitCode::SUCCESS;
    }
    let command = Args::parse().command;
    let exit = match &command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::check(args),
        Command::Import(args) => import::import(args),
        Command::Schema => schema::schema(),
        Command::Dashboard(args) => steer::dashboard(args),
        Command::Top(args) => top::top(args),
        Command::Audit(args) => audit::audit(args),
        Command::Relay(args) => relay::relay(args),
        Command::Cert(args) => cert::cert(args),
        Command::Completions(args) => pages::completions(args),
        Command::Man(args) => pages::man(args),
        verb => steer::steer(verb),
    };
    if exit == Exit::Good && command.only_tells() { told() } else { exit }.into()
}

/// Whether everything reached standard output. A reader that went away had what it wanted.
fn told() -> Exit {
    match print::broken() {
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {
            print::err(&format!("supervisor: cannot write to standard output: {error}\n"));
            Exit::Failed
        }
        _ => Exit::Good,
    }
}
