//! Which targets there are: they register, renew, and are shown as expired when they do not (`wire.md` 3).
//!
//! ```text
//!   line ──► path, owner ──► lease ──► target in the hub ──► task that follows it
//!                              │ over
//!                              ▼
//!                          expired: shown as it was last, for a day
//! ```

mod desk;
mod kept;
mod leases;
mod place;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use supervisor_api::wire::{ConnectionState, Registration, RegistrationRefusal, UnixNanos};
use supervisor_client::Settings;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::counts::Counts;
use crate::hub::Hub;
use crate::target::{Target, follow};

pub(crate) use desk::Desk;
pub(crate) use kept::{Kept, Shelf};
pub(crate) use leases::{Granted, Leases};
pub(crate) use place::Allowed;

/// How long a target is shown after its lease ended, and how many such there are at most.
const SHOWN: Duration = Duration::from_secs(24 * 60 * 60);
const SHOWN_AT_MOST: usize = 256;
/// How long a target may take to begin its line, and a disk to show its socket.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who may register targets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Admitted(BTreeSet<u32>);

impl Admitted {
    pub(crate) fn new(uids: impl IntoIterator<Item = u32>) -> Self {
        Self(uids.into_iter().collect())
    }

    fn has(&self, uid: u32) -> bool {
        self.0.contains(&uid)
    }
}

/// The targets that are registered, and those that were.
#[derive(Debug)]
pub(crate) struct Registry {
    hub: Arc<Hub>,
    allowed: Allowed,
    ring_bytes: usize,
    settings: Settings,
    book: Mutex<Book>,
    /// A lease may end earlier than was thought.
    changed: Notify,
    /// What is kept on disk is another.
    to_keep: Notify,
}

#[derive(Debug)]
struct Book {
    leases: Leases,
    /// What each target said last, and until when its lease ran then.
    said: BTreeMap<Arc<str>, Kept>,
    tasks: HashMap<Arc<str>, Followed>,
    /// Whose lease is over, the oldest first, and since when.
    expired: VecDeque<(Instant, Arc<str>)>,
}

