//! The calls of the machine: each is hashed, checked, obeyed and, if somebody reads, told.

use supervisor_api::{ChildKey, Lifecycle, SupervisorPath};
use supervisor_core::{Effect, Input};

use super::{Kid, Step, World};
use crate::sim::marks::{Mark, sometimes};
use crate::sim::text;
use crate::{Did, Invariant, Violation};

impl World<'_> {
    pub(super) fn feed(&mut self, input: Input) -> Step {
        self.call(Call::Input(input))
    }

    pub(super) fn call(&mut self, call: Call) -> Step {
        let mut out = std::mem::take(&mut self.room.out);
        self.steps += 1;
        self.tell_call(&call);
        self.hash(&call);
        let did = match &call {
            Call::Launch => {
                self.machine.launch(self.now, &mut out);
                Did::Launch
            }
            Call::Input(input) => {
                *(if self.ended { &mut self.echoes } else { &mut self.inputs }) += 1;
                self.machine.handle(self.now, input.clone(), &mut out);
                Did::Input(input)
            }
            Call::GoOn => {
                self.machine.go_on(self.now, &mut out);
                Did::GoOn
            }
        };
        self.effects += out.len() as u64;
        let checked = self.room.checker.step(self.now, did, &out, &self.machine);
        self.tell_effects(&out);
        out.iter().for_each(|effect| self.hash(effect));
        checked?;
        sometimes!(self.room.marks, Mark::PlanCut, out.len() >= 256 && self.machine.has_open_plan());
        if !out.is_empty() && !matches!(&call, Call::Input(Input::Beat { .. })) {
            self.last_effect = self.now;
            self.stirs += 1;
        }
        for effect in out.drain(..) {
            self.obey(effect);
        }
        self.room.out = out;
        if self.steps.is_multiple_of(self.schedule.habits.sweep) {
            self.room.checker.sweep(self.now, &self.machine)?;
        }
        self.let_readers_read()
    }

    fn let_readers_read(&mut self) -> Step {
        if self.room.readers.is_empty() {
            return Ok(());
        }
        let keys = self.room.kids.iter().enumerate().map(|(at, kid)| kid.key(at));
        let found = self.room.readers.read(&mut self.random, &self.machine, keys);
        sometimes!(self.room.marks, Mark::ReaderGap, self.room.readers.gaps > 0);
        sometimes!(self.room.marks, Mark::JournalFailed, self.room.readers.lost > 0);
        sometimes!(self.room.marks, Mark::ReaderCaughtUp, self.room.readers.caught_up > 0);
        found.map_err(|text| self.wrong(Invariant::Fold, &text))
    }

    /// Does what the machine decided.
    fn obey(&mut self, effect: Effect) {
        self.room.marks.effect(&effect, self.now, &self.room.kids, &self.machine);
        match effect {
            Effect::Declared { key, parent, path, body, policy } => {
                let at = key.index as usize;
                if self.room.kids.len() <= at {
                    self.room.kids.resize_with(at + 1, Kid::default);
                }
                self.room.kids[at] = Kid {
                    epoch: key.epoch,
                    parent: parent.index,
                    body,
                    policy: Some(policy),
                    life: Some(Lifecycle::Declared),
                    attempt: 0,
                    grouped: false,
                    path: Some(path),
                    run: None,
                };
            }
            Effect::Changed { key, body, policy } => {
                let at = key.index as usize;
                if let Some(kid) = self.room.kids.get_mut(at) {
                    (kid.body, kid.policy) = (body, Some(policy));
                    self.give_beats(at, self.calm);
                }
            }
            Effect::Spawn { key, generation, .. } => self.begin_run(key, generation),
            Effect::Stop { key, grace } => self.ask_run(key, grace),
            Effect::Kill { key } => self.kill_run(key),
            Effect::Emit(event) => {
                if let Some(kid) = self.room.kids.get_mut(event.child.index as usize) {
                    kid.life = Some(event.row.lifecycle);
                    kid.attempt = event.row.attempt;
                    kid.grouped = matches!(event.next, supervisor_api::Next::WithGroup(_));
                }
                if !self.room.readers.is_empty() {
                    self.room.readers.publish(event.child, event.row);
                }
            }
            Effect::Forget { key } => self.room.former.push(key),
            Effect::Done(_) => self.ended = true,
            Effect::Reply { .. } | Effect::Started => {}
        }
    }

    // ---- words ----

    pub(super) fn wrong(&self, invariant: Invariant, text: &str) -> Violation {
        Violation { invariant, text: format!("at {}: {text}", text::moment(self.now)) }
    }

    pub(super) fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = line(self);
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    fn hash(&mut self, what: &impl std::fmt::Debug) {
        if let Some(digest) = &mut self.digest {
            digest.add(self.now, what);
        }
    }

    fn tell_call(&mut self, call: &Call) {
        self.note(|world| {
            let names = |key: ChildKey| world.name_of(key);
            let what = match call {
                Call::Launch => "launch".to_owned(),
                Call::GoOn => "go on".to_owned(),
                Call::Input(input) => text::input(input, &names),
            };
            format!("{} {what}", text::moment(world.now))
        });
    }

    fn tell_effects(&mut self, effects: &[Effect]) {
        if self.trace.is_some() {
            for effect in effects {
                self.note(|world| {
                    let names = |key: ChildKey| world.name_of(key);
                    format!("                    {}", text::effect(effect, &names))
                });
            }
        }
    }

    fn name_of(&self, key: ChildKey) -> Option<SupervisorPath> {
        let kid = self.room.kids.get(key.index as usize);
        kid.filter(|kid| kid.epoch == key.epoch)
            .and_then(|kid| kid.path.clone())
            .or_else(|| self.machine.path(key).cloned())
    }
}

/// How the machine is called.
#[derive(Debug)]
pub(super) enum Call {
    Launch,
    Input(Input),
    GoOn,
}
