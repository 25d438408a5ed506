//! What only a program of the operating system needs, and what any child can be given.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::hidden::Hidden;
use crate::life::words;

words! {
    /// A signal for a program. The short form (`TERM`) is read too.
    StopSignal {
        /// Terminate: the usual request.
        #[serde(alias = "TERM")]
        Term = "SIGTERM",
        /// Interrupt, as Ctrl-C sends it.
        #[serde(alias = "INT")]
        Int = "SIGINT",
        /// Quit, often with a core file.
        #[serde(alias = "QUIT")]
        Quit = "SIGQUIT",
        /// Hang up.
        #[serde(alias = "HUP")]
        Hup = "SIGHUP",
        /// What the program makes of it.
        #[serde(alias = "USR1")]
        Usr1 = "SIGUSR1",
        /// What the program makes of it.
        #[serde(alias = "USR2")]
        Usr2 = "SIGUSR2",
        /// What some servers take for a graceful stop.
        #[serde(alias = "WINCH")]
        Winch = "SIGWINCH",
        /// Kill: the program cannot clean up.
        #[serde(alias = "KILL")]
        Kill = "SIGKILL",
    }
}

impl StopSignal {
    /// The signal that a text names, with or without `SIG`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.trim().to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::ALL.iter().copied().find(|signal| signal.as_str().strip_prefix("SIG") == Some(name))
    }
}

/// What an operator sends to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalWord {
    /// A signal, to all of its processes.
    Signal(StopSignal),
    /// The signal at which the program reads its configuration again, to it alone: its `reload_signal`.
    Reload,
}

impl SignalWord {
    /// The word that is no signal.
    pub const RELOAD: &'static str = "RELOAD";

    /// What a text names: a signal as [`StopSignal::parse`] reads it, or `RELOAD` in any case.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim().eq_ignore_ascii_case(Self::RELOAD) {
            return Some(Self::Reload);
        }
        StopSignal::parse(text).map(Self::Signal)
    }

    /// The word, as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signal(signal) => signal.as_str(),
            Self::Reload => Self::RELOAD,
        }
    }
}

/// Limits of a program, or of a task. The kernel holds each process of a program to them, but for `max_memory_mb`,
/// `max_cpu_percent`, `high_memory_mb` and `max_processes`, which are for all of them together: the kernel holds a program to
/// these in a cgroup, and elsewhere they are watched. Of a task polls are timed against `max_cpu_percent`; nothing holds it
/// to the others, and its `diagnostics` have them as `unenforced`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceLimits {
    /// The most files and sockets it may have open at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_file_descriptors: Option<NonZeroU32>,
    /// The most memory that its processes may have in use together, in MiB. It is measured every two seconds: above it
    /// twice in a row, the program is unhealthy and is stopped for it. In a cgroup the kernel enforces this instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory_mb: Option<NonZeroU32>,
    /// The most CPU that its processes may use together, in percent of one core: 150 is one and a half cores. It is
    /// measured every two seconds: above it five times in a row, about ten seconds, the program is unhealthy and is
    /// stopped for it. In a cgroup the kernel enforces this instead. Of an `async_worker` it is the share of a worker's time that
    /// its polls take, which is at most 100; tasks that it spawns are not part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cpu_percent: Option<NonZeroU32>,
    /// The memory, in MiB, above which the kernel slows the processes of the program down and takes memory back from them.
    /// Only in a cgroup; elsewhere it is `unenforced`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high_memory_mb: Option<NonZeroU32>,
    /// The most processes and threads that it may have together. In a cgroup the kernel refuses it more. Elsewhere they are
    /// counted every two seconds: above it twice in a row, the program is unhealthy and is stopped for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_processes: Option<NonZeroU32>,
    /// The largest core file of one of its processes, in MiB; 0 means none is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_core_mb: Option<u32>,
    /// The most processes and threads that its user may have when it starts another one, those of other programs of
    /// this user included. The kernel does not hold root to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_user_processes: Option<NonZeroU32>,
    /// The largest file it may write, in MiB. One of its processes that writes more gets SIGXFSZ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_file_size_mb: Option<NonZeroU32>,
    /// The most address space that each of its processes may have, in MiB. More is refused to it. Much of it may be
    /// reserved and never used, so this is more than the memory it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_address_space_mb: Option<NonZeroU32>,
    /// The largest stack that each of its processes may have, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_stack_mb: Option<NonZeroU32>,
    /// How many seconds of CPU each of its processes may use up. Then the process gets SIGXCPU, and SIGKILL a second
    /// of CPU later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cpu_secs: Option<NonZeroU32>,
    /// The most memory that each of its processes may lock against being swapped out, in MiB. The kernel does not hold
    /// root to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_locked_memory_mb: Option<u32>,
}

impl ResourceLimits {
    /// The key of the limit that tasks can be held to, as [`Self::said`] calls it.
    pub const CPU: &'static str = "resource_limits.max_cpu_percent";

