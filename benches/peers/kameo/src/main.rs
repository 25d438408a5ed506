//! `bench-kameo ROW N`: measures a row with [`kameo`].
//!
//! Each child is supervised, with the policy that starts it again after a failure, and a limit that no row reaches.
//! What a child does stands in `on_start`. A child has no name of its own.

use std::process::ExitCode;
use std::time::Duration;

use kameo::actor::{Actor, ActorRef, Spawn};
use kameo::error::Infallible;
use kameo::supervision::RestartPolicy;
use supervisor_bench_kit::peer::{self, Child, Peer};
use supervisor_bench_kit::program::{self, Refusals, Rows};

const ROWS: Rows = &[
    ("W1", peer::start::<Tree>),
    ("W2", peer::latency::<Tree>),
    ("W3", peer::storm::<Tree>),
    ("W4-at-once", peer::stop::<Tree>),
    ("W7", peer::idle::<Tree>),
];

const CANNOT: Refusals = &[("W4-in-order", "kameo stops the children of an actor all at once")];

fn main() -> ExitCode {
    program::peer("kameo", ROWS, CANNOT)
}

struct Tree {
    root: ActorRef<Root>,
}

impl Peer for Tree {
    async fn start(children: usize, child: Child) -> Result<Self, String> {
        let root = Root::spawn(());
        for place in 0..children {
            Worker::supervise(&root, Worker { place, child })
                .restart_policy(RestartPolicy::Transient)
                .restart_limit(u32::MAX, Duration::from_secs(60))
                .spawn()
                .await;
        }
        Ok(Self { root })
    }

    /// A supervisor that stops waits for its children, and tells nothing of them.
    async fn stop(self) -> Result<Option<usize>, String> {
        self.root.stop_gracefully().await.map_err(|error| error.to_string())?;
        self.root.wait_for_shutdown().await;
        Ok(None)
    }
}

struct Root;

impl Actor for Root {
    type Args = ();
    type Error = Infallible;

    async fn on_start((): (), _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

#[derive(Clone, Copy)]
struct Worker {
    place: usize,
    child: Child,
}

impl Actor for Worker {
    type Args = Self;
    type Error = String;

    async fn on_start(worker: Self, _: ActorRef<Self>) -> Result<Self, String> {
        worker.child.begin(worker.place).await?;
        Ok(worker)
    }
}
