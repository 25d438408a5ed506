//! What is kept of a child: what it said of itself, and how its earlier runs ended. All of it is bounded.
//!
//! Logs: 256 KiB per child and 64 MiB per tree; the oldest lines of the child go first, and what is
//! dropped is counted. Last exits: 100 per child. Gauges: 64 names per child.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, PoisonError};

use supervisor_api::{ChildKey, Detail, Exit, Severity, SupervisorPath};

use crate::exit::cut;
use crate::journal::Gap;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, Notify};
use crate::tree::Tree;

/// Bytes of logs kept per child.
const PER_CHILD: usize = 256 * 1024;
/// Bytes of logs kept per tree.
const PER_TREE: usize = 64 * 1024 * 1024;
/// Bytes of one message, and of one field.
const PER_MESSAGE: usize = 16 * 1024;
/// Fields of one line.
pub(crate) const FIELDS: usize = 32;
/// Lines that followers of the whole tree can be behind, and their bytes.
const FOLLOWED: usize = 4096;
const FOLLOWED_BYTES: usize = 4 * 1024 * 1024;
/// Names of gauges per child.
const GAUGES: usize = 64;
/// Bytes of a label, of a progress text and of a gauge's name.
const PER_LABEL: usize = 256;
/// Ends of runs kept per child.
const EXITS: usize = 100;

/// One line that a child logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The place in the tree's order of lines, from 1, without holes.
    pub sequence: u64,
    /// The child.
    pub path: SupervisorPath,
    /// The run that logged it.
    pub generation: u64,
    /// How much it matters.
    pub severity: Severity,
    /// The text; at most 16 KiB are kept.
    pub message: String,
    /// Names and values; at most 32.
    pub fields: Vec<(String, String)>,
    /// When, Unix nanoseconds.
    pub occurred_at_unix_nanos: u64,
}

impl LogRecord {
    fn bytes(&self) -> usize {
        let fields: usize = self.fields.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
        size_of::<Self>() + self.message.len() + fields
    }
}

impl fmt::Display for LogRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.path, self.severity, self.message)?;
        for (name, value) in &self.fields {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

/// How an earlier run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastExit {
    /// The number of the run.
    pub generation: u64,
    /// How it ended.
    pub exit: Exit,
    /// When, Unix nanoseconds.
    pub at_unix_nanos: u64,
}

/// How earlier runs of one child ended.
#[derive(Default)]
pub(crate) struct Past {
    last: Option<Last>,
    /// Most children have only one end, the one with the tree.
    earlier: Option<Box<Earlier>>,
}

/// The end of the last run.
struct Last {
    generation: u64,
    at_unix_nanos: u64,
    exit: Exit,
    /// How many ended like this in a row, with this one.
    times: u32,
}

/// The ends before the last one, and those that were failures.
#[derive(Default)]
struct Earlier {
    /// The numbers of the runs, oldest first, and when they ended.
    when: VecDeque<(u64, u64)>,
    /// How they ended, and how many in a row did so: a child that fails and fails does it in the same words. Those that
    /// ended as the last did are counted there.
    how: VecDeque<(Exit, u32)>,
    /// The last bad end.
    failure: Option<Told>,
    /// The bad end before that one, for a reader that is one event behind.
    before: Option<Told>,
}

/// A bad end, as an event told it.
struct Told {
    sequence: u64,
    detail: Arc<Detail>,
}

impl Past {
    /// A bad end is told by the event with this sequence. A child that fails and fails does so in the same words: then its
    /// events share one text, and the journal does not fill with others like it.
    pub(crate) fn failed(&mut self, sequence: u64, detail: &mut Arc<Detail>) {
        let Earlier { failure, before, .. } = &mut **self.earlier.get_or_insert_default();
        std::mem::swap(failure, before);
        if let Some(told) = [&*before, failure].into_iter().flatten().find(|told| told.detail == *detail) {
            *detail = Arc::clone(&told.detail);
        }
        match failure {
            Some(failure) if Arc::ptr_eq(&failure.detail, detail) => failure.sequence = sequence,
            _ => *failure = Some(Told { sequence, detail: Arc::clone(detail) }),
        }
    }

    /// The last bad end as of the event with this sequence.
    pub(crate) fn failure(&self, as_of: u64) -> Option<Exit> {
        let Earlier { failure, before, .. } = self.earlier.as_deref()?;
        let told = [failure, before].into_iter().flatten().find(|told| told.sequence <= as_of)?;
        told.detail.exit.clone()
    }

