//! The machine, with a record of every call.

use std::ops::Deref;

use supervisor_core::{Effect, Input, Resolved};

/// Takes the place of `supervisor_core::Machine` in the tests of this crate.
pub(crate) struct Machine {
    machine: supervisor_core::Machine,
    record: Record,
}

/// Everything that a bare machine needs to tell the same story.
pub(crate) struct Record {
    pub(crate) spec: Resolved,
    pub(crate) seed: u64,
    pub(crate) calls: Vec<Call>,
}

/// One call of the driver.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) now: u64,
    pub(crate) what: What,
    /// Effects that lay in the list already: the driver had not carried them out.
    pub(crate) left_over: usize,
    /// What came back.
    pub(crate) effects: Vec<Effect>,
}

/// The three ways to call a machine.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Launch,
    Handle(Input),
    GoOn,
}

impl What {
    /// Calls `machine` like this.
    pub(crate) fn call(self, machine: &mut supervisor_core::Machine, now: u64, out: &mut Vec<Effect>) {
        match self {
            Self::Launch => machine.launch(now, out),
            Self::Handle(input) => machine.handle(now, input, out),
            Self::GoOn => machine.go_on(now, out),
        }
    }
}

impl Machine {
    pub(crate) fn new(spec: Resolved, seed: u64) -> Self {
        let machine = supervisor_core::Machine::new(spec.clone(), seed);
        Self { machine, record: Record { spec, seed, calls: Vec::new() } }
    }

    pub(crate) fn launch(&mut self, now: u64, out: &mut Vec<Effect>) {
        self.call(now, What::Launch, out);
    }

    pub(crate) fn handle(&mut self, now: u64, input: Input, out: &mut Vec<Effect>) {
        self.call(now, What::Handle(input), out);
    }

    pub(crate) fn go_on(&mut self, now: u64, out: &mut Vec<Effect>) {
        self.call(now, What::GoOn, out);
    }

    fn call(&mut self, now: u64, what: What, out: &mut Vec<Effect>) {
        let left_over = out.len();
        what.clone().call(&mut self.machine, now, out);
        self.record.calls.push(Call { now, what, left_over, effects: out[left_over..].to_vec() });
    }

    /// The record so far; a new one begins empty.
    pub(crate) fn take_record(&mut self) -> Record {
        let Record { spec, seed, calls } = &mut self.record;
        Record { spec: spec.clone(), seed: *seed, calls: std::mem::take(calls) }
    }
}

impl Deref for Machine {
    type Target = supervisor_core::Machine;

    fn deref(&self) -> &supervisor_core::Machine {
        &self.machine
    }
}
