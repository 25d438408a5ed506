//! Secrets that somebody has to be asked for.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::future::pending;
use std::sync::Arc;

use common::{Counter, Notes, event, idle, lifecycle, secs, service, settle};
use tokio_supervisor::{
    ChildContext, ChildSpec, EventKind, Lifecycle, Registry, Secret, Supervisor, SupervisorHandle,
    SupervisorSpec,
};

/// Notes what it was given, and waits.
fn reader(notes: &Notes) -> ChildSpec {
    let notes = notes.clone();
    ChildSpec::service("a", move |ctx: ChildContext| {
        let notes = notes.clone();
        async move {
            let shown =
                |secret: Option<Secret>| secret.map_or("-".into(), |secret| secret.expose().to_owned());
            let env: Vec<_> =
                ctx.env().iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
            notes.add(format!(
                "{} {} {} {}",
                shown(ctx.secret("token")),
                env.join(","),
                shown(ctx.secret_reference("HEADER")),
                shown(ctx.secret_reference("PATH")),
            ));
            idle(ctx).await;
        }
    })
    .secret("token", "TOKEN", true)
    .env("PLAIN", "p")
    .env_secret("ITS_TOKEN", "token")
    .env_secret("OTHER", "KEY")
    .refers_to(["HEADER"])
}

fn launch(registry: Registry, children: impl IntoIterator<Item = ChildSpec>) -> SupervisorHandle {
    Supervisor::launch_with(SupervisorSpec::root(children), registry).unwrap()
}

