//! Coverage: what a batch of schedules reached. Every edge of the lifecycle table, every kind of event,
//! every kind of cause, every refusal, and rare things by name. A mark that a large batch never hits says
//! that the generator has gone blind there.

use supervisor_api::policy::{RestartType, StopOrder, Strategy};
use supervisor_api::{Cause, Event, EventKind, Exit, Lifecycle, Next, SupervisorError};
use supervisor_core::{ChildPolicy, Effect, End, Machine, Reply};

use super::world::Kid;

/// Marks that something was reached.
macro_rules! sometimes {
    ($marks:expr, $mark:expr, $condition:expr) => {
        $marks.hit_if($mark, $condition)
    };
}
pub(super) use sometimes;

macro_rules! marks {
    ($($name:ident = $text:literal;)+) => {
        /// Rare things by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Mark { $($name),+ }

        const NAMED: &[&str] = &[$($text),+];
    };
}

marks! {
    OneForOneRestart = "one_for_one: a restart";
    OneForAllStop = "one_for_all: a sibling is stopped for the group";
    OneForAllStart = "one_for_all: a sibling is started with the group";
    RestForOneStop = "rest_for_one: a later sibling is stopped for the group";
    RestForOneStart = "rest_for_one: a later sibling is started with the group";
    GroupDelay = "a group waits for its delay";
    GroupStartFails = "a member of a group fails to start and the group is tried again";
    AbsorbedExit = "an exit is absorbed by a group that goes down";
    WidenedGroup = "a failure before a pending group widens it";
    Escalation = "a nested supervisor gives up";
    EscalationTwo = "an escalation goes through two levels";
    EscalationThree = "an escalation goes through three levels";
    QuarantineByBudget = "a budget parks a child";
    QuarantineByOperator = "an operator parks a child";
    QuarantineByOwnBudget = "a budget of its own parks a child";
    UnreachableExhausted = "failures in a row exhaust an unreachable budget";
    BudgetZero = "a budget of zero is exhausted by the first failure";
    ShutdownTree = "an exhausted budget shuts down the tree";
    LongStreak = "a streak of three failures or more";
    StreakEnds = "a streak ends";
    Unwind = "an initial start is unwound";
    NestedUnwind = "the initial start of a nested supervisor is unwound";
    StartRetried = "a failed start is tried again";
    StartTimesOut = "a start takes too long";
    JobEndedInGroup = "a group restart ends a job";
    JobCompletes = "a job completes";
    TemporaryLeaves = "a temporary child ends and leaves no trace";
    TransientRests = "a transient child ends well and rests";
    PermanentRestartsAfterOk = "a permanent child that ended well is started again";
    SidecarStopped = "a sidecar is stopped with its primary";
    DependantStopped = "a dependant goes down with whom it depends on";
    WaitsForSibling = "a child waits for a sibling";
    WakesForSibling = "a waiting child starts";
    UnhealthyStopped = "a child is stopped for lost heartbeats";
    DeclinedFirst = "a first run declines";
    DeclinedAgain = "a restarted run declines";
    KilledAfterGrace = "a grace ends and the run is killed";
    KilledAtOnce = "a run is killed without being asked";
    ConcurrentStop = "a supervisor stops children at once";
    SupervisorLimited = "a supervisor with a finite grace is stopped";
    NestedRestart = "a nested supervisor is started again";
    DeclaredAgain = "a removed child comes back with its supervisor";
    ApplyAdds = "a new spec adds";
    ApplyRemoves = "a new spec removes";
    ApplyChanges = "a new spec changes a child";
    ApplyKeeps = "a new spec leaves a child alone";
    ApplyPolicyOnly = "a new spec changes a policy without a restart";
    AddedRuns = "a child is added and started";
    AddedWaits = "a child is added and waits";
    AddedUnbound = "an unbound child is added";
    RestartOfRunning = "an operator restarts a running child";
    RestartOfBackoff = "an operator restarts a child in back-off";
    RestartOfParked = "an operator restarts a parked child";
    RestartOfStopping = "an operator restarts a stopping child";
    RestartOfResting = "an operator restarts a child that rests";
    ResumeOfPaused = "an operator resumes a paused child";
    ResumeOfQuarantined = "an operator resumes a quarantined child";
    Idempotent = "a command finds it done already";
    NotAsWished = "a command ends otherwise than wished";
    RemovedLater = "a command is answered while a child is unresponsive";
    UnresponsiveThenGone = "an unresponsive run is gone at last";
    GoneAfterTheEnd = "a run is gone only after the end";
    StaleMessage = "a stale message changes nothing";
    LateTick = "a tick comes late";
    SameInstant = "several inputs at one instant";
    PlanCut = "a plan is cut after 256 effects";
    CutIn = "an input comes in the middle of a plan that was cut";
    HardStop = "the owner goes away";
    HardStopInTheMiddle = "the owner goes away in the middle of a stop";
    GracesCut = "graces are cut in the middle of a stop";
    ShutdownTwice = "a second shutdown joins the first";
    LaunchedAgain = "a tree that has ended is launched again";
    CommandAfterTheEnd = "a command comes after the end";
    EndShutdown = "the tree ends: shutdown";
    EndAllDone = "the tree ends: all done, well";
    EndAllDoneFailed = "the tree ends: all done, with a failed child";
    EndSignificant = "the tree ends: a significant child";
    EndStartFailed = "the tree ends: its start failed";
    EndGaveUp = "the tree ends: it gave up";
    EndDropped = "the tree ends: dropped";
    ReaderGap = "a slow reader misses events and is told so";
    ReaderCaughtUp = "a slow reader catches up";
    JournalFailed = "the journal loses events, and who reads it is told so";
    Converged = "the tree converges in the calm";
    InvalidRefused = "a tree with a mistake is refused";
    Crowd = "a tree of more than a hundred children";
    Deep = "a tree of five levels";
}

