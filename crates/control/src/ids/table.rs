//! Which command ids were used, by whom, and what came of it. A value; time is an argument.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use supervisor_api::wire::ControlCommandResult;
use tokio::time::Instant;

use super::digest::BodyDigest;

/// How much is remembered (security rule 11).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long an id is remembered after its command was over.
    pub(crate) keep: Duration,
    /// How many ids are remembered of commands that are over. Beyond, whoever has the most loses its oldest.
    pub(crate) ids: usize,
    /// How many commands may run at a time.
    pub(crate) running: usize,
    /// How many of one user.
    pub(crate) running_of_one: usize,
}

impl Limits {
    pub(crate) const DEFAULT: Self =
        Self { keep: Duration::from_secs(24 * 60 * 60), ids: 10_000, running: 1_024, running_of_one: 256 };
}

/// What became of a command id. `W` is what whoever waits for a running command needs.
#[derive(Debug, Clone)]
pub(crate) enum Standing<W> {
    /// Its command is being carried out.
    Runs(W),
    /// Its command is over.
    Over(Arc<ControlCommandResult>),
    /// Its command was begun, and nobody knows what came of it.
    Lost,
}

/// What a claim comes to.
#[derive(Debug)]
pub(crate) enum Claimed<W> {
    /// Nobody has used the id: it runs from now on.
    New,
    /// It was used, for the same command.
    Same(Standing<W>),
    /// It was used for another command.
    Conflict,
    /// Too many commands of this user, or of all, run.
    Busy {
        /// How many.
        running: usize,
    },
}

/// When an id is forgotten; the number keeps apart what ends at the same instant.
type Term = (Instant, u64);

#[derive(Debug)]
struct Entry<W> {
    digest: BodyDigest,
    standing: Standing<W>,
    /// `None` while it runs: then it is not forgotten.
    term: Option<Term>,
    /// Known from before only. What is told later counts more.
    recalled: bool,
}

#[derive(Debug)]
struct OfUser<W> {
    entries: HashMap<Arc<str>, Entry<W>>,
    /// The terms of those that are over.
    terms: BTreeSet<Term>,
}

/// The ids of all users. No user sees or pushes out what another one's are: each has a table, and when all together
/// are too many, the user with the most ids that are over loses its oldest. So a user with fewer than its share
/// (the limit, divided by the users there are) loses none before its time.
#[derive(Debug)]
pub(crate) struct Table<W> {
    limits: Limits,
    users: HashMap<u32, OfUser<W>>,
    terms: BTreeMap<Term, (u32, Arc<str>)>,
    /// How many ids that are over each user has.
    most: BTreeSet<(usize, u32)>,
    running: usize,
    next: u64,
}

