//! The file of a run, applied again: on SIGHUP, and with `--watch` when it has changed.
//!
//! It goes the way of a command, through the control server of the run: with a record in the audit, and back to what
//! was before when somebody does not come up.

use std::fs::File;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use supervisor_api::wire::{Command, CommandStatus, CommandTarget, ControlCommandRequest, UnixNanos};
use supervisor_client::{Session, Settings, Way};
use supervisor_stack::tokio_supervisor::SupervisorHandle;
use supervisor_stack::{Choices, Control, Sight, Stack, StackError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Sender;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::service::Reloading;
use crate::print;
use crate::steer::done;

/// How often a file that is watched is looked at. A change counts when the next look finds the same.
const LOOK: Duration = Duration::from_millis(500);

/// What asks for a reload, or for an end.
pub(super) struct Asks {
    hangups: Option<Signal>,
    /// Whether there was a terminal at the start, whose end is a hangup, too.
    terminal: bool,
    watched: Option<Watched>,
}

/// A file with all that it includes, and what is known of it.
struct Watched {
    path: PathBuf,
    choices: Choices,
    /// As it was applied, or tried to be, last.
    taken: Option<Sight>,
    /// What the last look has found, when that is something else.
    seen: Option<Sight>,
}

/// What came.
enum Came {
    /// Somebody wants the file applied, for this reason.
    Reload(&'static str),
    /// The terminal of the run is gone.
    TerminalGone,
}

impl Asks {
    /// Begins to listen, and to look. A hangup that is ignored, as under `nohup`, stays so.
    pub(super) fn listen(file: &Path, choices: Option<Choices>) -> io::Result<Self> {
        let hangups = if ignores_hangups() { None } else { Some(signal(SignalKind::hangup())?) };
        let watched = choices.map(|choices| Watched {
            path: file.to_owned(),
            taken: Sight::of(file, &choices, None).ok(),
            choices,
            seen: None,
        });
        Ok(Self { hangups, terminal: has_terminal(), watched })
    }

    /// What comes next. Cancel safe.
    async fn next(&mut self) -> Came {
        let Self { hangups, terminal, watched } = self;
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
}

/// The file of a run, and the way on which it is applied.
pub(super) struct Reload<'a> {
    pub(super) handle: &'a SupervisorHandle,
    pub(super) stack: &'a Stack,
    pub(super) file: &'a Path,
    pub(super) control: Option<&'a Control>,
    /// Where the service manager is told of it.
    pub(super) reloads: Option<Sender<Reloading>>,
}

impl Reload<'_> {
    /// Applies the file whenever that is asked for, until the terminal of the run is gone. That is heard while a file is
    /// being applied, too, which may take as long as a program takes to be ready; another reload is done after it.
    pub(super) async fn until_the_terminal_is_gone(&self, mut asks: Asks) {
        let mut next = asks.next().await;
        while let Came::Reload(reason) = next {
            let mut applying = pin!(self.reload(reason));
            let mut meanwhile = None;
            loop {
                tokio::select! {
                    biased;
                    () = &mut applying => break,
                    came = asks.next() => match came {
                        Came::TerminalGone => return,
                        Came::Reload(reason) => meanwhile = Some(Came::Reload(reason)),
                    },
                }
            }
            next = match meanwhile {
                Some(came) => came,
                None => asks.next().await,
            };
        }
    }

    /// Applies the file and says how that went.
    async fn reload(&self, reason: &str) {
        self.tell(Reloading::Begins).await;
        let result = self.applied(reason).await;
        let over = match &result {
            Ok(_) => Reloading::Applied,
            Err(_) => Reloading::NotApplied(self.handle.snapshot().sequence()),
        };
        print::err(&match result {
            Ok(said) => format!("supervisor: {reason}: reloaded: {said}\n"),
            Err(said) => format!("{said}supervisor: {reason}: not reloaded\n"),
        });
        self.tell(over).await;
    }

    async fn tell(&self, reloading: Reloading) {
        if let Some(reloads) = &self.reloads {
            // Nobody hears it any more when the tree has ended.
            let _ = reloads.send(reloading).await;
        }
    }

    async fn applied(&self, reason: &str) -> Result<String, String> {
        // What is wrong with a file is told whole, with its lines, and not as a refusal.
        match self.stack.again(self.file) {
            Ok(stack) => print::err(&stack.warnings.to_string()),
            Err(StackError::Invalid(findings)) => return Err(findings.to_string()),
            Err(error) => return Err(format!("{error}\n")),
        }
        let control = self.control.ok_or_else(|| {
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
                None if result.status.is(CommandStatus::Accepted) => tokio::time::sleep(LOOK).await,
                None => return Ok(done(&result).unwrap_or_default()),
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
            let (path, choices) = (self.path.clone(), self.choices.clone());
            let before = self.seen.clone().or_else(|| self.taken.clone());
            let look = move || Sight::of(&path, &choices, before.as_ref());
            let Ok(Ok(now)) = spawn_blocking(look).await else { continue };
            let now = Some(now);
            if now == self.taken {
                self.seen = None;
            } else if self.seen == now {
                (self.taken, self.seen) = (now, None);
                return;
            } else {
                self.seen = now;
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
        let choices = Choices::default();
        let sight = || Sight::of(&path, &Choices::default(), None).ok();
        let mut watched = Watched { path: path.clone(), choices, taken: sight(), seen: None };
        assert!(tokio::time::timeout(LOOK * 10, watched.changed()).await.is_err(), "it is as it was");
        std::fs::remove_file(&path).unwrap();
        assert!(tokio::time::timeout(LOOK * 10, watched.changed()).await.is_err(), "nothing is there");
        std::fs::write(&path, "b").unwrap();
        watched.changed().await;
        assert_eq!(watched.taken, sight());
        assert!(tokio::time::timeout(LOOK * 10, watched.changed()).await.is_err(), "it is taken once");
    }
}