const STATES: usize = Lifecycle::ALL.len();
const KINDS: usize = EventKind::ALL.len();

/// Words of causes that the machine gives.
const CAUSES: &[&str] = &[
    "start",
    "exit",
    "report",
    "backoff",
    "deadline",
    "heartbeat",
    "dependency",
    "group_restart",
    "escalation",
    "unwind",
    "primary",
    "supervisor",
    "significant_child",
    "budget",
    "operator",
    "shutdown",
    "reload",
    "schedule",
];

/// Words of refusals that the machine gives.
const REFUSALS: &[&str] = &[
    "invalid spec",
    "start failed",
    "child not found",
    "ambiguous child",
    "invalid transition",
    "no such supervisor",
    "already started",
    "already present",
    "max children",
    "not permitted",
];

/// Kinds of events that the machine does not give: they are the journal's, the control plane's and the
/// process layer's.
const NOT_THE_MACHINES: &[EventKind] = &[
    EventKind::ChildDeclarationRejected,
    EventKind::CommandAccepted,
    EventKind::CommandCompleted,
    EventKind::SubscriberLagged,
    EventKind::LimitUnenforced,
    EventKind::ChildSignalled,
    EventKind::TargetRegistered,
    EventKind::TargetUnregistered,
];

/// Edges that the table allows and that no rule leads along, so that nobody will ever see them.
const NOBODYS: &[(Lifecycle, Lifecycle)] = &[
    // Who waits, or is in back-off, has no run that could end badly: a group that takes it down, a command or its
    // supervisor's end make it `stopped` (R36, D3), and a job that has not run is no job that was stopped (D18).
    (Lifecycle::Waiting, Lifecycle::Failed),
    (Lifecycle::Backoff, Lifecycle::Failed),
    // A failure is told before what follows it: the failed child is `backoff`, with no delay left, and the next event
    // says for whom it waits (D3, D11).
    (Lifecycle::Running, Lifecycle::Waiting),
    // What the plan wanted is done uncharged, so at once and without another failure (D8).
    (Lifecycle::Unresponsive, Lifecycle::Backoff),
    // A run that was asked to stop ends `stopped`, however late and however well (D22); a supervisor that is done goes on
    // without who is unresponsive below it, and is `completed` before that is gone (D8).
    (Lifecycle::Unresponsive, Lifecycle::Completed),
];

/// How often everything was reached.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    edges: [[u64; STATES]; STATES],
    kinds: [u64; KINDS],
    causes: [u64; CAUSES.len()],
    refusals: [u64; REFUSALS.len()],
    named: [u64; NAMED.len()],
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            edges: [[0; STATES]; STATES],
            kinds: [0; KINDS],
            causes: [0; CAUSES.len()],
            refusals: [0; REFUSALS.len()],
            named: [0; NAMED.len()],
        }
    }
}

impl Marks {
    pub(super) fn hit(&mut self, mark: Mark) {
        self.named[mark as usize] += 1;
    }

    pub(super) fn hit_if(&mut self, mark: Mark, reached: bool) {
        self.named[mark as usize] += u64::from(reached);
    }

