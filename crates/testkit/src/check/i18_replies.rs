//! Invariant 18: what a reply says is what the rules say (table 1.7, D10, D17), for the state the child was in.
//!
//! When a command comes, what must be answered is worked out from the model; when the reply comes, it is held against
//! that, and what it tells of the child against the row that the events add up to.

use supervisor_api::command::{ChildControlOutcome, ControlVerb, OtpVerb};
use supervisor_api::{ChildKey, Lifecycle, SupervisorError, SupervisorPath};
use supervisor_core::{Address, ChildDecl, Command, Reply, Ticket};

use super::Checker;
use super::adopt::Concerns;
use super::model::{NONE, Order, Trial};
use super::violation::{Check, must};

/// A command without a reply so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) ticket: Ticket,
    goal: Goal,
    answer: Answer,
    /// The child that is meant, and what was known of it.
    at: u32,
    key: ChildKey,
    before: Lifecycle,
    generation: u64,
}

/// What a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// A child starts; `anew` when it has to be another run than before.
    Started,
    Added,
    Held(Lifecycle),
    Rest,
    Gone,
    Applied,
    Shutdown,
    GracesSkipped,
}

/// What must be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Refused(Refusal),
    /// There is nothing to do.
    Idempotent,
    /// It is done, or comes to nothing for a reason.
    Done,
    /// It is done, or was refused for this.
    Perhaps(Refusal),
    Unknown,
}

/// Why a command is refused, as far as its caller can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NotFound,
    Ambiguous,
    Transition,
    NoSupervisor,
    Started,
    Present,
    Full,
    Forbidden,
    Spec,
}

impl Refusal {
    fn of(error: &SupervisorError) -> Option<Self> {
        Some(match error {
            SupervisorError::ChildNotFound { .. } => Self::NotFound,
            SupervisorError::AmbiguousChild { .. } => Self::Ambiguous,
            SupervisorError::InvalidTransition { .. } => Self::Transition,
            SupervisorError::NoSuchSupervisor { .. } => Self::NoSupervisor,
            SupervisorError::AlreadyStarted { .. } => Self::Started,
            SupervisorError::AlreadyPresent { .. } => Self::Present,
            SupervisorError::MaxChildren { .. } => Self::Full,
            SupervisorError::NotPermitted { .. } => Self::Forbidden,
            SupervisorError::InvalidSpec(_) => Self::Spec,
            _ => return None,
        })
    }
}

impl Checker {
    /// Works out what must be answered, before the command changes anything.
    pub(super) fn asked(&self, ticket: Ticket, command: &Command) -> Asked {
        let (goal, answer, at) = match command {
            Command::Control(verb, address) => {
                let goal = match verb {
                    ControlVerb::Restart | ControlVerb::Resume => Goal::Started,
                    ControlVerb::Pause => Goal::Held(Lifecycle::Paused),
                    ControlVerb::Quarantine => Goal::Held(Lifecycle::Quarantined),
                    ControlVerb::Remove => Goal::Gone,
                };
                (goal, self.answer_to_control(*verb, address), self.meant(address))
            }
            Command::Otp(verb, address) => {
                let goal = match verb {
                    OtpVerb::Terminate => Goal::Rest,
                    OtpVerb::StartAgain => Goal::Started,
                    OtpVerb::Delete => Goal::Gone,
                };
                (goal, self.answer_to_otp(*verb, address), self.meant(address))
            }
            Command::Add { under, child } | Command::StartChild { under, child } => {
                (Goal::Added, self.answer_to_addition(under, child), None)
            }
            Command::Apply(_) => (Goal::Applied, Answer::Unknown, None),
            Command::Shutdown => (Goal::Shutdown, Answer::Done, None),
            Command::SkipGraces => (Goal::GracesSkipped, Answer::Done, None),
        };
        // Who was not announced yet is announced before the command is heard.
        let answer = if self.announced { answer } else { Answer::Unknown };
        let at = at.unwrap_or(0);
        let node = self.model.node(at);
        let (before, generation) = (node.state(), node.life.row.generation);
        Asked { ticket, goal, answer, at, key: node.key, before, generation }
    }

