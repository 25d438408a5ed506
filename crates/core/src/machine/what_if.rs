//! What a command, or a failure, would lead to: it is played on a copy of the machine, in a world where everybody does at
//! once what is asked of them. Runs end well when they are stopped and are ready when they are spawned; no time passes.

use std::collections::VecDeque;

use hashbrown::HashSet;
use supervisor_api::command::Affected;
use supervisor_api::{Cause, ChildKey, Exit, Lifecycle, SupervisorError};

use super::Machine;
use crate::face::{Address, Command, Effect, Input, Requester, Ticket};
use crate::resolve::FixedState;

/// The command that is played. Nobody but the play sees its number.
const PLAYED: Ticket = Ticket::MAX;

/// The copy, and what is still to be told to it.
struct Play {
    machine: Machine,
    reports: VecDeque<Input>,
    /// Who was told of, in order, and the cause that came first.
    told: Vec<(ChildKey, Cause)>,
    seen: HashSet<ChildKey, FixedState>,
    refusal: Option<SupervisorError>,
}

impl Machine {
    /// Who would be affected by a command given now, in the order in which it would be told, or why it would be
    /// refused. Changes nothing. Takes a copy of the whole machine, and the time and room for that.
    ///
    /// What time would bring does not show: the end of a delay, or a run that does not stop.
    pub fn what_if(&self, now: u64, command: Command) -> Result<Vec<Affected>, SupervisorError> {
        self.play(now, Input::Command { ticket: PLAYED, requester: Requester::default(), command })
    }

    /// Who would be affected if the run of this child failed now, or why it cannot: only what runs fails, and a
    /// supervisor does so when its children have used up its budget. Otherwise as [`Self::what_if`].
    pub fn what_if_crash(&self, now: u64, child: &Address) -> Result<Vec<Affected>, SupervisorError> {
        let key = self.locate(child)?;
        let node = self.node(key.index);
        let refuse = |message: String| Err(SupervisorError::InvalidTransition { message });
        if node.is_supervisor() {
            return refuse(format!(
                "{} is a supervisor, which fails when its children do; name one of them",
                node.path
            ));
        }
        if !node.life.is_live() {
            return refuse(format!(
                "{} is {} and has no run that could fail",
                node.path,
                node.life.lifecycle()
            ));
        }
        let exit = Exit::failed("what if it failed");
        self.play(now, Input::Exited { key, generation: node.generation, exit })
    }

    fn play(&self, now: u64, first: Input) -> Result<Vec<Affected>, SupervisorError> {
        let mut play = Play {
            machine: self.clone(),
            reports: VecDeque::from([first]),
            told: Vec::new(),
            seen: HashSet::default(),
            refusal: None,
        };
        play.go(now);
        if let Some(refusal) = play.refusal {
            return Err(refusal);
        }
        let affected = play.told.iter().filter_map(|&(key, cause)| self.became(&play.machine, key, cause));
        Ok(affected.collect())
    }

    /// What has become of a child in another machine that went on from here.
    fn became(&self, later: &Self, key: ChildKey, cause: Cause) -> Option<Affected> {
        let (before, after) = (self.row(key), later.row(key));
        let effect = match (before, after) {
            (Some(before), Some(after)) if before.generation != after.generation => {
                let again = before.lifecycle.is_live() && after.lifecycle.is_live();
                if again { "restarted" } else { after.lifecycle.as_str() }
            }
            (Some(before), Some(after)) if before.lifecycle == after.lifecycle => return None,
            (_, Some(after)) => after.lifecycle.as_str(),
            (Some(_), None) => Lifecycle::Removed.as_str(),
            (None, None) => return None,
        };
        let path = self.path(key).or_else(|| later.path(key))?.clone();
        let by = cause.child().and_then(|index| {
            let place = |machine: &Self| machine.nodes.get(index as usize).map(|node| node.path.clone());
            place(later).or_else(|| place(self))
        });
        let because = by.filter(|by| *by != path).and_then(|by| cause.because_of(&by));
        Some(Affected { child_path: path, effect: effect.to_owned(), because })
    }
}

impl Play {
    fn go(&mut self, now: u64) {
        let mut effects = Vec::new();
        loop {
            if self.machine.has_open_plan() {
                self.machine.go_on(now, &mut effects);
            } else if let Some(report) = self.reports.pop_front() {
                self.machine.handle(now, report, &mut effects);
            } else {
                return;
            }
            for effect in effects.drain(..) {
                self.see(effect);
            }
        }
    }

    fn see(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn { key, generation, .. } => self.reports.push_back(Input::Ready { key, generation }),
            Effect::Stop { key, .. } => self.end(key, Exit::Stopped),
            // One that was asked before has ended by then, and this is not heard.
            Effect::Kill { key } => self.end(key, Exit::Aborted),
            Effect::Emit(event) if self.seen.insert(event.child) => {
                self.told.push((event.child, event.cause))
            }
            Effect::Reply { ticket: PLAYED, result: Err(refusal) } => self.refusal = Some(refusal),
            _ => {}
        }
    }

    fn end(&mut self, key: ChildKey, exit: Exit) {
        if let Some(row) = self.machine.row(key) {
            self.reports.push_back(Input::Exited { key, generation: row.generation, exit });
        }
    }
}