    /// Adds what another batch reached.
    pub(super) fn add(&mut self, other: &Self) {
        let add = |to: &mut [u64], from: &[u64]| {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        };
        add(self.edges.as_flattened_mut(), other.edges.as_flattened());
        add(&mut self.kinds, &other.kinds);
        add(&mut self.causes, &other.causes);
        add(&mut self.refusals, &other.refusals);
        add(&mut self.named, &other.named);
    }

    /// Every mark with how often it was hit.
    pub(super) fn all(&self) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        for from in Lifecycle::ALL {
            for to in from.followers().iter().filter(|to| !NOBODYS.contains(&(*from, **to))) {
                let hits = self.edges[*from as usize][*to as usize];
                all.push((format!("edge {from} -> {to}"), hits));
            }
        }
        for kind in EventKind::ALL.iter().filter(|kind| !NOT_THE_MACHINES.contains(kind)) {
            all.push((format!("event {kind}"), self.kinds[*kind as usize]));
        }
        let words = |word: &str, names: &[&str], hits: &[u64]| -> Vec<(String, u64)> {
            names.iter().zip(hits).map(|(name, hits)| (format!("{word} {name}"), *hits)).collect()
        };
        all.extend(words("cause", CAUSES, &self.causes));
        all.extend(words("refusal", REFUSALS, &self.refusals));
        all.extend(NAMED.iter().zip(&self.named).map(|(name, hits)| ((*name).to_owned(), *hits)));
        all
    }

    /// An effect, before it changes what the world knows.
    pub(super) fn effect(&mut self, effect: &Effect, now: u64, kids: &[Kid], machine: &Machine) {
        match effect {
            Effect::Emit(event) => {
                let Some(kid) = kids.get(event.child.index as usize) else { return };
                self.event(event, now, kid, kids, machine);
            }
            Effect::Reply { result: Ok(reply), .. } => self.reply(reply),
            Effect::Reply { result: Err(error), .. } => {
                if let Some(at) = refusal(error) {
                    self.refusals[at] += 1;
                }
            }
            Effect::Changed { .. } => self.hit(Mark::ApplyPolicyOnly),
            Effect::Declared { key, .. } => sometimes!(self, Mark::DeclaredAgain, key.epoch > 0),
            Effect::Kill { key } => {
                let life = kids.get(key.index as usize).and_then(|kid| kid.life);
                let asked = life == Some(Lifecycle::Stopping);
                self.hit(if asked { Mark::KilledAfterGrace } else { Mark::KilledAtOnce });
            }
            Effect::Done(end) => self.hit(match end {
                End::Shutdown { .. } => Mark::EndShutdown,
                End::AllDone { failed: None } => Mark::EndAllDone,
                End::AllDone { failed: Some(_) } => Mark::EndAllDoneFailed,
                End::AutoShutdown { .. } => Mark::EndSignificant,
                End::StartFailed { .. } => Mark::EndStartFailed,
                End::GaveUp { .. } => Mark::EndGaveUp,
                End::Dropped => Mark::EndDropped,
            }),
            _ => {}
        }
    }

    fn reply(&mut self, reply: &Reply) {
        use Lifecycle::{
            Backoff, Completed, Failed, Paused, Quarantined, Running, Stopped, Stopping, Waiting,
        };
        match reply {
            Reply::Control(outcome) => {
                let started = matches!(outcome.state_after, Running | Lifecycle::Starting);
                if started && !outcome.idempotent && outcome.failure.is_none() {
                    match outcome.state_before {
                        Running => self.hit(Mark::RestartOfRunning),
                        Backoff => self.hit(Mark::RestartOfBackoff),
                        Paused | Quarantined => self.hit(Mark::RestartOfParked),
                        Stopping => self.hit(Mark::RestartOfStopping),
                        Stopped | Completed | Failed => self.hit(Mark::RestartOfResting),
                        _ => {}
                    }
                }
                sometimes!(self, Mark::Idempotent, outcome.idempotent);
                sometimes!(self, Mark::NotAsWished, outcome.failure.is_some());
                let stuck = outcome.state_after == Lifecycle::Unresponsive;
                sometimes!(self, Mark::RemovedLater, stuck);
            }
            Reply::Added { state, .. } => match state {
                Running => self.hit(Mark::AddedRuns),
                Waiting => self.hit(Mark::AddedWaits),
                Lifecycle::Declared => self.hit(Mark::AddedUnbound),
                _ => {}
            },
            Reply::Applied(applied) => {
                let [added, removed, changed, unchanged] = applied.plan.numbers();
                sometimes!(self, Mark::ApplyAdds, added > 0);
                sometimes!(self, Mark::ApplyRemoves, removed > 0);
                sometimes!(self, Mark::ApplyChanges, changed > 0);
                sometimes!(self, Mark::ApplyKeeps, unchanged > 0);
            }
            Reply::Shutdown | Reply::GracesSkipped => {}
        }
    }

    fn edge(&mut self, from: Lifecycle, to: Lifecycle) {
        use Lifecycle::{Running, Starting};
        if from == to {
            return;
        }
        // A start that is acknowledged at once passes through `starting` without an event of its own.
        if to == Running && from != Starting {
            self.edges[from as usize][Starting as usize] += 1;
            self.edges[Starting as usize][Running as usize] += 1;
        } else {
            self.edges[from as usize][to as usize] += 1;
        }
    }

    fn event(&mut self, event: &Event, now: u64, kid: &Kid, kids: &[Kid], machine: &Machine) {
        let before = kid.life.unwrap_or(Lifecycle::Declared);
        self.edge(before, event.row.lifecycle);
        self.kinds[event.kind as usize] += 1;
        self.causes[cause(event.cause)] += 1;
        let Some(policy) = kid.policy.as_deref() else { return };
        self.life_mark(event, before, kid, policy);
        let strategy = kids.get(kid.parent as usize).and_then(|above| {
            let key = supervisor_api::ChildKey { index: kid.parent, epoch: above.epoch };
            machine.supervisor_policy(key)
        });
        if let Some(above) = strategy {
            self.group_mark(event, above.strategy, now, kid, kids);
            let together = event.kind == EventKind::ChildStopping && above.stop == StopOrder::Concurrent;
            sometimes!(self, Mark::ConcurrentStop, together);
        }
    }

    fn group_mark(&mut self, event: &Event, strategy: Strategy, now: u64, kid: &Kid, kids: &[Kid]) {
        use EventKind::{ChildRestarted, ChildRestarting, ChildStartFailed, ChildStopping};
        let group = matches!(event.cause, Cause::Group(_));
        match (strategy, event.kind) {
            (Strategy::OneForOne, ChildRestarted) => self.hit(Mark::OneForOneRestart),
            (Strategy::OneForAll, ChildStopping) if group => self.hit(Mark::OneForAllStop),
            (Strategy::RestForOne, ChildStopping) if group => self.hit(Mark::RestForOneStop),
            (Strategy::OneForAll, ChildRestarted | ChildRestarting) if group => {
                self.hit(Mark::OneForAllStart);
            }
            (Strategy::RestForOne, ChildRestarted | ChildRestarting) if group => {
                self.hit(Mark::RestForOneStart);
            }
            _ => {}
        }
        if let Next::WithGroup(due) = event.next {
            let failed = event.row.lifecycle == Lifecycle::Backoff;
            sometimes!(self, Mark::GroupDelay, failed && due > now);
            sometimes!(self, Mark::GroupStartFails, failed && event.kind == ChildStartFailed);
            let absorbed = event.row.lifecycle == Lifecycle::Stopping && event.cause == Cause::Exit;
            sometimes!(self, Mark::AbsorbedExit, absorbed);
            let pending = |other: &Kid| {
                other.parent == kid.parent && other.grouped && other.life == Some(Lifecycle::Backoff)
            };
            let widened =
                failed && strategy == Strategy::RestForOne && !kid.grouped && event.cause == Cause::Exit;
            sometimes!(self, Mark::WidenedGroup, widened && kids.iter().any(pending));
        }
    }

    fn life_mark(&mut self, event: &Event, before: Lifecycle, kid: &Kid, policy: &ChildPolicy) {
        use EventKind::*;
        let life = event.row.lifecycle;
        let first = event.row.generation <= 1;
        let by_operator = event.cause == Cause::Operator;
        let exit = event.detail.as_ref().and_then(|detail| detail.exit.as_ref());
        match event.kind {
            Escalated => {
                let levels = event.detail.as_ref().map_or(0, |detail| detail.chain.len());
                sometimes!(self, Mark::Escalation, event.child.index != 0);
                sometimes!(self, Mark::EscalationTwo, levels >= 3);
                sometimes!(self, Mark::EscalationThree, levels >= 4);
                sometimes!(self, Mark::ShutdownTree, event.child.index == 0 && levels >= 2);
            }
            ChildQuarantined if by_operator => self.hit(Mark::QuarantineByOperator),
            ChildQuarantined => {
                self.hit(Mark::QuarantineByBudget);
                sometimes!(self, Mark::QuarantineByOwnBudget, policy.budget.is_some());
            }
            BudgetExhausted => {
                sometimes!(self, Mark::UnreachableExhausted, event.numbers[0] < event.numbers[1]);
                sometimes!(self, Mark::BudgetZero, event.numbers[1] == 0);
            }
            SupervisorEnding if matches!(event.cause, Cause::Unwind(_)) => {
                self.hit(Mark::Unwind);
                sometimes!(self, Mark::NestedUnwind, event.child.index != 0);
            }
            ChildStartFailed => {
                sometimes!(self, Mark::StartRetried, life == Lifecycle::Backoff);
                sometimes!(self, Mark::StartTimesOut, matches!(exit, Some(Exit::TimedOut { .. })));
            }
            ChildCompleted => {
                let job = policy.keeps_row && life == Lifecycle::Completed;
                sometimes!(self, Mark::JobCompletes, job);
                let rests = policy.restart == RestartType::Transient && life == Lifecycle::Completed;
                sometimes!(self, Mark::TransientRests, rests);
            }
            ChildFailed => {
                let ended_well = exit.is_some_and(Exit::is_clean);
                let again = matches!(event.next, Next::StartNow | Next::StartAt(_));
                sometimes!(self, Mark::PermanentRestartsAfterOk, ended_well && again);
            }
            ChildStopping => match event.cause {
                Cause::Dependency(_) => self.hit(Mark::DependantStopped),
                Cause::Primary(_) => self.hit(Mark::SidecarStopped),
                _ => {}
            },
            ChildUnhealthy => self.hit(Mark::UnhealthyStopped),
            ChildDeclined => self.hit(if first { Mark::DeclinedFirst } else { Mark::DeclinedAgain }),
            ChildWaiting => sometimes!(self, Mark::WaitsForSibling, matches!(event.next, Next::WaitsFor(_))),
            ChildRestarting | ChildRestarted => {
                sometimes!(self, Mark::NestedRestart, policy.is_supervisor);
                sometimes!(self, Mark::LongStreak, event.row.attempt >= 3);
            }
            Resumed => match before {
                Lifecycle::Paused => self.hit(Mark::ResumeOfPaused),
                Lifecycle::Quarantined => self.hit(Mark::ResumeOfQuarantined),
                _ => {}
            },
            _ => {}
        }
        let gone = before != life && life == Lifecycle::Removed;
        let left = gone && event.cause == Cause::Exit && policy.restart == RestartType::Temporary;
        sometimes!(self, Mark::TemporaryLeaves, left);
        let in_group = life == Lifecycle::Failed && matches!(event.cause, Cause::Group(_));
        sometimes!(self, Mark::JobEndedInGroup, in_group && policy.keeps_row);
        let wakes = before == Lifecycle::Waiting && matches!(life, Lifecycle::Running | Lifecycle::Starting);
        sometimes!(self, Mark::WakesForSibling, wakes);
        let ended = matches!(event.kind, ChildRestarted | ChildRestarting | ChildRunning | ChildStarting);
        sometimes!(self, Mark::StreakEnds, ended && kid.attempt > 0 && event.row.attempt == 0);
        let limited = policy.is_supervisor && event.kind == ChildStopping && event.next != Next::Nothing;
        sometimes!(self, Mark::SupervisorLimited, limited);
    }
}