    /// Adds an end; the exit of a run that is there already is replaced, because the machine knows better
    /// than the run why it ended (a start that took too long, a heartbeat that was missed).
    pub(crate) fn ended(&mut self, generation: u64, exit: &Exit, at_unix_nanos: u64) {
        let Some(last) = &mut self.last else {
            self.last = Some(Last { generation, at_unix_nanos, exit: exit.clone(), times: 1 });
            return;
        };
        let is_known = last.generation == generation;
        if is_known && last.exit == *exit {
            return;
        }
        let Earlier { when, how, .. } = &mut **self.earlier.get_or_insert_default();
        if !is_known {
            make_room(when);
            when.push_back((last.generation, last.at_unix_nanos));
            (last.generation, last.at_unix_nanos) = (generation, at_unix_nanos);
        }
        if last.exit == *exit {
            last.times += 1;
        } else {
            let (before, times) = (std::mem::replace(&mut last.exit, exit.clone()), last.times);
            let times = times - u32::from(is_known);
            last.times = 1;
            if times > 0 {
                make_room(how);
                how.push_back((before, times));
            } else if how.back().is_some_and(|(before, _)| before == exit) {
                last.times += how.pop_back().map_or(0, |(_, times)| times);
            }
        }
        if when.len() == EXITS {
            when.pop_front();
            match how.front_mut() {
                Some((_, times)) if *times > 1 => *times -= 1,
                Some(_) => drop(how.pop_front()),
                None => last.times -= 1,
            }
        }
    }

    /// The end of the last run: its number, and how it was.
    pub(crate) fn last(&self) -> Option<(u64, &Exit)> {
        self.last.as_ref().map(|last| (last.generation, &last.exit))
    }

    /// The ends of the last runs, oldest first.
    pub(crate) fn exits(&self) -> impl Iterator<Item = PastExit> {
        let (last, earlier) = (self.last.iter(), self.earlier.iter());
        let when = earlier.clone().flat_map(|earlier| earlier.when.iter().copied());
        let when = when.chain(last.clone().map(|last| (last.generation, last.at_unix_nanos)));
        let how = earlier.flat_map(|earlier| earlier.how.iter().map(|(exit, times)| (exit, *times)));
        let how = how.chain(last.map(|last| (&last.exit, last.times)));
        let how = how.flat_map(|(exit, times)| std::iter::repeat_n(exit, times as usize));
        when.zip(how).map(|((generation, at_unix_nanos), exit)| PastExit {
            generation,
            exit: exit.clone(),
            at_unix_nanos,
        })
    }
}

/// Room for one more. Room for four at once would be most of what a child costs that ends twice.
fn make_room<T>(of: &mut VecDeque<T>) {
    if of.len() == of.capacity() {
        of.reserve_exact(of.len().max(1));
    }
}

/// What one child said of itself.
#[derive(Default)]
pub(crate) struct Kept {
    lines: VecDeque<Arc<LogRecord>>,
    bytes: usize,
    pub(crate) dropped: u64,
    pub(crate) phase: Option<Arc<str>>,
    pub(crate) progress: Option<Arc<str>>,
    /// When the next run of a scheduled job is.
    pub(crate) next_run: Option<Arc<str>>,
    pub(crate) gauges: BTreeMap<String, f64>,
    /// What a run left for the next one. It is a user's, and is not dropped under a lock.
    pub(crate) held: Option<Held>,
}

/// A value that a child holds over its restarts.
pub(crate) type Held = Arc<dyn Any + Send + Sync>;

impl Kept {
    /// Sets a gauge. One name more than there may be is not kept.
    pub(crate) fn gauge(&mut self, name: &str, value: f64) {
        if let Some(kept) = self.gauges.get_mut(name) {
            *kept = value;
        } else if self.gauges.len() < GAUGES {
            self.gauges.insert(label(name), value);
        }
    }

