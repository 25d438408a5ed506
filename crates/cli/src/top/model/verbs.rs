//! Every command: its key, what is asked before it, and why it cannot be given now.

use supervisor_api::Lifecycle;
use supervisor_api::manifest::Kind;
use supervisor_api::wire::{Command, Method, Node, RuntimeRow};
use supervisor_client::Hello;

/// What is asked before a command is sent, beside a file or a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grade {
    /// Nothing: it can do no harm.
    Nothing,
    /// A reason.
    Reason,
    /// A reason, a list of what it will affect, and a yes.
    Yes,
    /// A reason, a list of what it will affect, and the name typed again.
    Typed,
}

/// A command that has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verb {
    pub(crate) command: Command,
    pub(crate) key: char,
    /// As the list of commands says it.
    pub(crate) title: &'static str,
    /// What it does, for the question before it.
    pub(crate) effect: &'static str,
    admin: bool,
}

const fn verb(command: Command, key: char, title: &'static str, effect: &'static str, admin: bool) -> Verb {
    Verb { command, key, title, effect, admin }
}

/// In the order in which they are listed.
pub(crate) const VERBS: &[Verb] = &[
    verb(
        Command::RestartChild,
        'R',
        "Restart",
        "It is stopped if it runs, then started. This costs nothing of its budget and clears its streak of failures.",
        false,
    ),
    verb(
        Command::PauseChild,
        'P',
        "Pause",
        "It is stopped and held. Nothing starts it until somebody resumes or restarts it.",
        false,
    ),
    verb(Command::ResumeChild, 'U', "Resume", "It is started again.", false),
    verb(
        Command::QuarantineChild,
        'Q',
        "Quarantine",
        "It is stopped and parked. Nothing starts it until somebody resumes or restarts it.",
        false,
    ),
    verb(
        Command::SignalChild,
        'S',
        "Signal",
        "All processes of the program get it; RELOAD is the program's own signal for that, and for it alone.",
        false,
    ),
    verb(
        Command::RemoveChild,
        'D',
        "Remove",
        "It is stopped and deleted from the tree. Only adding it anew brings it back.",
        true,
    ),
    verb(Command::AddChild, 'A', "Add child", "A new child is added and started.", true),
    verb(
        Command::Reload,
        'L',
        "Reload",
        "The file that the stack was started with is read again, and what it changes is done.",
        true,
    ),
    verb(
        Command::Apply,
        'F',
        "Apply file",
        "The stack becomes what the file says. If somebody does not come up it goes back.",
        true,
    ),
    verb(Command::ShutdownTree, 'X', "Shut down", "Every child is stopped, and the target ends.", true),
];

/// The reason that is sent with a resume, which asks for none.
pub(crate) const RESUME_REASON: &str = "resumed from supervisor top";

impl Verb {
    pub(crate) fn of(command: Command) -> Option<Self> {
        VERBS.iter().copied().find(|verb| verb.command == command)
    }

    pub(crate) fn with_key(key: char) -> Option<Self> {
        VERBS.iter().copied().find(|verb| verb.key == key)
    }

    /// Whether it is about the whole tree.
    pub(crate) const fn is_of_tree(self) -> bool {
        matches!(self.command, Command::Reload | Command::Apply | Command::ShutdownTree)
    }

    /// Whether what it does is read from a file that is asked for.
    pub(crate) const fn needs_file(self) -> bool {
        matches!(self.command, Command::AddChild | Command::Apply)
    }

    /// What is asked before it; `below`: how many are below the child.
    pub(crate) fn grade(self, below: usize) -> Grade {
        match self.command {
            Command::ResumeChild => Grade::Nothing,
            Command::RemoveChild | Command::ShutdownTree => Grade::Typed,
            command if command.needs_confirmation() => Grade::Yes,
            command if command.verb().is_some() && below > 0 => Grade::Yes,
            _ => Grade::Reason,
        }
    }

    /// Why it cannot be given; `None`: it can.
    pub(crate) fn refusal(self, asking: &Asking<'_>) -> Option<String> {
        self.forbidden(asking).or_else(|| self.unfit(asking).map(str::to_owned))
    }

    fn forbidden(self, asking: &Asking<'_>) -> Option<String> {
        if !asking.live {
            return Some("Not live: nothing can be sent now.".to_owned());
        }
        let who = asking.who;
        let name = Method::Command(self.command).to_string();
        if !Command::CONTRACT.contains(&self.command) && !who.capabilities.contains(&name) {
            return Some("This target does not take this command.".to_owned());
        }
        // A target that does not say decides alone.
        let role = who.role.as_deref()?;
        let needed = if self.admin { "admin" } else { "operator" };
        let enough = role == "admin" || role == needed;
        (!enough).then(|| format!("Needs the role {needed}; you are {role}."))
    }

    fn unfit(self, asking: &Asking<'_>) -> Option<&'static str> {
        use Lifecycle::*;
        let Some(row) = asking.row else { return Some("It is no longer in the tree.") };
        let state = row.lifecycle_state.known();
        if self.is_of_tree() || self.command == Command::AddChild {
            let ends = matches!(state, Some(Stopping | Stopped | Completed | Failed | Removed));
            return ends.then_some("It is stopping or has ended.");
        }
        match (self.command, state) {
            _ if row.child_path.is_root() => Some("The root takes only new children and a shutdown."),
            (_, Some(Removed)) => Some("It is no longer in the tree."),
            (Command::ResumeChild, Some(Paused | Quarantined)) => None,
            (Command::ResumeChild, _) => Some("It is neither paused nor quarantined."),
            (Command::PauseChild, Some(Paused)) => Some("It is paused already."),
            (Command::QuarantineChild, Some(Quarantined)) => Some("It is quarantined already."),
            (Command::SignalChild, _) if !asking.is_program() => Some("Only a program takes signals."),
            (Command::SignalChild, Some(state)) if !state.is_live() => Some("No process of it runs."),
            _ => None,
        }
    }
}

/// What a target said of itself and of us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) role: Option<String>,
    pub(crate) capabilities: Vec<String>,
}

impl From<&Hello> for Who {
    fn from(hello: &Hello) -> Self {
        Self { role: hello.role.clone(), capabilities: hello.capabilities.clone() }
    }
}

/// Who asks, and of whom: the child, the supervisor to add under, or the root for what is about the tree.
pub(crate) struct Asking<'a> {
    pub(crate) live: bool,
    pub(crate) who: &'a Who,
    pub(crate) row: Option<&'a RuntimeRow>,
    pub(crate) node: Option<&'a Node>,
}

impl Asking<'_> {
    fn is_program(&self) -> bool {
        self.node.and_then(|node| node.node_type.as_ref()).is_none_or(|kind| kind.is(Kind::Process))
    }
}

/// The one safe thing to do about a child now; `None` when waiting or looking is all there is.
pub(crate) fn safe_action(row: &RuntimeRow) -> Option<Verb> {
    use Lifecycle::*;
    Verb::of(match row.lifecycle_state.known()? {
        Backoff | Failed | Stopped => Command::RestartChild,
        Quarantined | Paused => Command::ResumeChild,
        _ => return None,
    })
}
