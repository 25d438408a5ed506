//! Commands: each is answered once, also when callers wait, go away, or the driver does.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::{SMALL, block_on, explore, running, thread};
use crate::{ChildSpec, CommandResult, SupervisorError, SupervisorHandle};

fn child(name: &str) -> ChildSpec {
    ChildSpec::service(name, |ctx| async move { _ = ctx.stopping().await })
}

fn pause(handle: &SupervisorHandle, by: &str) -> Result<CommandResult, SupervisorError> {
    block_on(handle.pause_child("a", by, "test"))
}

#[test]
fn a_full_inbox_makes_callers_wait_and_loses_nothing() {
    explore(300, || {
        let (handle, driver) = running([child("a")], &SMALL);
        let callers: Vec<_> = (0..3)
            .map(|n| {
                let handle = handle.clone();
                thread(move || {
                    let result = if n == 0 {
                        block_on(handle.resume_child("a", "one", "test"))
                    } else {
                        pause(&handle, "other")
                    };
                    result.unwrap();
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        block_on(handle.shutdown("test", "enough")).unwrap();
        block_on(driver).unwrap();
    });
}

#[test]
fn a_caller_that_goes_away_takes_no_answer_from_others() {
    explore(300, || {
        let (handle, driver) = running([child("a"), child("b")], &SMALL);
        let impatient = thread({
            let handle = handle.clone();
            move || {
                // Polled up to three times, then dropped: before it was sent, after, or after the answer.
                let mut command = Box::pin(handle.restart_child("b", "impatient", "test"));
                let mut polls = 0;
                block_on(poll_fn(|cx| {
                    polls += 1;
                    let ready = command.as_mut().poll(cx).is_ready();
                    cx.waker().wake_by_ref();
                    if ready || polls == 3 { Poll::Ready(()) } else { Poll::Pending }
                }));
            }
        });
        pause(&handle, "patient").unwrap();
        impatient.join().unwrap();
        block_on(handle.shutdown("test", "enough")).unwrap();
        block_on(driver).unwrap();
    });
}

#[test]
fn commands_that_meet_the_end_are_answered_with_it() {
    explore(300, || {
        let (handle, driver) = running([child("a")], &SMALL);
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let handle = handle.clone();
                thread(move || match pause(&handle, "late") {
                    Ok(_) => {}
                    Err(SupervisorError::Ended { report }) => assert_eq!(report.phase.as_ref(), "shutdown"),
                    // The shutdown has begun, and takes the child along.
                    Err(error) => assert!(error.to_string().contains("shut"), "{error}"),
                })
            })
            .collect();
        let second = thread({
            let handle = handle.clone();
            move || _ = block_on(handle.shutdown("other", "too")).unwrap()
        });
        block_on(handle.shutdown("test", "enough")).unwrap();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        second.join().unwrap();
        block_on(driver).unwrap();
    });
}

#[test]
fn d16_when_the_runtime_is_dropped_everybody_who_waits_is_told() {
    explore(300, || {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let child = ChildSpec::service("a", move |ctx| {
            let held = Arc::clone(&held);
            async move {
                let _held = held;
                ctx.stopping().await;
                std::future::pending::<()>().await;
            }
        });
        let (handle, driver) = running([child], &SMALL);
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let handle = handle.clone();
                thread(move || {
                    // The child never stops by itself: unless the order came before its first poll, only the
                    // end can answer.
                    let answer = pause(&handle, "waits");
                    assert!(matches!(answer, Ok(_) | Err(SupervisorError::Ended { .. })), "{answer:?}");
                })
            })
            .collect();
        driver.abort();
        assert!(block_on(driver).is_err());
        assert_eq!(block_on(handle.join()).phase.as_ref(), "dropped");
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
}
