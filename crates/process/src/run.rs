//! One incarnation of a program, from its start to its confirmed end.
//!
//! ```text
//!  start ──► probed until ready ──► ready ──────────────┐
//!    │                                                  ├─ ends by itself ──┐
//!    │  stop asked: stop signal to the group, no probes │                   ├─► group killed, reaped,
//!    │  not heard: the signals of the escalation        │
//!    │  grace ended: SIGKILL to the group ──────────────┴─ ends ────────────┘   output read, exit named
//!    └─ cannot start: failed
//! ```

use std::future::pending;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};

use supervisor_api::{Exit, ProgramUsage};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use crate::checks::{Check, Health, Readiness, Watch};
use crate::exit::{self, Request};
use crate::hook;
use crate::log_file::Writer;
use crate::notify::{self, Heard, Socket, Told, Word};
use crate::output::{Lines, OutputLine};
use crate::prepare::new_run;
use crate::probe::LineSeen;
use crate::processes::{self, Unconfined};
use crate::progress::{Doing, Progress};
use crate::running::Running;
use crate::signal::Signal;
use crate::sockets::{self, Sockets};
use crate::spec::ProgramSpec;
use crate::start_error::reason;
use crate::stopping::{Step, Stopping};
use crate::usage;

/// An operator's signals that can wait to be sent.
const SIGNALS: usize = 16;

/// To whom a signal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// To the whole process group.
    Group,
    /// To the process that was started, and not to what that has started.
    Program,
}

/// What a run needs from the one that it runs for: requests in, news out.
///
/// None of the methods that tell something may block.
pub trait Orders: Clone + Send + Sync + 'static {
    /// Resolves when the run is asked to stop, with the time at which its grace ends, if it does; again at once when it
    /// was.
    fn stopping(&self) -> impl Future<Output = Option<Instant>> + Send;
    /// Resolves when the grace has ended; again at once when it has.
    fn killed(&self) -> impl Future<Output = ()> + Send;
    /// The program was executed, as this process; or it has said which of its processes is the one to show.
    fn executed(&self, pid: u32);
    /// The program counts as started.
    fn ready(&self);
    /// What the run is waiting for or doing, for the operator; empty for nothing.
    fn phase(&self, text: &str);
    /// The program gave a sign of life by itself (`WATCHDOG=1`).
    fn alive(&self);
    /// The program has failed and says so (`WATCHDOG=trigger`).
    fn unwell(&self, why: &str);
    /// The program has begun to end by itself (`STOPPING=1`): it is to be probed no more.
    fn winds_down(&self);
    /// Something about the run is not as it should be, and is left out.
    fn warn(&self, text: &str);
    /// Something about what runs before or after the program, in a sentence.
    fn hook(&self, text: &str);
    /// The program is gone, and its run is not over.
    fn gone(&self);
    /// The program wrote a line.
    fn output(&self, line: OutputLine);
    /// Its log file cannot be written, or can again: so many lines were lost to that file so far.
    fn log_file(&self, lost: u64, text: &str);
    /// The program takes signals from now on. `deliver` does not block; it says why when the signal cannot be sent.
    fn takes_signals(
        &self,
        deliver: impl Fn(Signal, Whom) -> Result<(), String> + Clone + Send + Sync + 'static,
    );
    /// What the program uses, each time that it was measured: every two seconds at most. Called on a thread of its own.
    fn uses(&self, usage: ProgramUsage);
    /// The run is over, and these processes of it are not.
    fn unconfined(&self, processes: &[Unconfined]);
    /// The sockets that an earlier run of the same child has left, and that are still held.
    fn held(&self) -> Option<Arc<Sockets>>;
    /// These are to be held until there is no run any more, in the place of those that were held before. Dropped, they are
    /// closed.
    fn holds(&self, sockets: Arc<Sockets>);
}

/// Runs `spec` once. Returns when nothing of its process group is left.
///
/// A program that cannot be started ends as `Failed`, with a sentence that names its path and the reason.
///
/// Dropping the future kills the group at once and waits for nothing; the leader is reaped by a thread. It
/// must be polled inside a Tokio runtime with I/O and time enabled.
pub async fn run<O: Orders>(spec: &ProgramSpec, orders: &O) -> Exit {
    match spec.read_env_files().await {
        Ok(read) => run_with(&Arc::new(spec.clone().with_read(&read)), orders).await,
        Err(error) => Exit::failed(error),
    }
}

