//! What can be asked of a target.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::command::Command;
use crate::life::words;
use crate::nearest;

words! {
    /// What can be subscribed to.
    Stream {
        /// Decisions of the tree.
        Events = "events",
        /// Lines that children logged.
        Logs = "logs",
    }
}

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Who is there, and what it can do. Always answers.
    Hello,
    /// The state of the tree. Also read as `current_state`.
    State,
    /// Events from now on, or from a sequence on: `events.subscribe`, `logs.tail`.
    Subscribe(Stream),
    /// Why a child is as it is.
    Why,
    /// What a command would affect.
    WhatIf,
    /// What a stack text would change.
    Plan,
    /// A command: `command.` and its word.
    Command(Command),
}

/// Every name but those of the commands, which follow from [`Command::ALL`].
const NAMES: &[(&str, Method)] = &[
    ("hello", Method::Hello),
    ("state", Method::State),
    ("events.subscribe", Method::Subscribe(Stream::Events)),
    ("logs.tail", Method::Subscribe(Stream::Logs)),
    ("why", Method::Why),
    ("what_if", Method::WhatIf),
    ("plan", Method::Plan),
    // Last, so that it is read and never written.
    ("current_state", Method::State),
];

const COMMAND: &str = "command.";

impl Method {
    /// The method with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(word) = name.strip_prefix(COMMAND) {
            return Command::from_word(word).map(Self::Command);
        }
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, method)| *method)
    }

    /// The names most like one that does not exist.
    pub(super) fn nearest(name: &str) -> Vec<String> {
        let commands: Vec<_> =
            Command::ALL.iter().map(|command| Self::Command(*command).to_string()).collect();
        let names = NAMES.iter().map(|(name, _)| *name);
        nearest(name, names.chain(commands.iter().map(String::as_str)))
    }
}

impl fmt::Display for Method {
    /// The name on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "{COMMAND}{command}"),
            other => {
                f.write_str(NAMES.iter().find(|(_, method)| method == other).map_or("", |(name, _)| name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_reads_back_from_its_name() {
        let commands = Command::ALL.iter().map(|command| Method::Command(*command));
        for method in NAMES.iter().map(|(_, method)| *method).chain(commands) {
            assert_eq!(Method::from_name(&method.to_string()), Some(method));
        }
        assert_eq!(Method::from_name("current_state"), Some(Method::State));
        assert_eq!(Method::from_name("restart_child"), None);
        assert_eq!(Method::nearest("command.restart_chlid")[0], "command.restart_child");
    }
}
