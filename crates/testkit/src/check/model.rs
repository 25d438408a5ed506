//! What the checker knows of a tree: who is in it, in which order, who depends on whom, and what was told
//! and asked so far. It is built from the resolved spec, the inputs and the effects alone.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use supervisor_api::{Cause, ChildKey, Lifecycle, Row, SupervisorPath};
use supervisor_core::{ChildPolicy, Context, SupervisorPolicy};

use super::adopt::Concerns;

/// "Nobody".
pub(super) const NONE: u32 = u32::MAX;

/// A live run, as the driver sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Live {
    pub(super) generation: u64,
    /// When it was asked to stop, and how long it was given.
    pub(super) asked: Option<(u64, Option<u64>)>,
    pub(super) killed: Option<u64>,
    /// When nobody waits for it any more, once it was killed.
    pub(super) given_up_at: u64,
}

/// Why a child was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A plan of its supervisor, a sibling, or an operator: its end is not its own.
    Planned,
    /// It was unhealthy: a failure.
    Unhealthy,
    /// It was not started in time: a failed start.
    TimedOut,
    /// A supervisor that ends by itself.
    Itself(Itself),
}

/// Why a supervisor ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Itself {
    GaveUp,
    Unwind,
    Significant,
    AllDone,
}

/// What somebody asked for and what is not done yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Start,
    Pause,
    Quarantine,
    Remove,
    Rest,
}

/// What the failure of a first start leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trial {
    No,
    /// The child is not kept (R11).
    Added,
    /// The child rests (R68).
    Again,
}

/// A child, or the root.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) path: SupervisorPath,
    pub(super) key: ChildKey,
    pub(super) policy: Arc<ChildPolicy>,
    /// The node of its supervisor; the root's is itself.
    pub(super) parent: u32,
    /// Its place among the supervisors, if it is one.
    pub(super) sup: u32,
    /// Grows along the effective order of its siblings.
    pub(super) rank: u32,
    pub(super) needs: Vec<u32>,
    /// The call in which a new spec said last whom it needs.
    pub(super) linked: u64,
    pub(super) needed_by: Vec<u32>,
    pub(super) primary: u32,
    /// Stands in the spec; others were added while the tree runs.
    pub(super) in_spec: bool,
    pub(super) bound: bool,
    pub(super) bound_late: bool,
    /// Nothing has to come before it starts; of a scheduled child, that its time has.
    pub(super) came: bool,
    pub(super) body: Option<u32>,
    /// What the last new spec wants of it.
    pub(super) concerned: Option<Concerns>,
    /// Was told of.
    pub(super) seen: bool,
    pub(super) forgotten: bool,
    pub(super) life: Life,
}

