//! One incarnation of a program, from its start to its confirmed end.
//!
//! ```text
//!  start ──► probed until ready ──► ready ──────────────┐
//!    │                                                  ├─ ends by itself ──┐
//!    │  stop asked: stop signal to the group, no probes │                   ├─► group killed, reaped,
//!    │  grace ended: SIGKILL to the group ──────────────┴─ ends ────────────┘   output read, exit named
//!    └─ cannot start: failed
//! ```

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use supervisor_api::Exit;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::exit::{self, Request};
use crate::output::OutputLine;
use crate::probe::LineSeen;
use crate::processes::{self, Unconfined};
use crate::running::Running;
use crate::signal::Signal;
use crate::spec::{Check, ProgramSpec, Readiness, new_run};
use crate::start_error::reason;

/// An operator's signals that can wait to be sent.
const SIGNALS: usize = 16;

/// What a run needs from the one that it runs for: requests in, news out.
///
/// None of the methods that tell something may block.
pub trait Orders: Clone + Send + Sync + 'static {
    /// Resolves when the run is asked to stop; again at once when it was.
    fn stopping(&self) -> impl Future<Output = ()> + Send;
    /// Resolves when the grace has ended; again at once when it has.
    fn killed(&self) -> impl Future<Output = ()> + Send;
    /// The program was executed, as this process.
    fn executed(&self, pid: u32);
    /// The program counts as started.
    fn ready(&self);
    /// What the run is waiting for, for the operator; empty for nothing.
    fn phase(&self, text: &str);
    /// The program wrote a line.
    fn output(&self, line: OutputLine);
    /// The program takes signals from now on: what `deliver` is given goes to its whole group. `deliver` does not block;
    /// it says why when the signal cannot be sent.
    fn takes_signals(&self, deliver: impl Fn(Signal) -> Result<(), String> + Send + Sync + 'static);
    /// The run is over, and these processes of it are not.
    fn unconfined(&self, processes: &[Unconfined]);
}

/// Runs `spec` once. Returns when nothing of its process group is left.
///
/// A program that cannot be started ends as `Failed`, with a sentence that names its path and the reason.
///
/// Dropping the future kills the group at once and waits for nothing; the leader is reaped by a thread. It
/// must be polled inside a Tokio runtime with I/O and time enabled.
pub async fn run<O: Orders>(spec: &ProgramSpec, orders: &O) -> Exit {
    let name = new_run();
    let seen = LineSeen::default();
    let prepare = {
        let (spec, name) = (spec.clone(), name.clone());
        move || spec.program(&name)
    };
    let running = match Running::start(prepare, take_output(spec, orders, &seen)).await {
        Ok(running) => running,
        Err(error) => return Exit::failed(error.to_string()),
    };
    orders.executed(running.id());
    let progress = Progress::of(&spec.readiness);
    let readiness = match &spec.readiness {
        Readiness::Probe(check) => Some(become_ready(spec, check, orders, &seen, &progress)),
        Readiness::Immediate => {
            // Said before anything else is looked at: the program was executed, even if it is over already.
            orders.ready();
            None
        }
    };
    let (asked, signals) = mpsc::channel(SIGNALS);
    orders.takes_signals(move |signal| {
        asked.try_send(signal).map_err(|error| match error {
            TrySendError::Full(_) => format!("{SIGNALS} signals wait to be sent already; try again"),
            TrySendError::Closed(_) => "its program has just ended".to_owned(),
        })
    });
    let request = attend(spec, orders, &running, readiness, signals).await;
    let id = running.id();
    let status = running.finish().await;
    let unconfined = processes::unconfined(name).await;
    if !unconfined.is_empty() {
        orders.unconfined(&unconfined);
    }
    match status {
        Ok(status) => progress.complete(exit::of(status, request, spec)),
        Err(error) => Exit::failed(format!(
            "the end of process {id} is unknown: {}; \
             something else in this process reaps every child, or SIGCHLD is ignored",
            reason(&error)
        )),
    }
}

/// What is done with each line: kept, and looked at for the text of a `log_line` probe.
fn take_output<O: Orders>(
    spec: &ProgramSpec,
    orders: &O,
    seen: &LineSeen,
) -> impl Fn(OutputLine) + Clone + Send + 'static + use<O> {
    let (orders, seen, own) = (orders.clone(), seen.clone(), spec.on_output.clone());
    let probe = match &spec.readiness {
        Readiness::Probe(check) => Some(Arc::new(check.probe.clone())),
        Readiness::Immediate => None,
    };
    move |line| {
        seen.look(probe.as_deref(), &line.text);
        match &own {
            Some(own) => own(line),
            None => orders.output(line),
        }
    }
}

/// Passes on what is asked of the program until it has ended. Says the last thing that was asked.
async fn attend<O: Orders>(
    spec: &ProgramSpec,
    orders: &O,
    running: &Running,
    readiness: Option<impl Future<Output = ()>>,
    mut signals: mpsc::Receiver<Signal>,
) -> Request {
    let mut request = Request::None;
    // Dropped at the first request: nobody probes a program that was told to end.
    let mut readiness = readiness.map(Box::pin);
    let mut exited = pin!(running.exited());
    loop {
        let readying = async {
            match &mut readiness {
                Some(readiness) => readiness.await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            // An error is met again, and told, when the end is confirmed.
            _ = &mut exited => return request,
            () = orders.killed(), if request != Request::Kill => {
                request = Request::Kill;
                running.kill();
            }
            () = orders.stopping(), if request == Request::None => {
                request = Request::Stop;
                running.signal(spec.stop_signal);
            }
            Some(signal) = signals.recv() => {
                running.signal(signal);
                continue;
            }
            () = readying => {}
        }
        readiness = None;
    }
}

/// Tries `check` until it succeeds, and says that the program is ready.
async fn become_ready<O: Orders>(
    spec: &ProgramSpec,
    check: &Check,
    orders: &O,
    seen: &LineSeen,
    progress: &Progress,
) {
    while let Err(error) = check.attempt(spec, seen).await {
        if progress.heard(error.clone()) {
            orders.phase(&format!("not ready: {error}"));
        }
        tokio::time::sleep(check.interval).await;
    }
    progress.is_ready();
    orders.phase("");
    orders.ready();
}

/// How far a run has come on its way to ready.
struct Progress(Mutex<Waiting>);

enum Waiting {
    /// Nothing is waited for.
    Ready,
    /// Not ready, and this is what the last probe said, or waits for.
    For(String),
}

impl Progress {
    fn of(readiness: &Readiness) -> Self {
        Self(Mutex::new(match readiness {
            Readiness::Immediate => Waiting::Ready,
            Readiness::Probe(check) => Waiting::For(format!("waiting for {}", check.probe)),
        }))
    }

    fn is_ready(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Waiting::Ready;
    }

    /// Keeps what a probe said and tells whether that is new.
    fn heard(&self, error: String) -> bool {
        let text = format!("last probe: {error}");
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = !matches!(&*waiting, Waiting::For(old) if *old == text);
        *waiting = Waiting::For(text);
        new
    }

    /// Adds to a failure before ready what was waited for.
    fn complete(self, exit: Exit) -> Exit {
        match (exit, self.0.into_inner().unwrap_or_else(PoisonError::into_inner)) {
            (Exit::Failed { error }, Waiting::For(what)) => {
                Exit::failed(format!("{error} before it was ready ({what})"))
            }
            (exit, _) => exit,
        }
    }
}
