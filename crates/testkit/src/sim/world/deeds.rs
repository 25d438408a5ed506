//! What comes from outside: operators, spoken words of runs, and strays.

use std::sync::Arc;

use supervisor_api::command::ControlVerb;
use supervisor_api::{ChildKey, Lifecycle};
use supervisor_core::{Address, Command, Input};

use super::children::is_explicit;
use super::{Step, World};
use crate::sim::marks::{Mark, sometimes};
use crate::sim::schedule::{Deed, Stray, Target, Word};

impl World<'_> {
    /// Does what an act says. When the acts begin anew to fill a short schedule, one that finds no run to act on is an
    /// operator who starts it again, so that something lives.
    pub(super) fn perform(&mut self, deed: &Deed, again: bool) -> Step {
        let steps = self.steps;
        self.do_it(deed)?;
        match deed {
            Deed::End(target, _) | Deed::Say(target, _) | Deed::Stray(target, ..) | Deed::Bound(target)
                if again && self.steps == steps =>
            {
                let address = self.address(*target);
                self.command(Command::Control(ControlVerb::Restart, address))
            }
            _ => Ok(()),
        }
    }

    fn do_it(&mut self, deed: &Deed) -> Step {
        match deed {
            Deed::Control(verb, target) => {
                let address = self.address(*target);
                self.command(Command::Control(*verb, address))
            }
            Deed::Otp(verb, target) => {
                let address = self.address(*target);
                self.command(Command::Otp(*verb, address))
            }
            Deed::Add { under, child, otp } => {
                let under = self.address(*under);
                let child = Box::new((**child).clone());
                self.command(if *otp {
                    Command::StartChild { under, child }
                } else {
                    Command::Add { under, child }
                })
            }
            Deed::Apply(decl) => self.command(Command::Apply(Box::new((**decl).clone()))),
            Deed::Shutdown => self.command(Command::Shutdown),
            Deed::SkipGraces => self.command(Command::SkipGraces),
            Deed::End(target, ending) => self.say(*target, Word::Ended(*ending)),
            Deed::Say(target, word) => self.say(*target, *word),
            Deed::Stray(target, word, stray) => self.stray(*target, *word, *stray),
            Deed::Bound(target) => match self.key(*target) {
                Some(key) => self.feed(Input::Bound { key }),
                None => Ok(()),
            },
            Deed::Due(target) => match self.key(*target) {
                Some(key) => self.feed(Input::Due { key }),
                None => Ok(()),
            },
            Deed::JournalFails(events) => {
                self.room.readers.fail(*events);
                Ok(())
            }
        }
    }

    pub(super) fn key(&self, target: Target) -> Option<ChildKey> {
        let name = self.schedule.names.get(target.name()?)?;
        self.machine.find(name)
    }

    fn address(&self, target: Target) -> Address {
        let name = |at: u16| match self.schedule.names.get(usize::from(at)) {
            Some(name) => Arc::clone(name),
            None => "/nobody".into(),
        };
        let nobody = ChildKey { index: u32::MAX - 1, epoch: 0 };
        match target {
            Target::Path(at) => Address::Text(name(at)),
            Target::Id(at) => Address::Text(name(at).rsplit('/').next().unwrap_or("c0").into()),
            Target::Key(_) => Address::Key(self.key(target).unwrap_or(nobody)),
            Target::FormerKey(at) => {
                let former = self.room.former.get(usize::from(at) % self.room.former.len().max(1));
                Address::Key(former.copied().unwrap_or(nobody))
            }
            Target::Nobody => Address::Text("/nobody/at/all".into()),
        }
    }

    pub(super) fn command(&mut self, command: Command) -> Step {
        self.ticket += 1;
        sometimes!(self.room.marks, Mark::CommandAfterTheEnd, self.ended);
        if matches!(command, Command::Shutdown) {
            sometimes!(self.room.marks, Mark::ShutdownTwice, self.shutdown_asked);
            self.shutdown_asked = true;
        }
        let requester = self.room.words.who.clone();
        self.feed(Input::Command { ticket: self.ticket, requester, command })
    }

    /// The live run of a child says something, if it can.
    fn say(&mut self, target: Target, word: Word) -> Step {
        let Some(key) = self.key(target) else { return Ok(()) };
        let Some(live) = self.run(key) else { return Ok(()) };
        let kid = &self.room.kids[key.index as usize];
        let promised = kid.policy.as_ref().is_some_and(|policy| policy.heartbeat.is_some());
        let starts = kid.life == Some(Lifecycle::Starting) && is_explicit(kid) && !live.ready;
        match word {
            Word::Ended(ending) => return self.end_run(key, live.generation, ending),
            Word::Declined if !starts => return Ok(()),
            Word::Missed | Word::Unwell if !promised => return Ok(()),
            Word::Declined => self.leave(key),
            Word::Ready => {
                if let Some(live) = self.run_mut(key) {
                    live.ready = true;
                }
            }
            _ => {}
        }
        let input = self.said(key, live.generation, word);
        self.feed(input)
    }

    /// A message about a run that is not the live one.
    fn stray(&mut self, target: Target, word: Word, stray: Stray) -> Step {
        let Some(mut key) = self.key(target) else { return Ok(()) };
        let generation = self.machine.row(key).map_or(0, |row| row.generation);
        let generation = match stray {
            Stray::Older => generation.saturating_sub(1),
            Stray::Newer => generation + 1,
            Stray::OtherChild => {
                key.epoch = if key.epoch > 0 { key.epoch - 1 } else { 1 };
                generation
            }
        };
        let input = self.said(key, generation, word);
        self.feed(input)
    }
}
