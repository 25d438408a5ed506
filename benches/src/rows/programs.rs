//! P1 and P2: programs.
//!
//! P1: a program that ends at once is started again, N times in a row. Timed: from the first start until the last has
//! ended; the figure is the time of one life, from start to start. The program is `/bin/true`.
//!
//! P2: N programs that wait are started, and then stopped by SIGTERM, all together. Timed: until all of them run, and
//! until all of them have ended. The program is `/bin/sleep`. The library watches them meanwhile, reads what they
//! print, and would kill what they have started.
//!
//! By hand: `tokio::process`, in a process group of its own, without input and output.

use std::process::Stdio;
use std::time::Duration;

use supervisor_process::ProgramSpec;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_supervisor::{Backoff, RestartType, StartOrder, StopOrder, SupervisorSpec};

use super::{HIGH, WINDOW, launched};
use crate::gauge::Mark;
use crate::program::Outcome;
use crate::{Figures, name};

/// By hand: spawn, wait, and again.
pub async fn raw_restart(times: usize) -> Outcome {
    let before = Mark::now();
    for _ in 0..times {
        bare("/bin/true", &[])?.wait().await.map_err(said)?;
    }
    Ok(each(before, times))
}

/// With the library: a permanent child.
pub async fn ours_restart(times: usize) -> Outcome {
    let program = ProgramSpec::new("/bin/true").into_child("program");
    let program = program.restart(RestartType::Permanent).backoff(Backoff::none());
    let before = Mark::now();
    let tree = launched(SupervisorSpec::root([program]).budget(HIGH, WINDOW))?;
    let mut events = tree.events_after(0);
    let last = times as u64;
    while let Some(item) = events.next().await {
        if item.event().is_some_and(|event| event.event.row.generation > last) {
            break;
        }
    }
    let figures = each(before, times);
    tree.shutdown_tree("bench", "the row is over").await.map_err(said)?;
    Ok(figures)
}

/// By hand: spawn all of them, signal all of them, wait for all of them.
pub async fn raw_many(programs: usize) -> Outcome {
    let before = Mark::now();
    let children: Vec<_> = (0..programs).map(|_| bare("/bin/sleep", &["600"])).collect::<Result<_, _>>()?;
    let running = Mark::now();
    let mut ends = JoinSet::new();
    for mut child in children {
        ends.spawn(async move {
            let pid = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
            let pid = pid.ok_or("it has no process id")?;
            rustix::process::kill_process_group(pid, rustix::process::Signal::TERM).map_err(said)?;
            child.wait().await.map_err(said)
        });
    }
    while let Some(end) = ends.join_next().await {
        end.map_err(said)??;
    }
    Ok(many(before, running, programs))
}

/// With the library: children of one supervisor, which stops them together.
pub async fn ours_many(programs: usize) -> Outcome {
    let specs = (0..programs).map(|place| {
        ProgramSpec::new("/bin/sleep").arg("600").into_child(name(place)).grace(Duration::from_secs(30))
    });
    let before = Mark::now();
    let spec = SupervisorSpec::root(specs).order(StartOrder::Dependencies).stop(StopOrder::Concurrent);
    let tree = launched(spec)?;
    tree.started().await.map_err(said)?;
    let running = Mark::now();
    tree.shutdown_tree("bench", "the row is over").await.map_err(said)?;
    Ok(many(before, running, programs))
}

fn bare(program: &str, arguments: &[&str]) -> Result<Child, String> {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(said)
}

fn each(before: Mark, times: usize) -> Figures {
    Figures::default().with("wall_ns_per_life", before.wall_until(Mark::now()) / times as f64)
}

fn many(before: Mark, running: Mark, programs: usize) -> Figures {
    Figures::default()
        .with("start_ns_per_program", before.wall_until(running) / programs as f64)
        .with("stop_ns_per_program", running.wall_until(Mark::now()) / programs as f64)
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
