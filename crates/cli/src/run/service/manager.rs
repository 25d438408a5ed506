//! The way to the service manager: the socket that it names, and how often it wants a sign of life.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The longest message in bytes. systemd ignores one that is longer.
const LONGEST: usize = 4096;

/// Whoever has started this process and wants to hear of it, as `sd_notify(3)` says.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: UnixDatagram,
    to: SocketAddr,
    /// As it was named.
    name: OsString,
    /// How often it is to be told that all is well: twice as often as it must hear it.
    pub(super) ping_every: Option<Duration>,
    /// Whether it was said that it cannot be reached.
    lost: bool,
}

impl Manager {
    /// The one that this process was started by, `None` when nobody wants or can hear anything; and a sentence about what
    /// cannot be done for it, which names the variable and the remedy.
    pub(crate) fn of_this_process() -> (Option<Self>, Option<String>) {
        Self::named(|name| std::env::var_os(name), std::process::id())
    }

    fn named(variable: impl Fn(&str) -> Option<OsString>, pid: u32) -> (Option<Self>, Option<String>) {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return (None, None);
        };
        // Without signs of life it still hears that the stack is ready.
        let (ping_every, problem) = match ping_every(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), pid)
        {
            Ok(ping_every) => (ping_every, None),
            Err(sentence) => (None, Some(sentence)),
        };
        let shown = name.display().to_string();
        let manager =
            address(&name).and_then(|to| Self::at(to, name, ping_every).map_err(|error| error.to_string()));
        match manager {
            Ok(manager) => (Some(manager), problem),
            Err(why) => {
                let sentence = format!(
                    "NOTIFY_SOCKET={shown}: {why}; nobody is told that the stack is ready, so use `Type=exec` where a \
                     service manager waits for that"
                );
                (None, Some(sentence))
            }
        }
    }

    pub(super) fn at(to: SocketAddr, name: OsString, ping_every: Option<Duration>) -> io::Result<Self> {
        Ok(Self { socket: UnixDatagram::unbound()?, to, name, ping_every, lost: false })
    }

    /// Sends lines, as one message. What is too long is cut at its end, so the longest line comes last. Waits for a manager
    /// that does not read, which must not miss that the stack is ready.
    /// `Err` is a sentence, the first time that nobody hears them.
    pub(super) fn tell(&mut self, lines: &[&str]) -> Result<(), String> {
        let mut message = lines.join("\n");
        message.truncate((0..=LONGEST).rev().find(|&end| message.is_char_boundary(end)).unwrap_or(0));
        match self.socket.send_to_addr(message.as_bytes(), &self.to) {
            Ok(_) => self.lost = false,
            Err(error) if !self.lost => {
                self.lost = true;
                let name = self.name.display();
                return Err(format!(
                    "the service manager cannot be told anything on NOTIFY_SOCKET={name}: {error}"
                ));
            }
            Err(_) => {}
        }
        Ok(())
    }
}

fn address(name: &OsStr) -> Result<SocketAddr, String> {
    let said = |error: io::Error| error.to_string();
    match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name).map_err(said),
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).map_err(said),
        _ => Err("neither a path from `/` on nor the name of an abstract socket after `@`".to_owned()),
    }
}

/// Half the time after which the manager takes this process for stuck, if it is this process that it means.
fn ping_every(
    within: Option<OsString>,
    whose: Option<OsString>,
    pid: u32,
) -> Result<Option<Duration>, String> {
    let Some(within) = within else { return Ok(None) };
    if whose.is_some_and(|whose| whose.to_str().and_then(|whose| whose.parse().ok()) != Some(pid)) {
        return Ok(None);
    }
    let micros = within.to_str().and_then(|within| within.parse().ok()).filter(|micros: &u64| *micros > 0);
    match micros {
        Some(micros) => Ok(Some(Duration::from_micros(micros) / 2)),
        None => Err(format!(
            "WATCHDOG_USEC={} is no number of microseconds, so no sign of life is sent; the service manager sets it from \
             `WatchdogSec=`",
            within.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(variables: &[(&str, &str)]) -> (Option<Manager>, Option<String>) {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        Manager::named(find, 42)
    }

    #[test]
    fn a_sign_of_life_is_due_twice_in_the_time_of_the_manager_if_it_means_this_process() {
        let every = |more: &[(&str, &str)]| {
            let variables = [&[("NOTIFY_SOCKET", "@here")], more].concat();
            let (manager, problem) = named(&variables);
            assert_eq!(problem, None);
            manager.unwrap().ping_every
        };
        let half = Some(Duration::from_secs(15));
        assert_eq!(every(&[("WATCHDOG_USEC", "30000000")]), half);
        assert_eq!(every(&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "42")]), half);
        assert_eq!(every(&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "43")]), None);
        assert_eq!(every(&[("WATCHDOG_USEC", "x"), ("WATCHDOG_PID", "43")]), None);
        assert_eq!(every(&[]), None);
    }

    #[test]
    fn what_is_no_address_is_told_with_its_variable_and_nobody_hears_anything() {
        for variables in [&[][..], &[("NOTIFY_SOCKET", "")]] {
            let (manager, problem) = named(variables);
            assert!(manager.is_none() && problem.is_none(), "{problem:?}");
        }
        let long = format!("/{}", "x".repeat(200));
        for name in ["vsock:2:1234", "run/notify", &long] {
            let (manager, problem) = named(&[("NOTIFY_SOCKET", name)]);
            let said = problem.unwrap();
            assert!(manager.is_none() && said.starts_with(&format!("NOTIFY_SOCKET={name}: ")), "{said}");
        }
    }

    #[test]
    fn what_is_no_time_costs_the_signs_of_life_and_not_the_manager() {
        for time in ["", "0", "-1", "5s"] {
            let (manager, problem) = named(&[("NOTIFY_SOCKET", "@a"), ("WATCHDOG_USEC", time)]);
            let said = problem.unwrap();
            assert!(
                said.starts_with(&format!("WATCHDOG_USEC={time} ")) && said.contains("WatchdogSec="),
                "{said}"
            );
            assert_eq!(manager.unwrap().ping_every, None);
        }
    }

    #[test]
    fn a_message_that_nobody_would_take_is_cut_between_two_characters() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let to = SocketAddr::from_pathname(&path).unwrap();
        let mut manager = Manager::at(to, path.into(), None).unwrap();
        let mut heard = |lines: &[&str]| {
            manager.tell(lines).unwrap();
            let mut buffer = [0; 2 * LONGEST];
            let length = socket.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        // Of two bytes each, after ten and after eleven.
        let long = "ä".repeat(LONGEST);
        let cut = heard(&["X=1", &format!("STATUS{long}")]);
        assert_eq!(cut, format!("X=1\nSTATUS{}", "ä".repeat((LONGEST - 10) / 2)));
        let cut = heard(&["X=1", &format!("STATUS={long}")]);
        assert_eq!(cut, format!("X=1\nSTATUS={}", "ä".repeat((LONGEST - 11) / 2)));
        let longest = "x".repeat(LONGEST);
        assert_eq!(heard(&[&longest]), longest);
        assert_eq!(heard(&["READY=1", "STATUS=down"]), "READY=1\nSTATUS=down");
    }
}
