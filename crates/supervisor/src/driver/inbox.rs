//! What handles ask of the driver.

use std::sync::Arc;

use supervisor_api::command::ChildControlOutcome;
use supervisor_api::manifest::StopSignal;
use supervisor_api::{ChildKey, EventKind, SupervisorError, SupervisorPath};
use supervisor_core::{Command, Input, Reply, Requester};
use tokio::sync::oneshot;

use super::{After, Batch, Brain, Seat, Waiter};
use crate::run::Run;
use crate::spec::{Bodies, Body, Bound, Probe, ProbeUse, Wanted};
use crate::sync::atomic::Ordering;
use crate::tree::Tree;

/// A message to the driver.
pub(crate) enum Msg {
    /// A command for the machine.
    Ask(Box<Ask>),
    /// A factory was registered: children that wait for it can start.
    Bind { wanted: Wanted, run: Arc<dyn Run>, probe: Option<Probe> },
    /// A signal was sent to a child: it is told.
    Signalled(Box<Signalled>),
    /// How the target stands with a relay: it is told.
    Registered { kind: EventKind, text: Arc<str> },
}

/// A signal that was sent to a child.
pub(crate) struct Signalled {
    pub(crate) key: ChildKey,
    pub(crate) signal: StopSignal,
    pub(crate) requester: Requester,
    pub(crate) outcome: ChildControlOutcome,
    pub(crate) reply: oneshot::Sender<Result<Reply, SupervisorError>>,
}

/// A command and what comes with it.
pub(crate) struct Ask {
    pub(crate) command: Command,
    pub(crate) requester: Requester,
    pub(crate) bodies: Bodies,
    pub(crate) reply: oneshot::Sender<Result<Reply, SupervisorError>>,
}

impl Brain {
    /// Takes the commands that wait, up to a bound, so that children are heard too.
    pub(super) fn take_commands(&mut self, tree: &Arc<Tree>, now: u64) {
        for _ in 0..64 {
            match self.inbox.try_recv() {
                Ok(Msg::Ask(ask)) => self.ask(tree, now, *ask),
                Ok(Msg::Bind { wanted, run, probe }) => self.bind(tree, now, &wanted, &run, probe.as_ref()),
                Ok(Msg::Signalled(sent)) => self.signalled(tree, now, *sent),
                Ok(Msg::Registered { kind, text }) => self.tell_registration(tree, now, kind, text),
                Err(_) => return,
            }
        }
        // There may be more; the bell has rung for them already.
        tree.ring();
    }

    pub(super) fn ask(&mut self, tree: &Arc<Tree>, now: u64, ask: Ask) {
        if self.done {
            self.refuse(tree, Msg::Ask(Box::new(ask)));
            return;
        }
        let Ask { mut command, requester, bodies, reply } = ask;
        self.tickets += 1;
        let ticket = self.tickets;
        let batch = match &mut command {
            Command::Apply(decl) => {
                let fresh = || tree.bodies.fetch_add(1, Ordering::Relaxed);
                self.respec = Some(self.take_in(decl, bodies, fresh));
                None
            }
            _ => self.install(bodies),
        };
        self.adding = batch.as_ref().and_then(|_| self.place(&command)).map(|path| (path, ticket));
        let waiter = Waiter {
            reply,
            batch,
            told: self.to_tell(&requester, &command, now),
            #[cfg(feature = "metrics")]
            word: crate::spans::word(&command),
        };
        self.waiting.insert(ticket, waiter);
        self.at_hand = ticket;
        self.feed(tree, now, Input::Command { ticket, requester, command });
        self.at_hand = 0;
        // A spec that was refused is given back by now.
        if let Some(respec) = self.respec.take() {
            self.settle_respec(respec);
        }
        self.tell_accepted(tree, now, ticket);
        self.adding = None;
    }

    /// The path that a command gives to a new child, if it is free.
    fn place(&self, command: &Command) -> Option<SupervisorPath> {
        let (Command::Add { under, child } | Command::StartChild { under, child }) = command else {
            return None;
        };
        let under = self.machine.locate(under).ok()?;
        let path = self.machine.path(under)?.child(&child.id);
        self.machine.find(path.as_str()).is_none().then_some(path)
    }

    /// After the end a shutdown has its result, and everything else is refused.
    pub(super) fn refuse(&mut self, tree: &Tree, msg: Msg) {
        let Msg::Ask(ask) = msg else { return self.after.push(After::Drop(Box::new(msg))) };
        let Ask { command, bodies, reply, .. } = *ask;
        let report = self.end.clone().or_else(|| tree.plane.report().cloned());
        let answer = match report {
            Some(report) if !matches!(command, Command::Shutdown) => {
                Err(SupervisorError::Ended { report: Box::new(report) })
            }
            _ => Ok(Reply::Shutdown),
        };
        self.after.push(After::Reply(reply, answer));
        self.after.push(After::Drop(Box::new((command, bodies))));
    }

