//! What a test looks at.

use std::sync::Arc;

use supervisor_api::{ChildKey, Event, EventKind, Lifecycle, Row, SupervisorError};
use supervisor_core::{ChildPolicy, End, Machine, Reply, Ticket};

use crate::bench::{Bench, Heard, path};
use crate::line;
use crate::seen::Seen;

impl Bench {
    /// What was done since this was asked last: `start a`, `ready a`, `declined a`, `stop a`, `kill a`,
    /// `down a: failed: boom`, `started`, `done gave up`.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.trace)
    }

    /// Every event so far.
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    /// The events of this kind about this child, oldest first.
    pub fn events(&self, kind: EventKind, name: &str) -> Vec<&Event> {
        let about = self.heard.iter().filter(|heard| heard.event.kind == kind && heard.name == name);
        about.map(|heard| &heard.event).collect()
    }

    /// How often an event of this kind was told, about whomever.
    pub fn count(&self, kind: EventKind) -> usize {
        self.heard.iter().filter(|heard| heard.event.kind == kind).count()
    }

    /// Forgets the events so far.
    pub fn forget_events(&mut self) {
        self.heard.clear();
    }

    /// The lifecycle words a child went through since this was asked last.
    pub fn lives(&mut self, name: &str) -> Vec<Lifecycle> {
        let key = self.key(name);
        self.lives_of(key)
    }

    /// As [`Bench::lives`], of exactly this child, also when it is removed.
    pub fn lives_of(&mut self, key: ChildKey) -> Vec<Lifecycle> {
        self.seen.get_mut(&key).map(|seen| std::mem::take(&mut seen.lives)).unwrap_or_default()
    }

    /// The child's key.
    ///
    /// # Panics
    /// When there is no such child.
    pub fn key(&self, name: &str) -> ChildKey {
        match self.find(name) {
            Some(key) => key,
            None => self.fail(&format!("there is no child {name}")),
        }
    }

    /// The child's key, if it is in the tree.
    pub fn find(&self, name: &str) -> Option<ChildKey> {
        self.machine.find(path(name).as_str())
    }

    /// The child's row.
    pub fn row(&self, name: &str) -> Row {
        match self.machine.row(self.key(name)) {
            Some(row) => row,
            None => self.fail(&format!("{name} has no row")),
        }
    }

    /// The child's state.
    pub fn state(&self, name: &str) -> Lifecycle {
        self.row(name).lifecycle
    }

    /// The number of the child's live or last run.
    pub fn generation(&self, name: &str) -> u64 {
        self.row(name).generation
    }

    /// What the machine decides by, as the driver was told.
    pub fn policy(&self, name: &str) -> Arc<ChildPolicy> {
        let key = self.key(name);
        match self.seen.get(&key) {
            Some(seen) => Arc::clone(&seen.policy),
            None => self.fail(&format!("{name} was not declared")),
        }
    }

    /// How the tree ended, once it has.
    pub fn ended(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The reply to a command, once it is there.
    pub fn reply(&self, ticket: Ticket) -> Option<&Result<Reply, SupervisorError>> {
        self.replies.get(&ticket)
    }

    /// Commands without a reply.
    pub fn unanswered(&self) -> Vec<Ticket> {
        self.checker.unanswered()
    }

    /// Children that are no longer in the tree and whose bodies the driver was not told to drop. Declared
    /// temporary children of a nested supervisor are among them: they come back with it (R48).
    pub fn kept_for_nothing(&self) -> Vec<String> {
        let kept =
            self.seen.values().filter(|seen| seen.row.lifecycle == Lifecycle::Removed && !seen.forgotten);
        kept.filter(|seen| seen.run.is_none()).map(|seen| line::name(&seen.path).to_owned()).collect()
    }

    /// What must hold when nothing has gone wrong for a while ([`crate::Checker::calm`]).
    ///
    /// # Panics
    /// When it does not.
    pub fn calm(&mut self) {
        let outcome = self.checker.calm(self.now, &self.machine);
        self.check(outcome);
    }

    /// What must hold when the tree was asked to end and the time for that has passed
    /// ([`crate::Checker::stopped`]).
    ///
    /// # Panics
    /// When it does not.
    pub fn stopped(&mut self) {
        let outcome = self.checker.stopped(self.now, &self.machine);
        self.check(outcome);
    }

    /// The machine, for reads.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Every child that was ever declared: its key, its name and its last known row.
    pub fn everyone(&self) -> Vec<(ChildKey, String, Row)> {
        let told = |(key, seen): (&ChildKey, &Seen)| (*key, line::name(&seen.path).to_owned(), seen.row);
        let mut all: Vec<_> = self.seen.iter().map(told).collect();
        all.sort_by_key(|(key, _, _)| *key);
        all
    }

    /// The names of children with a live run.
    pub fn living(&self) -> Vec<String> {
        let all = self.everyone().into_iter();
        all.filter(|(key, _, _)| self.live_generation(*key).is_some()).map(|(_, name, _)| name).collect()
    }

    /// The keys of children with a live run.
    pub fn living_keys(&self) -> Vec<ChildKey> {
        let all = self.everyone().into_iter().map(|(key, _, _)| key);
        all.filter(|key| self.live_generation(*key).is_some()).collect()
    }
}
