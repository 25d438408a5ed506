//! What the service manager is told, if one has started this process: `sd_notify(3)`.
//!
//! ```text
//!  starting ── READY=1 ──► up ── STOPPING=1 ──► stopping ── the process ends
//!                         │  ▲
//!             RELOADING=1 ▼  │ READY=1
//!                       reloading
//! ```
//!
//! With it goes `STATUS=`, whenever the sentence changes, and, as often as the manager wants it, `WATCHDOG=1`: but not
//! while the supervisor does not move or a critical child is stale, unhealthy or unresponsive (`semantics.md` D21). A thread
//! of its own tells it, so that a manager that does not read holds up nobody. It waits with the runtime's clock: if no
//! worker of the runtime is free, nothing is told either.
//!
//! | file | subject |
//! |---|---|
//! | `manager` | the socket, and how often a sign of life is wanted |
//! | `short` | whether a stack that is already over was up |
//! | `status` | the sentence |
//! | `unapplied` | whether the file as it is now could not be applied |

mod manager;
mod short;
mod status;
#[cfg(test)]
mod tests;
mod unapplied;

use std::future::pending;
use std::io;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use supervisor_stack::tokio_supervisor::{EventItem, RuntimeControlPlaneState, SupervisorHandle};
use supervisor_stack::{alive, begins_the_end, moves, printable, ready};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::ending::Ending;
use crate::print;
pub(super) use manager::Manager;
use short::had_come_up;
use status::Standing;
use unapplied::Unapplied;

/// The shortest time between two sentences, and between two looks whether a stack has come up.
const LOOK: Duration = Duration::from_millis(200);
/// While the stack stops, the manager is asked for more time this often. The supervisor itself sees to it that no grace
/// is exceeded, and a manager that gives up before would kill programs in the middle of theirs.
const ASK: Duration = Duration::from_secs(10);
/// For so much.
const MORE_TIME: &str = "EXTEND_TIMEOUT_USEC=30000000";
/// A file that is applied says so twice. With a manager that does not read so many may wait; then a reload does, too.
const RELOADS: usize = 64;

/// What is told of a file that is applied again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reloading {
    Begins,
    Applied,
    /// With the sequence of the last event before that.
    NotApplied(u64),
}

/// Where the stack is, to the manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Starting,
    Up,
    Reloading,
    Stopping,
}

/// What tells the manager.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) reloads: mpsc::Sender<Reloading>,
    /// Resolves when the last word was sent.
    pub(super) over: oneshot::Receiver<()>,
}

impl Service {
    /// Begins to tell how the tree is, until it has ended.
    ///
    /// # Errors
    ///
    /// When there can be no thread.
    pub(super) fn start(manager: Manager, handle: SupervisorHandle) -> io::Result<Self> {
        let (reloads, asked) = mpsc::channel(RELOADS);
        let (done, over) = oneshot::channel();
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("service-manager".into()).spawn(move || {
            runtime.block_on(async { Teller::new(manager, handle).tell(asked).await });
            // Nobody may wait any more.
            let _ = done.send(());
        })?;
        Ok(Self { reloads, over })
    }
}

struct Teller {
    manager: Manager,
    handle: SupervisorHandle,
    stage: Stage,
    /// Whether something happened since the last sentence.
    changed: bool,
    /// The last sentence.
    said: String,
    /// Whether the file as it is now could not be applied.
    unapplied: Unapplied,
    /// Why the manager is not told that all is well.
    silent: Option<&'static str>,
    /// When it is asked for more time.
    asks: Interval,
}

impl Teller {
    fn new(manager: Manager, handle: SupervisorHandle) -> Self {
        Self {
            manager,
            handle,
            stage: Stage::Starting,
            changed: true,
            said: String::new(),
            unapplied: Unapplied::default(),
            silent: None,
            asks: every(ASK),
        }
    }

    async fn tell(mut self, mut reloads: mpsc::Receiver<Reloading>) {
        let mut events = self.handle.events_after(0);
        let mut looks = every(LOOK);
        let mut pings = self.manager.ping_every.map(every);
        loop {
            let ping = async {
                match &mut pings {
                    Some(pings) => pings.tick().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.heard(&event),
                    None => break,
                },
                Some(reload) = reloads.recv() => self.reload(reload),
                _ = ping => self.ping(),
                _ = looks.tick(), if self.changed || self.stage == Stage::Starting => self.look(),
                _ = self.asks.tick(), if self.stage == Stage::Stopping => self.ask_for_time(),
            }
        }
        self.stops();
        let ending = Ending::of(&self.handle).await;
        // Its lines are one sentence.
        let problem = ending.problems.first().map(|problem| printable(&problem.replace("\n  ", " ")));
        self.send(&[&format!("STATUS={}", problem.as_deref().unwrap_or("down"))]);
    }

