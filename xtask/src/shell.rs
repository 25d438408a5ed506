//! Running other programs: from the workspace's root, said aloud, and never for ever.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::Outcome;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// A program, to be run from the workspace's root.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// The cargo that runs us, with these arguments.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// The folder that builds go into; a relative one is below the workspace's root.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// How much can still be written below a folder, in words: what fails for want of room says many things, seldom that.
pub(crate) fn room(folder: &Path) -> String {
    match statvfs(folder) {
        Ok(disk) => format!("{} MiB", disk.f_bavail.saturating_mul(disk.f_frsize) >> 20),
        Err(error) => format!("cannot be told: {error}"),
    }
}

/// Builds with the planted faults, in a folder of its own, so that it does not undo other builds.
pub(crate) fn plant(cargo: &mut Command) {
    cargo.env("RUSTFLAGS", "--cfg planted").env("CARGO_TARGET_DIR", target().join("planted"));
}

/// A command as a developer would type it.
pub(crate) fn spoken(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs a command and shows what it prints. An end other than success is an error.
pub(crate) fn run(mut command: Command) -> Outcome {
    println!("$ {}", spoken(&command));
    let status = command.status().map_err(|error| cannot_start(&command, &error))?;
    success(&spoken(&command), status)
}

/// Runs a command and returns what it printed on its standard output.
pub(crate) fn output(mut command: Command) -> Result<String, String> {
    let done = command.stderr(Stdio::inherit()).output().map_err(|error| cannot_start(&command, &error))?;
    success(&spoken(&command), done.status)?;
    String::from_utf8(done.stdout)
        .map_err(|_| format!("`{}` printed something that is not UTF-8", spoken(&command)))
}

/// Runs a command and ends it, and everything it started, when `limit` has passed.
///
/// Off a terminal the command gets a process group of its own, so that the whole group can be killed. At a terminal
/// it stays in ours, so that Ctrl-C reaches it; there only the command itself is killed.
pub(crate) fn run_within(command: Command, limit: Duration) -> Outcome {
    println!("$ {}", spoken(&command));
    end_within(command, limit, !io::stdin().is_terminal())
}

fn end_within(command: Command, limit: Duration, own_group: bool) -> Outcome {
    let spoken = spoken(&command);
    match wait_within(command, limit, own_group)? {
        Some(status) => success(&spoken, status),
        None => Err(format!("`{spoken}` was still running after {} s and was killed", limit.as_secs())),
    }
}

/// How a command ended that was not to be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With success.
    Well,
    /// With another code, or by a signal.
    Badly,
    /// It was still running at the limit, and was killed with everything it started.
    TooLate,
}

/// Runs a command without a word, and kills it, and everything it started, when `limit` has passed.
pub(crate) fn end_quietly(command: Command, limit: Duration) -> Result<Ended, String> {
    Ok(match wait_within(command, limit, true)? {
        Some(status) if status.success() => Ended::Well,
        Some(_) => Ended::Badly,
        None => Ended::TooLate,
    })
}

/// The end of a command; none when it had to be killed at the limit.
fn wait_within(mut command: Command, limit: Duration, own_group: bool) -> Result<Option<ExitStatus>, String> {
    if own_group {
        command.process_group(0);
    }
    let mut child = command.spawn().map_err(|error| cannot_start(&command, &error))?;
    let pid = Pid::from_child(&child);
    let (tell, ended) = mpsc::channel();
    let waiter = thread::spawn(move || tell.send(child.wait()));
    match ended.recv_timeout(limit) {
        Ok(status) => {
            let status =
                status.map_err(|error| format!("`{}` cannot be waited for: {error}", spoken(&command)));
            Ok(Some(status?))
        }
        Err(RecvTimeoutError::Disconnected) => Err(format!("the end of `{}` was lost", spoken(&command))),
        Err(RecvTimeoutError::Timeout) => {
            let kill = if own_group { kill_process_group } else { kill_process };
            kill(pid, Signal::KILL)
                .map_err(|error| format!("`{}` cannot be killed: {error}", spoken(&command)))?;
            let _ = waiter.join();
            Ok(None)
        }
    }
}

fn cannot_start(command: &Command, error: &io::Error) -> String {
    format!("`{}` cannot be started: {error}", spoken(command))
}

fn success(spoken: &str, status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("`{spoken}` ended with exit code {code}")),
        (None, signal) => Err(format!("`{spoken}` was ended by signal {}", signal.unwrap_or_default())),
    }
}

/// Measures how long real commands take.
pub(crate) struct Stopwatch(Instant);

#[expect(clippy::disallowed_methods, reason = "times real commands for the developer; no test waits on it")]
impl Stopwatch {
    /// Starts to measure.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = program("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn an_exit_code_other_than_zero_is_an_error_that_names_the_command() {
        assert_eq!(run(sh("exit 3")), Err("`sh -c exit 3` ended with exit code 3".into()));
        assert_eq!(run(sh("true")), Ok(()));
    }

    #[test]
    fn an_end_by_a_signal_is_an_error_that_names_the_signal() {
        assert_eq!(run(sh("kill -9 $$")), Err("`sh -c kill -9 $$` was ended by signal 9".into()));
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let problem = run(program("no-such-program-anywhere")).unwrap_err();
        assert!(problem.starts_with("`no-such-program-anywhere` cannot be started"), "{problem}");
    }

    #[test]
    fn a_command_over_its_limit_is_killed_and_the_error_says_so() {
        let problem = run_within(sh("sleep 600"), Duration::from_millis(50)).unwrap_err();
        assert!(problem.contains("still running") && problem.contains("killed"), "{problem}");
    }

    #[test]
    fn a_command_within_its_limit_returns_its_own_end() {
        assert_eq!(run_within(sh("true"), Duration::from_secs(60)), Ok(()));
        assert_eq!(
            run_within(sh("exit 1"), Duration::from_secs(60)),
            Err("`sh -c exit 1` ended with exit code 1".into())
        );
    }

    #[test]
    fn a_quiet_command_tells_how_it_ended() {
        assert_eq!(end_quietly(sh("true"), Duration::from_secs(60)), Ok(Ended::Well));
        assert_eq!(end_quietly(sh("exit 101"), Duration::from_secs(60)), Ok(Ended::Badly));
        assert_eq!(end_quietly(sh("kill -9 $$"), Duration::from_secs(60)), Ok(Ended::Badly));
        assert_eq!(end_quietly(sh("sleep 600"), Duration::from_millis(50)), Ok(Ended::TooLate));
    }

    #[test]
    fn what_a_killed_command_had_started_dies_with_it() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut command = sh("sleep 60 & wait");
        command.stdout(writer);
        let watch = Stopwatch::start();
        assert!(end_within(command, Duration::from_millis(50), true).is_err());
        // The end of the pipe comes when the last process that holds it is gone.
        assert_eq!(io::copy(&mut reader, &mut io::sink()).unwrap(), 0);
        assert!(watch.elapsed() < Duration::from_secs(50));
    }
}