/// What is known of the life of a child since it was declared.
#[derive(Debug, Clone)]
pub(super) struct Life {
    /// The row after the last event.
    pub(super) row: Row,
    pub(super) live: Option<Live>,
    /// The call of the machine in which the last run was spawned; the event that tells it follows.
    pub(super) spawned_call: u64,
    pub(super) spawned_at: u64,
    pub(super) started_at: u64,
    pub(super) stopping_at: u64,
    pub(super) stop: Stop,
    pub(super) stopped_for: Cause,
    /// When the next start may come, in back-off; when its grace is over, while it stops.
    pub(super) due: u64,
    /// In back-off: that is a time of its own, and not one with its group.
    pub(super) own_time: bool,
    /// The incarnation of its supervisor in which it was spawned, and in which it was started, last.
    pub(super) spawned_in: u32,
    pub(super) started_in: u32,
    /// The incarnation in which it was parked last.
    pub(super) parked_in: u32,
    /// The next run is one for which its time has come.
    pub(super) timed: bool,
    /// The streak has ended; the next run is the first of another.
    pub(super) forgiven: bool,
    /// The next run is a restart after a failure of this child.
    pub(super) grows: bool,
    /// It waits for somebody in order to be restarted after a failure, also if an operator has forgiven that since.
    pub(super) waits_again: bool,
    pub(super) charges: VecDeque<u64>,
    pub(super) order: Option<Order>,
    /// Something else was wanted of it while it was stopping.
    pub(super) reordered: bool,
    pub(super) trial: Trial,
    /// It ended by itself in this incarnation of its supervisor, or was stopped because nothing was heard of it.
    pub(super) fell: bool,
    /// It was given up on while it was to be started: it starts when its old run is gone.
    pub(super) afterwards: bool,
    pub(super) misses: u32,
    /// When the next beat is missed.
    pub(super) beat_due: u64,
    /// Terminated as OTP does while a plan was under way, which passes it over.
    pub(super) left_out: bool,
    /// Its primary was removed while it did not run, or was on its way down: nobody is left to start it with (D15).
    pub(super) alone: bool,
    /// It was to run when its group went down, and has that run with it, also if it is a job (D18).
    pub(super) once_more: bool,
    /// It was given up on while its supervisor was still starting, whose start may come by it.
    pub(super) given_up_early: bool,
    /// The plan that took it down, or would have, last; and the one that started it last.
    pub(super) member: u64,
    /// The plan that may or may not have it to do: what overtook its start says.
    pub(super) perhaps: u64,
    pub(super) raised: u64,
    /// The call in which the start of a plan is known to have come by it last.
    pub(super) visited: u64,
    /// The plan whose start had come by it when the children were put in another order last.
    pub(super) passed: u64,
    /// The plan that asked it to stop last.
    pub(super) swept: u64,
    /// Why the last run was started.
    pub(super) start: Cause,
    /// The last run that reported ready.
    pub(super) reported: u64,
    /// Why the last event happened, and in which call it was told.
    pub(super) cause: Cause,
    pub(super) told: u64,
    /// The call in which its last run ended.
    pub(super) exited: u64,
    /// A new spec made it, and it was not started since.
    pub(super) added_by_spec: bool,
    /// A new spec named it when it was on its way out, or took away the primary it rested with, so it starts again.
    pub(super) kept: bool,
    /// The call in which it last failed so that its group went down.
    pub(super) felled: u64,
    pub(super) touched: u64,
}

impl Life {
    pub(super) fn new() -> Self {
        Self {
            row: Row::DECLARED,
            live: None,
            spawned_call: 0,
            spawned_at: 0,
            started_at: 0,
            stopping_at: 0,
            stop: Stop::Planned,
            stopped_for: Cause::Start,
            own_time: false,
            due: 0,
            spawned_in: 0,
            started_in: 0,
            parked_in: 0,
            forgiven: false,
            grows: false,
            waits_again: false,
            charges: VecDeque::new(),
            order: None,
            reordered: false,
            trial: Trial::No,
            fell: false,
            afterwards: false,
            misses: 0,
            beat_due: u64::MAX,
            left_out: false,
            alone: false,
            given_up_early: false,
            member: 0,
            perhaps: 0,
            raised: 0,
            visited: 0,
            once_more: false,
            timed: false,
            passed: 0,
            swept: 0,
            start: Cause::Start,
            reported: 0,
            cause: Cause::Start,
            told: 0,
            exited: 0,
            added_by_spec: false,
            kept: false,
            felled: 0,
            touched: 0,
        }
    }

    /// How many restarts the present streak of failures has (D3).
    pub(super) fn streak(&self) -> u32 {
        if self.forgiven { 0 } else { self.row.attempt }
    }
}

impl Node {
    pub(super) fn is(&self, state: Lifecycle) -> bool {
        self.life.row.lifecycle == state
    }

    pub(super) fn state(&self) -> Lifecycle {
        self.life.row.lifecycle
    }

    /// Whether it rests until its time comes, whatever starts its siblings (D20).
    pub(super) fn awaits_its_time(&self) -> bool {
        use Lifecycle::{Completed, Declared, Failed, Paused, Quarantined, Stopped};
        !self.came && matches!(self.state(), Declared | Stopped | Completed | Failed | Paused | Quarantined)
    }

