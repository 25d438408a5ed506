//! The ring itself: one writer, any number of readers, nobody waits.

use std::sync::{Arc, PoisonError};

use supervisor_api::Detail;

use super::pack::{Record, WORDS};
use super::page::Pages;
use super::wake::Sleepers;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use crate::sync::{Mutex, spin_loop, yield_now};

/// One place of the ring. The stamp is twice the sequence, plus one while it is being written.
#[derive(Default)]
struct Place {
    stamp: AtomicU64,
    words: [AtomicU64; WORDS],
    detail: Mutex<(u64, Option<Arc<Detail>>)>,
}

/// The journal of one tree.
pub(crate) struct Journal {
    places: Box<[Place]>,
    /// The last sequence that is being, or has been, written.
    claimed: AtomicU64,
    /// The last sequence that can be read.
    head: AtomicU64,
    /// Odd while a window is open.
    epoch: AtomicU64,
    closed: AtomicBool,
    /// The readers that wait for an event.
    sleepers: Sleepers,
    /// What the readers share.
    pub(super) pages: Pages,
    /// How many there are.
    readers: AtomicUsize,
}

impl Journal {
    /// An empty journal that keeps `capacity` events, and whose readers share them by pages of `page`.
    pub(crate) fn new(capacity: usize, page: usize) -> Self {
        Self {
            places: (0..capacity).map(|_| Place::default()).collect(),
            claimed: AtomicU64::new(0),
            head: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            sleepers: Sleepers::new(),
            pages: Pages::new(capacity, page),
            readers: AtomicUsize::new(0),
        }
    }

    fn place(&self, sequence: u64) -> &Place {
        &self.places[(sequence % self.places.len() as u64) as usize]
    }

