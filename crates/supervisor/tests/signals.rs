//! SIGTERM shuts the tree down, a second signal cuts the graces (D20). Alone in its file: signals are the
//! whole process's.
#![cfg(all(feature = "signals", unix))]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{start, state};
use tokio_supervisor::{ChildSpec, Lifecycle, StopSignals, SupervisorSpec};

fn send(signal: &str) {
    let pid = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
}

#[tokio::test]
async fn d20_the_first_signal_asks_and_the_second_cuts_the_graces() {
    let stubborn = ChildSpec::service("stubborn", |_| std::future::pending::<()>()).grace_infinity();
    let handle = start(SupervisorSpec::root([stubborn])).await;
    // From here on a signal does not end this process.
    let mut signals = StopSignals::listen().unwrap();
    let ending = tokio::spawn({
        let handle = handle.clone();
        async move { handle.join_or_signal().await }
    });
    tokio::task::yield_now().await;
    send("TERM");
    assert_eq!(signals.next().await.to_string(), "SIGTERM");
    state(&handle, "/stubborn", Lifecycle::Stopping).await;
    send("INT");
    assert_eq!(signals.next().await.to_string(), "SIGINT");
    let report = ending.await.unwrap().unwrap();
    assert_eq!((report.phase.as_ref(), report.reason.as_ref()), ("shutdown", "signal"));
}