/// The task of a target; it ends with this.
#[derive(Debug)]
struct Followed {
    uid: u32,
    task: AbortHandle,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Registry {
    pub(crate) fn new(
        hub: Arc<Hub>,
        allowed: Allowed,
        max_targets: usize,
        ring_bytes: usize,
        settings: Settings,
    ) -> Self {
        let book = Book {
            leases: Leases::new(max_targets),
            said: BTreeMap::new(),
            tasks: HashMap::new(),
            expired: VecDeque::new(),
        };
        let (changed, to_keep) = (Notify::new(), Notify::new());
        Self { hub, allowed, ring_bytes, settings, book: Mutex::new(book), changed, to_keep }
    }

    fn counts(&self) -> &Counts {
        self.hub.counts()
    }

    /// Takes in or renews a target whose socket was looked at. Must be called in a runtime.
    pub(crate) fn register(
        &self,
        asked: &Registration,
        socket: &Path,
        uid: u32,
    ) -> Result<Granted, RegistrationRefusal> {
        let now = Instant::now();
        let mut book = self.book();
        // Who comes late finds the end of its lease told.
        self.expire_in(&mut book, now);
        let granted = book.leases.register(now, asked, socket, uid)?;
        book.said.insert(asked.target_id.as_str().into(), said(asked, uid, clock::now()));
        self.changed.notify_one();
        self.to_keep.notify_one();
        let known = self.hub.get(&asked.target_id);
        match (granted, known) {
            (Granted::Renewed, Some(target)) => target.registered(asked),
            (_, known) => {
                let id: Arc<str> = asked.target_id.as_str().into();
                // What another user's target told is not this one's past.
                let is_its_own = book.tasks.get(&id).is_some_and(|followed| followed.uid == uid);
                let target = known.filter(|_| is_its_own).unwrap_or_else(|| self.added(asked));
                target.registered(asked);
                book.expired.retain(|(_, other)| *other != id);
                let task = follow(target, socket.into(), uid, self.settings.clone(), self.counts().clone());
                book.tasks.insert(id, Followed { uid, task: tokio::spawn(task).abort_handle() });
            }
        }
        Ok(granted)
    }

    /// Shows a target whose lease was over so long ago, as far as nobody has its id.
    fn show_expired(&self, kept: Kept, ago: Duration) {
        let since = Instant::now().checked_sub(ago).filter(|_| ago < SHOWN);
        let (Some(since), None) = (since, self.hub.get(&kept.registration.target_id)) else { return };
        let target = self.added(&kept.registration);
        target.expire();
        let mut book = self.book();
        let id = Arc::clone(target.id());
        book.said.insert(Arc::clone(&id), kept);
        let at = book.expired.partition_point(|(other, _)| *other <= since);
        book.expired.insert(at, (since, id));
        self.expire_in(&mut book, Instant::now());
        self.changed.notify_one();
    }

    /// What is to be kept on disk: who is registered, and who was and is shown.
    fn kept(&self) -> Vec<Kept> {
        self.book().said.values().cloned().collect()
    }

    fn added(&self, asked: &Registration) -> Arc<Target> {
        let target = Arc::new(Target::new(asked, self.ring_bytes, Arc::clone(self.hub.bell())));
        self.hub.put(Arc::clone(&target));
        target
    }

    /// Ends leases in time until it is aborted.
    pub(crate) fn keep_time(self: &Arc<Self>) -> JoinHandle<()> {
        let registry = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let next = registry.next();
                tokio::select! {
                    () = registry.changed.notified() => {}
                    () = until(next) => registry.expire_in(&mut registry.book(), Instant::now()),
                }
            }
        })
    }

    /// Where the target with this id listens, and as whom, if its lease runs.
    pub(crate) fn place_of(&self, id: &str) -> Option<(PathBuf, u32)> {
        self.book().leases.place_of(Instant::now(), id)
    }

    /// Leaves every target. Sessions that go on see that nothing more is known of them.
    pub(crate) fn leave(&self) {
        self.book().tasks.clear();
        for target in self.hub.all() {
            target.connection(ConnectionState::Unavailable);
        }
    }

    /// When something is to be done next.
    fn next(&self) -> Option<Instant> {
        let book = self.book();
        let forget = book.expired.front().map(|(since, _)| *since + SHOWN);
        [book.leases.next_end(), forget].into_iter().flatten().min()
    }

    fn expire_in(&self, book: &mut Book, now: Instant) {
        for id in book.leases.expire(now) {
            if let Some(target) = self.hub.get(&id) {
                tracing::info!("the lease of the target {id} ran out");
                target.expire();
            }
            book.expired.push_back((now, id));
        }
        while book.expired.len() > SHOWN_AT_MOST
            || book.expired.front().is_some_and(|(since, _)| *since + SHOWN <= now)
        {
            let Some((_, id)) = book.expired.pop_front() else { break };
            book.tasks.remove(&id);
            book.said.remove(&id);
            self.hub.remove(&id);
            self.to_keep.notify_one();
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A target as it is kept; `now` is when its lease begins anew.
fn said(asked: &Registration, uid: u32, now: UnixNanos) -> Kept {
    let lease = Duration::from_secs(asked.lease_seconds);
    let until = now.0.saturating_add(u64::try_from(lease.as_nanos()).unwrap_or(u64::MAX));
    Kept { registration: asked.clone(), uid, until_unix_nanos: UnixNanos(until) }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::registration;

    #[tokio::test(start_paused = true)]
    async fn what_one_user_told_is_not_the_past_of_another_users_target() {
        let hub = Arc::<Hub>::default();
        let allowed = Allowed::below(Vec::new());
        let registry = Registry::new(Arc::clone(&hub), allowed, 10, 1 << 20, Settings::default());
        let register = |uid| {
            registry.register(&registration("shop"), Path::new("/nowhere/shop.sock"), uid).unwrap();
            hub.get("shop").unwrap()
        };
        let first = register(7);
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(Arc::ptr_eq(&first, &register(7)), "the same user goes on");
        tokio::time::advance(Duration::from_secs(31)).await;
        let other = register(8);
        assert!(!Arc::ptr_eq(&first, &other));
        assert!(!other.is_expired() && registry.place_of("shop").is_some_and(|(_, uid)| uid == 8));
    }

    #[tokio::test(start_paused = true)]
    async fn s25_a_relay_that_has_left_shows_no_target_as_live() {
        let hub = Arc::<Hub>::default();
        let registry =
            Registry::new(Arc::clone(&hub), Allowed::below(Vec::new()), 10, 1 << 20, Settings::default());
        registry.register(&registration("shop"), Path::new("/nowhere/shop.sock"), 7).unwrap();
        let target = hub.get("shop").unwrap();
        target.connection(ConnectionState::Connected);
        registry.leave();
        assert_eq!(target.seen().connection(), ConnectionState::Unavailable);
    }
}
