//! What runs before a program is started, and after it has ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::Seconds;

/// A program that runs beside another: its words, or a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a program and its arguments, or a mapping with `command`")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HookManifest {
    /// The program and its arguments.
    Command(Vec<String>),
    /// The same, with its time.
    Said(HookEntry),
}

/// A program that runs beside another, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HookEntry {
    /// The program and its arguments, one item each. No shell is involved.
    pub command: Vec<String>,
    /// How long it may take; then it is killed. Default: 30 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<Seconds>,
}

impl HookManifest {
    /// How long a hook may take about which nothing is said.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

    /// The program and its arguments.
    pub fn command(&self) -> &[String] {
        match self {
            Self::Command(command) | Self::Said(HookEntry { command, .. }) => command,
        }
    }

    /// How long it may take.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Command(_) => Self::DEFAULT_TIMEOUT,
            Self::Said(entry) => entry.timeout_secs.map_or(Self::DEFAULT_TIMEOUT, Seconds::duration),
        }
    }

    /// What is wrong with it, as a sentence about `key`.
    pub(super) fn problem(&self, key: &str) -> Option<String> {
        let command = self.command();
        if command.first().is_none_or(String::is_empty) {
            return Some(format!("the command of `{key}` is empty; its first item is the program"));
        }
        let nul = command.iter().any(|item| item.contains('\0'));
        nul.then(|| format!("an item of `{key}` has a NUL character, which no program can be given"))
    }
}
