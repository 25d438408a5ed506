//! Commands in few words. Each gives the ticket of its reply.

use std::sync::Arc;

use supervisor_api::command::{ChildControlOutcome, ControlVerb, OtpVerb};
use supervisor_api::{SupervisorError, SupervisorPath};
use supervisor_core::{Address, Command, Input, Reply, Requester, Ticket};

use crate::bench::{Bench, path};
use crate::plan::{Child, Tree};

/// Methods for commands that take a child.
macro_rules! asks {
    ($($(#[$meta:meta])* $name:ident => $family:ident($verb:expr);)+) => {
        $($(#[$meta])* pub fn $name(&mut self, name: &str) -> Ticket {
            self.ask(Command::$family($verb, address(name)))
        })+
    };
}

impl Bench {
    /// Hands over a command and handles nothing else.
    pub fn send(&mut self, command: Command) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let requester =
            Requester { by: Some("tester".into()), reason: Some("a test".into()), ..Requester::default() };
        self.say(Input::Command { ticket, requester, command });
        ticket
    }

    /// Hands over a command and lets the tree come to rest.
    pub fn ask(&mut self, command: Command) -> Ticket {
        let ticket = self.send(command);
        self.settle();
        ticket
    }

    asks! {
        /// Stop and keep the spec (OTP's family).
        terminate => Otp(OtpVerb::Terminate);
        /// Start a stopped child once more (OTP's family).
        start_again => Otp(OtpVerb::StartAgain);
        /// Delete the spec of a stopped child (OTP's family).
        delete => Otp(OtpVerb::Delete);
        /// Stop if it runs, then start.
        restart => Control(ControlVerb::Restart);
        /// Stop and hold.
        pause => Control(ControlVerb::Pause);
        /// Let a held child go on.
        resume => Control(ControlVerb::Resume);
        /// Stop and park.
        quarantine => Control(ControlVerb::Quarantine);
        /// Stop and delete.
        remove => Control(ControlVerb::Remove);
    }

    /// Adds a child as OTP does: not kept when its start fails.
    pub fn start_child(&mut self, under: &str, child: Child) -> Ticket {
        self.ask_with(|bench| {
            let child = Box::new(bench.declare_child(under, &child));
            Command::StartChild { under: address(under), child }
        })
    }

    /// Adds a child as an operator does.
    pub fn add(&mut self, under: &str, child: Child) -> Ticket {
        self.ask_with(|bench| {
            let child = Box::new(bench.declare_child(under, &child));
            Command::Add { under: address(under), child }
        })
    }

    /// Replaces the root's spec.
    pub fn apply(&mut self, tree: Tree) -> Ticket {
        self.ask_with(|bench| {
            let root = SupervisorPath::root();
            let decl = Box::new(tree.declare(&root, &mut bench.bodies));
            Command::Apply(decl)
        })
    }

    /// Hands over a command that declares something. When it is refused, scripts are as before.
    fn ask_with(&mut self, command: impl FnOnce(&mut Self) -> Command) -> Ticket {
        let before = self.bodies.clone();
        let command = command(self);
        let ticket = self.send(command);
        if self.reply(ticket).is_some_and(Result::is_err) {
            self.bodies = before;
        }
        self.settle();
        ticket
    }

    /// Asks the tree to stop.
    pub fn shutdown(&mut self) -> Ticket {
        self.ask(Command::Shutdown)
    }

    /// Cuts every remaining grace to zero.
    pub fn skip_graces(&mut self) -> Ticket {
        self.ask(Command::SkipGraces)
    }

    /// The owner is gone.
    pub fn hard_stop(&mut self) {
        self.say(Input::HardStop);
        self.settle();
    }

    /// The body of an unbound child can be spawned now.
    pub fn bind(&mut self, name: &str) {
        let key = self.key(name);
        self.say(Input::Bound { key });
        self.settle();
    }

    /// The time of a scheduled child has come.
    pub fn due(&mut self, name: &str) {
        let key = self.key(name);
        self.say(Input::Due { key });
        self.settle();
    }

    /// The reply to a command that was carried out.
    ///
    /// # Panics
    /// When it was refused or has no reply yet.
    pub fn ok(&self, ticket: Ticket) -> &Reply {
        match self.reply(ticket) {
            Some(Ok(reply)) => reply,
            other => panic!("command {ticket} was to be carried out, but has {other:?}"),
        }
    }

    /// The outcome of a command on a child that was carried out.
    ///
    /// # Panics
    /// As [`Bench::ok`].
    pub fn outcome(&self, ticket: Ticket) -> &ChildControlOutcome {
        match self.ok(ticket) {
            Reply::Control(outcome) => outcome,
            other => panic!("command {ticket} has no outcome but {other:?}"),
        }
    }

    /// Why a command was refused.
    ///
    /// # Panics
    /// When it was carried out or has no reply yet.
    pub fn refused(&self, ticket: Ticket) -> &SupervisorError {
        match self.reply(ticket) {
            Some(Err(error)) => error,
            other => panic!("command {ticket} was to be refused, but has {other:?}"),
        }
    }

    fn declare_child(&mut self, under: &str, child: &Child) -> supervisor_core::ChildDecl {
        let under = path(under);
        child.declare(&under, &mut self.bodies)
    }
}

/// The address of `a/b`.
pub(crate) fn address(name: &str) -> Address {
    Address::Text(Arc::from(path(name).as_str()))
}
