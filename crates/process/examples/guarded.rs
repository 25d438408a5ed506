//! Runs a program that does not outlive this one, however this one ends.
//!
//! `cargo run -p supervisor-process --example guarded -- sh -c 'sleep 1000 & sleep 1000'`, then kill it with
//! SIGKILL from another terminal: both sleeps are gone. With `--helper PATH` another binary serves as the
//! guardian, with `--no-guardian` there is none, and the first sleep lives on.

use std::error::Error;
use std::path::PathBuf;

use supervisor_api::Exit;
use supervisor_process::guardian::{self, Helper};
use supervisor_process::{Orders, OutputLine, ProgramSpec, Unconfined};

fn main() -> Result<(), Box<dyn Error>> {
    // Before everything else: this binary is its own guardian when it is executed again.
    if guardian::serve_if_asked() {
        return Ok(());
    }
    let mut words = std::env::args_os().skip(1).peekable();
    match words.peek().and_then(|word| word.to_str()) {
        Some("--helper") => {
            let path = words.nth(1).ok_or("--helper needs a path")?;
            guardian::start(Helper::At(PathBuf::from(path)))?;
        }
        Some("--no-guardian") => drop(words.next()),
        _ => guardian::start(Helper::ThisBinary)?,
    }
    let program = words.next().ok_or("name a program to run")?;
    let spec = ProgramSpec::new(program).args(words);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let exit = runtime.block_on(supervisor_process::run(&spec, &Terminal));
    match exit {
        Exit::Completed => Ok(()),
        exit => Err(exit.to_string().into()),
    }
}

/// Shows what the program writes, and never asks it to stop.
#[derive(Clone)]
struct Terminal;

impl Orders for Terminal {
    async fn stopping(&self) {
        std::future::pending().await
    }

    async fn killed(&self) {
        std::future::pending().await
    }

    fn ready(&self) {}

    fn phase(&self, _text: &str) {}

    #[expect(clippy::print_stdout, reason = "showing it is what this example does")]
    fn output(&self, line: OutputLine) {
        println!("{line}");
    }

    #[expect(clippy::print_stderr, reason = "showing it is what this example does")]
    fn unconfined(&self, processes: &[Unconfined]) {
        for process in processes {
            eprintln!("unconfined: {} ({})", process.pid, process.name);
        }
    }
}
