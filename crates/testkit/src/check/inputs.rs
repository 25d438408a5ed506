//! What an input means for the model, before its effects are looked at.

use supervisor_api::command::{ControlVerb, OtpVerb};
use supervisor_api::{ChildKey, EventKind, Exit, Lifecycle};
use supervisor_core::{Address, Body, ChildDecl, Command, Effect, Input, Ticket};

use super::adopt::Concerns;
use super::model::{NONE, Order, Trial};
use super::{Checker, Did, Ending};

/// What is special about the present call.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// A report about a run that is not current.
    pub(super) stale: bool,
    /// Such a report is not even counted: the tree has ended.
    pub(super) unheard: bool,
    /// A command was refused, or had nothing to do: it has no effect but its reply.
    pub(super) refused: bool,
    /// The run that ended, until an event says what becomes of it.
    pub(super) ended: Option<Ended>,
    /// The node that a `Spawn`, `Stop` or `Kill` was about; its event comes next.
    pub(super) told_next: Option<u32>,
    /// A child is being added.
    pub(super) adding: Option<Adding>,
    /// A child that exhausted its budget; an event says so.
    pub(super) exhausts: Option<u32>,
    /// The supervisor that has to give up for it.
    pub(super) escalates: Option<u32>,
    /// The tree was asked to end.
    pub(super) shuts_down: bool,
    /// What this child runs was registered.
    pub(super) bound: Option<u32>,
    /// The child whose time has come.
    pub(super) due: Option<u32>,
    /// This child was terminated while it was to be started again, in this incarnation of its supervisor.
    pub(super) voided: Option<(u32, u32)>,
    /// This child has something to say: it is ready, alive, or declines.
    pub(super) reported: Option<u32>,
    /// This child declined to start.
    pub(super) declined: Option<u32>,
    /// A command that was not refused concerns this child.
    pub(super) commanded: Option<u32>,
    /// A budget was exhausted.
    pub(super) exhausted: bool,
    /// A new spec was applied.
    pub(super) applied: bool,
    /// A probe of this child failed.
    pub(super) probed: u32,
    /// It was the run itself that said so: no more misses are waited for.
    pub(super) unwell: bool,
}

/// The end of a run, as it was reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) node: u32,
    /// The state it ended in.
    pub(super) from: Lifecycle,
    pub(super) how: How,
}

/// How a run ended, as far as the table of exits goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Clean,
    Abnormal,
    Panicked,
    Declined,
}

impl How {
    pub(super) fn of(exit: &Exit) -> Self {
        match exit {
            Exit::Panicked { .. } => Self::Panicked,
            Exit::Completed | Exit::Stopped | Exit::StoppedWith { .. } => Self::Clean,
            _ => Self::Abnormal,
        }
    }
}

/// A child that is being added: under whom, and whether it goes again when its first start fails.
#[derive(Debug)]
pub(super) struct Adding {
    pub(super) parent: u32,
    pub(super) decl: Box<ChildDecl>,
    pub(super) trial: Trial,
}

impl Checker {
    pub(super) fn begin(&mut self, did: Did<'_>, effects: &[Effect]) {
        self.turn = Turn { probed: NONE, ..Turn::default() };
        let Did::Input(input) = did else { return };
        // After the end nobody listens to anything but late ends.
        self.turn.unheard = self.done && !matches!(input, Input::Exited { .. } | Input::Declined { .. });
        match input {
            Input::Exited { key, generation, exit } => self.gone(*key, *generation, How::of(exit)),
            Input::Declined { key, generation, .. } => self.gone(*key, *generation, How::Declined),
            Input::Ready { key, generation } => {
                if let Some(at) = self.reported(*key, *generation) {
                    self.model.life(at).reported = *generation;
                }
            }
            Input::Beat { key, generation } => {
                if let Some(at) = self.reported(*key, *generation) {
                    self.beaten(at);
                }
            }
            Input::Missed { key, generation, .. } => {
                if let Some(at) = self.reported(*key, *generation) {
                    self.turn.probed = at;
                }
            }
            Input::Unwell { key, generation, .. } => {
                if let Some(at) = self.reported(*key, *generation) {
                    (self.turn.probed, self.turn.unwell) = (at, true);
                }
            }
            Input::Bound { key } => {
                if let Some(at) = self.model.find(*key).filter(|at| self.model.node(*at).is_there()) {
                    // A group whose start is on its way may have passed it.
                    let passed = self.model.above(at).group.is_some_and(|group| group.up);
                    self.model.life(at).left_out |= passed && !self.model.node(at).bound;
                    self.model.bind(at);
                    self.turn.bound = Some(at);
                }
            }
            Input::Due { key } => {
                if let Some(at) = self.model.find(*key).filter(|at| self.takes_its_time(*at)) {
                    self.time_has_come(at);
                }
            }
            Input::Command { ticket, command, .. } => self.commanded(*ticket, command, effects),
            Input::Tick => {}
            Input::HardStop => self.ending = Some(Ending { hard: true }),
        }
    }

