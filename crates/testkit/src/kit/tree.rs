//! A tree under paused time.

use std::ops::Deref;
use std::time::Duration;

use supervisor_api::Lifecycle;
use supervisor_api::report::RuntimeExitReport;
use tokio::time::{Instant, advance, sleep_until, timeout};
use tokio_supervisor::{EventStream, Supervisor, SupervisorHandle, SupervisorSpec};

use super::trace::Trace;

/// So many turns of the runtime without an event mean that everybody waits.
const QUIET_TURNS: u32 = 64;
/// What has not happened in so much virtual time does not happen.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A running tree whose time moves only when the test says so.
///
/// It derefs to the tree's [`SupervisorHandle`]: commands and reads are the ordinary ones. It needs Tokio's
/// paused time: `#[tokio::test(start_paused = true)]`. Back-off has the jitter of a fixed seed, so a test sees
/// the same delays each time.
///
/// Threads know nothing of paused time: for blocking children and programs the time that passes here is no
/// time at all.
///
/// ```
/// use supervisor_testkit::{Run, TestTree, secs};
/// use tokio_supervisor::{ChildSpec, SupervisorSpec};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let web = ChildSpec::service("web", Run::fails_after(secs(2), "boom").play());
/// let mut tree = TestTree::start(SupervisorSpec::root([web])).await;
/// tree.expect(["web: declared → running"]);
/// tree.advance(secs(2)).await;
/// tree.expect(["web: running → starting (failed: boom), next start now", "web: starting → running"]);
/// # }
/// ```
pub struct TestTree {
    handle: SupervisorHandle,
    events: EventStream,
    trace: Trace,
    began: Instant,
}

impl TestTree {
    /// Starts a tree and waits until its initial start is over and everybody waits.
    ///
    /// # Panics
    /// When the spec has mistakes, when the initial start fails, and when time is not paused.
    pub async fn start(spec: SupervisorSpec) -> Self {
        let mut tree = Self::launch(spec).await;
        let started = tree.handle.started().await;
        tree.settle().await;
        if let Err(error) = started {
            panic!("the tree did not start: {error}\n{}", tree.trace);
        }
        tree
    }

    /// Launches a tree. Children may still be starting, and the initial start may fail.
    ///
    /// # Panics
    /// When the spec has mistakes, and when time is not paused.
    pub async fn launch(spec: SupervisorSpec) -> Self {
        // Says "time is not frozen" where it is not.
        advance(Duration::ZERO).await;
        let began = Instant::now();
        let handle = Supervisor::launch(spec.seed(1))
            .unwrap_or_else(|error| panic!("the tree was not launched: {error}"));
        let events = handle.events_after(0);
        let mut tree = Self { handle, events, trace: Trace::default(), began };
        tree.settle().await;
        tree
    }

    /// The tree's handle.
    pub fn handle(&self) -> &SupervisorHandle {
        &self.handle
    }

