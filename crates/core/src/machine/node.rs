//! What the machine remembers of each child and of each supervisor.

use std::sync::Arc;

use supervisor_api::{Cause, ChildKey, Exit, Health, Lifecycle, Readiness, Row, SupervisorPath};

use super::budget::Charges;
use super::timers::NEVER;
use crate::face::{End, Requester};
use crate::resolve::{ChildPolicy, Context};

/// "No child", "no supervisor", "end of the list".
pub(crate) const NONE: u32 = u32::MAX;

/// The life of a child: one state, with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Declared,
    /// `after_failure`: it would be in `restarting` if it had nobody to wait for (D17).
    Waiting {
        after_failure: bool,
    },
    Starting,
    Running,
    /// `at_once`: the delay is zero and the start needs no further turn.
    Backoff {
        due: u64,
        at_once: bool,
    },
    Stopping {
        then: Then,
        step: Step,
    },
    Stopped,
    Completed,
    Failed,
    Paused,
    Quarantined,
    /// It did not end when it was killed. What the plan wanted is done when it is gone (D8).
    Unresponsive {
        then: Then,
    },
    Removed,
}

/// How far a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Asked; the grace runs.
    Asked,
    /// Killed, without having been asked when `brutal`; `abort_wait` runs.
    Killed { brutal: bool },
}

/// What happens to a stopping child when it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It stays, stopped (OTP's terminate).
    Rest,
    /// It is started again, uncharged.
    Start,
    /// It starts with its group.
    Group,
    /// Its supervisor is ending.
    Teardown,
    /// It waits for the sibling that took it down (D11).
    WaitDependency,
    /// It stays, stopped, until its primary starts (D15).
    WithPrimary,
    Pause,
    Quarantine,
    Remove,
    /// It was stopped because it is unhealthy: a failure.
    Unhealthy,
    /// It was stopped because it did not start in time: a start failure.
    TimedOut,
    /// A supervisor that ends by itself; its `Ending` says why.
    Itself,
}

impl Then {
    /// Whether it stays down, or goes, because somebody wants that: a command, or a new spec. No plan of its
    /// supervisor changes it. (A restart by command is not among these: a group that takes the child restarts it too.)
    pub(crate) fn is_commanded(self) -> bool {
        matches!(self, Self::Rest | Self::Pause | Self::Quarantine | Self::Remove)
    }
}

impl Life {
    pub(crate) fn lifecycle(self) -> Lifecycle {
        match self {
            Self::Declared => Lifecycle::Declared,
            Self::Waiting { .. } => Lifecycle::Waiting,
            Self::Starting => Lifecycle::Starting,
            Self::Running => Lifecycle::Running,
            Self::Backoff { .. } => Lifecycle::Backoff,
            Self::Stopping { .. } => Lifecycle::Stopping,
            Self::Stopped => Lifecycle::Stopped,
            Self::Completed => Lifecycle::Completed,
            Self::Failed => Lifecycle::Failed,
            Self::Paused => Lifecycle::Paused,
            Self::Quarantined => Lifecycle::Quarantined,
            Self::Unresponsive { .. } => Lifecycle::Unresponsive,
            Self::Removed => Lifecycle::Removed,
        }
    }

    pub(crate) fn is_live(self) -> bool {
        self.lifecycle().is_live()
    }

    /// Whether its run was killed and has not ended yet.
    pub(crate) fn is_killed(self) -> bool {
        matches!(self, Self::Stopping { step: Step::Killed { .. }, .. } | Self::Unresponsive { .. })
    }

    /// What is done with it once its run is gone, when it is being stopped.
    pub(crate) fn planned(self) -> Option<Then> {
        match self {
            Self::Stopping { then, .. } | Self::Unresponsive { then } => Some(then),
            _ => None,
        }
    }

    /// Down, and not to come up by itself: its sidecars go down with it (D15).
    pub(crate) fn is_for_good(self) -> bool {
        matches!(self, Self::Paused | Self::Quarantined | Self::Completed | Self::Failed | Self::Removed)
    }

    /// Whether a stop of it would be waited for: it is live, and still expected to answer.
    pub(crate) fn can_be_waited_for(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping { .. })
    }

    /// In OTP's words, `restarting` (D17).
    pub(crate) fn is_restarting(self) -> bool {
        matches!(self, Self::Backoff { .. } | Self::Waiting { after_failure: true })
    }

    /// Whether the initial start of its supervisor still waits for it (D19).
    pub(crate) fn is_unsettled(self) -> bool {
        matches!(self, Self::Declared | Self::Starting | Self::Backoff { .. } | Self::Stopping { .. })
    }

    /// Whether it has no run, and nothing is about to start one.
    pub(crate) fn is_at_rest(self) -> bool {
        matches!(
            self,
            Self::Declared
                | Self::Stopped
                | Self::Completed
                | Self::Failed
                | Self::Paused
                | Self::Quarantined
        )
    }

    /// Whether it counts as active for `all_significant` (R79).
    pub(crate) fn is_active(self) -> bool {
        self.is_live() || (self.is_restarting() && !fault!(restarting_is_not_active))
    }

    /// Whether a stack has something left to do because of it (D20).
    pub(crate) fn is_busy(self) -> bool {
        !matches!(self, Self::Stopped | Self::Completed | Self::Failed | Self::Removed)
    }
}