    /// The child that a report is about, if the run is current.
    fn reported(&mut self, key: ChildKey, generation: u64) -> Option<u32> {
        let at = self.model.find(key).filter(|at| {
            let live = self.model.node(*at).life.live;
            live.is_some_and(|live| live.generation == generation)
        });
        self.turn.stale = at.is_none();
        self.turn.reported = at;
        at
    }

    fn gone(&mut self, key: ChildKey, generation: u64, how: How) {
        if let Some(node) = self.reported(key, generation) {
            let call = self.call;
            let life = self.model.life(node);
            (life.live, life.exited) = (None, call);
            let from = life.row.lifecycle;
            self.turn.declined = Some(node).filter(|_| how == How::Declined && from == Lifecycle::Starting);
            self.turn.ended = Some(Ended { node, from, how });
        }
    }

    fn commanded(&mut self, ticket: Ticket, command: &Command, effects: &[Effect]) {
        if ticket != 0 {
            let asked = self.asked(ticket, command);
            self.asked.push(asked);
            self.newest_ticket = self.newest_ticket.max(ticket);
        }
        let refused = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Reply { ticket: to, result: Err(_) } if *to == ticket));
        match command {
            Command::Control(verb, address) => self.controlled(*verb, address, refused),
            Command::Otp(verb, address) => self.called(*verb, address, refused),
            Command::Add { under, child } => self.adds(under, child, false, effects),
            Command::StartChild { under, child } => self.adds(under, child, true, effects),
            Command::Apply(decl) => {
                let applied = |effect: &Effect| matches!(effect, Effect::Emit(event) if event.kind == EventKind::SpecApplied);
                self.turn.refused = !effects.iter().any(applied);
                self.turn.applied = !self.turn.refused;
                if self.turn.applied {
                    self.applied(decl);
                }
            }
            Command::Shutdown => {
                self.turn.shuts_down = true;
            }
            Command::SkipGraces => {
                self.skipped.get_or_insert(self.now);
            }
        }
    }

    /// Whether the time of a scheduled child leads to a run: it rests, stays, and its supervisor is up (D20).
    fn takes_its_time(&self, at: u32) -> bool {
        use Lifecycle::{Completed, Declared, Failed, Stopped};
        let node = self.model.node(at);
        let leaves = node.concerned == Some(Concerns::Dropped) || node.life.order == Some(Order::Remove);
        let rests = matches!(node.state(), Declared | Stopped | Completed | Failed);
        node.policy.scheduled && node.is_there() && rests && !leaves && self.is_open(node.parent)
    }

    /// The run is the first of a streak, however the last one ended.
    fn time_has_come(&mut self, at: u32) {
        self.turn.due = Some(at);
        self.model.nodes[at as usize].came = true;
        let life = self.model.life(at);
        (life.forgiven, life.grows, life.trial) = (true, false, Trial::No);
        (life.left_out, life.alone) = (false, false);
        (life.once_more, life.timed) = (true, true);
        life.charges.clear();
    }

    fn controlled(&mut self, verb: ControlVerb, address: &Address, refused: bool) {
        self.turn.refused = refused;
        let Some(at) = self.meant(address).filter(|_| !refused) else { return };
        self.turn.commanded = Some(at);
        if self.is_done_already(at, verb) {
            self.turn.refused = true;
            return;
        }
        self.model.nodes[at as usize].came |= verb == ControlVerb::Restart;
        let order = match verb {
            ControlVerb::Restart | ControlVerb::Resume => Order::Start,
            ControlVerb::Pause => Order::Pause,
            ControlVerb::Quarantine => Order::Quarantine,
            ControlVerb::Remove => Order::Remove,
        };
        let life = self.model.life(at);
        life.order = Some(order);
        life.reordered = life.row.lifecycle == Lifecycle::Stopping;
        if order != Order::Start {
            return;
        }
        // An operator's restart clears the streak and the child's own budget (D17).
        (life.forgiven, life.grows, life.trial) = (true, false, Trial::No);
        (life.left_out, life.alone) = (false, false);
        life.charges.clear();
        self.hurry_group(at);
    }

    /// An operator's restart of a member starts its group now (D3): no member's delay is waited for.
    fn hurry_group(&mut self, at: u32) {
        if !self.group_takes(at) && !self.group_may_take(at) {
            return;
        }
        let (now, parent) = (self.now, self.model.node(at).parent);
        for child in self.model.sup_of(parent).children.clone() {
            let member = self.group_takes(child);
            let life = self.model.life(child);
            if member && life.row.lifecycle == Lifecycle::Backoff {
                life.due = life.due.min(now);
            }
        }
    }

    fn called(&mut self, verb: OtpVerb, address: &Address, refused: bool) {
        self.turn.refused = refused;
        let Some(at) = self.meant(address).filter(|_| !refused) else { return };
        self.turn.commanded = Some(at);
        let left_out = self.is_ahead(at);
        let incarnation = self.model.above(at).incarnation;
        let life = self.model.life(at);
        match verb {
            OtpVerb::Terminate => {
                let state = life.row.lifecycle;
                life.once_more = false;
                if matches!(state, Lifecycle::Backoff | Lifecycle::Waiting) {
                    self.turn.voided = Some((at, incarnation));
                }
                let rests = state.is_parked()
                    || matches!(state, Lifecycle::Stopped | Lifecycle::Completed | Lifecycle::Failed);
                if rests {
                    // It rests for the operator now, and for no plan; nor does a restart that was to come.
                    life.cause = supervisor_api::Cause::Operator;
                    life.order = life.order.filter(|order| *order != Order::Start);
                } else {
                    life.order = Some(Order::Rest);
                    life.reordered = state == Lifecycle::Stopping;
                    life.left_out = left_out;
                }
            }
            OtpVerb::StartAgain => {
                life.order = Some(Order::Start);
                (life.grows, life.trial) = (false, Trial::Again);
                self.model.nodes[at as usize].came = true;
            }
            OtpVerb::Delete => life.order = Some(Order::Remove),
        }
    }

    /// Whether a plan that is under way will come by a child, and start it.
    fn is_ahead(&self, at: u32) -> bool {
        let (node, sup) = (self.model.node(at), self.model.above(at));
        let first = sup.initial && node.life.spawned_in != sup.incarnation;
        let grouped = sup.group.is_some_and(|group| {
            let visited = group.up && node.life.raised == group.number;
            node.is_member_of(&group) && !visited
        });
        first || grouped
    }

    fn adds(&mut self, under: &Address, child: &ChildDecl, otp: bool, effects: &[Effect]) {
        use supervisor_api::policy::OnStartFailure::Retry;
        let parent = self.meant(under).filter(|at| self.model.node(*at).sup != NONE);
        let declares = effects.iter().any(|effect| matches!(effect, Effect::Declared { .. }));
        let Some(parent) = parent.filter(|_| declares) else {
            self.turn.refused = true;
            return;
        };
        let kept = !otp && self.model.sup_of(parent).policy().on_start_failure == Retry;
        // Who cannot be started yet is answered at once, and starts some time as any other.
        let waits = matches!(child.body, Body::Unbound(_)) || child.settings.scheduled;
        let trial = if kept || waits { Trial::No } else { Trial::Added };
        self.turn.adding = Some(Adding { parent, decl: Box::new(child.clone()), trial });
    }

    /// Whom an address means (`wire.md` 1).
    pub(super) fn meant(&self, address: &Address) -> Option<u32> {
        match address {
            Address::Key(key) => self.model.find(*key).filter(|at| self.model.node(*at).is_there()),
            // Whoever was not announced yet is, before the command is heard.
            Address::Text(text) if !self.announced && text.starts_with('/') => self.model.planned_at(text),
            Address::Text(text) if text.starts_with('/') => self.model.at_path(text).or_else(|| {
                let below =
                    text.strip_prefix("/root").filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
                self.model.at_path(if below.is_empty() { "/" } else { below })
            }),
            Address::Text(id) => self.model.with_id(id),
        }
    }
}
