//! The file of a run, applied again: on SIGHUP, and with `--watch` when it has changed.
//!
//! It goes the way of a command, through the control server of the run: with a record in the audit, and back to what
//! was before when somebody does not come up.

use std::fs::File;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use supervisor_api::command::Plan;
use supervisor_api::wire::{Command, CommandTarget, ControlCommandRequest, ControlCommandResult, UnixNanos};
use supervisor_client::{Session, Settings, Way};
use supervisor_stack::{Control, Stack, StackError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::print;
use crate::steer::summed_up;

/// How often a file that is watched is looked at. A change counts when the next look finds the same.
const LOOK: Duration = Duration::from_millis(500);

/// What asks for a reload.
pub(super) struct Reloads {
    file: PathBuf,
    hangups: Option<Signal>,
    /// Whether there was a terminal at the start, whose end is a hangup, too.
    terminal: bool,
    watched: Option<Watched>,
}

/// A file, and what is known of it.
struct Watched {
    path: PathBuf,
    /// As it was applied, or tried to be, last.
    taken: Vec<u8>,
    /// What the last look has found, when that is something else.
    seen: Option<Vec<u8>>,
}

/// What came.
pub(super) enum Came {
    /// Somebody wants the file applied, for this reason.
    Reload(&'static str),
    /// The terminal of the run is gone.
    TerminalGone,
}

impl Reloads {
    /// Begins to listen, and to look. A hangup that is ignored, as under `nohup`, stays so.
    pub(super) fn listen(file: &Path, watch: bool) -> io::Result<Self> {
        let hangups = if ignores_hangups() { None } else { Some(signal(SignalKind::hangup())?) };
        let watched = watch.then(|| Watched {
            path: file.to_owned(),
            taken: std::fs::read(file).unwrap_or_default(),
            seen: None,
        });
        Ok(Self { file: file.to_owned(), hangups, terminal: has_terminal(), watched })
    }

    /// What comes next. Cancel safe.
    pub(super) async fn next(&mut self) -> Came {
        let Self { hangups, terminal, watched, .. } = self;
        let hangup = async {
            let heard = match hangups {
                Some(hangups) => hangups.recv().await,
                None => None,
            };
            // Nothing comes any more when the runtime ends.
            if heard.is_none() {
                pending().await
            }
        };
        let change = async {
            match watched {
                Some(watched) => watched.changed().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = hangup => if *terminal && !has_terminal() { Came::TerminalGone } else { Came::Reload("SIGHUP") },
            () = change => Came::Reload("the file has changed"),
        }
    }

    /// Applies the file and says how that went.
    pub(super) async fn reload(&self, control: Option<&Control>, reason: &str) {
        let said = match self.applied(control, reason).await {
            Ok(said) => format!("supervisor: {reason}: reloaded: {said}\n"),
            Err(said) => format!("{said}supervisor: {reason}: not reloaded\n"),
        };
        print::err(&said);
    }

    async fn applied(&self, control: Option<&Control>, reason: &str) -> Result<String, String> {
        // What is wrong with a file is told whole, with its lines, and not as a refusal.
        match Stack::read(&self.file) {
            Ok(stack) => print::err(&stack.warnings.to_string()),
            Err(StackError::Invalid(findings)) => return Err(findings.to_string()),
            Err(error) => return Err(format!("{error}\n")),
        }
        let control = control.ok_or_else(|| {
            "supervisor: what is done cannot be recorded here, so nothing can be done: the directory of the stack's \
             state cannot be used\n"
                .to_owned()
        })?;
        let sentence = |error: &dyn std::fmt::Display| format!("supervisor: {error}\n");
        let target_id = control.dispatcher().registration().target_id.clone();
        let connector = control.connector();
        let way = Way::within(&*target_id, move || connector.connect());
        // The answer to a command that goes on longer comes when it is asked for again.
        let mut session =
            Session::connect(way, &Settings::default()).await.map_err(|error| sentence(&error))?;
        let asked = request(&target_id, reason);
        loop {
            let result = session.command(asked.clone()).await.map_err(|error| sentence(&error))?;
            match result.error {
                Some(error) => return Err(sentence(&error.message)),
                None if goes_on(&result) => tokio::time::sleep(LOOK).await,
                None => return Ok(said(&result)),
            }
        }
    }
}

impl Watched {
    /// Waits until the file says something else than was applied last, and has said so twice. Cancel safe.
    async fn changed(&mut self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            // A file that is being replaced may not be there for a moment.
            let path = self.path.clone();
            let Ok(Ok(now)) = spawn_blocking(move || std::fs::read(path)).await else { continue };
            if now == self.taken {
                self.seen = None;
            } else if self.seen.as_ref() == Some(&now) {
                (self.taken, self.seen) = (now, None);
                return;
            } else {
                self.seen = Some(now);
            }
        }
    }
}

fn request(target_id: &str, reason: &str) -> ControlCommandRequest {
    let now = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
    ControlCommandRequest {
        command_id: format!("run-{:x}-{now:x}", std::process::id()).into(),
        target_id: target_id.into(),
        expect_state_generation: None,
        command: Command::Reload,
        target: CommandTarget::default(),
        signal: None,
        stack: None,
        rollback: true,
        reason: reason.to_owned(),
        requested_by: "supervisor run".to_owned(),
        confirmed: true,
        requested_at_unix_nanos: Some(UnixNanos(now)),
    }
}

fn goes_on(result: &ControlCommandResult) -> bool {
    result.status.is(supervisor_api::wire::CommandStatus::Accepted)
}

fn said(result: &ControlCommandResult) -> String {
    let plan = result.outcome.as_ref().and_then(|outcome| outcome.get("plan"));
    let plan: Option<Plan> = plan.and_then(|plan| serde_json::from_value(plan.clone()).ok());
    plan.map_or_else(String::new, |plan| summed_up(&plan))
}

/// Whether the process has a terminal that is there.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether whoever started this wants it to outlive its terminal.
fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The first bit is signal 1, which is SIGHUP.
    ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_has_changed_when_two_looks_find_the_same_that_is_new() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("stack.yaml");
        std::fs::write(&path, "a").unwrap();
        let mut watched = Watched { path: path.clone(), taken: b"a".to_vec(), seen: None };
        assert!(tokio::time::timeout(LOOK * 10, watched.changed()).await.is_err(), "it is as it was");
        std::fs::remove_file(&path).unwrap();
        assert!(tokio::time::timeout(LOOK * 10, watched.changed()).await.is_err(), "nothing is there");
        std::fs::write(&path, "b").unwrap();
        watched.changed().await;
        assert_eq!(watched.taken, b"b");
        assert!(tokio::time::timeout(LOOK * 10, watched.changed()).await.is_err(), "it is taken once");
    }
}
