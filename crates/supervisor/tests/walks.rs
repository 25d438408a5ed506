//! The walks of the architecture, as far as they go in the library.

mod common;

use common::{Notes, event, idle, lifecycle, ms, start};
use tokio_supervisor::{Backoff, Cause, ChildSpec, EventKind, Exit, Lifecycle, Next, SupervisorSpec};

/// The run's future ends → exit with generation → table, budget, back-off → event, deadline → tick → spawn
/// → the factory is called.
#[tokio::test(start_paused = true)]
async fn walk_a_restart() {
    let notes = Notes::default();
    let noted = notes.clone();
    let child = ChildSpec::service("worker", move |ctx| {
        noted.add(format!("factory {}", ctx.generation()));
        async move {
            if ctx.generation() < 3 {
                tokio::time::sleep(ms(10)).await;
                return Err("the disk is full".to_owned());
            }
            idle(ctx).await;
            Ok(())
        }
    });
    let backoff = Backoff { jitter_ratio: 0.0, ..Backoff::exponential(ms(100), ms(500)) };
    let handle = start(SupervisorSpec::root([child.backoff(backoff)])).await;
    let mut events = handle.events_after(0);

    let running = event(&mut events, "/worker", EventKind::ChildRunning).await;
    assert_eq!((running.event.row.generation, running.event.row.attempt), (1, 0));

    // The first restart of a streak is immediate (D3).
    let failed = event(&mut events, "/worker", EventKind::ChildFailed).await;
    assert_eq!(failed.at, 10_000_000);
    assert_eq!((failed.event.cause, failed.event.next), (Cause::Exit, Next::StartNow));
    let detail = failed.event.detail.as_ref().unwrap();
    assert_eq!(detail.exit, Some(Exit::failed("the disk is full")));
    assert_eq!(failed.event.numbers[..3], [10, 1, 5], "ran 10 ms, budget 1 of 5");
    let restarted = event(&mut events, "/worker", EventKind::ChildRestarted).await;
    assert_eq!((restarted.event.row.generation, restarted.event.row.restart_count), (2, 1));

    // The second waits for its deadline.
    let failed = event(&mut events, "/worker", EventKind::ChildFailed).await;
    assert_eq!((failed.at, failed.event.next), (20_000_000, Next::StartAt(120_000_000)));
    event(&mut events, "/worker", EventKind::BackoffScheduled).await;
    assert_eq!(lifecycle(&handle, "/worker"), Lifecycle::Backoff);
    assert_eq!(notes.all(), ["factory 1", "factory 2"]);
    let restarted = event(&mut events, "/worker", EventKind::ChildRestarted).await;
    assert_eq!(restarted.at, 120_000_000);
    assert_eq!(restarted.event.row.lifecycle, Lifecycle::Running);
    assert_eq!((restarted.event.row.generation, restarted.event.row.attempt), (3, 2));
    assert_eq!(notes.all(), ["factory 1", "factory 2", "factory 3"]);
    assert_eq!(handle.exits("/worker").unwrap().len(), 2);

    let report = handle.shutdown("test", "done").await.unwrap();
    assert_eq!((report.phase.as_ref(), report.reason.as_ref()), ("shutdown", "done"));
}