    /// The child that is being added is known by now.
    pub(super) fn i18_knows(&mut self, at: u32) {
        let key = self.model.node(at).key;
        if let Some(asked) = self.asked.last_mut().filter(|asked| asked.goal == Goal::Added && asked.at == 0)
        {
            (asked.at, asked.key) = (at, key);
        }
    }

    fn answer_to_control(&self, verb: ControlVerb, address: &Address) -> Answer {
        let Some(at) = self.meant(address) else { return Answer::Refused(self.not_found(address)) };
        let node = self.model.node(at);
        let starts = matches!(verb, ControlVerb::Restart | ControlVerb::Resume);
        let permissions = &node.policy.permissions;
        let permitted = match verb {
            ControlVerb::Restart => permissions.allow_restart,
            ControlVerb::Pause | ControlVerb::Quarantine | ControlVerb::Remove => permissions.allow_shutdown,
            ControlVerb::Resume => true,
        };
        let leaves = node.concerned == Some(Concerns::Dropped) && verb != ControlVerb::Remove;
        if at == 0 || leaves {
            Answer::Refused(Refusal::Transition)
        } else if verb != ControlVerb::Remove && !node.in_spec && self.stays_for_others(at) {
            Answer::Unknown
        } else if !permitted {
            Answer::Refused(Refusal::Forbidden)
        } else if self.ending.is_some()
            || self.done
            || starts && !(self.is_open(node.parent) && node.bound)
            || verb == ControlVerb::Remove && self.is_needed(at)
        {
            Answer::Refused(Refusal::Transition)
        } else if self.is_done_already(at, verb) {
            Answer::Idempotent
        } else {
            Answer::Done
        }
    }

    /// Table 1.7.
    fn answer_to_otp(&self, verb: OtpVerb, address: &Address) -> Answer {
        let Some(at) = self.meant(address) else {
            let lost = self.not_found(address);
            let above = match address {
                Address::Text(text) => text.rsplit_once('/').map_or("", |(above, _)| above),
                Address::Key(_) => "",
            };
            let there = above.is_empty() || self.open_supervisor(&Address::Text(above.into())).is_some();
            let lost = if there || lost != Refusal::NotFound { lost } else { Refusal::NoSupervisor };
            return Answer::Refused(lost);
        };
        let node = self.model.node(at);
        let state = node.state();
        let by_key = matches!(address, Address::Key(_));
        let dynamic = at != 0 && self.model.above(at).policy().dynamic.is_some();
        let restarting = state == Lifecycle::Backoff || state == Lifecycle::Waiting && node.life.waits_again;
        let refused = if at == 0 {
            Some(Refusal::Transition)
        } else if !self.is_open(node.parent) {
            Some(Refusal::NoSupervisor)
        } else if node.concerned == Some(Concerns::Dropped) {
            Some(Refusal::Transition)
        } else {
            match verb {
                OtpVerb::Terminate if by_key && !dynamic => Some(Refusal::NotFound),
                OtpVerb::Terminate if dynamic && !by_key => Some(Refusal::Transition),
                OtpVerb::Terminate => None,
                _ if dynamic => Some(Refusal::Transition),
                OtpVerb::StartAgain if state.is_live() => Some(Refusal::Started),
                OtpVerb::Delete if state.is_live() => Some(Refusal::Transition),
                _ if restarting => Some(Refusal::Transition),
                OtpVerb::StartAgain if state.is_parked() || !node.bound => Some(Refusal::Transition),
                OtpVerb::Delete if self.is_needed(at) => Some(Refusal::Transition),
                OtpVerb::StartAgain | OtpVerb::Delete => None,
            }
        };
        // It may rest already, and be kept for somebody below it: then there is nothing to refuse.
        if at != 0 && node.concerned == Some(Concerns::Dropped) && self.stays_for_others(at) {
            return Answer::Unknown;
        }
        let had_to_stop = state.is_live() || restarting || state == Lifecycle::Waiting;
        match refused {
            Some(refusal) => Answer::Refused(refusal),
            None if verb == OtpVerb::StartAgain && self.stays_for_others(at) => {
                Answer::Perhaps(Refusal::Transition)
            }
            None if verb == OtpVerb::Terminate && !had_to_stop => Answer::Idempotent,
            None => Answer::Done,
        }
    }

