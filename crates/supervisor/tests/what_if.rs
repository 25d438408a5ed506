//! What a command would lead to: worked out on a copy, by the same engine that carries it out.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::{service, start};
use tokio_supervisor::{
    Affected, ChildSpec, CommandResult, ControlVerb, Lifecycle, Strategy, SupervisorError, SupervisorHandle,
    SupervisorSpec, WhatIf,
};

fn told(affected: &[Affected]) -> Vec<String> {
    let because =
        |one: &Affected| one.because.as_ref().map(|why| format!(", because {why}")).unwrap_or_default();
    affected.iter().map(|one| format!("{} {}{}", one.child_path, one.effect, because(one))).collect()
}

fn what_if(handle: &SupervisorHandle, verb: ControlVerb, child: &str) -> Vec<String> {
    told(&handle.what_if(WhatIf::Control(verb, child.into())).unwrap())
}

async fn shop() -> SupervisorHandle {
    let sessions =
        SupervisorSpec::new("sessions").strategy(Strategy::OneForAll).children([service("x"), service("y")]);
    start(SupervisorSpec::root([
        service("db").restart_dependants(true),
        service("api").depends_on(["db"]),
        ChildSpec::sidecar("proxy", "api", |ctx| async move { _ = ctx.stopping().await }),
        ChildSpec::supervisor(sessions),
        service("alone"),
    ]))
    .await
}

#[tokio::test(start_paused = true)]
async fn what_a_command_would_affect_is_told_with_whom_it_takes_along() {
    let handle = shop().await;
    let before = (handle.current_state(), handle.subscribe_events().position());
    assert_eq!(what_if(&handle, ControlVerb::Restart, "alone"), ["/alone restarted"]);
    assert_eq!(what_if(&handle, ControlVerb::Resume, "alone"), Vec::<String>::new());
    assert_eq!(
        what_if(&handle, ControlVerb::Pause, "api"),
        ["/api paused", "/proxy stopped, because it belongs to /api"]
    );
    assert_eq!(
        what_if(&handle, ControlVerb::Restart, "db"),
        ["/api restarted, because it depends on /db", "/db restarted"]
    );
    assert_eq!(
        what_if(&handle, ControlVerb::Remove, "sessions"),
        [
            "/sessions removed",
            "/sessions/y removed, because it is below /sessions",
            "/sessions/x removed, because it is below /sessions"
        ]
    );
    assert_eq!(
        (handle.current_state(), handle.subscribe_events().position()),
        before,
        "nothing has happened"
    );
}

#[tokio::test(start_paused = true)]
async fn what_would_be_refused_is_refused_in_the_same_words() {
    let handle = shop().await;
    let foreseen = handle.what_if(WhatIf::Control(ControlVerb::Remove, "db".into())).unwrap_err();
    let refused = handle.remove_child("db", "test", "really").await.unwrap_err();
    assert_eq!(foreseen.to_string(), refused.to_string());
    let nobody = handle.what_if(WhatIf::Control(ControlVerb::Pause, "nobody".into())).unwrap_err();
    assert!(matches!(nobody, SupervisorError::ChildNotFound { .. }), "{nobody}");
}

#[tokio::test(start_paused = true)]
async fn what_was_foreseen_is_what_happens() {
    for verb in [ControlVerb::Restart, ControlVerb::Pause, ControlVerb::Quarantine] {
        for child in ["/db", "/api", "/proxy", "/sessions", "/sessions/x", "/alone"] {
            let handle = shop().await;
            let before = handle.snapshot();
            let foreseen = handle.what_if(WhatIf::Control(verb, child.into())).unwrap();
            let done = match verb {
                ControlVerb::Restart => handle.restart_child(child, "test", "now").await,
                ControlVerb::Pause => handle.pause_child(child, "test", "now").await,
                _ => handle.quarantine_child(child, "test", "now").await,
            };
            done.unwrap();
            // What follows from it takes a moment.
            tokio::time::sleep(common::ms(1)).await;
            let mut seen = Vec::new();
            for row in before.iter() {
                let now = handle.child(row.path).unwrap().state;
                if now.generation != row.row.generation {
                    seen.push(format!("{} restarted", row.path));
                } else if now.lifecycle_state != row.row.lifecycle {
                    seen.push(format!("{} {}", row.path, now.lifecycle_state));
                }
            }
            let mut told: Vec<_> =
                foreseen.iter().map(|one| format!("{} {}", one.child_path, one.effect)).collect();
            told.sort();
            seen.sort();
            assert_eq!(told, seen, "{verb} of {child}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_spec_a_new_child_and_the_end_can_be_looked_at_too() {
    let (a, b) = (service("a"), service("b"));
    let handle = start(SupervisorSpec::root([a.clone(), b])).await;
    let foreseen = handle.what_if(WhatIf::Apply(SupervisorSpec::root([a, service("c")]))).unwrap();
    let mut foreseen = told(&foreseen);
    foreseen.sort();
    assert_eq!(foreseen, ["/b removed", "/c running"]);
    let stops = told(&handle.what_if(WhatIf::Shutdown).unwrap());
    assert_eq!(stops, ["/ stopped", "/b stopped", "/a stopped"]);

    let manifest = serde_json::from_str(r#"{"name": "new", "kind": "async_worker"}"#).unwrap();
    let added = handle.what_if(WhatIf::Add("/".into(), Box::new(manifest))).unwrap();
    assert_eq!(told(&added), ["/new declared"], "nobody has registered its factory");
    let CommandResult::CurrentState { state } = handle.current_state() else { panic!() };
    assert!(state.children.iter().all(|child| child.lifecycle_state == Lifecycle::Running));
    assert_eq!(state.children.len(), 3);
}