    fn heard(&mut self, event: &EventItem) {
        self.changed = true;
        if let EventItem::Event(event) = event {
            self.unapplied.heard(event);
        }
        match event {
            EventItem::Event(event) if begins_the_end(event) => {
                if self.stage == Stage::Starting && had_come_up(&self.handle, event) {
                    self.is_ready();
                }
                self.stops();
            }
            EventItem::Event(_) => {}
            // What was lost may have been the beginning of the end.
            EventItem::Gap(_) => {
                if self.handle.health().state == RuntimeControlPlaneState::ShuttingDown {
                    self.stops();
                }
            }
        }
    }

    /// Says what is new.
    fn look(&mut self) {
        if self.stage == Stage::Starting && ready(&self.handle).is_ok() {
            self.is_ready();
        }
        let sentence = self.sentence();
        self.changed = false;
        if sentence != self.said {
            self.send(&[&format!("STATUS={sentence}")]);
            self.said = sentence;
        }
    }

    fn sentence(&self) -> String {
        let standing = Standing::of(&self.handle);
        let note = if self.unapplied.is() { "; the file as it is now could not be applied" } else { "" };
        match self.stage {
            Stage::Starting => format!("starting: {}", standing.running()),
            Stage::Up => standing.running() + note,
            Stage::Reloading => format!("applying the file: {}", standing.running()),
            Stage::Stopping => format!("stopping: {}", standing.left()),
        }
    }

    fn is_ready(&mut self) {
        self.go_on(Stage::Up, "READY=1", &[]);
    }

    fn stops(&mut self) {
        if self.stage != Stage::Stopping {
            self.go_on(Stage::Stopping, "STOPPING=1", &[MORE_TIME]);
            self.asks.reset();
        }
    }

    /// A reload that comes before the stack is up, or while it stops, is none to the manager: to it the one would be the
    /// end of the start, and the other that of the stop.
    fn reload(&mut self, reload: Reloading) {
        match (reload, self.stage) {
            (Reloading::Begins, Stage::Up) => {
                let now = clock_gettime(ClockId::Monotonic);
                // Since the machine was started, so neither is negative.
                let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
                self.go_on(Stage::Reloading, "RELOADING=1", &[&format!("MONOTONIC_USEC={micros}")]);
            }
            (Reloading::Begins, _) => {}
            (Reloading::Applied, _) => self.reload_is_over(None),
            (Reloading::NotApplied(after), _) => self.reload_is_over(Some(after)),
        }
    }

    fn reload_is_over(&mut self, unapplied_after: Option<u64>) {
        self.unapplied.tried(unapplied_after);
        self.changed = true;
        if self.stage == Stage::Reloading {
            self.is_ready();
        }
    }

    fn go_on(&mut self, stage: Stage, word: &str, more: &[&str]) {
        self.stage = stage;
        self.said = self.sentence();
        let status = format!("STATUS={}", self.said);
        self.send(&[&[word], more, &[&status]].concat());
    }

    fn ping(&mut self) {
        let health = self.handle.health();
        if !health.alive {
            // It has ended, and the last word is on its way.
            return;
        }
        let why = alive(&health).err();
        if why.is_none() {
            self.send(&["WATCHDOG=1"]);
        }
        let said = match (self.silent, why) {
            (None, Some(why)) => Some(why.trim_end()),
            (Some(_), None) => Some("alive again"),
            _ => None,
        };
        self.silent = why;
        if let Some(said) = said {
            let then = if why.is_some() { "is not told that all is well" } else { "is told so" };
            print::err(&format!("supervisor: {said}; the service manager {then}\n"));
        }
    }

    fn ask_for_time(&mut self) {
        if moves(&self.handle.health()) {
            self.send(&[MORE_TIME]);
        }
    }

    fn send(&mut self, lines: &[&str]) {
        if let Err(sentence) = self.manager.tell(lines) {
            print::err(&format!("supervisor: {sentence}\n"));
        }
    }
}

/// The first tick is at once.
fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