    /// The limits that are said, by their keys.
    pub fn said(&self) -> impl Iterator<Item = &'static str> {
        let said = [
            ("resource_limits.max_file_descriptors", self.max_file_descriptors.is_some()),
            ("resource_limits.max_memory_mb", self.max_memory_mb.is_some()),
            (Self::CPU, self.max_cpu_percent.is_some()),
            ("resource_limits.high_memory_mb", self.high_memory_mb.is_some()),
            ("resource_limits.max_processes", self.max_processes.is_some()),
            ("resource_limits.max_core_mb", self.max_core_mb.is_some()),
            ("resource_limits.max_user_processes", self.max_user_processes.is_some()),
            ("resource_limits.max_file_size_mb", self.max_file_size_mb.is_some()),
            ("resource_limits.max_address_space_mb", self.max_address_space_mb.is_some()),
            ("resource_limits.max_stack_mb", self.max_stack_mb.is_some()),
            ("resource_limits.max_cpu_secs", self.max_cpu_secs.is_some()),
            ("resource_limits.max_locked_memory_mb", self.max_locked_memory_mb.is_some()),
        ];
        said.into_iter().filter(|(_, said)| *said).map(|(key, _)| key)
    }
}

/// One variable: a name with a value, or with a reference to a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EnvironmentEntry {
    /// The variable.
    pub name: String,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// A secret instead of a value, as `${NAME}`: the entry NAME of this child's `secrets`, or, if
    /// there is none, the secret with the key NAME. Absent, the child does not start, or, when that entry is not
    /// required, does without the variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
}

/// That there is a value, and not what it is: it may be secret.
impl fmt::Debug for EnvironmentEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, secret_ref } = self;
        let mut shown = f.debug_struct("EnvironmentEntry");
        shown.field("name", name).field("value", &Hidden::some(value));
        shown.field("secret_ref", secret_ref).finish()
    }
}

/// One secret: the name the child reads it by, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SecretEntry {
    /// The name the child reads it by.
    pub name: String,
    /// As what it is looked for where `secrets_from` says. Default of that: in the variable of this name of the supervisor's
    /// own environment.
    pub key: String,
    /// Whether the child may not start without it. Default: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Signals;

    #[test]
    fn a_signal_is_named_in_every_usual_way_and_nothing_else_is_one() {
        for &signal in StopSignal::ALL {
            let long = signal.as_str();
            for text in [long, &long[3..], &long.to_lowercase(), &format!(" {} ", long[3..].to_lowercase())] {
                assert_eq!(StopSignal::parse(text), Some(signal), "{text:?}");
            }
        }
        for text in ["", "SIG", "TREM", "9", "SIGSIGTERM"] {
            assert_eq!(StopSignal::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_an_operator_sends_is_a_signal_or_a_reload() {
        assert_eq!(SignalWord::parse("hup"), Some(SignalWord::Signal(StopSignal::Hup)));
        for text in ["RELOAD", " reload "] {
            assert_eq!(SignalWord::parse(text), Some(SignalWord::Reload), "{text:?}");
        }
        for word in [SignalWord::Reload, SignalWord::Signal(StopSignal::Usr2)] {
            assert_eq!(SignalWord::parse(word.as_str()), Some(word));
        }
        assert_eq!(SignalWord::parse("SIGRELOAD"), None);
    }

    #[test]
    fn every_limit_that_is_said_is_named() {
        let keys = |limits: &ResourceLimits| -> Vec<String> {
            let text = serde_json::to_value(limits).unwrap();
            text.as_object().unwrap().keys().map(|key| format!("resource_limits.{key}")).collect()
        };
        let one = NonZeroU32::new(1);
        let all = ResourceLimits {
            max_file_descriptors: one,
            max_memory_mb: one,
            max_cpu_percent: one,
            high_memory_mb: one,
            max_processes: one,
            max_core_mb: Some(1),
            max_user_processes: one,
            max_file_size_mb: one,
            max_address_space_mb: one,
            max_stack_mb: one,
            max_cpu_secs: one,
            max_locked_memory_mb: Some(1),
        };
        let (mut said, mut expected) = (all.said().map(str::to_owned).collect::<Vec<_>>(), keys(&all));
        said.sort();
        expected.sort();
        assert_eq!(said, expected);
        assert_eq!(ResourceLimits::default().said().count(), 0);
        let cpu = ResourceLimits { max_cpu_percent: one, ..ResourceLimits::default() };
        assert_eq!(cpu.said().collect::<Vec<_>>(), [ResourceLimits::CPU]);
    }

    #[test]
    fn a_set_of_signals_has_what_was_put_into_it() {
        let set = Signals::of([StopSignal::Hup, StopSignal::Kill]);
        for &signal in StopSignal::ALL {
            assert_eq!(set.has(signal), matches!(signal, StopSignal::Hup | StopSignal::Kill), "{signal}");
            assert!(Signals::ALL.has(signal) && !Signals::NONE.has(signal));
        }
    }
}
