//! Driver, hosts and handles together: nobody sleeps over an order, an exit or the end.

use std::sync::Arc;
use std::time::Duration;

use super::{SMALL, block_on, explore, running, thread};
use crate::journal::EventItem;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::{Backoff, ChildContext, ChildSpec, EventKind, Lifecycle, ReadinessMode};

/// Counts runs that are on.
struct Live(Arc<AtomicU32>);

impl Live {
    fn new(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A child whose runs are counted while they are on, and never two of them.
fn counted<Fut>(
    name: &str,
    count: &Arc<AtomicU32>,
    work: impl Fn(ChildContext) -> Fut + Send + Sync + 'static,
) -> ChildSpec
where
    Fut: Future<Output = Result<(), String>> + Send + 'static,
{
    let count = Arc::clone(count);
    ChildSpec::service(name, move |ctx| {
        let live = Live::new(&count);
        assert_eq!(count.load(Ordering::SeqCst), 1, "two runs of one child");
        let work = work(ctx);
        async move {
            let _live = live;
            work.await
        }
    })
}

async fn until_stopped(ctx: ChildContext) -> Result<(), String> {
    ctx.stopping().await;
    Ok(())
}

#[test]
fn a_child_that_fails_is_restarted_whoever_is_first() {
    explore(400, || {
        let (a, b) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let fails = counted("a", &a, |ctx| async move {
            if ctx.generation() == 1 { Err("boom".to_owned()) } else { until_stopped(ctx).await }
        });
        let (handle, driver) = running([fails, counted("b", &b, until_stopped)], &SMALL);
        let mut events = handle.events_after(0);
        let mut next = 1;
        block_on(async {
            loop {
                let Some(EventItem::Event(event)) = events.next().await else {
                    panic!("an event is missing")
                };
                assert_eq!(event.sequence, next);
                next += 1;
                if event.event.kind == EventKind::ChildRestarted
                    || (event.path.as_str() == "/a" && event.event.row.generation == 2)
                {
                    break;
                }
            }
        });
        let report = block_on(handle.shutdown("test", "enough")).unwrap();
        assert_eq!(report.phase.as_ref(), "shutdown");
        while let Some(item) = block_on(events.next()) {
            assert_eq!(item.event().map(|event| event.sequence), Some(next));
            next += 1;
        }
        block_on(driver).unwrap();
        assert_eq!((a.load(Ordering::SeqCst), b.load(Ordering::SeqCst)), (0, 0));
    });
}

#[test]
fn of_two_that_fail_at_the_same_time_each_is_restarted_once_for_each_failure() {
    explore(400, || {
        let counts = [Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0))];
        let fails = |name, count| {
            let fails = counted(name, count, |ctx| async move {
                if ctx.generation() < 3 { Err("boom".to_owned()) } else { until_stopped(ctx).await }
            });
            fails.backoff(Backoff::none())
        };
        let (handle, driver) = running([fails("a", &counts[0]), fails("b", &counts[1])], &SMALL);
        let mut events = handle.events_after(0);
        let mut told = Vec::new();
        block_on(async {
            while told.len() < 8 {
                let item = events.next().await;
                let event = item.as_ref().and_then(EventItem::event).expect("an event is missing");
                if matches!(event.event.kind, EventKind::ChildFailed | EventKind::ChildRestarted) {
                    told.push((event.path.to_string(), event.event.kind, event.event.row.generation));
                }
            }
        });
        for path in ["/a", "/b"] {
            let own: Vec<_> =
                told.iter().filter(|told| told.0 == path).map(|told| (told.1, told.2)).collect();
            let (failed, again) = (EventKind::ChildFailed, EventKind::ChildRestarted);
            assert_eq!(own, [(failed, 1), (again, 2), (failed, 2), (again, 3)]);
        }
        block_on(handle.shutdown("test", "enough")).unwrap();
        block_on(driver).unwrap();
        assert!(counts.iter().all(|count| count.load(Ordering::SeqCst) == 0));
    });
}

#[test]
fn readiness_and_an_exit_at_the_same_time_are_both_heard() {
    explore(400, || {
        let count = Arc::new(AtomicU32::new(0));
        let child = counted("a", &count, |ctx| async move {
            // A task of the run says it while the run itself ends.
            let says = ctx.clone();
            ctx.spawn(async move { says.ready() });
            if ctx.generation() == 1 { Err("boom".to_owned()) } else { until_stopped(ctx).await }
        });
        let child = child.readiness(ReadinessMode::Explicit);
        let after = ChildSpec::service("b", |ctx| async move { _ = ctx.stopping().await }).depends_on(["a"]);
        let (handle, driver) = running([child, after], &SMALL);
        // Whether the first run was ready before it failed, or was a failed start, is a matter of the schedule.
        let started = block_on(handle.started());
        if started.is_ok() {
            assert_ne!(handle.child("a").unwrap().state.lifecycle_state, Lifecycle::Declared);
            block_on(handle.shutdown("test", "enough")).unwrap();
        }
        block_on(handle.join());
        block_on(driver).unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn whoever_waits_to_be_stopped_is_told_in_a_task_of_its_own_and_on_a_thread() {
    explore(400, || {
        let count = Arc::new(AtomicU32::new(0));
        // One that is stopped before its first poll never waits.
        let (waited, told) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let child = {
            let (waited, told) = (Arc::clone(&waited), Arc::clone(&told));
            counted("a", &count, move |ctx| {
                let (here, there, parked) = (ctx.clone(), ctx.clone(), ctx.clone());
                let (waited, told) = (Arc::clone(&waited), Arc::clone(&told));
                ctx.spawn(async move {
                    here.stopping().await;
                });
                async move {
                    waited.fetch_add(1, Ordering::SeqCst);
                    let thread = shuttle::thread::spawn(move || parked.wait_stopping(Duration::MAX));
                    there.token().cancelled().await;
                    assert!(thread.join().unwrap(), "the thread was woken without a reason");
                    told.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }
            })
        };
        let (handle, driver) = running([child], &SMALL);
        block_on(handle.started()).unwrap();
        block_on(handle.shutdown("test", "enough")).unwrap();
        block_on(driver).unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 0);
        assert_eq!(told.load(Ordering::SeqCst), waited.load(Ordering::SeqCst));
    });
}

#[test]
fn d16_a_hard_stop_in_the_middle_of_anything_leaves_no_run() {
    explore(400, || {
        let (count, lonely) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let deaf = counted("a", &count, |ctx| async move {
            let inner = ctx.clone();
            ctx.spawn(async move { inner.stopping().await });
            std::future::pending().await
        });
        // It has nobody who could wake its task but the order.
        let alone = counted("b", &lonely, |_| std::future::pending());
        let (handle, driver) = running([deaf, alone], &SMALL);
        let owner = thread({
            let handle = handle.clone();
            move || handle.stop_hard()
        });
        let report = block_on(handle.join());
        assert_eq!(report.phase.as_ref(), "dropped");
        // The driver ends after the last run is gone.
        block_on(driver).unwrap();
        assert_eq!((count.load(Ordering::SeqCst), lonely.load(Ordering::SeqCst)), (0, 0));
        owner.join().unwrap();
    });
}
