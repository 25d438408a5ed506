//! The watchdog: a thread that notices, in real time, when the loop or one poll does not move (D13).
//!
//! It decides nothing. One thread serves all trees of the process and ends when there is none. Each worker
//! that polls children has a mark: who is being polled, and a number that changes with every poll. The
//! thread looks at the marks and rings the loops now and then; whoever shows the same number for too long
//! is published in `health()` and told to `on_stuck`; a poll also in the log of its child, when it is found and when it
//! is over. A poll costs two stores, and no look at a clock.
//!
//! While Tokio's time is paused a tree is not watched: then real time means nothing to it.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use supervisor_api::report::Stuck;
use supervisor_api::{ChildKey, Severity};

use crate::clock::{RealTime, nanos};
use crate::contain::contain;
use crate::kept;
use crate::spec::{OnStuck, Options};
use crate::tree::Tree;

/// How long something may take before it counts as stuck, unless the spec says otherwise.
const STUCK_AFTER: Duration = Duration::from_secs(5);
/// As which a loop that does not move is named.
pub(crate) const LOOP: &str = "loop";
/// The least and the longest time between two looks.
const LOOKS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(2_500));
/// By how much the tree's time and real time may differ between two looks.
const SLACK: Duration = Duration::from_millis(500);

/// What one thread is polling.
#[derive(Default)]
struct Mark {
    /// Changes with every poll; odd while one is going on.
    count: AtomicU64,
    /// The tree, by address, and the index of the child in it.
    tree: AtomicU64,
    index: AtomicU64,
}

#[derive(Default)]
struct Watched {
    marks: Vec<Weak<Mark>>,
    trees: Vec<Watch>,
    running: bool,
}

static WATCHED: Mutex<Watched> = Mutex::new(Watched { marks: Vec::new(), trees: Vec::new(), running: false });

fn watched() -> MutexGuard<'static, Watched> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static MARK: OnceCell<Arc<Mark>> = const { OnceCell::new() };
}

impl Mark {
    /// For the thread whose mark it is: nobody else writes.
    fn step(&self) {
        self.count.store(self.count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }
}

/// Says, as long as `poll` takes, that this thread polls a child. `poll` must not panic: what it calls is contained.
pub(crate) fn marked<T>(tree: &Arc<Tree>, index: u32, poll: impl FnOnce() -> T) -> T {
    let begins = |mark: &OnceCell<Arc<Mark>>| {
        let mark = mark.get_or_init(register);
        mark.tree.store(address(tree), Ordering::Relaxed);
        mark.index.store(u64::from(index), Ordering::Relaxed);
        mark.step();
    };
    // A thread that ends has none any more.
    let marked = MARK.try_with(begins).is_ok();
    let result = poll();
    if marked {
        let _ = MARK.try_with(|mark| mark.get().map(|mark| mark.step()));
    }
    result
}

fn register() -> Arc<Mark> {
    let mark = Arc::new(Mark::default());
    watched().marks.push(Arc::downgrade(&mark));
    mark
}

fn address(tree: &Arc<Tree>) -> u64 {
    Arc::as_ptr(tree) as usize as u64
}

/// One tree, as the thread sees it.
struct Watch {
    tree: Weak<Tree>,
    limit: Duration,
    on_stuck: Option<OnStuck>,
    /// Turns when the loop was last seen to move, and since when it has not.
    turns: (u64, RealTime),
    /// Polls that have not moved: thread's mark → count, since when.
    polls: HashMap<usize, (u64, RealTime)>,
    /// Polls of which the log of their child tells: thread's mark → what is known of it.
    long: HashMap<usize, LongPoll>,
    /// Who was told to `on_stuck` already.
    told: Vec<Arc<str>>,
    /// The tree's time at the last look, and real time before and after it was read.
    last: Option<(RealTime, u64, RealTime)>,
}

/// A poll that took too long.
#[derive(Clone, Copy)]
struct LongPoll {
    count: u64,
    child: ChildKey,
    generation: u64,
    since: RealTime,
}

impl LongPoll {
    fn log(&self, tree: &Tree, what: &str) {
        let text = format!("{what} {:.1} s", self.since.age().as_secs_f64());
        let fields = vec![("watchdog".to_owned(), "poll".to_owned())];
        kept::log(tree, self.child, self.generation, Severity::Warning, text, fields);
    }
}

/// Watches a tree until it ends.
pub(crate) fn watch(tree: &Arc<Tree>, options: &Options) {
    let Some(limit) = options.stuck_after.unwrap_or(Some(STUCK_AFTER)) else { return };
    let mut watched = watched();
    watched.trees.push(Watch {
        tree: Arc::downgrade(tree),
        limit,
        on_stuck: options.on_stuck.clone(),
        turns: (0, RealTime::now()),
        polls: HashMap::new(),
        long: HashMap::new(),
        told: Vec::new(),
        last: None,
    });
    if !watched.running {
        let thread = std::thread::Builder::new().name("supervisor-watch".into()).spawn(run);
        // Without a thread nothing is watched; the trees do without.
        watched.running = thread.is_ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "it has a thread of its own and lives in real time")]
fn run() {
    loop {
        let (mut trees, marks) = {
            let mut watched = watched();
            watched.marks.retain(|mark| mark.strong_count() > 0);
            watched
                .trees
                .retain(|watch| watch.tree.upgrade().is_some_and(|tree| tree.plane.report().is_none()));
            if watched.trees.is_empty() {
                watched.running = false;
                return;
            }
            (std::mem::take(&mut watched.trees), watched.marks.clone())
        };
        let marks: Vec<_> = marks.iter().filter_map(Weak::upgrade).collect();
        let pause = trees.iter_mut().map(|watch| watch.look(&marks)).min().unwrap_or(LOOKS.1);
        drop(marks);
        watched().trees.append(&mut trees);
        std::thread::sleep(pause.clamp(LOOKS.0, LOOKS.1));
    }
}

impl Watch {
    /// Looks at everything once, and says when to look again. While no poll is going on that is half as
    /// often: each look wakes a processor.
    fn look(&mut self, marks: &[Arc<Mark>]) -> Duration {
        let (soon, later) = (self.limit / 4, self.limit / 2);
        let Some(tree) = self.tree.upgrade() else { return later };
        if self.time_stands_still(&tree) {
            self.polls.clear();
            self.turns = (tree.turns.load(Ordering::Relaxed), RealTime::now());
            tree.plane.set_stuck(Vec::new());
            return soon;
        }
        let mut stuck: Vec<Stuck> = self.stuck_polls(&tree, marks);
        stuck.extend(self.stuck_loop(&tree));
        tree.plane.set_stuck(stuck.clone());
        // The loop answers with a turn, which is seen at the next look. One that moves need not be asked all the time.
        if self.turns.1.age() >= self.limit / 2 {
            tree.ring();
        }
        let pause = if stuck.is_empty() && self.polls.is_empty() { later } else { soon };
        let on_stuck = self.on_stuck.clone();
        self.told.retain(|name| stuck.iter().any(|stuck| stuck.name == *name));
        for stuck in stuck {
            if self.told.contains(&stuck.name) {
                continue;
            }
            self.told.push(Arc::clone(&stuck.name));
            if let Some(OnStuck(call)) = &on_stuck {
                // A panic of the callback must not end the watch over all trees.
                let _ = contain(|| call(&stuck));
            }
        }
        pause
    }

