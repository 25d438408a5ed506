//! Helpers of the library's tests.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_supervisor::{
    ChildContext, ChildControlOutcome, ChildSpec, CommandResult, EventItem, EventKind, EventStream,
    Lifecycle, ShutdownResult, StampedEvent, Supervisor, SupervisorHandle, SupervisorSpec, TreeState,
};

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A run that waits until it is asked to stop.
pub async fn idle(ctx: ChildContext) {
    ctx.stopping().await;
}

/// A service that does nothing but wait.
pub fn service(name: &str) -> ChildSpec {
    ChildSpec::service(name, idle)
}

pub async fn start(spec: SupervisorSpec) -> SupervisorHandle {
    Supervisor::start(spec).await.unwrap()
}

/// The next event of this kind about this child; a test that waits for ever fails instead.
pub async fn event(events: &mut EventStream, path: &str, kind: EventKind) -> StampedEvent {
    let wanted = async {
        loop {
            match events.next().await {
                Some(EventItem::Event(event)) if event.path.as_str() == path && event.event.kind == kind => {
                    return *event;
                }
                Some(_) => {}
                None => panic!("the events ended before {kind} of {path}"),
            }
        }
    };
    let limit = Duration::from_secs(3600);
    tokio::time::timeout(limit, wanted).await.unwrap_or_else(|_| panic!("{kind} of {path} never came"))
}

/// Waits until the child is in this state.
pub async fn state(handle: &SupervisorHandle, path: &str, state: Lifecycle) {
    let (_, mut events) = handle.subscribe();
    let reached = |handle: &SupervisorHandle| {
        handle.child(path).is_ok_and(|child| child.state.lifecycle_state == state)
    };
    let wait = async {
        while !reached(handle) {
            if events.next().await.is_none() {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(3600), wait)
        .await
        .unwrap_or_else(|_| panic!("{path} never became {state}: {:?}", handle.child(path)));
}

/// Everything that has happened so far, as kind and path.
pub fn kinds(handle: &SupervisorHandle) -> Vec<(EventKind, String)> {
    let mut events = handle.events_after(0);
    let mut out = Vec::new();
    while let Some(EventItem::Event(event)) = events.try_next() {
        out.push((event.event.kind, event.path.to_string()));
    }
    out
}

/// Lets everything that can go on do so.
pub async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub fn lifecycle(handle: &SupervisorHandle, path: &str) -> Lifecycle {
    handle.child(path).unwrap().state.lifecycle_state
}

pub fn control(result: CommandResult) -> ChildControlOutcome {
    match result {
        CommandResult::ChildControl { outcome } => outcome,
        other => panic!("{other:?}"),
    }
}

pub fn shutdown(result: CommandResult) -> ShutdownResult {
    match result {
        CommandResult::Shutdown { result } => result,
        other => panic!("{other:?}"),
    }
}

pub fn current(handle: &SupervisorHandle) -> TreeState {
    match handle.current_state() {
        CommandResult::CurrentState { state } => state,
        other => panic!("{other:?}"),
    }
}

/// What happened, in order, as runs note it.
#[derive(Clone, Default)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Notes when it is dropped.
pub struct OnDrop(pub Notes, pub &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

#[derive(Clone, Default)]
pub struct Counter(Arc<AtomicU32>);

impl Counter {
    pub fn add(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub fn sub(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    pub fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}