    /// Whether what starts its siblings starts it, too.
    pub(super) fn can_start(&self) -> bool {
        self.bound && !self.awaits_its_time()
    }

    /// In the tree: declared and not removed.
    pub(super) fn is_there(&self) -> bool {
        self.seen && !self.forgotten && !self.is(Lifecycle::Removed)
    }

    /// Whether a plan that stops it waits for it.
    pub(super) fn is_waited_for(&self) -> bool {
        matches!(self.state(), Lifecycle::Starting | Lifecycle::Running | Lifecycle::Stopping)
    }

    /// Whether it is a supervisor, or `held` up by somebody.
    pub(super) fn sup_or_held(&self, held: bool) -> bool {
        self.policy.is_supervisor || held
    }

    pub(super) fn policy_is_of_a_run(&self) -> bool {
        self.sup == NONE && !self.policy.is_supervisor
    }

    /// Whether a start in order waits for it.
    pub(super) fn is_begun(&self) -> bool {
        matches!(self.state(), Lifecycle::Starting | Lifecycle::Backoff | Lifecycle::Stopping)
    }

    /// Whether a group has it to do.
    pub(super) fn is_member_of(&self, group: &Group) -> bool {
        self.life.member == group.number
    }

    /// Whether a command started it since its group went down, and that has not come to it.
    pub(super) fn is_apart_from(&self, group: &Group) -> bool {
        let since = self.life.start == Cause::Operator && self.life.spawned_call > group.since;
        since && self.life.swept != group.since
    }

    /// Nothing of it stays when it ended: temporary, and no job.
    pub(super) fn leaves_no_trace(&self) -> bool {
        use supervisor_api::policy::RestartType::Temporary;
        self.policy.restart == Temporary && !self.policy.keeps_row
    }

    /// A job that is tried again, and every child that is no job.
    pub(super) fn retries(&self) -> bool {
        self.policy.restart != supervisor_api::policy::RestartType::Temporary
    }
}

/// The ordered work of a supervisor that starts children again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Which plan, of all. Its members carry the number.
    pub(super) number: u64,
    /// The call in which it began to go down. A failure meanwhile makes another plan of it, but not another stop.
    pub(super) since: u64,
    /// Who failed, so that it began.
    pub(super) by: u32,
    /// Who it was that the group had begun for which it took in; `NONE` for nobody.
    pub(super) before: u32,
    /// Its start has begun.
    pub(super) up: bool,
    /// It took in what an earlier one had left, or a new spec came in between: its members are no range.
    pub(super) mixed: bool,
    /// The call that put the children in another order, since when a start goes along that.
    pub(super) sorted: u64,
}

/// A supervisor.
#[derive(Debug)]
pub(super) struct Sup {
    pub(super) node: u32,
    pub(super) context: Arc<Context>,
    /// In effective order, with those that are removed and may come back.
    pub(super) children: Vec<u32>,
    pub(super) charges: VecDeque<u64>,
    /// Which incarnation this is, from 1.
    pub(super) incarnation: u32,
    /// A supervisor above was restarted automatically, so that the next incarnation holds nobody.
    pub(super) unpark: bool,
    /// This incarnation came by an automatic restart, of itself or above it.
    pub(super) automatic: bool,
    /// Its initial start is not over.
    pub(super) initial: bool,
    pub(super) group: Option<Group>,
    pub(super) next_rank: u32,
    pub(super) touched: u64,
}

impl Sup {
    pub(super) fn policy(&self) -> &SupervisorPolicy {
        &self.context.policy
    }
}

/// The tree.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) nodes: Vec<Node>,
    pub(super) sups: Vec<Sup>,
    /// The node of each place in the machine's table.
    pub(super) slots: Vec<u32>,
    pub(super) by_path: HashMap<SupervisorPath, u32, BuildHasherDefault<Mix>>,
    /// Children whose path has another owner since.
    pub(super) twins: Vec<u32>,
}