    /// Rows and events are about to change. For the driver alone, as all that writes.
    pub(crate) fn open_window(&self) {
        let epoch = self.epoch.load(Ordering::Relaxed);
        self.epoch.store(epoch + 1, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// Everything that was written since [`Self::open_window`] can be read.
    pub(crate) fn close_window(&self) {
        self.head.store(self.claimed.load(Ordering::Relaxed), Ordering::Release);
        let epoch = self.epoch.load(Ordering::Relaxed);
        self.epoch.store(epoch + 1, Ordering::Release);
    }

    /// The sequence that the next event will have. For the writer alone.
    pub(crate) fn next(&self) -> u64 {
        self.claimed.load(Ordering::Relaxed) + 1
    }

    /// Closes a window that a panic has left open, so that readers go on.
    pub(crate) fn mend(&self) {
        if !self.epoch.load(Ordering::Relaxed).is_multiple_of(2) {
            self.close_window();
        }
    }

    /// Writes the next event and says its sequence.
    pub(crate) fn write(&self, record: &Record, detail: Option<Arc<Detail>>) -> u64 {
        let sequence = self.claimed.load(Ordering::Relaxed) + 1;
        self.claimed.store(sequence, Ordering::Release);
        let place = self.place(sequence);
        place.stamp.store(sequence * 2 + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, value) in place.words.iter().zip(record.pack()) {
            word.store(value, Ordering::Relaxed);
        }
        if let Some(detail) = detail {
            *place.detail.lock().unwrap_or_else(PoisonError::into_inner) = (sequence, Some(detail));
        }
        place.stamp.store(sequence * 2, Ordering::Release);
        sequence
    }

    /// The event with this sequence, or `None` when it is overwritten or not written yet.
    pub(crate) fn read(&self, sequence: u64) -> Option<(Record, Option<Arc<Detail>>)> {
        let place = self.place(sequence);
        if place.stamp.load(Ordering::Acquire) != sequence * 2 {
            return None;
        }
        let mut words = [0; WORDS];
        for (value, word) in words.iter_mut().zip(&place.words) {
            *value = word.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        if place.stamp.load(Ordering::Relaxed) != sequence * 2 {
            return None;
        }
        let record = Record::unpack(words);
        if !record.has_detail {
            return Some((record, None));
        }
        let kept = place.detail.lock().unwrap_or_else(PoisonError::into_inner);
        // An event whose text is gone is gone as a whole: a reader never gets half of one.
        (kept.0 == sequence).then(|| (record, kept.1.clone()))
    }

    /// The last sequence that can be read.
    pub(crate) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// The last sequence that may be overwritten already; those after it can still be read.
    pub(crate) fn lost(&self) -> u64 {
        self.claimed.load(Ordering::Acquire).saturating_sub(self.places.len() as u64)
    }

    /// The epoch as it is.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// The epoch when no window is open; waits the few microseconds that one lasts.
    pub(crate) fn settled(&self) -> (u64, u64) {
        let mut tries = 0u32;
        loop {
            let epoch = self.epoch.load(Ordering::Acquire);
            let head = self.head.load(Ordering::Acquire);
            fence(Ordering::Acquire);
            if epoch.is_multiple_of(2) && self.epoch.load(Ordering::Relaxed) == epoch {
                return (epoch, head);
            }
            tries += 1;
            if tries.is_multiple_of(64) { yield_now() } else { spin_loop() }
        }
    }

    /// Wakes the readers that sleep. True if they are so many that the driver has to be called for it.
    pub(crate) fn tell(&self) -> bool {
        self.sleepers.tell()
    }

    /// Wakes the driver, to wake the readers that sleep.
    pub(crate) fn call(&self) {
        self.sleepers.call();
    }

    /// Waits until [`Self::cry`] may be wanted. Cancel safe.
    pub(crate) async fn called(&self) {
        self.sleepers.called().await;
    }

    /// Wakes the readers that sleep, if that was left to the driver.
    pub(crate) fn cry(&self) {
        self.sleepers.cry();
    }

    /// A reader comes.
    pub(super) fn enter(&self) {
        self.readers.fetch_add(1, Ordering::Relaxed);
    }

    /// A reader goes. The last one takes what they shared with it; one that comes meanwhile reads it anew.
    pub(super) fn leave(&self) {
        if self.readers.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.pages.clear();
        }
    }

    /// Nothing will be written that anybody waits for.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.sleepers.wake_all();
    }

    /// Waits until this is so, which somebody tells, or nothing will be told any more. Cancel safe.
    pub(crate) async fn wait_for(&self, is_so: impl Fn() -> bool) {
        loop {
            let (woken, _bed) = self.sleepers.lie_down();
            // Looked at first: what was told before the end is seen.
            let closed = self.closed.load(Ordering::Acquire);
            if is_so() || closed {
                return;
            }
            woken.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use supervisor_api::{Cause, ChildKey, EventKind, Next, Row};

    fn record(n: u64) -> Record {
        Record {
            kind: EventKind::ChildRunning,
            child: ChildKey::ROOT,
            row: Row { generation: n, ..Row::DECLARED },
            cause: Cause::Start,
            next: Next::Nothing,
            numbers: [n as u32; 4],
            has_detail: true,
            has_exit: false,
            at: n,
            unix_nanos: n,
        }
    }

    fn detail(n: u64) -> Option<Arc<Detail>> {
        Some(Arc::new(Detail { text: Some(n.to_string().into()), ..Detail::default() }))
    }

    #[test]
    fn an_event_is_read_whole_or_not_at_all() {
        // The writer goes on until the reader has seen enough: on a busy machine it could
        // otherwise be through before the reader had its first turn.
        const ENOUGH: u64 = 100;
        let journal = Arc::new(Journal::new(8, 3));
        let read = Arc::new(AtomicU64::new(0));
        let writer = std::thread::spawn({
            let (journal, read) = (Arc::clone(&journal), Arc::clone(&read));
            move || {
                let mut last = 0;
                while last < 100_000 || read.load(Ordering::Relaxed) < ENOUGH {
                    last += 1;
                    journal.open_window();
                    assert_eq!(journal.write(&record(last), detail(last)), last);
                    journal.close_window();
                }
                last
            }
        });
        while !writer.is_finished() {
            let head = journal.head();
            if head > 0
                && let Some((found, text)) = journal.read(head)
            {
                assert_eq!(found, record(head));
                assert_eq!(text, detail(head));
                read.fetch_add(1, Ordering::Relaxed);
            }
        }
        let last = writer.join().unwrap();
        assert_eq!(journal.read(last).unwrap().0, record(last));
        assert!(journal.read(last - 8).is_none() && journal.read(last + 1).is_none());
    }
}