    /// R10, R69, R85. Whether the declaration itself has mistakes is not looked at.
    fn answer_to_addition(&self, under: &Address, child: &ChildDecl) -> Answer {
        let Some(parent) = self.open_supervisor(under) else {
            let ambiguous = self.meant(under).is_none() && self.not_found(under) == Refusal::Ambiguous;
            return Answer::Refused(if ambiguous { Refusal::Ambiguous } else { Refusal::NoSupervisor });
        };
        let (sup, path) = (self.model.sup_of(parent), self.model.node(parent).path.child(&child.id));
        if let Some(at) = self.model.at_path(path.as_str()) {
            let lives = self.model.node(at).state().is_live();
            return Answer::Refused(if lives { Refusal::Started } else { Refusal::Present });
        }
        let count = || sup.children.iter().filter(|child| self.model.node(**child).is_there()).count();
        if sup.policy().dynamic.is_some_and(|max| count() >= max as usize) {
            return Answer::Refused(Refusal::Full);
        }
        Answer::Perhaps(Refusal::Spec)
    }

    /// Why nobody is meant by an address.
    fn not_found(&self, address: &Address) -> Refusal {
        match address {
            Address::Text(id) if id.is_empty() => Refusal::Transition,
            Address::Text(id) if !id.starts_with('/') => {
                let called = |at: u32| self.model.node(at).path.last_segment() == Some(id);
                let known = self.model.there().skip(1).any(called);
                if known { Refusal::Ambiguous } else { Refusal::NotFound }
            }
            Address::Text(path) if SupervisorPath::parse(path).is_err() => Refusal::Transition,
            _ => Refusal::NotFound,
        }
    }

    fn open_supervisor(&self, address: &Address) -> Option<u32> {
        self.meant(address).filter(|at| self.model.node(*at).sup != NONE && self.is_open(*at))
    }

    /// Whether children of a supervisor may be started: it is up, and nobody above it ends.
    pub(super) fn is_open(&self, sup: u32) -> bool {
        let up = matches!(self.model.node(sup).state(), Lifecycle::Starting | Lifecycle::Running);
        up && !self.done && self.ending.is_none() && !self.model.is_closing(sup)
    }

    /// Whether a sibling depends on a child, other than the primary of a sidecar (D11).
    fn is_needed(&self, at: u32) -> bool {
        let node = self.model.node(at);
        node.needed_by.iter().any(|by| node.primary != *by)
    }

    /// Whether a child may be one that was removed, and goes when nobody unresponsive lives below it.
    fn stays_for_others(&self, at: u32) -> bool {
        let node = self.model.node(at);
        let lives =
            |other: u32| self.model.node(other).is(Lifecycle::Unresponsive) && self.model.is_below(other, at);
        node.sup != NONE && !node.state().is_live() && self.model.there().any(lives)
    }

    /// Whether a command has nothing to do (D10).
    pub(super) fn is_done_already(&self, at: u32, verb: ControlVerb) -> bool {
        let node = self.model.node(at);
        let parking = matches!(node.state(), Lifecycle::Stopping | Lifecycle::Unresponsive)
            && matches!(node.life.order, Some(Order::Pause | Order::Quarantine));
        match verb {
            ControlVerb::Pause => node.is(Lifecycle::Paused),
            ControlVerb::Quarantine => node.is(Lifecycle::Quarantined),
            ControlVerb::Resume => !parking && !node.state().is_parked(),
            ControlVerb::Restart | ControlVerb::Remove => false,
        }
    }