/// What the first start of a child is, when somebody waits for just that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trial {
    /// Its start is part of a plan.
    No,
    /// `start_child`, and `add_child` under `unwind`: not kept when the start fails (R11).
    Added,
    /// `start_again`: kept, not retried and not charged when the start fails (R68).
    Again,
}

/// Small facts about a child.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flags {
    /// Stands in the spec of its supervisor, so it comes back when that restarts (R48).
    pub(crate) declared: bool,
    /// The driver can spawn it.
    pub(crate) bound: bool,
    /// It was declared unbound, and what it runs was registered later.
    pub(crate) bound_late: bool,
    /// Nothing has to come before it starts; of a scheduled child: its time has come, and the run for it has not begun.
    pub(crate) due: bool,
    /// It rests only until its body is there again, its group starts, or its primary does: nobody asked it to
    /// rest.
    pub(crate) rests_unasked: bool,
    /// The plan under way starts it although it runs once and had that run (D18): it was asked for.
    pub(crate) once_more: bool,
    /// The next start is an automatic restart.
    pub(crate) again: bool,
    /// The next start is a restart after a failure of this child: the streak grows.
    pub(crate) grow: bool,
    /// The streak has ended; the next run is the first of another (D3).
    pub(crate) forgiven: bool,
    /// To be removed as soon as nobody unresponsive lives below it.
    pub(crate) doomed: bool,
    /// Removed, declared, and not back yet because its name is taken.
    pub(crate) overdue: bool,
    /// Its supervisor was restarted automatically, so what is parked below it is let go (R48).
    pub(crate) unpark: bool,
    /// Its supervisor's plan waits until it is gone.
    pub(crate) swept: bool,
    /// OTP's terminate took it out of the start or group restart that is under way: that does not start it, a later
    /// one does (R29, R36).
    pub(crate) left_out: bool,
    /// The plan under way has still to do it: a member of the group that goes down, or not started yet. Counts only
    /// while its supervisor is `reordered`; otherwise its rank says the same.
    pub(crate) ahead: bool,
    /// A new spec restarts it or drops it: it is being stopped for that, or waits in line to be. Whom a spec dropped
    /// has it until it is gone.
    pub(crate) reload: bool,
    /// Somebody waits for an answer about it.
    pub(crate) awaited: bool,
    pub(crate) trial: Trial,
}

/// Whom a child depends on, and who on it. Most children have none.
#[derive(Debug, Default, Clone)]
pub(crate) struct Links {
    /// It starts when these are satisfied, sidecars of its own included.
    pub(crate) depends_on: Vec<u32>,
    /// These wait for it.
    pub(crate) dependants: Vec<u32>,
    /// For a sidecar: whom it belongs to.
    pub(crate) primary: Option<u32>,
    /// Sidecars that belong to it.
    pub(crate) sidecars: Vec<u32>,
}

/// A child.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) path: SupervisorPath,
    pub(crate) policy: Arc<ChildPolicy>,
    pub(crate) links: Option<Box<Links>>,
    /// Charges to a budget of its own; made at the first.
    pub(crate) own_charges: Option<Box<Charges>>,
    /// What its end counts as when it is being stopped as unhealthy, or as not started in time.
    pub(crate) complaint: Option<Box<Exit>>,
    pub(crate) life: Life,
    /// Why it is in the tree; why it was asked to stop, and starts or leaves when it is gone.
    pub(crate) why: Cause,
    pub(crate) generation: u64,
    /// When the present start, run or stop began.
    pub(crate) since: u64,
    /// When the live or last run was spawned, or started once it is.
    pub(crate) ran_since: u64,
    /// The one deadline of its present state, or `NEVER`.
    pub(crate) due: u64,
    /// The earliest entry in the timers for it, or `NEVER`.
    pub(crate) armed: u64,
    /// How long its last stop took.
    pub(crate) took: u64,
    /// The supervisor it is in; the root is in none.
    pub(crate) parent: u32,
    /// The supervisor it is, if it is one.
    pub(crate) supervisor: u32,
    pub(crate) prev: u32,
    pub(crate) next: u32,
    /// Grows along the effective order of its siblings.
    pub(crate) rank: u32,
    pub(crate) epoch: u32,
    pub(crate) attempt: u32,
    pub(crate) restart_count: u32,
    /// The driver's number for what it runs; `NONE` for a supervisor.
    pub(crate) body: u32,
    /// The incarnation of its supervisor in which it was last spawned.
    pub(crate) spawned_in: u32,
    /// The incarnation of its supervisor in which it was last started.
    pub(crate) started_in: u32,
    /// Heartbeats missed in a row.
    pub(crate) misses: u32,
    pub(crate) health: Health,
    pub(crate) readiness: Readiness,
    pub(crate) flags: Flags,
}

