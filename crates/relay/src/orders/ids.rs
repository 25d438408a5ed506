//! A command id is carried out at most once (`security.md` 11).
//!
//! A relay is one user to its targets, so it keeps the ids of its own principals apart: an id that somebody has used on
//! a target is nobody else's. Said again by the same one, the same command gets the outcome of the first; if that still
//! runs, it waits for it. An id is remembered for 24 hours; of all together 10 000. Beyond that, who has the most loses
//! its oldest. What runs is never forgotten, and bounded by itself.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use supervisor_api::wire::{ControlCommandResult, ErrorCode, WireError};
use tokio::sync::watch;
use tokio::time::Instant;

/// How long an id is remembered, and how many are.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
const MOST: usize = 10_000;
/// How many commands run at a time, in all and of one principal.
const RUNNING: usize = 1_024;
const RUNNING_OF_ONE: usize = 64;

/// How a command went: as the target says, or why nothing is known of it.
pub(crate) type Done = Result<Box<ControlCommandResult>, WireError>;

/// A target and an id.
type Key = (Arc<str>, Arc<str>);

/// What is known of commands.
#[derive(Debug, Default)]
pub(crate) struct Ids(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    known: HashMap<Key, Known>,
    /// Those that are over, the oldest first.
    over: VecDeque<Key>,
    /// How many run, of each principal.
    running: BTreeMap<Arc<str>, usize>,
}

#[derive(Debug)]
struct Known {
    identity: Arc<str>,
    digest: String,
    fate: Fate,
}

#[derive(Debug)]
enum Fate {
    Runs(Outcome),
    /// `None`: nobody knows how it went.
    Over {
        until: Instant,
        done: Option<Done>,
    },
}

/// Becomes how a command went, once that is known.
pub(crate) type Outcome = watch::Receiver<Option<Done>>;

/// What is to be done with a command.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// It is new: whoever has this carries it out.
    New(Claim),
    /// It runs.
    Runs(Outcome),
    /// It went so.
    Over(Done),
}

/// The right to carry a command out. Dropped without a word, nobody knows how it went.
#[derive(Debug)]
pub(crate) struct Claim {
    ids: Arc<Ids>,
    key: Key,
    outcome: watch::Sender<Option<Done>>,
    is_told: bool,
}

impl Ids {
    /// Looks whether a command is new. `digest` says who asks for what.
    ///
    /// # Errors
    ///
    /// `command_id_conflict`, `replay_detected` or `rate_limit_exceeded`.
    pub(crate) fn claim(
        self: &Arc<Self>,
        identity: &str,
        (target, id): (&Arc<str>, &Arc<str>),
        digest: &str,
    ) -> Result<Claimed, WireError> {
        let mut table = self.table();
        let now = Instant::now();
        table.forget(now);
        let key = (Arc::clone(target), Arc::clone(id));
        if let Some(known) = table.known.get(&key) {
            return known.again(identity, digest);
        }
        let all: usize = table.running.values().sum();
        let of_one = table.running.get(identity).copied().unwrap_or(0);
        if all >= RUNNING || of_one >= RUNNING_OF_ONE {
            let message = "too many commands are being carried out; wait for one of them";
            return Err(WireError::new(ErrorCode::RateLimitExceeded, message).retry_after(1_000));
        }
        let identity: Arc<str> = identity.into();
        *table.running.entry(Arc::clone(&identity)).or_default() += 1;
        let (outcome, wait) = watch::channel(None);
        let known = Known { identity, digest: digest.to_owned(), fate: Fate::Runs(wait) };
        table.known.insert(key.clone(), known);
        drop(table);
        Ok(Claimed::New(Claim { ids: Arc::clone(self), key, outcome, is_told: false }))
    }

    /// What the audit remembers of a command that was over so long ago.
    pub(crate) fn recall(
        &self,
        age: Duration,
        identity: &str,
        (target, id): (&str, &str),
        digest: &str,
        done: Option<Done>,
    ) {
        let Some(left) = REMEMBERED.checked_sub(age) else { return };
        let key: Key = (target.into(), id.into());
        let fate = Fate::Over { until: Instant::now() + left, done };
        let known = Known { identity: identity.into(), digest: digest.to_owned(), fate };
        let mut table = self.table();
        if table.known.insert(key.clone(), known).is_none() {
            table.over.push_back(key);
        }
        table.bound();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What who says an id again is told.
    fn again(&self, identity: &str, digest: &str) -> Result<Claimed, WireError> {
        if *self.identity != *identity || self.digest != digest {
            let message = "this command id was used for another command; take a new one for each";
            return Err(WireError::new(ErrorCode::CommandIdConflict, message));
        }
        match &self.fate {
            Fate::Runs(outcome) => Ok(Claimed::Runs(outcome.clone())),
            Fate::Over { done: Some(done), .. } => Ok(Claimed::Over(done.clone())),
            Fate::Over { done: None, .. } => Err(lost()),
        }
    }
}

/// What is said of a command whose outcome is lost.
pub(crate) fn lost() -> WireError {
    let message =
        "this command was begun and nobody knows how it went; look at the target, then take a new id";
    WireError::new(ErrorCode::ReplayDetected, message)
}

impl Table {
    /// Forgets what is too old.
    fn forget(&mut self, now: Instant) {
        let is_old = |known: Option<&Known>| match known.map(|known| &known.fate) {
            Some(Fate::Over { until, .. }) => *until <= now,
            Some(Fate::Runs(_)) => false,
            None => true,
        };
        while let Some(key) = self.over.front().filter(|key| is_old(self.known.get(*key))) {
            self.known.remove(key);
            self.over.pop_front();
        }
    }

    /// Forgets the oldest of whoever has the most.
    fn bound(&mut self) {
        while self.over.len() > MOST {
            let mut of: BTreeMap<&str, usize> = BTreeMap::new();
            let whose = |key: &Key| self.known.get(key).map_or("", |known| &*known.identity);
            self.over.iter().for_each(|key| *of.entry(whose(key)).or_default() += 1);
            let most = of.into_iter().max_by_key(|(_, count)| *count).map_or("", |(identity, _)| identity);
            let Some(at) = self.over.iter().position(|key| whose(key) == most) else { return };
            if let Some(key) = self.over.remove(at) {
                self.known.remove(&key);
            }
        }
    }

    fn end(&mut self, key: &Key, kept: Option<Option<Done>>) {
        let Some(known) = self.known.get_mut(key) else { return };
        if let Some(running) = self.running.get_mut(&known.identity) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(&known.identity);
            }
        }
        match kept {
            Some(done) => {
                known.fate = Fate::Over { until: Instant::now() + REMEMBERED, done };
                self.over.push_back(key.clone());
                self.bound();
            }
            None => {
                self.known.remove(key);
            }
        }
    }
}

impl Claim {
    /// Becomes how it went.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome.subscribe()
    }

    /// It went so. `kept` is what who asks again is told; `None`: nobody knows how it went.
    pub(crate) fn over(mut self, told: Done, kept: Option<Done>) {
        self.end(told, Some(kept));
    }

    /// Nothing was done, and the id is as good as new.
    pub(crate) fn free(mut self, told: Done) {
        self.end(told, None);
    }

    fn end(&mut self, told: Done, kept: Option<Option<Done>>) {
        self.is_told = true;
        self.ids.table().end(&self.key, kept);
        self.outcome.send_replace(Some(told));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_told {
            self.end(Err(lost()), Some(None));
        }
    }
}
