//! `bench-task-supervisor ROW N`: measures a row with [`task_supervisor`].
//!
//! Its least delay before a restart is zero, which is what it is given here. Each restart goes through a timer all the
//! same, and tokio's timers count milliseconds.

use std::process::ExitCode;
use std::time::Duration;

use supervisor_bench_kit::name;
use supervisor_bench_kit::peer::{self, Child, Peer};
use supervisor_bench_kit::program::{self, Refusals, Rows};
use task_supervisor::{CancellationToken, SupervisedTask, SupervisorBuilder, SupervisorHandle, TaskResult};

const ROWS: Rows = &[
    ("W1", peer::start::<Tree>),
    ("W2", peer::latency::<Tree>),
    ("W3", peer::storm::<Tree>),
    ("W4-at-once", peer::stop::<Tree>),
    ("W7", peer::idle::<Tree>),
];

const CANNOT: Refusals = &[("W4-in-order", "task-supervisor stops its tasks all at once")];

fn main() -> ExitCode {
    program::peer("task-supervisor", ROWS, CANNOT)
}

struct Tree {
    handle: SupervisorHandle,
}

impl Peer for Tree {
    async fn start(children: usize, child: Child) -> Result<Self, String> {
        let builder =
            SupervisorBuilder::new().with_unlimited_restarts().with_base_restart_delay(Duration::ZERO);
        let builder = (0..children)
            .fold(builder, |builder, place| builder.with_task(&name(place), Worker { place, child }));
        Ok(Self { handle: builder.spawn() })
    }

    /// It tells how the supervisor has ended, and nothing of its tasks.
    async fn stop(self) -> Result<Option<usize>, String> {
        self.handle.shutdown().await.map_err(|error| error.to_string())?;
        Ok(None)
    }
}

#[derive(Clone, Copy)]
struct Worker {
    place: usize,
    child: Child,
}

impl SupervisedTask for Worker {
    async fn run(self, stop: CancellationToken) -> TaskResult {
        self.child.begin(self.place).await?;
        stop.cancelled().await;
        Ok(())
    }
}