/// [`run`] of a program that has read its files with variables.
pub(crate) async fn run_with<O: Orders>(spec: &Arc<ProgramSpec>, orders: &O) -> Exit {
    let keep = keep_output(spec, orders);
    let (exit, status) = match hook::before(spec, orders, keep.clone()).await {
        Some(exit) => (exit, None),
        None => run_program(spec, orders, keep.clone()).await.unwrap_or_else(|exit| (exit, None)),
    };
    hook::after(spec, &exit, status, orders, keep).await;
    exit
}

/// Runs the program itself. An error is the exit of one that was not started.
async fn run_program<O: Orders>(
    spec: &Arc<ProgramSpec>,
    orders: &O,
    keep: impl Fn(OutputLine) + Clone + Send + 'static,
) -> Result<(Exit, Option<ExitStatus>), Exit> {
    let name = new_run();
    let seen = LineSeen::default();
    let spec = &sockets::given(spec, orders).await.map_err(|error| Exit::failed(error.to_string()))?;
    let socket = Socket::open(spec).await.map_err(Exit::failed)?;
    let prepare = {
        let (spec, name) = (Arc::clone(spec), name.clone());
        let variables = socket.as_ref().map(|socket| socket.variables(&spec)).unwrap_or_default();
        move || spec.program(&name, &variables)
    };
    let each = look_at_output(spec, &seen, keep);
    let running = Running::start(prepare, |stream| Lines::new(stream, each.clone())).await;
    let running = running.map_err(|error| Exit::failed(error.to_string()))?;
    orders.executed(running.id());
    let progress = Progress::of(&spec.readiness);
    let readiness = match &spec.readiness {
        Readiness::Probe(check) => Some(become_ready(spec, check, orders, &seen, &progress)),
        Readiness::Immediate => {
            // Said before anything else is looked at: the program was executed, even if it is over already.
            orders.ready();
            None
        }
        Readiness::Notify => None,
    };
    let (asked, signals) = mpsc::channel(SIGNALS);
    orders.takes_signals(move |signal, whom| {
        asked.try_send((signal, whom)).map_err(|error| match error {
            TrySendError::Full(_) => format!("{SIGNALS} signals wait to be sent already; try again"),
            TrySendError::Closed(_) => "its program has just ended".to_owned(),
        })
    });
    let measured = {
        let orders = orders.clone();
        let watch = spec.together.without(running.held()).begin().map(Mutex::new);
        usage::measure(running.id(), move |usage| {
            orders.uses(usage);
            let watch = watch.as_ref().map(|watch| watch.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(why) = watch.and_then(|mut watch| watch.look(&usage)) {
                orders.unwell(&why);
            }
        })
    };
    let request = {
        let ear = Ear { spec, orders, progress: &progress, group: running.id() };
        let mut told = Told::default();
        let attend = attend(spec, orders, &running, readiness, signals);
        let request = match &socket {
            Some(socket) => tokio::select! {
                biased;
                request = attend => request,
                () = socket.listen(ear.group, &mut told, |heard| ear.take(heard)) => Request::None,
            },
            None => attend.await,
        };
        // What it said last. Its dead leader is not reaped yet, so its words are known as its own.
        if let Some(socket) = &socket {
            let _ = socket.drain(ear.group, &mut told, |heard| ear.take(heard));
        }
        request
    };
    drop(measured);
    let id = running.id();
    let (status, ended) = running.finish().await;
    let unconfined = processes::unconfined(name).await;
    if !unconfined.is_empty() {
        orders.unconfined(&unconfined);
    }
    match status {
        Ok(status) => Ok((progress.complete(exit::of(status, request, spec, ended)), Some(status))),
        Err(error) => Err(Exit::failed(format!(
            "the end of process {id} is unknown: {}; \
             something else in this process reaps every child, or SIGCHLD is ignored",
            reason(&error)
        ))),
    }
}

/// Looks at each line for the text of a `log_line` probe before it is kept.
fn look_at_output<K: Fn(OutputLine) + Clone + Send + 'static>(
    spec: &ProgramSpec,
    seen: &LineSeen,
    keep: K,
) -> impl Fn(OutputLine) + Clone + Send + 'static + use<K> {
    let seen = seen.clone();
    let probe = match &spec.readiness {
        Readiness::Probe(check) => Some(Arc::new(check.probe.clone())),
        Readiness::Immediate | Readiness::Notify => None,
    };
    move |line| {
        seen.look(probe.as_deref(), &line.text);
        keep(line);
    }
}

