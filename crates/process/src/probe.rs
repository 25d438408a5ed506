//! Ways to find out whether a program does its work.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use supervisor_api::manifest::{ConnectTarget, connect_target};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::aside;
use crate::checks::Check;
use crate::http::Http;
use crate::output::{Lines, OutputLine};
use crate::spec::ProgramSpec;
use crate::start_error::reason;

/// One way to find out whether a program is there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Probe {
    /// A connection to `HOST:PORT`, or to the Unix socket `unix:PATH`, is accepted.
    Tcp(String),
    /// A GET of an `http://` address has a good answer.
    Http(Http),
    /// This command ends with code 0. It runs in the program's surroundings, in a group of its own, and is
    /// killed when its time is over.
    Exec(Vec<OsString>),
    /// A line of the program's output contains this text. Only the first 16 KiB of a line are looked at, as
    /// they are shown.
    LogLine(String),
    /// This time has passed.
    Delay(Duration),
}

impl Probe {
    /// A connection to `HOST:PORT`, or to the Unix socket `unix:PATH`, is accepted.
    pub fn tcp(address: impl Into<String>) -> Self {
        Self::Tcp(address.into())
    }

    /// A GET has a good answer; of an address alone: with a status from 200 to 399.
    pub fn http(probe: impl Into<Http>) -> Self {
        Self::Http(probe.into())
    }

    /// This command ends with code 0.
    pub fn exec(command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self::Exec(command.into_iter().map(Into::into).collect())
    }

    /// A line of the program's output contains this text.
    pub fn log_line(text: impl Into<String>) -> Self {
        Self::LogLine(text.into())
    }

    /// This time has passed.
    pub const fn delay(time: Duration) -> Self {
        Self::Delay(time)
    }

    fn finding(&self) -> Option<String> {
        match self {
            Self::Tcp(address) => connect_target(address).err().map(|error| format!("tcp: {error}")),
            Self::Http(http) => http.finding().map(|error| format!("http: {error}")),
            Self::Exec(command) if command.first().is_none_or(|program| program.is_empty()) => {
                Some("exec: the command is empty; name a program".into())
            }
            Self::LogLine(text) if text.is_empty() => {
                Some("log_line: the text is empty, so any line would do; name a text".into())
            }
            Self::Exec(_) | Self::LogLine(_) | Self::Delay(_) => None,
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Http(http) => write!(f, "http {http}"),
            Self::Exec(command) => {
                let words: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
                write!(f, "exec {}", words.join(" "))
            }
            Self::LogLine(text) => write!(f, "log_line {text:?}"),
            Self::Delay(time) => write!(f, "delay {time:?}"),
        }
    }
}

impl Check {
    pub(crate) fn findings(&self, key: &str) -> Vec<String> {
        let zero =
            |what: &str, time: Duration| time.is_zero().then(|| format!("{key}: {what} must be above 0"));
        let findings = [self.probe.finding().map(|finding| format!("{key}: {finding}"))];
        let never = (self.successes == 0).then(|| format!("{key}: success_threshold must be at least 1"));
        let times = [never, zero("check_interval", self.interval), zero("timeout", self.timeout)];
        findings.into_iter().chain(times).flatten().collect()
    }

    /// Tries the probe once. `seen` tells that the text of a `log_line` was seen.
    ///
    /// # Errors
    ///
    /// The probe's name and what it found, for "not ready: …".
    pub(crate) async fn attempt(&self, spec: &ProgramSpec, seen: &LineSeen) -> Result<(), String> {
        let attempt = async {
            match &self.probe {
                Probe::Tcp(address) => {
                    connect(connect_target(address)?).await.map_err(|error| reason(&error))
                }
                Probe::Http(http) => http.ask().await,
                Probe::Exec(command) => return exec(command, spec, self.timeout).await,
                Probe::LogLine(_) => {
                    seen.0.notified().await;
                    Ok(())
                }
                Probe::Delay(time) => {
                    tokio::time::sleep(*time).await;
                    Ok(())
                }
            }
        };
        let outcome = match &self.probe {
            // These are not tried, they come: the child's `ready_within` is their only limit. A command is
            // stopped at its limit by itself, with its group.
            Probe::LogLine(_) | Probe::Delay(_) | Probe::Exec(_) => attempt.await,
            Probe::Tcp(_) | Probe::Http(_) => match timeout(self.timeout, attempt).await {
                Ok(outcome) => outcome,
                Err(_) => Err(format!("no answer within {:?}", self.timeout)),
            },
        };
        outcome.map_err(|error| format!("{}: {error}", self.probe))
    }
}

/// Tells a waiting `log_line` probe that its text was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineSeen(Arc<Notify>);

impl LineSeen {
    /// Looks at a line for the text that `probe` waits for.
    pub(crate) fn look(&self, probe: Option<&Probe>, line: &str) {
        if let Some(Probe::LogLine(text)) = probe
            && line.contains(text)
        {
            self.0.notify_one();
        }
    }
}

/// A port that nobody listens on can be drawn as our own port of the connection, which then meets itself.
async fn connect(target: ConnectTarget<'_>) -> io::Result<()> {
    let stream = match target {
        ConnectTarget::Unix(path) => return UnixStream::connect(path).await.map(drop),
        ConnectTarget::Tcp(address) => TcpStream::connect(address).await?,
    };
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
    }
    Ok(())
}

async fn exec(command: &[OsString], spec: &ProgramSpec, limit: Duration) -> Result<(), String> {
    let Some((program, args)) = command.split_first() else { return Err("the command is empty".into()) };
    let last = Arc::new(Mutex::new(String::new()));
    let keep = last.clone();
    let each = move |line: OutputLine| *keep.lock().unwrap_or_else(PoisonError::into_inner) = line.text;
    let take = |stream| Lines::new(stream, each.clone());
    let status = aside::run(spec.with_command(program, args), limit, take).await?;
    if status.success() {
        return Ok(());
    }
    let said = std::mem::take(&mut *last.lock().unwrap_or_else(PoisonError::into_inner));
    let colon = if said.is_empty() { "" } else { ": " };
    Err(format!("{}{colon}{said}", crate::exit::describe(status)))
}
