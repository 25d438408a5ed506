//! What becomes of the model when something happens.

use std::time::Duration;

use supervisor_api::SupervisorPath;
use supervisor_api::wire::{EventRecord, Stream, UnixNanos, WhyAnswer};
use supervisor_client::{Happening, Stale};

use super::form::Foreseen;
use super::{Link, Model, Over, Progress, Stage, World};
use crate::steer::history::Item;
use crate::steer::order::Texts;
use crate::steer::{Fault, safe};

impl Model {
    /// Something happened to the target or to the connection. The tree has it already.
    pub(crate) fn heard(&mut self, happening: &Happening, world: World<'_>) {
        match happening {
            Happening::Connected(hello) | Happening::Resumed(hello) => {
                self.link = Link::Live;
                self.who = (&**hello).into();
                self.is_other = true;
                self.ask_anew();
            }
            Happening::Restarted(hello) => {
                self.link = Link::Live;
                self.who = (&**hello).into();
                self.is_other = true;
                self.note = "the target was started again; its events begin anew".to_owned();
                // Nothing of what it told before can be compared with what it tells now.
                (self.log.of, self.about.of) = (None, None);
            }
            Happening::Refreshed => {
                self.link = Link::Live;
                self.is_other = true;
                self.ask_anew();
            }
            Happening::Delta(delta) => self.is_other |= delta.topology.is_some(),
            Happening::Event(event) => self.about.came(event),
            Happening::Log(record) => drop(self.log.came(record)),
            Happening::Gap { stream: Stream::Logs, gap } => self.log.lost(*gap),
            Happening::Disconnected { why, retry_in } => {
                self.lost(safe(&why.to_string()), *retry_in, world.now)
            }
            Happening::Unreachable { why, retry_in } => {
                self.lost(safe(&why.to_string()), *retry_in, world.now)
            }
            Happening::Problem(error) => self.note = safe(&error.message),
            _ => {}
        }
    }

    /// What could not be had while there was no connection is asked for again.
    fn ask_anew(&mut self) {
        if matches!(self.log.stage, Stage::Failed(_)) {
            self.log.stage = Stage::Asking;
        }
        self.about.stage = Stage::Asking;
    }

    fn lost(&mut self, why: String, retry_in: Duration, now: UnixNanos) {
        let since = match self.link {
            Link::Lost { since, .. } | Link::Doubtful { since, .. } => since,
            _ => now,
        };
        let wait = u64::try_from(retry_in.as_nanos()).unwrap_or(u64::MAX);
        self.link = Link::Lost { since, why, retry_at: UnixNanos(now.0.saturating_add(wait)) };
    }

    /// Whether the view may be old although there is a connection.
    pub(crate) fn doubt(&mut self, stale: Option<Stale>, now: UnixNanos) {
        let why = match stale {
            Some(Stale::Gap) => "events were lost; the state is read again",
            Some(Stale::Silent) => "it has said nothing for a while and is asked whether it still answers",
            Some(Stale::Disconnected) => return,
            None => {
                if matches!(self.link, Link::Doubtful { .. }) {
                    self.link = Link::Live;
                }
                return;
            }
        };
        if self.link == Link::Live {
            self.link = Link::Doubtful { since: now, why };
        }
    }

    /// The log that was asked for.
    pub(crate) fn kept_logs(&mut self, of: &SupervisorPath, kept: Result<Vec<Item>, Fault>) {
        if self.log.of.as_ref() != Some(of) || self.log.stage == Stage::Here {
            return;
        }
        match kept {
            Ok(items) => self.log.kept(items),
            Err(fault) => self.log.stage = Stage::Failed(fault.words()),
        }
    }

    /// What was asked about a child.
    pub(crate) fn told_about(
        &mut self,
        of: &SupervisorPath,
        told: Result<(WhyAnswer, Vec<EventRecord>), Fault>,
    ) {
        if self.about.of.as_ref() != Some(of) {
            return;
        }
        match told {
            Ok((why, events)) => self.about.answered(&why, &events),
            Err(fault) => self.about.stage = Stage::Failed(fault.words()),
        }
    }

    /// What a command will affect, for the form with this id. What was read of a file is what is sent.
    pub(crate) fn foreseen(&mut self, form: u64, said: Result<(Option<String>, Texts), Fault>) {
        let Over::Form(open) = &mut self.over else { return };
        // Who names another file meanwhile wants to know what that does.
        if open.id != form || open.foreseen != Foreseen::Asking {
            return;
        }
        open.missing = None;
        match said {
            Ok((said, texts)) => {
                open.texts = texts.into();
                open.foreseen = Foreseen::Said(said.unwrap_or_default());
            }
            Err(fault) => open.foreseen = Foreseen::Refused(fault.words()),
        }
    }

    /// A command that was sent goes on, or is over.
    pub(crate) fn progressed(&mut self, id: u64, progress: Progress) {
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.id == id) {
            sent.progress = progress;
        }
    }
}