    /// Whether the tree's time does not go along with real time: a test has paused it.
    fn time_stands_still(&mut self, tree: &Tree) -> bool {
        let before = RealTime::now();
        let now = {
            let _inside = tree.runtime.enter();
            tree.clock.now()
        };
        let after = RealTime::now();
        let Some((earliest, then, latest)) = self.last.replace((before, now, after)) else { return true };
        // This thread may have stood still itself between two readings, so real time is known within bounds only.
        let (least, most) = (nanos(before.since(latest)), nanos(after.since(earliest)));
        let passed = now.saturating_sub(then);
        passed < least / 2 || passed > most.saturating_mul(2).saturating_add(nanos(SLACK))
    }

    fn stuck_polls(&mut self, tree: &Arc<Tree>, marks: &[Arc<Mark>]) -> Vec<Stuck> {
        let mut seen = HashMap::new();
        let mut stuck = Vec::new();
        for mark in marks {
            let count = mark.count.load(Ordering::Acquire);
            if count.is_multiple_of(2) || mark.tree.load(Ordering::Relaxed) != address(tree) {
                continue;
            }
            let thread = Arc::as_ptr(mark) as usize;
            let known = self.polls.get(&thread).filter(|(known, _)| *known == count);
            let since = known.map_or_else(RealTime::now, |(_, since)| *since);
            seen.insert(thread, (count, since));
            if since.age() >= self.limit {
                let index = mark.index.load(Ordering::Relaxed) as u32;
                let slot = tree.table.slot(index);
                let child = ChildKey { index, epoch: slot.epoch() };
                let poll = LongPoll { count, child, generation: slot.order().generation(), since };
                if self.long.get(&thread).is_none_or(|known| known.count != count) {
                    // One that came right after another: that is over.
                    self.over(tree, thread);
                    poll.log(tree, "one poll blocks its worker, and has for");
                    self.long.insert(thread, poll);
                }
                let said = slot.cell().kept.as_ref().and_then(|kept| kept.phase.clone());
                stuck.push(Stuck {
                    name: slot.path().map_or_else(|| "/".into(), |path| path.shared()),
                    phase: said.map_or_else(|| "poll".into(), |said| format!("poll ({said})").into()),
                    age_nanos: nanos(since.age()),
                });
            }
        }
        let over = |(thread, poll): (&usize, &LongPoll)| {
            seen.get(thread).is_none_or(|(count, _)| *count != poll.count).then_some(*thread)
        };
        for thread in self.long.iter().filter_map(over).collect::<Vec<_>>() {
            self.over(tree, thread);
        }
        self.polls = seen;
        stuck
    }

    /// A poll that took too long is over.
    fn over(&mut self, tree: &Tree, thread: usize) {
        if let Some(poll) = self.long.remove(&thread) {
            poll.log(tree, "the poll that blocked its worker is over; it took about");
        }
    }

    fn stuck_loop(&mut self, tree: &Tree) -> Option<Stuck> {
        let turns = tree.turns.load(Ordering::Relaxed);
        if turns != self.turns.0 {
            self.turns = (turns, RealTime::now());
            return None;
        }
        let age = self.turns.1.age();
        (age >= self.limit).then(|| Stuck { name: LOOP.into(), phase: "turn".into(), age_nanos: nanos(age) })
    }
}
