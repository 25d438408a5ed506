//! The relay: the real binary as a process of its own, and what the system says of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::browser::Door;

/// How long the relay may take to start, to print a link, or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running relay. It is killed when this is dropped.
pub(crate) struct Relay {
    child: Child,
    pid: Pid,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) door: Door,
    /// Where targets register.
    pub(crate) socket: PathBuf,
}

/// What the relay uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) rss_kib: u64,
    /// The time of all its threads so far.
    pub(crate) cpu: Duration,
}

/// Reads what the relay uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter(Pid);

impl Meter {
    /// What it uses now.
    pub(crate) fn usage(&self) -> Result<Usage, String> {
        let pid = self.0.as_raw_nonzero();
        let read = |name: &str| {
            let file = format!("/proc/{pid}/{name}");
            fs::read_to_string(&file).map_err(|error| format!("{file} cannot be read: {error}"))
        };
        let rss_kib = rss(&read("status")?).ok_or("the relay's memory is not told")?;
        let ticks = ticks(&read("stat")?).ok_or("the relay's time is not told")?;
        let cpu = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
        Ok(Usage { rss_kib, cpu })
    }
}

impl Relay {
    /// Starts it with everything that it keeps in this folder, in which also the targets listen.
    pub(crate) async fn start(supervisor: &Path, folder: &Path, targets: usize) -> Result<Self, String> {
        let (token, item) = token(supervisor).await?;
        let here = folder.display();
        // What is not said is as in every relay: above all, how much is kept for each target.
        let text = format!(
            "version: 1\nlisten: 127.0.0.1:0\nregistration: {here}/relay.sock\nstate_dir: {here}/state\n\
             socket_directories: [{here}]\nmax_targets: {}\ntokens:\n  {item}\n",
            targets.max(1_000)
        );
        let file = folder.join("relay.yaml");
        fs::write(&file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
        let mut child = Command::new(supervisor)
            .arg("relay")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", supervisor.display()))?;
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).ok_or("the relay has no id")?;
        let out = child.stdout.take().ok_or("the relay has no output")?;
        let mut lines = BufReader::new(out).lines();
        let address = line(&mut lines, "relay: browsers connect to http://").await?;
        let address: SocketAddr =
            address.parse().map_err(|_| format!("'{address}' is no address of a relay"))?;
        let socket = line(&mut lines, "relay: targets register at ").await?.into();
        line(&mut lines, "relay: sign in: ").await?;
        Ok(Self { child, pid, lines, door: Door { address, token }, socket })
    }

    /// A new link by which a browser signs in, once and soon.
    pub(crate) async fn link(&mut self) -> Result<String, String> {
        kill_process(self.pid, Signal::HUP).map_err(|error| format!("the relay hears nothing: {error}"))?;
        line(&mut self.lines, "relay: sign in: ").await
    }

    /// Until it ends, which it is not to do by itself.
    pub(crate) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => format!("the relay ended by itself: {status}"),
            Err(error) => format!("the relay cannot be waited for: {error}"),
        }
    }

    pub(crate) fn meter(&self) -> Meter {
        Meter(self.pid)
    }

    /// Asks it to stop, and waits for that.
    pub(crate) async fn stop(mut self) -> Result<(), String> {
        kill_process(self.pid, Signal::TERM)
            .map_err(|error| format!("the relay cannot be stopped: {error}"))?;
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the relay stopped with {status}")),
            Ok(Err(error)) => Err(format!("the relay cannot be waited for: {error}")),
            Err(_) => Err(format!("the relay did not stop within {PATIENCE:?}")),
        }
    }
}

/// Resident memory, in KiB.
fn rss(status: &str) -> Option<u64> {
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    rss.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Ticks of the clock in which it ran, for itself and in the kernel.
fn ticks(stat: &str) -> Option<u64> {
    // The name may hold anything; the fields begin after its last bracket.
    let mut fields = stat.rsplit(')').next()?.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// What follows these words in the next line that begins with them.
async fn line(lines: &mut Lines<BufReader<ChildStdout>>, words: &str) -> Result<String, String> {
    let find = async {
        while let Some(line) = lines.next_line().await.map_err(|error| error.to_string())? {
            if let Some(rest) = line.strip_prefix(words) {
                return Ok(rest.to_owned());
            }
        }
        Err(format!("the relay ended and did not say '{words}'"))
    };
    timeout(PATIENCE, find).await.map_err(|_| format!("the relay did not say '{words}'"))?
}

/// A token, and its item in the relay's file.
async fn token(supervisor: &Path) -> Result<(String, String), String> {
    let made = Command::new(supervisor).args(["relay", "token", "load", "--expires", "12h"]).output().await;
    let made = made.map_err(|error| {
        format!(
            "{} cannot be started: {error}; build it with `cargo build --release -p supervisor-cli`",
            supervisor.display()
        )
    })?;
    let text = String::from_utf8_lossy(&made.stdout);
    let token = text.lines().find_map(|line| line.strip_prefix("token: "));
    let item = text.lines().map(str::trim).find(|line| line.starts_with("- {"));
    match (token, item) {
        (Some(token), Some(item)) => Ok((token.to_owned(), item.to_owned())),
        _ => Err(format!("no token was made: {text}{}", String::from_utf8_lossy(&made.stderr))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_read_as_the_kernel_writes_them() {
        assert_eq!(rss("Name:\tx\nVmRSS:\t   12345 kB\nThreads:\t3\n"), Some(12_345));
        assert_eq!(rss("Name:\tx\n"), None);
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 120 0 0 0 250 50 0 0 20 0 3 0 100 1 1";
        assert_eq!(ticks(stat), Some(300));
        assert_eq!(ticks("7 (x) S"), None);
    }
}
