//! 100 000 children start, crash, restart and stop, and a child costs little. Alone in its file, because it
//! measures the memory of its process.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::time::Duration;

use common::{idle, start};
use tokio_supervisor::{ChildSpec, SupervisorHandle, SupervisorSpec};

const MANY: usize = 100_000;

/// Resident bytes of this process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn crashes_once(name: String) -> ChildSpec {
    ChildSpec::service(name, |ctx| async move {
        if ctx.generation() == 1 {
            tokio::task::yield_now().await;
            return Err("crash");
        }
        idle(ctx).await;
        Ok(())
    })
}

async fn all_restarted(handle: &SupervisorHandle) {
    loop {
        let snapshot = handle.snapshot();
        let done =
            snapshot.iter().filter(|row| row.row.restart_count == 1 && row.row.lifecycle.is_live()).count();
        if done == MANY {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_children_start_crash_restart_and_stop() {
    let before = resident();
    let children = (0..MANY).map(|n| crashes_once(format!("child-{n}")));
    let handle = start(SupervisorSpec::root(children).unlimited()).await;
    all_restarted(&handle).await;
    let per_child = (resident() - before) / MANY;
    assert!(per_child < 1500, "{per_child} bytes per child");

    let result = common::shutdown(handle.shutdown_tree("test", "stop").await.unwrap());
    assert_eq!((result.outcomes.len(), result.reconcile.stopped), (MANY, MANY as u64));
    assert_eq!(result.outcomes[7].path.as_str(), "/child-7");
}
