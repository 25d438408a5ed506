//! A running stack, and waiting for what it does.

use std::time::Duration;

use supervisor_api::report::RuntimeExitReport;
use supervisor_stack::Stack;
use tokio_supervisor::{
    ChildContext, EventKind, EventStream, LogItem, LogStream, Next, Registry, StampedEvent, SupervisorHandle,
};

/// Longer than anything here takes. Nobody waits for it unless a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Tree {
    pub(crate) handle: SupervisorHandle,
    events: EventStream,
    logs: LogStream,
    seen: Vec<String>,
}

/// Runs a test to its end.
pub(crate) fn block(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await });
    if ended.is_err() {
        // Nobody waits for a thread that waits for what does not come.
        runtime.shutdown_background();
        panic!("not in time");
    }
}

/// The tasks that the files of these tests can name.
fn registry() -> Registry {
    Registry::new()
        .factory("idle", |ctx: ChildContext| async move {
            ctx.stopping().await;
        })
        .factory("late", |ctx: ChildContext| async move {
            ctx.log(tokio_supervisor::Severity::Info, "not ready yet", [("k", "v")]);
            ctx.run_until_stopped(tokio::time::sleep(Duration::from_millis(50))).await;
            ctx.ready();
            ctx.stopping().await;
        })
        .factory("busy", |ctx: ChildContext| async move {
            while !ctx.is_stopping() {
                let until = tokio::time::Instant::now() + Duration::from_millis(5);
                while tokio::time::Instant::now() < until {}
                tokio::task::yield_now().await;
            }
        })
        .factory("teller", |ctx: ChildContext| async move {
            let secret = ctx.secret("s").map(|secret| secret.expose().to_owned());
            ctx.log(tokio_supervisor::Severity::Info, format!("{secret:?}"), [("k", "v")]);
            ctx.stopping().await;
        })
}

/// Launches a stack with these lines between its name and its children.
pub(crate) fn launch(top: &str, children: &str) -> Tree {
    let text = format!("version: 1\nname: keys\n{top}\nchildren:\n{children}\n");
    let stack = Stack::parse_with("keys.yaml", text, registry()).unwrap_or_else(|error| panic!("{error}"));
    of(&stack)
}

/// Launches a stack.
pub(crate) fn of(stack: &Stack) -> Tree {
    let handle = stack.launch().unwrap();
    let (events, logs) = (handle.events_after(0), handle.logs_after(0));
    Tree { handle, events, logs, seen: Vec::new() }
}

/// The same supervisor twice: as the root of the file, and nested in it. Its children are below the path.
pub(crate) fn both(settings: &str, children: &str) -> [(Tree, &'static str); 2] {
    let nested = format!("  - {{name: n, kind: supervisor, {settings}, children: [{children}]}}");
    let root = format!("  [{children}]");
    [(launch(&format!("supervisor: {{{settings}}}"), &root), ""), (launch("", &nested), "/n")]
}

impl Tree {
    /// Waits for an event.
    pub(crate) async fn event(&mut self, is_it: impl Fn(&StampedEvent) -> bool) -> StampedEvent {
        while let Some(item) = self.events.next().await {
            self.seen.push(item.to_string());
            if let Some(event) = item.event().filter(|event| is_it(event)) {
                return event.clone();
            }
        }
        panic!("the tree ended before that:\n{}", self.seen.join("\n"));
    }

    /// Waits for the event of this kind about this path.
    pub(crate) async fn until(&mut self, path: &str, kind: EventKind) -> StampedEvent {
        self.event(|event| event.path.as_str() == path && event.event.kind == kind).await
    }

    /// Waits for the next line of a child.
    pub(crate) async fn said(&mut self, path: &str) -> String {
        while let Some(item) = self.logs.next().await {
            if let LogItem::Line(line) = item
                && line.path.as_str() == path
            {
                return line.message.clone();
            }
        }
        panic!("{path} said nothing more");
    }

    /// Asks it to stop and waits for the end.
    pub(crate) async fn stop(&self) -> RuntimeExitReport {
        self.handle.shutdown("test", "over").await.unwrap()
    }

    /// Waits for the end.
    pub(crate) async fn end(&self) -> RuntimeExitReport {
        self.handle.join().await
    }

    /// What happened so far, a line each.
    pub(crate) fn seen(&self) -> &[String] {
        &self.seen
    }
}

/// How long after a bad end the next start is.
pub(crate) fn delay_ms(event: &StampedEvent) -> u64 {
    match event.event.next {
        Next::StartNow => 0,
        _ => event.next_in_nanos().expect("a next start") / 1_000_000,
    }
}
