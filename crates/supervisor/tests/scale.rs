//! 100 000 children start, crash, restart and stop.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{idle, secs, start};
use tokio_supervisor::{ChildSpec, Lifecycle, Supervisor, SupervisorSpec};

const MANY: usize = 100_000;

fn crashes_once(name: String, restarted: &Arc<AtomicUsize>) -> ChildSpec {
    let restarted = Arc::clone(restarted);
    ChildSpec::service(name, move |ctx| {
        let restarted = Arc::clone(&restarted);
        async move {
            if ctx.generation() == 1 {
                tokio::task::yield_now().await;
                return Err("crash");
            }
            restarted.fetch_add(1, Ordering::AcqRel);
            idle(ctx).await;
            Ok(())
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_children_start_crash_restart_and_stop() {
    let restarted = Arc::new(AtomicUsize::new(0));
    let children = (0..MANY).map(|n| crashes_once(format!("child-{n}"), &restarted));
    // Nobody is killed because the machine stood still for a while.
    let spec = SupervisorSpec::root(children).unlimited().defaults(|child| child.grace(secs(60)));
    let handle = start(spec).await;
    while restarted.load(Ordering::Acquire) < MANY {
        tokio::task::yield_now().await;
    }
    // Each crashed and came back once, and all of them live.
    let snapshot = handle.snapshot();
    let back = snapshot.iter().filter(|row| row.row.restart_count == 1 && row.row.lifecycle.is_live());
    assert_eq!(back.count(), MANY);
    let result = common::shutdown(handle.shutdown_tree("test", "stop").await.unwrap());
    assert_eq!((result.outcomes.len(), result.reconcile.stopped), (MANY, MANY as u64));
    assert_eq!(result.outcomes[7].path.as_str(), "/child-7");
}

/// Nobody has declared most of them yet: there is one thread, and the loop has had no turn.
#[tokio::test]
async fn whoever_has_launched_a_large_tree_finds_every_child_of_it_at_once() {
    let children = (0..3_000).map(|n| common::service(&format!("child-{n}")));
    let handle = Supervisor::launch(SupervisorSpec::root(children)).unwrap();
    assert_eq!(handle.snapshot().iter().count(), 3_001, "the root and all its children");
    assert_eq!(handle.child("/child-2999").unwrap().state.lifecycle_state, Lifecycle::Declared);
    common::shutdown(handle.shutdown_tree("test", "stop").await.unwrap());
}