    /// The lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<Arc<LogRecord>> {
        self.lines.iter().cloned().collect()
    }

    /// Keeps a line, and drops older ones where there is no room for it.
    fn push(&mut self, line: Arc<LogRecord>, book: &LogBook) {
        let bytes = line.bytes();
        book.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        self.lines.push_back(line);
        while self.bytes > PER_CHILD || (book.bytes.load(Ordering::Relaxed) > PER_TREE && self.bytes > 0) {
            let Some(oldest) = self.lines.pop_front() else { break };
            let bytes = oldest.bytes();
            self.bytes -= bytes;
            book.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.dropped += 1;
            book.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Gives the room back when the child is gone.
    pub(crate) fn release(&mut self, book: &LogBook) {
        book.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
        self.lines.clear();
    }
}

/// A label of at most 256 bytes.
pub(crate) fn label(text: &str) -> String {
    cut(text.to_owned(), PER_LABEL)
}

/// What concerns the logs of a whole tree.
#[derive(Default)]
pub(crate) struct LogBook {
    bytes: AtomicUsize,
    pub(crate) dropped: AtomicU64,
    followed: Mutex<Followed>,
    moved: Notify,
}

/// The newest lines of all children, for those who follow them.
#[derive(Default)]
struct Followed {
    lines: VecDeque<Arc<LogRecord>>,
    bytes: usize,
    /// The sequence of the last line.
    head: u64,
    closed: bool,
}

impl LogBook {
    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sequence of the last line.
    pub(crate) fn head(&self) -> u64 {
        self.followed().head
    }

    /// No line follows that anybody waits for.
    pub(crate) fn close(&self) {
        self.followed().closed = true;
        self.moved.notify_waiters();
    }

    /// Gives the line its sequence and shows it to followers.
    fn publish(&self, mut line: LogRecord) -> Arc<LogRecord> {
        let mut followed = self.followed();
        followed.head += 1;
        line.sequence = followed.head;
        let line = Arc::new(line);
        followed.bytes += line.bytes();
        followed.lines.push_back(Arc::clone(&line));
        while followed.lines.len() > FOLLOWED || (followed.bytes > FOLLOWED_BYTES && followed.lines.len() > 1)
        {
            let Some(oldest) = followed.lines.pop_front() else { break };
            followed.bytes -= oldest.bytes();
        }
        drop(followed);
        self.moved.notify_waiters();
        line
    }
}

/// Keeps a line of the child at `key`.
pub(crate) fn log(
    tree: &Tree,
    key: ChildKey,
    generation: u64,
    severity: Severity,
    message: String,
    fields: Vec<(String, String)>,
) {
    let slot = tree.table.slot(key.index);
    let Some(path) = slot.path().filter(|_| slot.is(key)) else { return };
    let short = |(name, value)| (label(name), cut(value, PER_MESSAGE));
    let line = tree.logs.publish(LogRecord {
        sequence: 0,
        path,
        generation,
        severity,
        message: cut(message, PER_MESSAGE),
        fields: fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone()))
            .take(FIELDS)
            .map(short)
            .collect(),
        occurred_at_unix_nanos: crate::clock::unix_nanos(),
    });
    slot.cell().kept.get_or_insert_default().push(line, &tree.logs);
}

/// What a stream of lines gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogItem {
    /// The next line.
    Line(Arc<LogRecord>),
    /// Lines that came faster than they were read.
    Gap(Gap),
}

/// The lines of all children in their order, from a position on.
///
/// The newest 4 096 lines, at most 4 MiB, can be read; a reader that falls behind gets a [`Gap`] with the
/// exact loss. After the tree has ended the stream gives what is left, then ends.
pub struct LogStream {
    tree: Arc<Tree>,
    cursor: u64,
}

impl LogStream {
    pub(crate) fn new(tree: Arc<Tree>, after: u64) -> Self {
        Self { tree, cursor: after }
    }

    /// The sequence of the last item; the next line has the one after it, or a gap says why not.
    pub fn position(&self) -> u64 {
        self.cursor
    }

    /// The next item, or `None` when the tree has ended and everything is read. Cancel safe.
    pub async fn next(&mut self) -> Option<LogItem> {
        let tree = Arc::clone(&self.tree);
        loop {
            let moved = tree.logs.moved.notified();
            let closed = tree.logs.followed().closed;
            if let Some(item) = self.try_next() {
                return Some(item);
            }
            if closed {
                return None;
            }
            moved.await;
        }
    }

    /// The next item that is there already.
    pub fn try_next(&mut self) -> Option<LogItem> {
        let followed = self.tree.logs.followed();
        if self.cursor >= followed.head {
            return None;
        }
        let oldest = followed.head + 1 - followed.lines.len() as u64;
        let wanted = self.cursor + 1;
        if wanted < oldest {
            self.cursor = oldest - 1;
            return Some(LogItem::Gap(Gap { from: wanted, to: oldest - 1 }));
        }
        let line = followed.lines.get((wanted - oldest) as usize)?;
        self.cursor = wanted;
        Some(LogItem::Line(Arc::clone(line)))
    }
}