    fn install(&mut self, bodies: Bodies) -> Option<Batch> {
        if bodies.numbered.is_empty() && bodies.supervisors.is_empty() {
            return None;
        }
        let mut batch = Batch::default();
        for (number, body) in bodies.numbered {
            batch.numbers.push(number);
            self.added.put(number, body);
        }
        for (path, extras) in bodies.supervisors {
            batch.supervisors.push(path.clone());
            self.supervisors.insert(path, extras);
        }
        Some(batch)
    }

    /// Decides what becomes of the bodies that came with a command, when it is answered. A child can be in the tree
    /// although its start was refused, such as one that was quarantined before its turn: it is started later.
    pub(super) fn settle(&mut self, batch: Option<Batch>) {
        let Some(batch) = batch else { return };
        match batch.key.filter(|key| self.seat(*key).is_some()) {
            Some(key) => self.keep(key, batch),
            None => self.discard(batch),
        }
    }

    fn keep(&mut self, key: ChildKey, batch: Batch) {
        match self.seats.get_mut(key.index as usize) {
            Some(seat) if batch.is_only(seat.body) => seat.owns_body = true,
            _ => drop(self.batches.insert(key, batch)),
        }
    }

    /// Drops bodies that nobody needs any more; they are a user's, so it is done later.
    pub(super) fn discard(&mut self, batch: Batch) {
        for number in batch.numbers {
            self.discard_body(number);
        }
        for path in batch.supervisors {
            self.supervisors.remove(&path);
        }
    }

    pub(super) fn discard_body(&mut self, number: u32) {
        if let Some(body) = self.added.take(number) {
            self.after.push(After::DropBody(body));
        }
    }

    fn bind(
        &mut self,
        tree: &Arc<Tree>,
        now: u64,
        wanted: &Wanted,
        run: &Arc<dyn Run>,
        probe: Option<&Probe>,
    ) {
        let mut numbers = Vec::new();
        let launched =
            (0u32..).zip(&mut self.launched).filter_map(|(number, body)| Some((number, body.as_mut()?)));
        for (number, body) in launched.chain(self.added.iter_mut()) {
            if matches!(&body.run, Bound::No(waits_for) if waits_for == wanted) {
                body.bind(run, probe);
                numbers.push(number);
            }
        }
        let waits = |seat: &Seat| seat.present && seat.body > 0 && numbers.contains(&(seat.body - 1));
        let keys: Vec<ChildKey> = (0u32..)
            .zip(&self.seats)
            .filter(|(_, seat)| waits(seat))
            .map(|(index, seat)| ChildKey { index, epoch: seat.epoch })
            .collect();
        for key in keys {
            let body = self.seat(key).and_then(|seat| self.body(seat.body - 1));
            let extras = body.and_then(|body| body.extras.clone());
            tree.table.slot(key.index).change(|about| about.extras = extras);
            self.feed(tree, now, Input::Bound { key });
        }
    }
}

impl Batch {
    /// Whether it is nothing but this body, which is named by its number plus one.
    fn is_only(&self, body: u32) -> bool {
        self.supervisors.is_empty() && matches!(self.numbers[..], [number] if number + 1 == body)
    }
}

impl Body {
    /// The factory is known now, and with it perhaps a probe, which is used as the manifest said.
    fn bind(&mut self, run: &Arc<dyn Run>, probe: Option<&Probe>) {
        self.run = Bound::Late(Arc::clone(run));
        if let (Some(probe), Some(extras)) = (probe, &mut self.extras)
            && let Some(times) = extras.wanted
        {
            Arc::make_mut(extras).probe = Some(ProbeUse { probe: probe.clone(), times, tells: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::registry::Registry;
    use crate::supervisor::prepare;
    use crate::tree::Bounds;
    use crate::{ChildSpec, SupervisorHandle, SupervisorSpec};

    #[tokio::test(start_paused = true)]
    async fn the_1025th_command_waits_and_none_is_lost() {
        let child = ChildSpec::service("a", |ctx| async move { _ = ctx.stopping().await });
        let (tree, _) = prepare(SupervisorSpec::root([child]), Registry::new(), &Bounds::default()).unwrap();
        tree.launch();
        // Nobody takes commands yet.
        let callers: Vec<_> = (0..1500)
            .map(|_| {
                let handle = SupervisorHandle::new(Arc::clone(&tree));
                tokio::spawn(async move { handle.skip_graces("test", "many").await })
            })
            .collect();
        for _ in 0..callers.len() {
            tokio::task::yield_now().await;
        }
        assert_eq!((tree.commands.max_capacity(), tree.commands.capacity()), (1024, 0));
        assert!(callers.iter().all(|caller| !caller.is_finished()));

        tokio::spawn(crate::driver::drive(Arc::clone(&tree)));
        for caller in callers {
            let answer = tokio::time::timeout(Duration::from_secs(60), caller).await;
            answer.expect("a command is forgotten").unwrap().unwrap();
        }
    }
}
