//! `bench-rust-tokio-supervisor ROW N`: measures a row with [`rust_supervisor`], which is the library of the package
//! `rust-tokio-supervisor`.
//!
//! Each child is a worker with an id and a name, and the policy of workers, which starts it again after a failure. The
//! limits of restarts can be set, all but one: a detector of hot loops (three failures in ten seconds, of whichever
//! children) pauses the restarts of the whole supervisor.

use std::process::ExitCode;
use std::sync::Arc;

use rust_supervisor::control::command::CommandResult;
use rust_supervisor::control::handle::SupervisorHandle;
use rust_supervisor::error::types::{SupervisorError, TaskFailure, TaskFailureKind};
use rust_supervisor::id::types::ChildId;
use rust_supervisor::runtime::supervisor::Supervisor;
use rust_supervisor::spec::child::{ChildSpec, TaskKind};
use rust_supervisor::spec::supervisor::SupervisorSpec;
use rust_supervisor::task::context::TaskContext;
use rust_supervisor::task::factory::{TaskResult, service_fn};
use supervisor_bench_kit::name;
use supervisor_bench_kit::peer::{self, Child, Peer};
use supervisor_bench_kit::program::{self, Refusals, Rows};

const ROWS: Rows =
    &[("W1", peer::start::<Tree>), ("W4-at-once", peer::stop::<Tree>), ("W7", peer::idle::<Tree>)];

const PAUSES: &str = "rust-tokio-supervisor restarts nobody after the third failure of any children in ten seconds, and \
                      has no option for it";

const CANNOT: Refusals = &[
    ("W2", PAUSES),
    ("W3", PAUSES),
    ("W4-in-order", "rust-tokio-supervisor asks all children to stop at once"),
];

fn main() -> ExitCode {
    program::peer("rust-tokio-supervisor", ROWS, CANNOT)
}

struct Tree {
    handle: SupervisorHandle,
}

impl Peer for Tree {
    async fn start(children: usize, child: Child) -> Result<Self, String> {
        let specs: Result<Vec<_>, _> = (0..children).map(|place| spec(place, child)).collect();
        let root = SupervisorSpec::root(specs.map_err(said)?);
        let handle = Supervisor::start(root).await.map_err(said)?;
        Ok(Self { handle })
    }

    async fn stop(self) -> Result<Option<usize>, String> {
        let result = self.handle.shutdown_tree("bench", "the row is over").await;
        let CommandResult::Shutdown { result } = result.map_err(said)? else {
            return Err("a shutdown was answered with something else".to_owned());
        };
        let report = result.report.ok_or("a shutdown was answered without its report")?;
        Ok(Some(report.outcomes.len()))
    }
}

fn spec(place: usize, child: Child) -> Result<ChildSpec, SupervisorError> {
    let factory = service_fn(move |ctx| run(place, child, ctx));
    ChildSpec::worker(ChildId::new(name(place)), name(place), TaskKind::AsyncWorker, Arc::new(factory))
}

async fn run(place: usize, child: Child, ctx: TaskContext) -> TaskResult {
    if let Err(text) = child.begin(place).await {
        return TaskResult::Failed(TaskFailure::new(TaskFailureKind::Error, "failed", text));
    }
    ctx.cancellation_token().cancelled().await;
    TaskResult::Cancelled
}

fn said(error: SupervisorError) -> String {
    error.to_string()
}
