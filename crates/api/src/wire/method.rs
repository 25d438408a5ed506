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

words! {
    /// Lines that are there already.
    KeptLogs {
        /// All that are kept of each child.
        All = "all",
        /// Those of the run before the newest one of each child.
        PreviousRun = "previous_run",
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

/// A method as the page of the protocol tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodSpec {
    /// The method.
    pub method: Method,
    /// The name on the wire.
    pub name: &'static str,
    /// The type of its params in the schema of the wire; empty when they are not looked at.
    pub params: &'static str,
    /// The word under `type` in its result.
    pub result: &'static str,
    /// Whether every target of the protocol has it. Of the others `capabilities` in the answer to `hello` says which
    /// there are.
    pub contract: bool,
    /// What it is for, as a sentence.
    pub meaning: &'static str,
}

macro_rules! methods {
    ($($name:literal $method:expr, $params:literal => $result:literal, $contract:literal, $meaning:literal;)+) => {
        &[$(MethodSpec {
            method: $method,
            name: $name,
            params: $params,
            result: $result,
            contract: $contract,
            meaning: $meaning,
        }),+]
    };
}

use Command as C;
use Method as M;

const TABLE: &[MethodSpec] = methods! {
    "hello" M::Hello, "" => "hello", true, "Who is there, and what it can do. Always answers.";
    "state" M::State, "StateParams" => "state", true, "The state of the tree, whole or in pages. Also read as `current_state`.";
    "events.subscribe" M::Subscribe(Stream::Events), "SubscribeParams" => "subscription", true, "Pushes events and changes of the state from now on, or from a sequence on.";
    "logs.tail" M::Subscribe(Stream::Logs), "SubscribeParams" => "subscription", true, "Pushes lines of the logs from now on, or from a sequence on.";
    "command.restart_child" M::Command(C::RestartChild), "ControlCommandRequest" => "command_result", true, "Stops the child if it runs, then starts it. Not charged to any budget.";
    "command.pause_child" M::Command(C::PauseChild), "ControlCommandRequest" => "command_result", true, "Stops the child and holds it until it is resumed.";
    "command.resume_child" M::Command(C::ResumeChild), "ControlCommandRequest" => "command_result", true, "Lets a paused or quarantined child go on.";
    "command.quarantine_child" M::Command(C::QuarantineChild), "ControlCommandRequest" => "command_result", true, "Stops the child and parks it until it is resumed, with a clean budget then.";
    "command.remove_child" M::Command(C::RemoveChild), "ControlCommandRequest" => "command_result", true, "Stops the child and deletes it.";
    "command.add_child" M::Command(C::AddChild), "ControlCommandRequest" => "command_result", true, "Adds a child under a supervisor and starts it.";
    "command.shutdown_tree" M::Command(C::ShutdownTree), "ControlCommandRequest" => "command_result", true, "Stops everything and ends.";
    "why" M::Why, "WhyParams" => "why", false, "Why a child is as it is: a sentence, and the events that led to it.";
    "what_if" M::WhatIf, "WhatIfParams" => "what_if", false, "What a command would affect. Changes nothing.";
    "plan" M::Plan, "PlanParams" => "plan", false, "What a stack text would change. Changes nothing.";
    "command.apply" M::Command(C::Apply), "ControlCommandRequest" => "command_result", false, "Makes the tree be as a stack text says.";
    "command.reload" M::Command(C::Reload), "ControlCommandRequest" => "command_result", false, "Applies the file that the run was started with.";
    "command.signal_child" M::Command(C::SignalChild), "ControlCommandRequest" => "command_result", false, "Sends a signal to a program.";
};

/// What others call a method; read and never written.
const ALIASES: &[(&str, Method)] = &[("current_state", Method::State)];

impl Method {
    /// Every method.
    pub const TABLE: &'static [MethodSpec] = TABLE;

    /// The method with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let known = TABLE.iter().map(|spec| (spec.name, spec.method));
        known.chain(ALIASES.iter().copied()).find(|(known, _)| *known == name).map(|(_, method)| method)
    }

    /// What is said of it in the table.
    pub fn spec(self) -> Option<&'static MethodSpec> {
        TABLE.iter().find(|spec| spec.method == self)
    }

    /// The names most like one that does not exist.
    pub(super) fn nearest(name: &str) -> Vec<String> {
        let aliases = ALIASES.iter().map(|(name, _)| *name);
        nearest(name, TABLE.iter().map(|spec| spec.name).chain(aliases))
    }
}

impl fmt::Display for Method {
    /// The name on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spec().map_or("", |spec| spec.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_reads_back_from_its_name() {
        for spec in TABLE {
            assert_eq!(Method::from_name(spec.name), Some(spec.method));
            assert_eq!(spec.method.to_string(), spec.name);
            assert_eq!(TABLE.iter().filter(|other| other.name == spec.name).count(), 1, "{}", spec.name);
        }
        assert_eq!(Method::from_name("current_state"), Some(Method::State));
        assert_eq!(Method::State.to_string(), "state");
        assert_eq!(Method::from_name("restart_child"), None);
        assert_eq!(Method::nearest("command.restart_chlid")[0], "command.restart_child");
    }

    #[test]
    fn every_command_and_every_stream_is_a_method_and_the_contract_has_its_commands() {
        for command in Command::ALL {
            let spec = Method::Command(*command).spec().unwrap();
            assert_eq!(spec.name, format!("command.{command}"));
            assert_eq!(spec.contract, Command::CONTRACT.contains(command), "{command}");
        }
        assert!(Stream::ALL.iter().all(|stream| Method::Subscribe(*stream).spec().is_some()));
    }
}