impl fmt::Debug for LogStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogStream").field("position", &self.cursor).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: usize) -> LogRecord {
        LogRecord {
            sequence: 0,
            path: SupervisorPath::root(),
            generation: 1,
            severity: Severity::Info,
            message: "x".repeat(bytes),
            fields: Vec::new(),
            occurred_at_unix_nanos: 0,
        }
    }

    #[test]
    fn a_flood_of_lines_stays_within_the_bounds_and_is_counted() {
        let (book, mut kept) = (LogBook::default(), Kept::default());
        for _ in 0..1000 {
            let line = book.publish(line(1024));
            kept.push(line, &book);
        }
        assert!(kept.bytes <= PER_CHILD && kept.bytes == book.bytes.load(Ordering::Relaxed));
        assert_eq!(kept.lines.len() as u64 + kept.dropped, 1000);
        assert_eq!(kept.lines.back().unwrap().sequence, 1000, "the newest stay");
        assert_eq!(book.dropped.load(Ordering::Relaxed), kept.dropped);
        kept.release(&book);
        assert_eq!(book.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_whole_tree_has_a_bound_too() {
        let book = LogBook::default();
        let mut many: Vec<Kept> = (0..300).map(|_| Kept::default()).collect();
        for _ in 0..17 {
            for kept in &mut many {
                let line = book.publish(line(15 * 1024));
                kept.push(line, &book);
            }
        }
        assert!(book.bytes.load(Ordering::Relaxed) <= PER_TREE);
        assert!(book.dropped.load(Ordering::Relaxed) > 0);
        let followed = book.followed();
        assert!(followed.lines.len() <= FOLLOWED && followed.bytes <= FOLLOWED_BYTES);
    }

    #[test]
    fn gauges_and_exits_are_bounded() {
        let (mut kept, mut past) = (Kept::default(), Past::default());
        for n in 0..200u32 {
            kept.gauge(&format!("g{n}"), f64::from(n));
            past.ended(u64::from(n), &Exit::Completed, 0);
        }
        kept.gauge("g0", 7.0);
        assert_eq!((kept.gauges.len(), kept.gauges["g0"]), (GAUGES, 7.0));
        let generations = |past: &Past| past.exits().map(|exit| exit.generation).collect::<Vec<_>>();
        assert_eq!(generations(&past), (100..200).collect::<Vec<_>>());
        past.ended(199, &Exit::Aborted, 0);
        assert_eq!(generations(&past).len(), EXITS);
        assert_eq!(past.last(), Some((199, &Exit::Aborted)));
    }

    #[test]
    fn who_fails_and_fails_in_the_same_words_tells_one_text() {
        let detail = |text: &str| Arc::new(Detail { exit: Some(Exit::failed(text)), ..Detail::default() });
        let mut past = Past::default();
        let mut told = Vec::new();
        for (sequence, text) in (1..).zip(["no", "no", "why", "no", "why", "else"]) {
            let mut detail = detail(text);
            past.failed(sequence, &mut detail);
            assert_eq!(detail.exit, Some(Exit::failed(text)));
            assert_eq!(past.failure(sequence), Some(Exit::failed(text)));
            told.push(detail);
        }
        let alike: Vec<_> = told.iter().map(|detail| Arc::ptr_eq(detail, &told[0])).collect();
        assert_eq!(alike, [true, true, false, true, false, false]);
        assert!(Arc::ptr_eq(&told[2], &told[4]), "also of two that take turns");
        assert_eq!(past.failure(5), Some(Exit::failed("why")), "a reader may be one event behind");
        assert_eq!(past.failure(4), None);
    }

    /// Each way in which five runs can end, each told once or corrected, behind as many as leave room for all, for some
    /// and for none of them.
    #[test]
    fn what_is_kept_of_ends_is_what_a_plain_list_of_them_keeps() {
        let exits = [Exit::Completed, Exit::Aborted, Exit::failed("no")];
        for before in [0, 96, 120] {
            for seed in 0..6_u32.pow(5) {
                let (mut past, mut list) = (Past::default(), VecDeque::new());
                let mut end = |generation: u64, exit: &Exit| {
                    past.ended(generation, exit, generation * 10);
                    if list.back().is_some_and(|last: &PastExit| last.generation == generation) {
                        list.back_mut().unwrap().exit = exit.clone();
                    } else {
                        let at_unix_nanos = generation * 10;
                        list.push_back(PastExit { generation, exit: exit.clone(), at_unix_nanos });
                    }
                    if list.len() > EXITS {
                        list.pop_front();
                    }
                };
                (0..before).for_each(|generation| end(generation, &exits[2]));
                let (mut generation, mut draw) = (before, seed);
                for _ in 0..5 {
                    end(generation, &exits[(draw % 3) as usize]);
                    generation += u64::from(draw / 3 % 2);
                    draw /= 6;
                }
                assert!(past.exits().eq(list.iter().cloned()), "{before} {seed}");
                let last = list.back().map(|last| (last.generation, &last.exit));
                assert_eq!(past.last(), last, "{before} {seed}");
            }
        }
    }
}
