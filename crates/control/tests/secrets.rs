//! What is told of a task that has secrets and shows them, in every way in which a task can say something: that there
//! are some, and not what they are (security rule 17).
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::time::Duration;

use common::{Scene, config, owner};
use serde_json::{Value, json};
use tokio_supervisor::{ChildContext, ChildSpec, EventItem, LogItem, Severity, SupervisorSpec};

const VALUE: &str = "cnry4Zq7";
/// A variable of the tests' own environment that is always there, and long enough to be looked for.
const VARIABLE: &str = "PATH";
/// What stands in the place of a value.
const SHOWN: &str = "Secret(..)";

/// Everything that a task has, as it shows itself.
fn shown(ctx: &ChildContext) -> String {
    format!("{:?} {:?} {ctx:?}", ctx.env(), ctx.secret("vault"))
}

/// Its exit is what it says last.
fn child(name: &'static str, exit: fn(String) -> Result<(), String>) -> ChildSpec {
    let run = move |ctx: ChildContext| async move {
        let all = shown(&ctx);
        ctx.log(Severity::Warning, format!("{name} logs {all}"), [("all", all.clone())]);
        ctx.phase(&all);
        ctx.progress(&all);
        ctx.missed(all.as_str());
        tokio::time::sleep(Duration::from_millis(1)).await;
        exit(all)
    };
    with_secrets(ChildSpec::service(name, run))
}

fn with_secrets(child: ChildSpec) -> ChildSpec {
    child.env("TOKEN", VALUE).env_secret("FROM_VAULT", "vault").secret("vault", VARIABLE, true)
}

fn spec() -> SupervisorSpec {
    let declines = ChildSpec::service("declines", |ctx: ChildContext| async move {
        ctx.decline(shown(&ctx));
    });
    SupervisorSpec::root([
        child("panics", |all| panic!("it panics with {all}")),
        child("fails", |all| Err(format!("it fails with {all}"))),
        child("waits", |_| Ok(())),
        with_secrets(declines),
    ])
    .unlimited()
}

#[tokio::test(start_paused = true)]
async fn s17_what_a_task_shows_of_its_secrets_is_that_there_are_some() {
    let mut told = vec![("the spec".to_owned(), format!("{:?} {:#?}", spec(), spec()))];
    let scene = Scene::new(spec(), config()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut tell = |at: &str, what: String| told.push((at.to_owned(), what));

    let ask = async |method: &str, params: Value| {
        let request = json!({"request_id": "1", "method": method, "params": params});
        scene.ask(&owner(), request).await.to_string()
    };
    tell("hello", ask("hello", json!({})).await);
    tell("state", ask("state", json!({})).await);
    for name in ["panics", "fails", "waits", "declines"] {
        tell(&format!("why {name}"), ask("why", json!({"child_path": name})).await);
        tell("a child", format!("{:?}", scene.handle.child(name).unwrap()));
    }
    tell("a command", scene.command("c", "pause_child", "/panics").await.to_string());
    let mut events = scene.handle.events_after(0);
    while let Some(item) = events.try_next() {
        let EventItem::Event(event) = item else { panic!("{item:?}") };
        tell("an event", format!("{event} {event:?} {}", serde_json::to_string(&event).unwrap()));
    }
    let mut logs = scene.handle.logs_after(0);
    while let Some(item) = logs.try_next() {
        let LogItem::Line(line) = item else { panic!("{item:?}") };
        tell("a line", format!("{line:?}"));
    }
    tell("the handle", format!("{:?} {:?}", scene.handle, scene.handle.health()));
    let report = scene.handle.shutdown("test", "over").await.unwrap();
    tell("the report", format!("{report:?} {}", serde_json::to_string(&report).unwrap()));

    let path = std::env::var(VARIABLE).unwrap();
    for (at, text) in &told {
        assert!(!text.contains(VALUE) && !text.contains(&path), "{at}: {text}");
    }
    // What they said came through, so the values would have.
    for at in ["state", "why panics", "why fails", "a child", "an event", "a line"] {
        assert!(told.iter().any(|(place, text)| place == at && text.contains(SHOWN)), "{at}: {told:#?}");
    }
    for words in ["it panics with", "it fails with", "panics logs"] {
        assert!(told.iter().any(|(at, text)| at == "state" && text.contains(words)), "{words}");
    }
}