impl Node {
    pub(crate) fn new(path: SupervisorPath, policy: Arc<ChildPolicy>, parent: u32, epoch: u32) -> Self {
        let due = !policy.scheduled;
        Self {
            path,
            policy,
            links: None,
            own_charges: None,
            complaint: None,
            life: Life::Declared,
            why: Cause::Start,
            generation: 0,
            since: 0,
            ran_since: 0,
            due: NEVER,
            armed: NEVER,
            took: 0,
            parent,
            supervisor: NONE,
            prev: NONE,
            next: NONE,
            rank: 0,
            epoch,
            attempt: 0,
            restart_count: 0,
            body: NONE,
            spawned_in: 0,
            started_in: 0,
            misses: 0,
            health: Health::Unknown,
            readiness: Readiness::Unreported,
            flags: Flags {
                declared: true,
                bound: true,
                due,
                rests_unasked: false,
                bound_late: false,
                again: false,
                grow: false,
                forgiven: false,
                doomed: false,
                overdue: false,
                unpark: false,
                swept: false,
                left_out: false,
                once_more: false,
                ahead: false,
                reload: false,
                awaited: false,
                trial: Trial::No,
            },
        }
    }

    /// Whether it rests until its time comes, whatever starts its siblings.
    pub(crate) fn awaits_its_time(&self) -> bool {
        self.life.is_at_rest() && !self.flags.due && !fault!(schedule_is_ignored)
    }

    pub(crate) fn row(&self) -> Row {
        Row {
            lifecycle: self.life.lifecycle(),
            health: self.health,
            readiness: self.readiness,
            generation: self.generation,
            attempt: self.attempt,
            restart_count: self.restart_count,
        }
    }

    pub(crate) fn key(&self, index: u32) -> ChildKey {
        ChildKey { index, epoch: self.epoch }
    }

    /// How many restarts the present streak of failures has (D3).
    pub(crate) fn streak(&self) -> u32 {
        if self.flags.forgiven { 0 } else { self.attempt }
    }

    /// Whether it is on its way out of the tree: it goes when its run is gone, or nobody unresponsive lives below it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.flags.doomed || self.life.planned() == Some(Then::Remove)
    }

    /// Whether a new spec has dropped it, and it is not gone yet.
    pub(crate) fn is_dropped(&self) -> bool {
        !self.flags.declared && self.flags.reload
    }

    pub(crate) fn is_supervisor(&self) -> bool {
        self.supervisor != NONE
    }

    pub(crate) fn depends_on(&self) -> &[u32] {
        self.links.as_deref().map_or(&[], |links| &links.depends_on)
    }

    pub(crate) fn dependants(&self) -> &[u32] {
        self.links.as_deref().map_or(&[], |links| &links.dependants)
    }

    pub(crate) fn sidecars(&self) -> &[u32] {
        self.links.as_deref().map_or(&[], |links| &links.sidecars)
    }

    pub(crate) fn primary(&self) -> Option<u32> {
        self.links.as_deref().and_then(|links| links.primary)
    }
}

/// The ordered work a supervisor is in the middle of. It has one at a time.
///
/// ```text
///            ┌──────────────────── a failure under a group strategy ───────────────────┐
///            ▼                                                                         │
///   Idle ─► Up ─► Steady ─► Down(Group) ─► Delay ─► Up ─► Steady                       │
///            │      │           ▲  │                 └────────────────────────────────┘
///            └──────┴───────────┴──┴─► Down(End) ─► Idle
/// ```
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Flow {
    /// Not started, or ended.
    Idle,
    /// Starting children in order; `cursor` is the next, or `begun` and waited for.
    Up { cursor: u32, begun: bool, wave: Wave },
    /// Nothing ordered to do.
    Steady,
    /// Stopping children in reverse order, those of rank `from` and above; `cursor` is the next.
    Down { from: u32, cursor: u32, why: Down },
    /// A group that is down waits for its delay.
    Delay { from: u32, trigger: u32, due: u64 },
}

