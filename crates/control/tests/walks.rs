//! The third walk of the architecture, as far as the client of a relay.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use common::live::{Client, LONG, Live};
use common::{config, service};
use serde_json::{Value, json};
use supervisor_api::wire::{Change, Push, Stream, TargetLine, TreeView};
use supervisor_api::{Lifecycle, Readiness, SupervisorPath};
use tokio::io::AsyncBufReadExt as _;
use tokio::sync::watch;
use tokio_supervisor::{ChildSpec, SupervisorSpec};

/// Restarts of a child with many more events than the journal and a socket hold together.
const OVERRUN: usize = 5_000;

/// The next line that is pushed, byte for byte.
async fn raw(client: &mut Client) -> String {
    let mut line = String::new();
    tokio::time::timeout(LONG, client.0.read_line(&mut line)).await.unwrap().unwrap();
    line
}

fn push(line: &str) -> Push {
    match TargetLine::read(line.trim_end().as_bytes()).unwrap() {
        TargetLine::Push(push) => *push,
        TargetLine::Response(response) => panic!("{response:?}"),
    }
}

async fn snapshot(client: &mut Client) -> TreeView {
    let answer = client.ask(json!({"request_id": "s", "method": "state"})).await;
    TreeView::new(serde_json::from_value(answer["result"]["state"].clone()).unwrap())
}

/// `ctx.ready()` → machine → journal (sequence, time) → a session writes the line → a relay folds its copy and passes
/// the same bytes on → a browser folds them.
#[tokio::test]
async fn walk_c_an_event_reaches_every_reader_as_the_same_bytes_and_folds_to_the_same_row() {
    let path = SupervisorPath::parse("/web").unwrap();
    let (go, ready) = watch::channel(false);
    let web = ChildSpec::service("web", move |ctx| {
        let mut ready = ready.clone();
        async move {
            ready.wait_for(|ready| *ready).await.unwrap();
            ctx.ready();
            ctx.stopping().await;
        }
    });
    // The start of the tree waits for it, and so is not waited for here.
    let live = Live::launch(SupervisorSpec::root([service("db"), web.ready_eventually()]), config()).await;
    while live.handle.child("/web").unwrap().state.lifecycle_state != Lifecycle::Starting {
        tokio::task::yield_now().await;
    }
    let (_, mut decided) = live.handle.subscribe();
    let (mut relay, mut other) = (live.client().await, live.client().await);
    for client in [&mut relay, &mut other] {
        client.subscribe("events.subscribe", None).await;
    }
    let (mut copy, mut page) = (snapshot(&mut relay).await, snapshot(&mut other).await);
    assert!(copy.row(&path).unwrap().readiness.is(Readiness::NotReady));

    go.send(true).unwrap();
    let event = loop {
        let tokio_supervisor::EventItem::Event(event) = decided.next().await.unwrap() else {
            panic!("a gap")
        };
        if event.event.kind == tokio_supervisor::EventKind::ChildReady {
            break event;
        }
    };
    // Encoded once: every session writes the same line.
    let (line, same) = (raw(&mut relay).await, raw(&mut other).await);
    assert_eq!(line, same);
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&told["type"], &told["event"]["event_type"]), (&json!("event"), &json!("ChildReady")));
    assert_eq!(told["event"]["sequence"], event.sequence, "as the journal stamped it");
    assert_eq!(told["event"]["occurred_at_unix_nanos"], event.occurred_at_unix_nanos);
    // The relay folds it and passes the bytes on; whoever gets it twice folds it once.
    assert_eq!(copy.apply(push(&line)), Change::Changed);
    assert_eq!(page.apply(push(&line)), Change::Changed);
    assert_eq!(page.apply(push(&line)), Change::Stale);
    for view in [&copy, &page] {
        let row = view.row(&path).unwrap();
        assert!(row.readiness.is(Readiness::Ready));
        assert_eq!(row.as_of, Some(event.sequence), "the last event folded in");
    }
    let tree = snapshot(&mut live.client().await).await;
    while copy.row(&path).unwrap().as_of < tree.row(&path).unwrap().as_of {
        copy.apply(push(&raw(&mut relay).await));
    }
    assert_eq!(copy.row(&path), tree.row(&path), "what is folded is what the tree says of itself");
}

/// A reader that lags sees a gap and a fresh state, never silence.
#[tokio::test]
async fn walk_c_a_reader_that_lags_sees_the_gap_and_is_whole_again() {
    let path = SupervisorPath::parse("/db").unwrap();
    let live = Live::new(SupervisorSpec::root([service("db")]), config()).await;
    let mut relay = live.client().await;
    let first = relay.subscribe("events.subscribe", None).await;
    let mut copy = snapshot(&mut relay).await;
    for n in 0..OVERRUN {
        live.handle.restart_child("/db", "test", format!("{n}")).await.unwrap();
    }
    let last = live.handle.subscribe_events().position();
    let (mut next, mut lost) = (first, 0);
    while next <= last {
        let pushed = push(&raw(&mut relay).await);
        match &pushed {
            Push::Event { event, .. } => {
                assert_eq!(event.sequence, next, "nothing is passed over in silence");
                next += 1;
            }
            Push::Gap { from, to, .. } => {
                assert_eq!(*from, next);
                (next, lost) = (to + 1, lost + to + 1 - from);
            }
            _ => {}
        }
        copy.apply(pushed);
    }
    assert!(lost > 0 && copy.gap(Stream::Events).is_some(), "{lost}");
    while copy.row(&path).unwrap().generation <= OVERRUN as u64 {
        copy.apply(push(&raw(&mut relay).await));
    }
    let tree = snapshot(&mut live.client().await).await;
    while copy.row(&path).unwrap().as_of < tree.row(&path).unwrap().as_of {
        copy.apply(push(&raw(&mut relay).await));
    }
    assert_eq!(copy.row(&path), tree.row(&path), "what is folded is what the tree says of itself");
}