    /// How much time has passed since the launch.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Lets everything happen that is due now. No time passes.
    pub async fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < QUIET_TURNS {
            tokio::task::yield_now().await;
            quiet = if self.read() { 0 } else { quiet + 1 };
        }
    }

    /// Lets this much time pass, step by step: timers go off at their own times, in order. At the end
    /// everything has happened that is due by then.
    pub async fn advance(&mut self, span: Duration) {
        self.settle().await;
        let then = Instant::now() + span;
        self.pass_until(then, |_| false).await;
        sleep_until(then).await;
        self.settle().await;
    }

    /// Lets time pass until a child is in this state; returns at once when it is. The child is named by path,
    /// with or without the slash in front, or by id.
    ///
    /// # Panics
    /// When it is not within a day.
    pub async fn until(&mut self, child: &str, state: Lifecycle) {
        let found = |tree: &Self| tree.handle.child(address(child)).map(|view| view.state.lifecycle_state);
        if !self.wait(|tree| found(tree) == Ok(state)).await {
            let found = found(self).map_or_else(|error| error.to_string(), |state| state.to_string());
            panic!("{child} is not {state} within a day: {found}\n{}", self.trace);
        }
    }

    /// Lets time pass until a new line has this text. That line, and those before it, are then taken.
    ///
    /// # Panics
    /// When there is none within a day.
    pub async fn until_line(&mut self, text: &str) {
        if !self.wait(|tree| tree.trace.find(text).is_some()).await {
            panic!("this did not happen within a day\n  wanted: {text}\n{}", self.trace);
        }
        self.trace.take_until(text);
    }

    /// Lets time pass until the tree has ended, and gives its report.
    ///
    /// # Panics
    /// When it has not within a day.
    pub async fn until_ended(&mut self) -> RuntimeExitReport {
        let report = timeout(LONGEST_WAIT, self.handle.join()).await;
        self.settle().await;
        report.unwrap_or_else(|_| panic!("the tree has not ended within a day\n{}", self.trace))
    }

    /// Shuts the tree down in order and gives its report.
    pub async fn stop(&mut self) -> RuntimeExitReport {
        // A tree that has ended by itself refuses the command, and has its report all the same.
        let _ = self.handle.shutdown("the test", "it is over").await;
        self.settle().await;
        self.handle.join().await
    }

    /// What happened so far.
    pub fn trace(&mut self) -> &Trace {
        self.read();
        &self.trace
    }

    /// The lines since this was last called, or a test last expected something.
    pub fn take(&mut self) -> Vec<String> {
        self.read();
        self.trace.take()
    }

    /// Exactly these lines are new. They are then taken.
    ///
    /// # Panics
    /// When they are not, with the whole trace.
    #[track_caller]
    pub fn expect<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        self.read();
        self.trace.expect(&lines.into_iter().collect::<Vec<_>>());
    }

    /// Nothing happened that a test has not looked at.
    ///
    /// # Panics
    /// When something did, with the whole trace.
    #[track_caller]
    pub fn expect_nothing(&mut self) {
        self.expect([]);
    }

    /// Among the new lines are some with these texts, in this order. All new lines are then taken.
    ///
    /// # Panics
    /// When there are not, with the whole trace.
    #[track_caller]
    pub fn expect_in_order<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) {
        self.read();
        self.trace.expect_in_order(&texts.into_iter().collect::<Vec<_>>());
    }

    /// No line since the start has this text.
    ///
    /// # Panics
    /// When one has, with the whole trace.
    #[track_caller]
    pub fn expect_never(&mut self, text: &str) {
        self.read();
        self.trace.expect_never(text);
    }

    /// Reads the events that are there; says whether there were any.
    fn read(&mut self) -> bool {
        let mut any = false;
        while let Some(item) = self.events.try_next() {
            self.trace.record(&item, self.began.elapsed());
            any = true;
        }
        any
    }

    /// Lets time pass until something is so, which can change with an event only.
    async fn wait(&mut self, is_so: impl Fn(&Self) -> bool) -> bool {
        self.settle().await;
        is_so(self) || self.pass_until(Instant::now() + LONGEST_WAIT, is_so).await
    }

    /// Lets time pass until then, or until something is so after an event; says whether it was.
    async fn pass_until(&mut self, then: Instant, is_so: impl Fn(&Self) -> bool) -> bool {
        loop {
            let item = tokio::select! {
                biased;
                item = self.events.next() => item,
                () = sleep_until(then) => return false,
            };
            // The tree has ended, and nothing will be heard of it.
            let Some(item) = item else { return false };
            self.trace.record(&item, self.began.elapsed());
            if is_so(self) {
                return true;
            }
        }
    }
}

/// A name of the trace as the handle takes it: `a/b` is the path `/a/b`, `a` an id.
fn address(name: &str) -> String {
    if name.contains('/') && !name.starts_with('/') { format!("/{name}") } else { name.to_owned() }
}

impl Deref for TestTree {
    type Target = SupervisorHandle;

    fn deref(&self) -> &SupervisorHandle {
        &self.handle
    }
}

impl std::fmt::Debug for TestTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestTree")
            .field("handle", &self.handle)
            .field("trace", &self.trace)
            .finish_non_exhaustive()
    }
}
