//! What went wrong, and the exit code.

use std::time::Duration;

use serde_json::json;
use supervisor_api::wire::{ErrorCode, WireError, plain};
use supervisor_client::{CallError, ConnectError, is_denial};

use super::screen::Screen;
use crate::exit::Exit;
use crate::print;

/// The longest message that is shown.
const SHOWN: usize = 4_096;

const LOST: &str = "connection_lost";

/// Why a verb did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Fault {
    exit: Exit,
    /// The word for programs: the target's, or `usage`, `no_target`, `timed_out`, `connection_lost`.
    code: String,
    message: String,
    /// What the target said, if it did.
    error: Option<Box<WireError>>,
}

impl Fault {
    fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self { exit, code: code.to_owned(), message: message.into(), error: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    pub(super) fn no_target(message: impl Into<String>) -> Self {
        Self::new(Exit::NoTarget, "no_target", message)
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "failed", message)
    }

    pub(crate) fn late(after: Duration) -> Self {
        let message =
            format!("nothing came to an end within {} s; give more with `--timeout`", after.as_secs_f32());
        Self::new(Exit::TimedOut, "timed_out", message)
    }

    /// The same fault with what else is to be known.
    pub(super) fn with(mut self, more: &str) -> Self {
        self.message = format!("{}; {more}", self.message);
        self
    }

    /// Whether the target has answered with this code.
    pub(super) fn is(&self, code: ErrorCode) -> bool {
        self.error.as_ref().is_some_and(|error| error.code.is(code))
    }

    /// The same, said in other words to people.
    pub(super) fn in_words(self, message: String) -> Self {
        Self { message, ..self }
    }

    /// Whether the connection broke, so that it is not known how it went.
    pub(super) fn is_lost(&self) -> bool {
        self.code == LOST
    }

    pub(super) fn is_late(&self) -> bool {
        self.exit == Exit::TimedOut
    }

    /// The message for people, with the target's code if it said one. It may have several lines.
    pub(crate) fn words(&self) -> String {
        let message: Vec<_> = self.message.lines().map(|line| plain(line, SHOWN)).collect();
        let told = if self.error.is_some() { format!("{}: ", plain(&self.code, 64)) } else { String::new() };
        told + &message.join("\n")
    }

    /// Says it on standard error, and for programs on standard output too.
    pub(crate) fn tell(&self, screen: &Screen) -> Exit {
        print::err(&format!("supervisor: {}\n", self.words()));
        if screen.is_json() {
            let mut error = json!({"code": self.code, "message": self.message});
            if let Some(wire) = &self.error {
                error = json!(wire);
            }
            screen.json(&json!({"type": "error", "exit_code": self.exit.code(), "error": error}));
        }
        self.exit
    }
}

impl From<WireError> for Fault {
    fn from(error: WireError) -> Self {
        let exit = match error.code.known() {
            _ if is_denial(&error) => Exit::NotPermitted,
            Some(ErrorCode::CommandTimeout) => Exit::TimedOut,
            _ => Exit::Failed,
        };
        let code = error.code.as_str().to_owned();
        // A message is one line on the wire; where it quotes lines, people see them.
        let message = error.message.replace("\\u{a}", "\n");
        Self { exit, code, message, error: Some(Box::new(error)) }
    }
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        match error.wire() {
            Some(wire) => wire.clone().into(),
            None if error.is_timeout() => Self::new(Exit::TimedOut, "timed_out", error.to_string()),
            None => Self::new(Exit::Failed, LOST, error.to_string()),
        }
    }
}

impl From<ConnectError> for Fault {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Call(error) => error.into(),
            error if error.is_denied() => Self::new(Exit::NotPermitted, "not_permitted", error.to_string()),
            error if error.is_timeout() => Self::new(Exit::TimedOut, "timed_out", error.to_string()),
            error if error.is_absent() => Self::no_target(error.to_string()),
            error => Self::failed(error.to_string()),
        }
    }
}