/// Which children a wave of starts includes, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wave {
    /// All that are in the spec: the supervisor starts.
    Initial,
    /// All of a group that went down because this child failed (R29).
    Group(u32),
    /// Those that were never started: a new spec was applied.
    Added,
}

/// Why children are being stopped in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Down {
    /// To be started again, because this child failed.
    Group { trigger: u32 },
    /// Because the supervisor ends.
    End,
}

/// Why a supervisor ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ending {
    /// Its own supervisor, or an operator, asked it to.
    Asked,
    /// The tree is being shut down (only the root).
    Shutdown(Requester),
    /// It gave up: the chain of causes (R46).
    GaveUp { chain: Vec<Arc<str>>, child: u32 },
    /// A significant child ended (R81).
    Significant { child: u32 },
    /// Nothing was left to run (D20).
    AllDone,
    /// Its initial start failed (R2).
    Unwind { child: u32, path: SupervisorPath, exit: Exit },
}

/// A supervisor.
#[derive(Debug, Clone)]
pub(crate) struct Sup {
    /// The child that it is.
    pub(crate) node: u32,
    pub(crate) context: Arc<Context>,
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) count: u32,
    pub(crate) next_rank: u32,
    pub(crate) flow: Flow,
    pub(crate) ending: Option<Ending>,
    /// Whether the initial start of this incarnation is not over yet.
    pub(crate) initial: bool,
    /// Which incarnation this is, from 1.
    pub(crate) incarnation: u32,
    pub(crate) charges: Charges,
    /// Children that the plan in `flow` waits for.
    pub(crate) pending: u32,
    /// Children that the initial start waits for.
    pub(crate) unsettled: u32,
    /// Children that wait for a sibling.
    pub(crate) waiting: u32,
    /// Significant children that are active (R79).
    pub(crate) significant: u32,
    /// A significant child that ended before the initial start was over.
    pub(crate) ended_early: Option<u32>,
    /// A new spec added children while a wave was under way; another follows for them.
    pub(crate) more_added: bool,
    /// A new spec changed the order under the plan in `flow`: whom that has to do say their flags, and not
    /// their ranks (D12).
    pub(crate) reordered: bool,
    /// The retry of a failed start needs a turn of its own (R32).
    pub(crate) retry: bool,
    /// Killed: nobody below gets a grace (R63).
    pub(crate) hard: bool,
    /// Its flow is on the agenda.
    pub(crate) queued: bool,
    /// Declared children that were removed; they come back with the next incarnation (R48).
    pub(crate) dormant: Vec<u32>,
    /// Stops that are done one after the other: dependants before the child that takes them down.
    pub(crate) line: std::collections::VecDeque<(u32, Then)>,
    /// Children that the line took down, to be started when it is done.
    pub(crate) taken: Vec<u32>,
    /// Wakes of its children that are still on the agenda.
    pub(crate) waking: u32,
    /// The head of the line, once it was asked.
    pub(crate) in_line: u32,
    pub(crate) armed: u64,
}

impl Sup {
    pub(crate) fn new(node: u32, context: Arc<Context>) -> Self {
        Self {
            node,
            context,
            first: NONE,
            last: NONE,
            count: 0,
            next_rank: 0,
            flow: Flow::Idle,
            ending: None,
            initial: false,
            incarnation: 0,
            charges: Charges::default(),
            pending: 0,
            unsettled: 0,
            waiting: 0,
            significant: 0,
            ended_early: None,
            more_added: false,
            reordered: false,
            retry: false,
            hard: false,
            queued: false,
            dormant: Vec::new(),
            line: std::collections::VecDeque::new(),
            taken: Vec::new(),
            waking: 0,
            in_line: NONE,
            armed: NEVER,
        }
    }

    /// Whether it is being stopped, or stops itself.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether it can take children and restart them.
    pub(crate) fn is_up(&self) -> bool {
        self.ending.is_none() && self.flow != Flow::Idle
    }
}

/// Where the machine's own end comes from.
pub(crate) fn end_of(
    ending: Ending,
    path_of: impl Fn(u32) -> SupervisorPath,
    failed: Option<SupervisorPath>,
) -> End {
    match ending {
        Ending::Shutdown(requester) => {
            End::Shutdown { reason: requester.reason.unwrap_or_else(|| "asked to".into()) }
        }
        Ending::Asked => End::Shutdown { reason: "asked to".into() },
        Ending::GaveUp { chain, .. } => End::GaveUp { chain },
        Ending::Significant { child } => End::AutoShutdown { child: path_of(child) },
        Ending::AllDone => End::AllDone { failed },
        Ending::Unwind { path, exit, .. } => End::StartFailed { path, exit },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_a_child_stays_small() {
        assert!(size_of::<Node>() <= 192, "{}", size_of::<Node>());
    }
}
