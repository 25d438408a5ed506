//! Signals by name.

use std::fmt;

/// A signal, by its number. Made from a name (`TERM`, `SIGTERM`, in any case) or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(i32);

const NAMES: [(&str, i32); 21] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("WINCH", libc::SIGWINCH),
    ("SYS", libc::SIGSYS),
];

impl Signal {
    /// The polite request to end.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// What Ctrl-C sends.
    pub const INT: Self = Self(libc::SIGINT);
    /// The end that cannot be refused.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// Quit, often with a core file.
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// Hang up; many servers read their configuration anew.
    pub const HUP: Self = Self(libc::SIGHUP);
    /// What the program makes of it.
    pub const USR1: Self = Self(libc::SIGUSR1);
    /// What the program makes of it.
    pub const USR2: Self = Self(libc::SIGUSR2);
    /// What some servers take for a graceful stop.
    pub const WINCH: Self = Self(libc::SIGWINCH);

    /// The signal with this name or number, if there is one.
    ///
    /// ```
    /// use supervisor_process::Signal;
    /// assert_eq!(Signal::parse("sigterm"), Some(Signal::TERM));
    /// assert_eq!(Signal::parse("2"), Some(Signal::INT));
    /// assert_eq!(Signal::parse("TREM"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.trim().to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(&(_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Some(Self(number));
        }
        let number = name.parse().ok()?;
        rustix::process::Signal::from_named_raw(number).map(|_| Self(number))
    }

    /// The names that [`Signal::parse`] knows, without `SIG`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// The signal's number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => write!(f, "SIG{name}"),
            None => write!(f, "signal {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_from_what_is_shown() {
        for name in Signal::names() {
            let signal = Signal::parse(name).unwrap();
            assert_eq!(Signal::parse(&signal.to_string()), Some(signal));
            assert_eq!(Signal::parse(&signal.number().to_string()), Some(signal));
        }
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in ["", "SIG", "TREM", "0", "-9", "65", "999", "9x", "SIG SIG"] {
            assert_eq!(Signal::parse(text), None, "{text:?}");
        }
    }
}
