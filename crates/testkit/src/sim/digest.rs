//! The hash of a trace: of all inputs and effects, in order (invariant 35).

use supervisor_api::{Cause, Event, Exit, Next};
use supervisor_core::{Command, Effect, Input, Reply};

/// A hash that grows with the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest(pub(super) u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    fn put(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn key(&mut self, key: supervisor_api::ChildKey) {
        self.put(u64::from(key.index) << 32 | u64::from(key.epoch));
    }

    fn text(&mut self, text: &str) {
        self.put(text.len() as u64);
        for bytes in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            self.put(u64::from_le_bytes(word));
        }
    }

    pub(super) fn input(&mut self, now: u64, input: &Input) {
        self.put(now);
        match input {
            Input::Exited { key, generation, exit } => {
                self.key(*key);
                self.put(*generation);
                self.exit(exit);
            }
            Input::Declined { key, generation, .. }
            | Input::Ready { key, generation }
            | Input::Beat { key, generation }
            | Input::Missed { key, generation, .. } => {
                self.key(*key);
                self.put(*generation);
            }
            Input::Bound { key } => self.key(*key),
            Input::Command { ticket, command, .. } => {
                self.put(*ticket);
                self.put(match command {
                    Command::Control(verb, _) => *verb as u64,
                    Command::Otp(verb, _) => 10 + *verb as u64,
                    Command::Add { .. } => 20,
                    Command::StartChild { .. } => 21,
                    Command::Apply(_) => 22,
                    Command::Shutdown => 23,
                    Command::SkipGraces => 24,
                });
            }
            Input::Tick => self.put(30),
            Input::HardStop => self.put(31),
        }
    }

    pub(super) fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Declared { key, parent, path, body, .. } => {
                self.put(1);
                self.key(*key);
                self.key(*parent);
                self.text(path.as_str());
                self.put(body.map_or(u64::MAX, u64::from));
            }
            Effect::Changed { key, body, .. } => {
                self.put(2);
                self.key(*key);
                self.put(body.map_or(u64::MAX, u64::from));
            }
            Effect::Spawn { key, generation, attempt } => {
                self.put(3 | u64::from(*attempt) << 8);
                self.key(*key);
                self.put(*generation);
            }
            Effect::Stop { key, grace } => {
                self.put(4);
                self.key(*key);
                self.put(grace.unwrap_or(u64::MAX));
            }
            Effect::Kill { key } => {
                self.put(5);
                self.key(*key);
            }
            Effect::Emit(event) => self.event(event),
            Effect::Reply { ticket, result } => {
                self.put(6 | ticket << 8);
                match result {
                    Ok(reply) => self.reply(reply),
                    Err(error) => self.text(error.code()),
                }
            }
            Effect::Forget { key } => {
                self.put(7);
                self.key(*key);
            }
            Effect::Started => self.put(8),
            Effect::Done(end) => {
                self.put(9);
                self.text(super::text::end_word(end));
            }
        }
    }

    fn event(&mut self, event: &Event) {
        let row = event.row;
        self.put(10 | (event.kind as u64) << 8 | (row.lifecycle as u64) << 16 | (row.health as u64) << 24);
        self.put(row.generation << 8 | row.readiness as u64);
        self.put(u64::from(row.attempt) << 32 | u64::from(row.restart_count));
        self.key(event.child);
        self.cause(event.cause);
        self.next(event.next);
        self.put(u64::from(event.numbers[0]) << 32 | u64::from(event.numbers[1]));
        self.put(u64::from(event.numbers[2]) << 32 | u64::from(event.numbers[3]));
        if let Some(detail) = &event.detail {
            if let Some(exit) = &detail.exit {
                self.exit(exit);
            }
            self.put(detail.chain.len() as u64 | detail.command.unwrap_or(0) << 8);
            self.text(detail.text.as_deref().unwrap_or_default());
        }
    }

    fn cause(&mut self, cause: Cause) {
        self.text(cause.word());
        self.put(cause.child().map_or(u64::MAX, u64::from));
    }

    fn next(&mut self, next: Next) {
        self.text(next.word());
        self.put(match next {
            Next::StartAt(at) | Next::WithGroup(at) | Next::KillAt(at) => at,
            Next::WaitsFor(index) => u64::from(index),
            _ => 0,
        });
    }

    fn exit(&mut self, exit: &Exit) {
        self.text(exit.word());
    }

    fn reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Added { key, generation, state, .. } => {
                self.key(*key);
                self.put(generation << 8 | *state as u64);
            }
            Reply::Control(outcome) => {
                self.put(outcome.generation << 8 | outcome.state_after as u64);
                self.put(u64::from(outcome.idempotent) | u64::from(outcome.failure.is_some()) << 1);
            }
            Reply::Applied { added, removed, changed, unchanged } => {
                self.put(u64::from(*added) << 32 | u64::from(*removed));
                self.put(u64::from(*changed) << 32 | u64::from(*unchanged));
            }
            Reply::Shutdown => self.put(1),
            Reply::GracesSkipped => self.put(2),
        }
    }
}