    /// Invariant 18. A reply says what the rules say.
    pub(super) fn i18_reply_is_right(&self, asked: &Asked, result: &Result<Reply, SupervisorError>) -> Check {
        let right = match (asked.answer, result) {
            (Answer::Unknown, _) => return Ok(()),
            (Answer::Refused(why), Err(error)) => Refusal::of(error) == Some(why),
            (Answer::Refused(_), Ok(_)) => false,
            (answer, Err(error)) => {
                let allowed = match answer {
                    Answer::Perhaps(why) => Refusal::of(error) == Some(why),
                    _ => false,
                };
                allowed || self.comes_to_nothing(asked, error)
            }
            (_, Ok(Reply::Control(outcome))) => return self.i18_outcome(asked, outcome),
            (_, Ok(Reply::Added { key, path, state, generation })) => {
                let node = self.model.node(asked.at);
                let row = node.life.row;
                // Who declines is told of as what it would be if it stayed.
                let as_it_is = row.lifecycle == *state || self.turn.declined == Some(asked.at);
                let good = !came_to_nothing(*state) || self.turn.declined == Some(asked.at);
                let same = (*key, path, *generation) == (node.key, &node.path, row.generation);
                asked.goal == Goal::Added && same && as_it_is && good
            }
            (_, Ok(Reply::Applied(_))) => asked.goal == Goal::Applied,
            (_, Ok(Reply::GracesSkipped)) => asked.goal == Goal::GracesSkipped,
            (_, Ok(Reply::Shutdown)) => {
                // Everybody is gone or named (D20), unless the owner is gone.
                let mut all = self.model.there().skip(1).map(|at| self.model.node(at));
                asked.goal == Goal::Shutdown && (self.is_hard() || !all.any(|node| node.is_waited_for()))
            }
        };
        must!(
            self,
            right,
            Replies,
            "command {} about {}, which was {}, should be answered as {:?}, {:?}; the reply is {result:?}",
            asked.ticket,
            self.model.node(asked.at).path,
            asked.before,
            asked.goal,
            asked.answer
        );
        Ok(())
    }

    /// Whether a command that was accepted could come to this.
    fn comes_to_nothing(&self, asked: &Asked, error: &SupervisorError) -> bool {
        let node = self.model.node(asked.at);
        match error {
            // R11, R68.
            SupervisorError::StartFailed { path, .. } => *path == node.path && node.life.trial != Trial::No,
            SupervisorError::InvalidTransition { .. } => {
                let unborn = node.is(Lifecycle::Declared) && !self.is_open(node.parent);
                let nothing = came_to_nothing(node.state()) || unborn;
                self.ending.is_some() || asked.goal == Goal::Added && nothing
            }
            _ => false,
        }
    }

    fn i18_outcome(&self, asked: &Asked, outcome: &ChildControlOutcome) -> Check {
        let node = self.model.node(asked.at);
        let (path, row) = (&node.path, node.life.row);
        let said = (outcome.state_after, outcome.generation, outcome.attempt, outcome.restart_count);
        let is = (row.lifecycle, row.generation, row.attempt, row.restart_count);
        must!(
            self,
            node.key == asked.key
                && outcome.path == *path
                && said == is
                && outcome.state_before == asked.before,
            Replies,
            "the reply to command {} about {path}, which was {}, is {outcome:?}, but its row is {row:?}",
            asked.ticket,
            asked.before
        );
        let idempotent = asked.answer == Answer::Idempotent;
        let cancels = !idempotent && matches!(asked.before, Lifecycle::Starting | Lifecycle::Running);
        let reached = match asked.goal {
            _ if idempotent => asked.before == Lifecycle::Declared || row.lifecycle == asked.before,
            Goal::Started => match row.lifecycle {
                Lifecycle::Running | Lifecycle::Completed => row.generation > asked.generation,
                Lifecycle::Waiting => true,
                _ => self.turn.declined == Some(asked.at),
            },
            Goal::Held(state) => row.lifecycle == state,
            Goal::Rest => matches!(
                row.lifecycle,
                Lifecycle::Stopped | Lifecycle::Removed | Lifecycle::Completed | Lifecycle::Failed
            ),
            Goal::Gone => row.lifecycle == Lifecycle::Removed,
            Goal::Added | Goal::Applied | Goal::Shutdown | Goal::GracesSkipped => false,
        };
        must!(
            self,
            outcome.idempotent == idempotent
                && outcome.cancel_delivered == cancels
                && outcome.failure.is_none() == reached,
            Replies,
            "command {} ({:?}) about {path}, which was {} (run {}) and is {} (run {}): there was {} to do; the reply is {outcome:?}",
            asked.ticket,
            asked.goal,
            asked.before,
            asked.generation,
            row.lifecycle,
            row.generation,
            if idempotent { "nothing" } else { "something" }
        );
        Ok(())
    }
}

/// Whether an addition that ends in this state is no start (D17).
fn came_to_nothing(state: Lifecycle) -> bool {
    matches!(
        state,
        Lifecycle::Removed
            | Lifecycle::Unresponsive
            | Lifecycle::Stopped
            | Lifecycle::Paused
            | Lifecycle::Quarantined
            | Lifecycle::Failed
    )
}
