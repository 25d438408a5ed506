//! `bench-tokio-graceful-shutdown ROW N`: measures a row with [`tokio_graceful_shutdown`].
//!
//! Each child is a subsystem with a name. There is no policy to give it: nothing is started again.

use std::process::ExitCode;
use std::time::Duration;

use supervisor_bench_kit::name;
use supervisor_bench_kit::peer::{self, Child, Peer};
use supervisor_bench_kit::program::{self, Refusals, Rows};
use tokio::task::JoinHandle;
use tokio_graceful_shutdown::{SubsystemBuilder, SubsystemHandle, Toplevel};
use tokio_util::sync::CancellationToken;

const ROWS: Rows =
    &[("W1", peer::start::<Tree>), ("W4-at-once", peer::stop::<Tree>), ("W7", peer::idle::<Tree>)];

const RESTARTS_NOTHING: &str = "tokio-graceful-shutdown does not restart what fails; one of its examples does it with a \
                                loop by hand, and says that it is not made for that";

const CANNOT: Refusals = &[
    ("W2", RESTARTS_NOTHING),
    ("W3", RESTARTS_NOTHING),
    ("W4-in-order", "tokio-graceful-shutdown stops the subsystems of a system all at once"),
];

/// How long a shutdown may take; no row takes so long.
const TIMEOUT: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    program::peer("tokio-graceful-shutdown", ROWS, CANNOT)
}

struct Tree {
    stop: CancellationToken,
    ended: JoinHandle<Result<(), String>>,
}

impl Peer for Tree {
    async fn start(children: usize, child: Child) -> Result<Self, String> {
        let stop = CancellationToken::new();
        let toplevel = Toplevel::new_with_shutdown_token(
            async move |root: &mut SubsystemHandle| {
                for place in 0..children {
                    root.start(SubsystemBuilder::new(
                        name(place),
                        async move |subsystem: &mut SubsystemHandle| {
                            child.begin(place).await?;
                            subsystem.on_shutdown_requested().await;
                            Ok::<_, String>(())
                        },
                    ));
                }
            },
            stop.clone(),
        );
        let ended = tokio::spawn(async move {
            toplevel.handle_shutdown_requests(TIMEOUT).await.map_err(|error| error.to_string())
        });
        Ok(Self { stop, ended })
    }

    /// It tells which have failed, and nothing of the others.
    async fn stop(self) -> Result<Option<usize>, String> {
        self.stop.cancel();
        self.ended.await.map_err(|error| error.to_string())??;
        Ok(None)
    }
}