/// What is done with each line: kept, and written to its file.
fn keep_output<O: Orders>(
    spec: &ProgramSpec,
    orders: &O,
) -> impl Fn(OutputLine) + Clone + Send + 'static + use<O> {
    let (orders, own) = (orders.clone(), spec.on_output.clone());
    let file = spec.log_file.as_ref().map(|file| {
        let told = Arc::new(orders.clone());
        // A disk that stands still must not keep the one that the run was for.
        let tell = Arc::downgrade(&told);
        let tell = move |lost, text: &str| {
            if let Some(orders) = tell.upgrade() {
                orders.log_file(lost, text)
            }
        };
        (Writer::of(file, Arc::new(tell)), told)
    });
    move |line| {
        if let Some((file, _)) = &file {
            file.push(&line);
        }
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
    mut signals: mpsc::Receiver<(Signal, Whom)>,
) -> Request {
    let mut request = Request::None;
    // Dropped at the first request: nobody probes a program that was told to end.
    let mut readiness = readiness.map(Box::pin);
    let mut exited = pin!(running.exited());
    let mut stop = Stopping::not_yet(spec);
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
                stop.end();
                running.kill();
            }
            until = orders.stopping(), if request == Request::None => {
                request = Request::Stop;
                running.signal(spec.stop_signal);
                stop.begin(spec, until);
            }
            step = stop.step() => {
                match step {
                    Step::Ask(signal) => running.signal(signal),
                    Step::Kill => {
                        request = Request::Kill;
                        orders.hook("did not stop in time and is killed, so that post_stop has its time");
                        running.kill();
                    }
                }
                continue;
            }
            Some((signal, whom)) = signals.recv() => {
                match whom {
                    Whom::Group => running.signal(signal),
                    Whom::Program => running.signal_program(signal),
                }
                continue;
            }
            () = readying => {}
        }
        readiness = None;
    }
}

/// Tries `check` until it succeeds as often in a row as it has to, and says that the program is ready.
async fn become_ready<O: Orders>(
    spec: &ProgramSpec,
    check: &Check,
    orders: &O,
    seen: &LineSeen,
    progress: &Progress,
) {
    let mut good = 0;
    loop {
        match check.attempt(spec, seen).await {
            Ok(()) => good += 1,
            Err(error) => {
                good = 0;
                progress.heard(error);
            }
        }
        if good >= check.successes {
            break;
        }
        if good > 0 {
            progress.heard(format!("{} is good, {good} of {} times in a row", check.probe, check.successes));
        }
        show(orders, progress);
        tokio::time::sleep(check.interval).await;
    }
    progress.is_ready();
    show(orders, progress);
    orders.ready();
}

fn show<O: Orders>(orders: &O, progress: &Progress) {
    if let Some(text) = progress.news() {
        orders.phase(&text);
    }
}

/// Takes what a program says of itself.
struct Ear<'a, O> {
    spec: &'a ProgramSpec,
    orders: &'a O,
    progress: &'a Progress,
    /// The program's process group.
    group: u32,
}

impl<O: Orders> Ear<'_, O> {
    fn take(&self, heard: Heard) {
        match heard {
            Heard::Said(words) => words.into_iter().for_each(|word| self.obey(word)),
            Heard::Dropped(why) => self.orders.warn(&why),
        }
        show(self.orders, self.progress);
    }

    fn obey(&self, word: Word) {
        match word {
            Word::Ready => {
                self.progress.does(Doing::Nothing);
                if self.spec.readiness == Readiness::Notify && self.progress.is_ready() {
                    self.orders.ready();
                }
            }
            Word::Reloading => self.progress.does(Doing::Reloading),
            Word::Stopping => {
                self.progress.does(Doing::Stopping);
                self.orders.winds_down();
            }
            Word::Status(text) => self.progress.says(text),
            Word::Alive => {
                if matches!(self.spec.health, Some(Health { watch: Watch::Notify { .. }, .. })) {
                    self.orders.alive();
                }
            }
            Word::Failed => self.orders.unwell("notify: it sent WATCHDOG=trigger"),
            Word::MainPid(pid) => match rustix::process::Pid::from_raw(pid) {
                Some(pid) if notify::is_in(pid, self.group) => {
                    self.orders.executed(pid.as_raw_nonzero().get().cast_unsigned());
                }
                _ => self
                    .orders
                    .warn(&format!("MAINPID={pid} is ignored: it is no process of the program's group")),
            },
            Word::NotDone(name) => self.orders.warn(&format!("{name} is ignored: it is not supported")),
        }
    }
}
