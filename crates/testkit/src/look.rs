//! What a test looks at.

use std::sync::Arc;

use supervisor_api::{ChildKey, Event, EventKind, Lifecycle, Row, SupervisorError};
use supervisor_core::{ChildPolicy, End, Machine, Reply, Ticket};

use crate::bench::{Bench, Heard, path};
use crate::line;

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
        self.watch.take_lives(key)
    }

    /// As [`Bench::lives`], of exactly this child, also when it is removed.
    pub fn lives_of(&mut self, key: ChildKey) -> Vec<Lifecycle> {
        self.watch.take_lives(key)
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
        match self.told.get(&key) {
            Some((policy, _)) => Arc::clone(policy),
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
        self.watch.open_tickets().collect()
    }

    /// Children that are no longer in the tree and whose bodies the driver was not told to drop. Declared
    /// temporary children of a nested supervisor are among them: they come back with it (R48).
    pub fn kept_for_nothing(&self) -> Vec<String> {
        self.watch.kept_for_nothing().map(|path| line::name(path).to_owned()).collect()
    }

    /// The machine, for reads.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Every child that was ever declared: its key, its name and its last known row.
    pub fn everyone(&self) -> Vec<(ChildKey, String, Row)> {
        let mut all: Vec<_> = self
            .watch
            .keys()
            .filter_map(|key| {
                let kid = self.watch.kid(key)?;
                Some((key, line::name(&kid.path).to_owned(), kid.row))
            })
            .collect();
        all.sort_by_key(|(key, _, _)| *key);
        all
    }

    /// The first of those that the child depends on that is not ready.
    pub fn waits_for(&self, key: ChildKey) -> Option<String> {
        self.watch.unmet(key).map(|path| line::name(path).to_owned())
    }

    /// The names of children with a live run.
    pub fn living(&self) -> Vec<String> {
        let all = self.everyone().into_iter();
        all.filter(|(key, _, _)| self.watch.live_generation(*key).is_some())
            .map(|(_, name, _)| name)
            .collect()
    }

    /// The keys of children with a live run.
    pub fn living_keys(&self) -> Vec<ChildKey> {
        let all = self.everyone().into_iter().map(|(key, _, _)| key);
        all.filter(|key| self.watch.live_generation(*key).is_some()).collect()
    }
}