fn failure(handle: &SupervisorHandle, path: &str) -> String {
    handle.child(path).unwrap().state.last_failure.unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_run_gets_what_it_refers_to_and_asks_again_at_each_start() {
    let (notes, asked) = (Notes::default(), Counter::default());
    let count = asked.clone();
    let registry = Registry::new().secrets_from("the vault", move |key| {
        let turn = count.add();
        async move { Ok(Some(Secret::new(format!("{key}{turn}")))) }
    });
    let handle = launch(registry, [reader(&notes), service("b")]);
    settle().await;
    // Asked in the order of the keys, each once. Who asks for a name that was not said gets nothing.
    assert_eq!(notes.take(), ["TOKEN3 PLAIN=p,ITS_TOKEN=TOKEN3,OTHER=KEY2 HEADER1 -"]);
    handle.restart_child("a", "test", "new secrets").await.unwrap();
    settle().await;
    assert_eq!(notes.take(), ["TOKEN6 PLAIN=p,ITS_TOKEN=TOKEN6,OTHER=KEY5 HEADER4 -"]);
    assert_eq!(asked.get(), 6, "nobody asks for a child without secrets");
}

#[tokio::test(start_paused = true)]
async fn the_environment_is_one_of_the_places_only_when_it_is_said() {
    for (said, shown) in [(true, "path"), (false, "-")] {
        let notes = Notes::default();
        let noted = notes.clone();
        let child = ChildSpec::service("a", move |ctx: ChildContext| {
            let path = std::env::var("PATH").unwrap();
            let found =
                ctx.secret("path").map(|secret| if secret.expose() == path { "path" } else { "other" });
            noted.add(found.unwrap_or("-"));
            idle(ctx)
        });
        let registry = Registry::new().secrets_from("the vault", async |_| Ok(None));
        let registry = if said { registry.secrets_from_environment() } else { registry };
        let _handle = launch(registry, [child.secret("path", "PATH", false)]);
        settle().await;
        assert_eq!(notes.take(), [shown]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_required_secret_that_is_nowhere_is_a_failed_start_that_says_what_each_place_said() {
    let notes = Notes::default();
    let registry = Registry::new()
        .secrets_from("the shelf", async |_| Ok(None))
        .secrets_from("the vault", async |_| Err("it is sealed".into()));
    let handle = launch(registry, [reader(&notes)]);
    let (_, mut events) = handle.subscribe();
    event(&mut events, "/a", EventKind::BackoffScheduled).await;
    let said = failure(&handle, "/a");
    let words =
        "the secret 'token' is required and there is no TOKEN: the shelf has none; the vault: it is sealed";
    assert!(said.contains(words), "{said}");
    assert!(notes.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_optional_secret_that_could_not_be_looked_for_is_told_and_keeps_nobody() {
    let registry = Registry::new().secrets_from("the vault", async |_| Err("it is sealed".into()));
    let child = service("a").secret("token", "TOKEN", false);
    let handle = launch(registry, [child]);
    settle().await;
    assert_eq!(lifecycle(&handle, "/a"), Lifecycle::Running);
    let logs = handle.logs("/a").unwrap();
    let told: Vec<_> = logs.iter().map(|line| line.message.to_string()).collect();
    assert_eq!(told, ["the secret TOKEN could not be looked for everywhere: the vault: it is sealed"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_secrets_says_so_and_is_stopped_at_once() {
    let notes = Notes::default();
    let kept = Arc::new(notes.clone());
    let registry = Registry::new().secrets_from("the vault", move |_| {
        let gone = common::OnDrop((*kept).clone(), "nobody asks any more");
        async move {
            let _gone = gone;
            pending().await
        }
    });
    let handle = launch(registry, [reader(&notes)]);
    settle().await;
    let child = handle.child("/a").unwrap();
    assert_eq!(child.state.lifecycle_state, Lifecycle::Running);
    assert_eq!(child.phase.as_deref(), Some("waits for the secret HEADER of the vault"));
    let before = tokio::time::Instant::now();
    handle.pause_child("a", "test", "a rest").await.unwrap();
    assert_eq!(before.elapsed(), secs(0));
    settle().await;
    assert_eq!(notes.take(), ["nobody asks any more"]);
    let told = handle.logs("/a").unwrap().last().unwrap().message.to_string();
    assert_eq!(told, "it is stopped before it began, and waits for the secret HEADER of the vault");
    handle.resume_child("a", "test", "on").await.unwrap();
    settle().await;
    handle.shutdown("test", "the end").await.unwrap();
    assert_eq!(before.elapsed(), secs(0));
    assert_eq!(notes.take(), ["nobody asks any more"]);
}

#[tokio::test(start_paused = true)]
async fn d14_a_panic_of_who_is_asked_is_the_end_of_that_run_alone() {
    let (notes, asked) = (Notes::default(), Counter::default());
    let count = asked.clone();
    let registry = Registry::new().secrets_from("the vault", move |key| {
        let turn = count.add();
        async move {
            assert!(turn > 1, "the vault fell over");
            Ok(Some(Secret::new(key)))
        }
    });
    let handle = launch(registry, [reader(&notes)]);
    let (_, mut events) = handle.subscribe();
    event(&mut events, "/a", EventKind::ChildRestarted).await;
    assert!(failure(&handle, "/a").contains("the vault fell over"));
    settle().await;
    assert_eq!(notes.take(), ["TOKEN PLAIN=p,ITS_TOKEN=TOKEN,OTHER=KEY HEADER -"]);
}

/// What is promised is promised of a run, and that has not begun.
#[tokio::test(start_paused = true)]
async fn d13_who_waits_for_secrets_breaks_no_promise() {
    let registry = Registry::new().secrets_from("the vault", async |key| {
        tokio::time::sleep(secs(60)).await;
        Ok(Some(Secret::new(key)))
    });
    let notes = Notes::default();
    let child = reader(&notes).heartbeat(secs(1), secs(1), 2);
    let handle = launch(registry, [child]);
    let (_, mut events) = handle.subscribe();
    let begun = tokio::time::Instant::now();
    let unhealthy = event(&mut events, "/a", EventKind::ChildUnhealthy).await;
    // Three of them, one after the other, and then the run, which never beats.
    assert!(begun.elapsed() > secs(180), "{:?}", begun.elapsed());
    assert_eq!((unhealthy.event.row.generation, notes.all().len()), (1, 1));
}
