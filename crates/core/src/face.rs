//! The whole border between thought and action.
//!
//! All times are nanoseconds since the machine's start, monotonic (D2).

use std::sync::Arc;

use supervisor_api::command::{ChildControlOutcome, ControlVerb, NotAsPlanned, OtpVerb, Plan};
use supervisor_api::{ChildKey, Event, Exit, Lifecycle, SupervisorError, SupervisorPath};

use crate::resolve::ChildPolicy;
use crate::spec::{ChildDecl, SupervisorDecl};

/// Numbers the driver gives to commands; each gets exactly one [`Effect::Reply`]. 0 means nobody waits.
pub type Ticket = u64;

/// What the machine is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// A run is gone: its future is dropped, what it spawned is joined, its process is reaped (D6).
    Exited {
        /// The child.
        key: ChildKey,
        /// Which run (D5).
        generation: u64,
        /// How it ended.
        exit: Exit,
    },
    /// A run that declined to start is gone (R4).
    Declined {
        /// The child.
        key: ChildKey,
        /// Which run.
        generation: u64,
        /// Why, as the run said.
        reason: Arc<str>,
    },
    /// A run reported ready.
    Ready {
        /// The child.
        key: ChildKey,
        /// Which run.
        generation: u64,
    },
    /// A run kept its promise to report life (D13).
    Beat {
        /// The child.
        key: ChildKey,
        /// Which run.
        generation: u64,
    },
    /// A probe of a run failed (D13); counts as a missed beat.
    Missed {
        /// The child.
        key: ChildKey,
        /// Which run.
        generation: u64,
        /// What failed.
        why: Arc<str>,
    },
    /// A run has failed and says so, or is said to: counts as the last miss that is allowed (D13).
    Unwell {
        /// The child.
        key: ChildKey,
        /// Which run.
        generation: u64,
        /// What failed.
        why: Arc<str>,
    },
    /// The body of an unbound child can be spawned now.
    Bound {
        /// The child.
        key: ChildKey,
    },
    /// The time of a scheduled child has come. One that runs, is about to, or is held, is left as it is.
    Due {
        /// The child.
        key: ChildKey,
    },
    /// Somebody asks for something.
    Command {
        /// The number of the reply.
        ticket: Ticket,
        /// Who asks, and why.
        requester: Requester,
        /// For what.
        command: Command,
    },
    /// The time given with it has come; deadlines that are due are carried out.
    Tick,
    /// The owner is gone: kill everything, wait for nobody (D16).
    HardStop,
}

/// Who asks, and why. Recorded in events; rights never come from it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requester {
    /// Who, as they said.
    pub by: Option<Arc<str>>,
    /// Why.
    pub reason: Option<Arc<str>>,
    /// Their own id of the command; the events it causes repeat it.
    pub command_id: Option<Arc<str>>,
}

/// Which child is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Exactly this one (D5).
    Key(ChildKey),
    /// A path, or an id looked up in the whole tree (`wire.md` 1, "Addressing"). A path is found in
    /// constant time; an id by a pass over all children.
    Text(Arc<str>),
}

/// What can be asked for.
#[derive(Debug, Clone)]
pub enum Command {
    /// The operator's family (D17).
    Control(ControlVerb, Address),
    /// OTP's family (table 1.7).
    Otp(OtpVerb, Address),
    /// Add a child under a supervisor, as an operator (D17). Answered when it is started, or cannot be.
    Add {
        /// The supervisor.
        under: Address,
        /// The child.
        child: Box<ChildDecl>,
    },
    /// Add a child as OTP's `start_child` (R9-R11): not kept when its start fails.
    StartChild {
        /// The supervisor.
        under: Address,
        /// The child.
        child: Box<ChildDecl>,
    },
    /// Replace the root's spec by another, as one operation (D12). Answered when everybody is as it says, or comes
    /// no further for now.
    Apply(Box<SupervisorDecl>),
    /// Stop everything in order, then end (D20). A second one joins the first.
    Shutdown,
    /// Cut every remaining grace to zero (D20: the second signal).
    SkipGraces,
}

/// What the driver has to do.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A child is in the tree. Comes before anything else about it, parents before children.
    Declared {
        /// The child.
        key: ChildKey,
        /// Its supervisor; the root is its own.
        parent: ChildKey,
        /// Its path.
        path: SupervisorPath,
        /// The number in its [`crate::Body`]; `None` for a supervisor.
        body: Option<u32>,
        /// What the machine decides by.
        policy: Arc<ChildPolicy>,
    },
    /// What the machine decides by has changed, without a restart (D12).
    Changed {
        /// The child.
        key: ChildKey,
        /// The number in the new [`crate::Body`]; `None` for a supervisor.
        body: Option<u32>,
        /// The new policy.
        policy: Arc<ChildPolicy>,
    },
    /// Build a run of this child and poll it. Its predecessor is confirmed gone (D6).
    Spawn {
        /// The child.
        key: ChildKey,
        /// The number of the run.
        generation: u64,
        /// Which restart of its streak it is.
        attempt: u32,
    },
    /// Ask the run to stop.
    Stop {
        /// The child.
        key: ChildKey,
        /// How long it has, in nanoseconds; `None` for ever.
        grace: Option<u64>,
    },
    /// Abort or kill the run.
    Kill {
        /// The child.
        key: ChildKey,
    },
    /// Publish this event, and with it the child's row.
    Emit(Event),
    /// Answer a command.
    Reply {
        /// Which.
        ticket: Ticket,
        /// With what.
        result: Result<Reply, SupervisorError>,
    },
    /// The child is no longer in the tree and has no run; its body can be dropped.
    Forget {
        /// The child.
        key: ChildKey,
    },
    /// The initial start of the root is over (D7).
    Started,
    /// The tree has ended. Nothing follows but late exits of unresponsive runs.
    Done(End),
}

/// The answer to a command that was not refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The child is in the tree; it is started unless it declined, waits, or is unbound.
    Added {
        /// The child.
        key: ChildKey,
        /// Its path.
        path: SupervisorPath,
        /// Its state.
        state: Lifecycle,
        /// The number of its run.
        generation: u64,
    },
    /// What a command on a child did.
    Control(ChildControlOutcome),
    /// The spec was applied: whoever was to be started or removed is, or is named.
    Applied(Box<Applied>),
    /// Every child is gone or named as unresponsive.
    Shutdown,
    /// The graces were cut.
    GracesSkipped,
}

/// What an applied spec came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What it changed.
    pub plan: Plan,
    /// Who is not as it says.
    pub not_as_planned: Vec<NotAsPlanned>,
}

/// How the tree ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was asked to.
    Shutdown {
        /// Why, as was said.
        reason: Arc<str>,
    },
    /// Nothing was left to run (D20).
    AllDone {
        /// A child that ended badly, if any did.
        failed: Option<SupervisorPath>,
    },
    /// A significant child ended (R77).
    AutoShutdown {
        /// Which.
        child: SupervisorPath,
    },
    /// The initial start failed and was unwound (R2).
    StartFailed {
        /// The child that failed.
        path: SupervisorPath,
        /// How.
        exit: Exit,
    },
    /// It gave up: the chain of causes, first cause first.
    GaveUp {
        /// Each line names a path and what happened there.
        chain: Vec<Arc<str>>,
    },
    /// Its owner went away (D16).
    Dropped,
}