/// The place of a cause among [`CAUSES`].
fn cause(cause: Cause) -> usize {
    match cause {
        Cause::Start => 0,
        Cause::Exit => 1,
        Cause::Report => 2,
        Cause::Backoff => 3,
        Cause::Deadline => 4,
        Cause::Heartbeat => 5,
        Cause::Dependency(_) => 6,
        Cause::Group(_) => 7,
        Cause::Escalation(_) => 8,
        Cause::Unwind(_) => 9,
        Cause::Primary(_) => 10,
        Cause::Supervisor(_) => 11,
        Cause::Significant(_) => 12,
        Cause::Budget => 13,
        Cause::Operator => 14,
        Cause::Shutdown => 15,
        Cause::Schedule => 17,
        _ => 16,
    }
}

fn refusal(error: &SupervisorError) -> Option<usize> {
    Some(match error {
        SupervisorError::InvalidSpec(_) => 0,
        SupervisorError::StartFailed { .. } => 1,
        SupervisorError::ChildNotFound { .. } => 2,
        SupervisorError::AmbiguousChild { .. } => 3,
        SupervisorError::InvalidTransition { .. } => 4,
        SupervisorError::NoSuchSupervisor { .. } => 5,
        SupervisorError::AlreadyStarted { .. } => 6,
        SupervisorError::AlreadyPresent { .. } => 7,
        SupervisorError::MaxChildren { .. } => 8,
        SupervisorError::NotPermitted { .. } => 9,
        _ => return None,
    })
}