impl<W: Clone> Table<W> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            users: HashMap::new(),
            terms: BTreeMap::new(),
            most: BTreeSet::new(),
            running: 0,
            next: 0,
        }
    }

    /// Looks an id up. If it is new, it runs from now on, and those who come later wait with `waiting`.
    pub(crate) fn claim(
        &mut self,
        now: Instant,
        uid: u32,
        id: &Arc<str>,
        digest: BodyDigest,
        waiting: W,
    ) -> Claimed<W> {
        self.expire(now);
        let user = self.users.get(&uid);
        match user.and_then(|user| user.entries.get(id)) {
            Some(entry) if entry.digest == digest => return Claimed::Same(entry.standing.clone()),
            Some(_) => return Claimed::Conflict,
            None => {}
        }
        let own = user.map_or(0, |user| user.entries.len() - user.terms.len());
        if own >= self.limits.running_of_one {
            return Claimed::Busy { running: own };
        }
        if self.running >= self.limits.running {
            return Claimed::Busy { running: self.running };
        }
        self.running += 1;
        let entry = Entry { digest, standing: Standing::Runs(waiting), term: None, recalled: false };
        self.user(uid).entries.insert(Arc::clone(id), entry);
        Claimed::New
    }

    /// The command of a running id is over.
    pub(crate) fn settle(
        &mut self,
        now: Instant,
        uid: u32,
        id: &Arc<str>,
        result: Arc<ControlCommandResult>,
    ) {
        self.end(now, uid, id, Standing::Over(result));
    }

    /// The command of a running id was begun, and nobody will know what came of it.
    pub(crate) fn lose(&mut self, now: Instant, uid: u32, id: &Arc<str>) {
        self.end(now, uid, id, Standing::Lost);
    }

    /// The command of a running id never began: the id is as if it had not been used.
    pub(crate) fn free(&mut self, uid: u32, id: &str) {
        let Some(user) = self.users.get_mut(&uid) else { return };
        if user.entries.get(id).is_some_and(|entry| entry.term.is_none()) {
            user.entries.remove(id);
            self.running -= 1;
            self.drop_empty(uid);
        }
    }

    /// An id is known from before, and so long ago. Of two that are known from before the later one told counts; one
    /// that was claimed stays as it is.
    pub(crate) fn recall(
        &mut self,
        now: Instant,
        age: Duration,
        uid: u32,
        id: &Arc<str>,
        digest: BodyDigest,
        standing: Option<Arc<ControlCommandResult>>,
    ) {
        let Some(left) = self.limits.keep.checked_sub(age).filter(|left| !left.is_zero()) else { return };
        match self.users.get(&uid).and_then(|user| user.entries.get(id)) {
            Some(Entry { recalled: true, term: Some(term), .. }) => self.forget(*term),
            Some(_) => return,
            None => {}
        }
        let standing = standing.map_or(Standing::Lost, Standing::Over);
        let entry = Entry { digest, standing, term: None, recalled: true };
        self.user(uid).entries.insert(Arc::clone(id), entry);
        self.remember(now + left, uid, id);
    }

    /// How many commands run.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// How many ids are remembered of commands that are over.
    pub(crate) fn over(&self) -> usize {
        self.terms.len()
    }

    fn end(&mut self, now: Instant, uid: u32, id: &Arc<str>, standing: Standing<W>) {
        let Some(user) = self.users.get_mut(&uid) else { return };
        let Some(entry) = user.entries.get_mut(id).filter(|entry| entry.term.is_none()) else { return };
        entry.standing = standing;
        self.running -= 1;
        self.remember(now + self.limits.keep, uid, id);
    }

    /// Gives an entry its term, and whoever has the most loses its oldest if it is one too many.
    fn remember(&mut self, until: Instant, uid: u32, id: &Arc<str>) {
        let term = (until, self.next);
        self.next += 1;
        let Some(user) = self.users.get_mut(&uid) else { return };
        let Some(entry) = user.entries.get_mut(id) else { return };
        entry.term = Some(term);
        self.most.remove(&(user.terms.len(), uid));
        user.terms.insert(term);
        self.most.insert((user.terms.len(), uid));
        self.terms.insert(term, (uid, Arc::clone(id)));
        if self.terms.len() > self.limits.ids {
            let oldest = self.most.last().and_then(|(_, uid)| self.users.get(uid)?.terms.first().copied());
            oldest.into_iter().for_each(|term| self.forget(term));
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some(term) =
            self.terms.first_key_value().map(|(term, _)| *term).filter(|term| term.0 <= now)
        {
            self.forget(term);
        }
    }

    fn forget(&mut self, term: Term) {
        let Some((uid, id)) = self.terms.remove(&term) else { return };
        let Some(user) = self.users.get_mut(&uid) else { return };
        user.entries.remove(&id);
        self.most.remove(&(user.terms.len(), uid));
        user.terms.remove(&term);
        if !user.terms.is_empty() {
            self.most.insert((user.terms.len(), uid));
        }
        self.drop_empty(uid);
    }

    fn user(&mut self, uid: u32) -> &mut OfUser<W> {
        self.users.entry(uid).or_insert_with(|| OfUser { entries: HashMap::new(), terms: BTreeSet::new() })
    }

    fn drop_empty(&mut self, uid: u32) {
        if self.users.get(&uid).is_some_and(|user| user.entries.is_empty()) {
            self.users.remove(&uid);
        }
    }
}
