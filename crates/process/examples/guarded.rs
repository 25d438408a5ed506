//! A tree whose programs do not outlive it, however it ends.
//!
//! `cargo run -p supervisor-process --example guarded -- sh -c 'sleep 1000 & sleep 1000'` runs that program as a job.
//! Kill the example with SIGKILL from another terminal: both sleeps are gone. With `--helper PATH` another
//! binary serves as the guardian. With `--no-guardian` there is none, and the first sleep lives on.

use std::error::Error;
use std::path::PathBuf;

use supervisor_process::ProgramSpec;
use supervisor_process::guardian::{self, Helper};
use tokio_supervisor::{Lifecycle, LogItem, Role, Supervisor, SupervisorSpec};

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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(supervise(ProgramSpec::new(program).args(words)))
}

#[expect(clippy::print_stdout, reason = "showing what the program writes is what this example does")]
async fn supervise(program: ProgramSpec) -> Result<(), Box<dyn Error>> {
    let handle = Supervisor::launch(SupervisorSpec::root([program.into_child("program").role(Role::Job)]))?;
    let (mut logs, mut events) = (handle.logs_after(0), handle.events_after(0));
    let showing = tokio::spawn(async move {
        while let Some(item) = logs.next().await {
            if let LogItem::Line(line) = item {
                println!("{}", line.message);
            }
        }
    });
    while let Some(item) = events.next().await {
        let lifecycle = item.event().map(|event| event.event.row.lifecycle);
        if matches!(lifecycle, Some(Lifecycle::Completed | Lifecycle::Failed)) {
            break;
        }
    }
    let exits = handle.exits("program")?;
    handle.shutdown("guarded", "the program has ended").await?;
    showing.await?;
    match exits.last() {
        Some(last) if !last.exit.is_clean() => Err(last.exit.to_string().into()),
        _ => Ok(()),
    }
}
