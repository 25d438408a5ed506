//! What a spec says of itself before anything is started.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{secs, service};
use tokio_supervisor::{ChildSpec, RestartType, Supervisor, SupervisorSpec};

fn lost() -> SupervisorSpec {
    let below = ChildSpec::supervisor(SupervisorSpec::new("below").child(service("a")));
    SupervisorSpec::root([below.restart(RestartType::Transient)])
}

#[test]
fn r47_check_looks_closer_than_a_launch() {
    let found = Supervisor::check(lost()).unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].warning && found[0].path == "/below" && found[0].key == "restart_policy", "{found:?}");
    assert_eq!(Supervisor::check(SupervisorSpec::root([service("a")])), Ok(vec![]));
}

#[test]
fn r6_a_spec_with_mistakes_has_no_declaration_and_no_bound() {
    let bad = SupervisorSpec::root([service("a b")]);
    assert_eq!(bad.declaration().unwrap_err().len(), 1);
    assert_eq!(bad.stop_bound().unwrap_err(), bad.declaration().unwrap_err());
    let twice = SupervisorSpec::root([service("a"), service("a")]);
    assert!(twice.declaration().is_ok(), "what is wrong with the whole is found when it is resolved");
    assert_eq!(twice.stop_bound().unwrap_err(), Supervisor::check(twice.clone()).unwrap_err());
}

#[tokio::test(start_paused = true)]
async fn d8_a_shutdown_in_which_nobody_listens_takes_exactly_the_bound() {
    let deaf = |name: &str| ChildSpec::service(name, |_| std::future::pending::<()>()).grace(secs(2));
    // An aborted task is gone at once, so that no `abort_wait` is used up.
    let spec = SupervisorSpec::root([deaf("a"), deaf("b"), deaf("c")]).defaults(|c| c.abort_wait(secs(0)));
    let bound = spec.stop_bound().unwrap();
    assert!(bound.endless.is_empty());
    let handle = Supervisor::start(spec).await.unwrap();
    let before = tokio::time::Instant::now();
    handle.shutdown("a test", "it is over").await.unwrap();
    assert_eq!(before.elapsed(), bound.at_most);
    assert_eq!(bound.at_most, secs(6));
}