impl Model {
    /// Children that are sidecars of this one.
    pub(super) fn sidecars(&self, at: u32) -> Vec<u32> {
        self.node(at).needs.iter().copied().filter(|on| self.node(*on).primary == at).collect()
    }

    // Who is meant.

    pub(super) fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    pub(super) fn life(&mut self, at: u32) -> &mut Life {
        &mut self.nodes[at as usize].life
    }

    /// The supervisor that a node is.
    pub(super) fn sup_of(&self, node: u32) -> &Sup {
        &self.sups[self.node(node).sup as usize]
    }

    pub(super) fn sup_of_mut(&mut self, node: u32) -> &mut Sup {
        let sup = self.node(node).sup;
        &mut self.sups[sup as usize]
    }

    /// The supervisor that a node is in.
    pub(super) fn above(&self, node: u32) -> &Sup {
        self.sup_of(self.node(node).parent)
    }

    /// Whether a child was added to an earlier incarnation of its supervisor: it does not come back (R48), and only a run
    /// that does not end, its own or one below it, keeps its place (D8).
    pub(super) fn is_outlived(&self, at: u32) -> bool {
        let node = self.node(at);
        !node.in_spec && node.life.spawned_in != self.above(at).incarnation
    }

    /// The child with this key, if it was told of and its place has no other owner since.
    pub(super) fn find(&self, key: ChildKey) -> Option<u32> {
        let at = self.place(key.index)?;
        (self.node(at).key == key).then_some(at)
    }

    /// Who has, or had last, this place in the machine's table.
    pub(super) fn place(&self, index: u32) -> Option<u32> {
        self.slots.get(index as usize).copied().filter(|at| *at != NONE)
    }

    pub(super) fn at_path(&self, path: &str) -> Option<u32> {
        let known = |path| self.by_path.get(path).copied();
        let at = known(path).or_else(|| known(path.strip_suffix('/')?));
        at.filter(|at| self.node(*at).is_there())
    }

    /// Who has this path, told of or not.
    pub(super) fn planned_at(&self, path: &str) -> Option<u32> {
        self.by_path.get(path).copied()
    }

    /// The one child with this id, if there is exactly one.
    pub(super) fn with_id(&self, id: &str) -> Option<u32> {
        let mut found = (1..self.nodes.len() as u32).filter(|at| {
            let node = self.node(*at);
            node.is_there() && node.path.last_segment() == Some(id)
        });
        found.next().filter(|_| found.next().is_none())
    }

    /// Nodes that are in the tree, the root first.
    pub(super) fn there(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.nodes.len() as u32).filter(|at| self.node(*at).is_there())
    }

    /// Whether a node is somewhere below another.
    pub(super) fn is_below(&self, node: u32, above: u32) -> bool {
        let mut at = node;
        while at != 0 {
            at = self.node(at).parent;
            if at == above {
                return true;
            }
        }
        false
    }

    /// Whether a supervisor, or one above it, is stopping.
    pub(super) fn is_closing(&self, node: u32) -> bool {
        let mut at = node;
        loop {
            if self.node(at).is(Lifecycle::Stopping) {
                return true;
            }
            if at == 0 {
                return false;
            }
            at = self.node(at).parent;
        }
    }

    /// Another child that had the path before, and may still have a run.
    pub(super) fn twin_of(&self, at: u32) -> Option<u32> {
        self.twins.iter().copied().find(|twin| *twin != at && self.node(*twin).path == self.node(at).path)
    }
}

/// A quick hash of paths, which come from no stranger here.
#[derive(Debug, Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.chunks(8) {
            let mut whole = [0; 8];
            whole[..word.len()].copy_from_slice(word);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(whole)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// Whether a child that starts from this state had its turn before.
pub(super) fn is_late(from: Lifecycle) -> bool {
    matches!(from, Lifecycle::Waiting | Lifecycle::Unresponsive)
}

/// A span in nanoseconds; 584 years and more read as that.
pub(super) fn nanos(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
