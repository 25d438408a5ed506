//! What a child lets nobody do with it, whoever asks (`security.md` 14).
//!
//! The machine holds to the same `command_permissions`. They are looked at here as well, before anything else about the
//! caller, because what is not allowed is a denial: it is no intent, and it costs its user no mutation.

use supervisor_api::manifest::{SignalWord, StopSignal};
use supervisor_api::policy::Permissions;
use supervisor_api::wire::{Command, CommandTarget, ErrorCode, WireError};
use tokio_supervisor::{ChildView, SupervisorHandle};

/// Whether the child that a command is about allows it. One that nobody knows forbids nothing: the tree says that.
pub(crate) fn check(
    handle: &SupervisorHandle,
    command: Command,
    target: &CommandTarget,
    signal: Option<&str>,
) -> Result<(), WireError> {
    let Some(child) = target.child_path.as_deref().filter(|_| is_limited(command)) else {
        return Ok(());
    };
    let Ok(child) = handle.child(child) else { return Ok(()) };
    match objection(command, signal, &child) {
        Some(objection) => {
            let message = format!("{} {objection}", child.state.child_path);
            Err(WireError::new(ErrorCode::AuthzDenied, message))
        }
        None => Ok(()),
    }
}

const fn is_limited(command: Command) -> bool {
    match command {
        Command::RestartChild
        | Command::PauseChild
        | Command::QuarantineChild
        | Command::RemoveChild
        | Command::SignalChild => true,
        Command::ResumeChild
        | Command::AddChild
        | Command::ShutdownTree
        | Command::Apply
        | Command::Reload => false,
    }
}

/// Why a child with these permissions does not allow it, and what would.
fn objection(command: Command, signal: Option<&str>, child: &ChildView) -> Option<String> {
    let has = child.permissions;
    let (is_allowed, key) = match command {
        Command::RestartChild => (has.allow_restart, "allow_restart"),
        Command::SignalChild => {
            // A word that names no signal is refused for that, when it is read, and so is a reload that there is not.
            let signal = match SignalWord::parse(signal?)? {
                SignalWord::Signal(signal) => Some(signal),
                SignalWord::Reload => child.reload_signal,
            };
            return signal.filter(|signal| !has.signals.has(*signal)).map(|signal| forbids(signal, has));
        }
        _ => (has.allow_shutdown, "allow_shutdown"),
    };
    (!is_allowed).then(|| {
        format!("does not allow {command}; to allow it, set `{key}: true` in its `command_permissions`")
    })
}

fn forbids(signal: StopSignal, has: Permissions) -> String {
    let allowed = StopSignal::ALL.iter().filter(|signal| has.signals.has(**signal));
    let allowed: Vec<_> = allowed.map(|signal| signal.as_str()).collect();
    let instead = if allowed.is_empty() { "no signal".to_owned() } else { allowed.join(", ") };
    format!(
        "does not allow {signal}, but {instead}; to allow it, add it to `allowed_signals` in its `command_permissions`"
    )
}
