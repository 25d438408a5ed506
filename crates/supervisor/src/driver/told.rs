//! What is told of a command that carries an id of its caller; and what those who serve the tree have to tell.
//!
//! The machine tells what a command does to whom. Whoever gave it an id is told besides, under that id, that it goes
//! on and how it ended, so that it need not keep the call open. Of a command that was refused nothing is told: nothing
//! began. Other commands are not told of, since only their caller could make use of it.

use std::sync::Arc;

use supervisor_api::{Cause, ChildKey, Detail, Event, EventKind, Next, SupervisorError};
use supervisor_core::{Command, Reply, Requester, Ticket};

use super::{After, Brain, Signalled};
use crate::tree::Tree;

/// A command that carries an id, until it is answered.
pub(super) struct Told {
    requester: Requester,
    /// Whom it is about; the tree as a whole is the root.
    child: ChildKey,
    /// When it came.
    since: u64,
}

impl Brain {
    /// What is to be told of a command, if anything is.
    pub(super) fn to_tell(&self, requester: &Requester, command: &Command, now: u64) -> Option<Box<Told>> {
        requester.command_id.as_ref()?;
        let child = match command {
            Command::Control(_, address)
            | Command::Otp(_, address)
            | Command::Add { under: address, .. }
            | Command::StartChild { under: address, .. } => self.machine.locate(address).ok(),
            _ => None,
        };
        let child = child.unwrap_or(ChildKey::ROOT);
        Some(Box::new(Told { requester: requester.clone(), child, since: now }))
    }

    /// A command was handed to the machine: if it has no answer yet, it goes on.
    pub(super) fn tell_accepted(&mut self, tree: &Tree, now: u64, ticket: Ticket) {
        let Some(told) = self.waiting.get(&ticket).and_then(|waiter| waiter.told.as_ref()) else { return };
        let mut event = told.event(tree, ticket, EventKind::CommandAccepted, told.child);
        tree.journal.open_window();
        self.emit(tree, now, &mut event);
        tree.journal.close_window();
    }

    /// A signal was sent to a child. The machine has no part in it, since it changes nothing that is decided.
    pub(super) fn signalled(&mut self, tree: &Tree, now: u64, sent: Signalled) {
        let Signalled { key, signal, requester, outcome, reply } = sent;
        self.tickets += 1;
        let (ticket, named) = (self.tickets, requester.command_id.is_some());
        let told = Told { requester, child: key, since: now };
        let mut event = told.event(tree, ticket, EventKind::ChildSignalled, key);
        if let Some(detail) = &mut event.detail {
            Arc::make_mut(detail).text = Some(signal.as_str().into());
        }
        let result = Ok(Reply::Control(outcome));
        tree.journal.open_window();
        self.emit(tree, now, &mut event);
        if named {
            self.tell_completed(tree, now, ticket, &told, &result);
        }
        tree.journal.close_window();
        self.after.push(After::Reply(reply, result));
    }

    /// Whether a relay has the target. The machine has no part in it, since it changes nothing that is decided.
    pub(super) fn tell_registration(&mut self, tree: &Tree, now: u64, kind: EventKind, text: Arc<str>) {
        let mut event = Event {
            kind,
            child: ChildKey::ROOT,
            row: tree.table.row(ChildKey::ROOT.index).read().row,
            cause: Cause::Report,
            next: Next::Nothing,
            numbers: [0; 4],
            detail: Some(Arc::new(Detail { text: Some(text), ..Detail::default() })),
        };
        tree.journal.open_window();
        self.emit(tree, now, &mut event);
        tree.journal.close_window();
    }

    /// Which limits of a child nothing holds it to. The machine has no part in it, since it decides nothing by them.
    pub(super) fn tell_unenforced(&mut self, tree: &Tree, now: u64, child: ChildKey) {
        let slot = tree.table.slot(child.index);
        let Some(extras) = slot.extras().filter(|_| slot.is(child)) else { return };
        let text = format!("nothing holds it to {}", extras.unenforced.join(", "));
        let mut event = Event {
            kind: EventKind::LimitUnenforced,
            child,
            row: tree.table.row(child.index).read().row,
            cause: Cause::Report,
            next: Next::Nothing,
            numbers: [0; 4],
            detail: Some(Arc::new(Detail { text: Some(text.into()), ..Detail::default() })),
        };
        self.emit(tree, now, &mut event);
    }

    /// A command has its answer.
    pub(super) fn tell_completed(
        &mut self,
        tree: &Tree,
        now: u64,
        ticket: Ticket,
        told: &Told,
        result: &Result<Reply, SupervisorError>,
    ) {
        if result.is_err() && self.at_hand == ticket {
            return;
        }
        let child = match result {
            Ok(Reply::Added { key, .. }) => *key,
            _ => told.child,
        };
        let mut event = told.event(tree, ticket, EventKind::CommandCompleted, child);
        event.numbers[0] = u32::try_from(now.saturating_sub(told.since) / 1_000_000).unwrap_or(u32::MAX);
        if let Some(detail) = &mut event.detail {
            Arc::make_mut(detail).text = shortfall(result).map(Into::into);
        }
        self.emit(tree, now, &mut event);
    }
}

impl Told {
    fn event(&self, tree: &Tree, ticket: Ticket, kind: EventKind, child: ChildKey) -> Event {
        // A child whose place another one has by now is told of at the root.
        let child = if tree.table.slot(child.index).is(child) { child } else { ChildKey::ROOT };
        let Requester { by, reason, command_id } = self.requester.clone();
        Event {
            kind,
            child,
            row: tree.table.row(child.index).read().row,
            cause: Cause::Operator,
            next: Next::Nothing,
            numbers: [0; 4],
            detail: Some(Arc::new(Detail {
                requested_by: by,
                reason,
                command: Some(ticket),
                correlation_id: command_id,
                ..Detail::default()
            })),
        }
    }
}

/// What went otherwise than wished.
fn shortfall(result: &Result<Reply, SupervisorError>) -> Option<String> {
    match result {
        Ok(Reply::Control(outcome)) => outcome.failure.clone(),
        Ok(Reply::Applied(applied)) => {
            let failed = applied.not_as_planned.iter().filter(|child| child.failed);
            let failed: Vec<_> =
                failed.map(|child| format!("{} is {}", child.child_path, child.lifecycle_state)).collect();
            (!failed.is_empty()).then(|| failed.join(", "))
        }
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}
