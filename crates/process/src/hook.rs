//! What runs before a program is started, and after it has ended.
//!
//! ```text
//!  pre_start ──ended well──► the program ──its group is gone──► post_stop ──► the run is over
//!      └─ ended badly, stopped, killed ─────────────────────────────▲
//! ```

use std::ffi::OsString;
use std::future::pending;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use supervisor_api::Exit;
use supervisor_api::manifest::HookManifest;
use tokio::time::Interval;

use crate::exit::{self, Request, describe};
use crate::output::{Lines, OutputLine};
use crate::prepare::new_run;
use crate::run::Orders;
use crate::running::Running;
use crate::signal::Signal;
use crate::spec::ProgramSpec;
use crate::start_error::reason;
use crate::stopping::{Step, Stopping};

/// A program that is run to its end, in the surroundings of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) command: Vec<OsString>,
    /// After so long it is killed.
    pub(crate) limit: Duration,
}

impl Hook {
    pub(crate) fn of(said: &HookManifest) -> Self {
        let command = said.command().iter().map(Into::into).collect();
        Self { command, limit: said.timeout() }
    }

    pub(crate) fn finding(&self, key: &str) -> Option<String> {
        let empty = self.command.first().is_none_or(|program| program.is_empty());
        let never = self.limit.is_zero().then(|| format!("{key}: timeout must be above 0"));
        empty.then(|| format!("{key}: the command is empty; name a program")).or(never)
    }
}

/// How a hook has ended.
struct Ended {
    status: ExitStatus,
    /// What the tree asked of it.
    request: Request,
    /// It was killed because its time was over.
    late: bool,
    /// The last line that it wrote.
    last: String,
}

/// Runs what is to be done before a start. `None`: that was done, or there is nothing.
pub(crate) async fn before<O: Orders>(
    spec: &ProgramSpec,
    orders: &O,
    each: impl Fn(OutputLine) + Clone + Send + 'static,
) -> Option<Exit> {
    let hook = spec.pre_start.as_ref()?;
    orders.phase("runs its pre_start");
    let ended = run(spec, hook, &[], orders, true, each).await;
    orders.phase("");
    match ended {
        Err(error) => Some(Exit::failed(format!("pre_start: {error}"))),
        Ok(Ended { status, request: request @ (Request::Stop | Request::Kill), .. }) => {
            Some(exit::of(status, request, spec, crate::cgroup::Ended::default()))
        }
        Ok(ended) => ended.complaint(hook).map(|why| Exit::failed(format!("pre_start: {why}"))),
    }
}

/// Runs what is to be done after a run, of which the program ended like this, if it was started. What goes wrong with it is
/// told, and changes nothing.
pub(crate) async fn after<O: Orders>(
    spec: &ProgramSpec,
    exit: &Exit,
    status: Option<ExitStatus>,
    orders: &O,
    each: impl Fn(OutputLine) + Clone + Send + 'static,
) {
    let Some(hook) = &spec.post_stop else { return };
    tokio::select! {
        biased;
        () = orders.killed() => return orders.hook("post_stop: left out, since everything is to be killed"),
        () = std::future::ready(()) => {}
    }
    // The run is not over, so nobody else says it yet.
    orders.phase(&format!("runs its post_stop: {exit}"));
    if !exit.is_clean() {
        orders.hook(&format!("{exit}; runs its post_stop"));
    }
    orders.gone();
    // There is nothing to be probed any more, and the run is not stuck.
    orders.winds_down();
    let ended = run(spec, hook, &words(status), orders, false, each).await;
    orders.phase("");
    let complaint = match ended {
        Err(error) => Some(error),
        Ok(Ended { request: Request::Kill, .. }) => Some("killed, since the grace was over".to_owned()),
        Ok(ended) => ended.complaint(hook),
    };
    if let Some(why) = complaint {
        orders.hook(&format!("post_stop: {why}"));
    }
}

/// How the program ended, in the variables in which systemd says it to `ExecStopPost=`.
fn words(status: Option<ExitStatus>) -> Vec<(&'static str, String)> {
    let Some(status) = status else { return Vec::new() };
    let (code, status) = match (status.code(), status.signal()) {
        (Some(code), _) => ("exited", code.to_string()),
        (None, Some(signal)) => {
            let known = Signal::parse(&signal.to_string()).map(|signal| signal.to_string());
            let name = known.map(|name| name.trim_start_matches("SIG").to_owned());
            let word = if status.core_dumped() { "dumped" } else { "killed" };
            (word, name.unwrap_or_else(|| signal.to_string()))
        }
        (None, None) => return Vec::new(),
    };
    vec![("EXIT_CODE", code.to_owned()), ("EXIT_STATUS", status)]
}

impl Ended {
    /// What is wrong with the way it ended.
    fn complaint(&self, hook: &Hook) -> Option<String> {
        if self.late {
            return Some(format!("not done within {:?}, killed", hook.limit));
        }
        let colon = if self.last.is_empty() { "" } else { ": " };
        (!self.status.success()).then(|| format!("{}{colon}{}", describe(self.status), self.last))
    }
}

/// Runs a hook to its end. Nothing of its group is left then. With `stops` it is stopped as its program is.
async fn run<O: Orders>(
    spec: &ProgramSpec,
    hook: &Hook,
    more: &[(&'static str, String)],
    orders: &O,
    stops: bool,
    each: impl Fn(OutputLine) + Clone + Send + 'static,
) -> Result<Ended, String> {
    let Some((program, args)) = hook.command.split_first() else { return Err("the command is empty".into()) };
    let own = ProgramSpec { together: spec.together, ..spec.with_command(program, args) };
    let own = more.iter().fold(own, |own, (name, value)| own.env(*name, value));
    let last = Arc::new(Mutex::new(String::new()));
    let each = {
        let last = Arc::clone(&last);
        move |line: OutputLine| {
            last.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&line.text);
            each(line);
        }
    };
    let prepare = move || own.program(&new_run(), &[]);
    let running = Running::start(prepare, |stream| Lines::new(stream, each.clone())).await;
    let running = running.map_err(|error| error.to_string())?;
    let (request, late) = {
        let (mut request, mut late) = (Request::None, false);
        let mut limit = pin!(tokio::time::sleep(hook.limit));
        // What is promised is promised of the program, which is not there.
        let promised = spec.health.as_ref().map(|health| health.watch.interval());
        let mut promised = promised.map(tokio::time::interval);
        let mut stop = Stopping::not_yet(spec);
        let mut exited = pin!(running.exited());
        loop {
            tokio::select! {
                biased;
                _ = &mut exited => break (request, late),
                () = orders.killed(), if request != Request::Kill => {
                    request = Request::Kill;
                    stop.end();
                    running.kill();
                }
                until = orders.stopping(), if stops && request == Request::None => {
                    request = Request::Stop;
                    running.signal(spec.stop_signal);
                    stop.begin(spec, until);
                }
                step = stop.step() => match step {
                    Step::Ask(signal) => running.signal(signal),
                    Step::Kill => {
                        request = Request::Kill;
                        running.kill();
                    }
                },
                () = ticked(&mut promised) => orders.alive(),
                () = &mut limit, if !late => {
                    late = true;
                    running.kill();
                }
            }
        }
    };
    let status = running.finish().await.0.map_err(|error| reason(&error))?;
    let last = std::mem::take(&mut *last.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Ended { status, request, late, last })
}

/// Resolves when the next sign of life is due; never when none is promised. Cancel safe.
async fn ticked(promised: &mut Option<Interval>) {
    match promised {
        Some(promised) => drop(promised.tick().await),
        None => pending().await,
    }
}
