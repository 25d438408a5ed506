//! Pages: consecutive events, taken apart once for all readers.
//!
//! What an event costs a reader is to read its record, to look its names up and to share its text. The first reader that
//! needs an event does it, and leaves it on a page beside the ring; the others find it there. A page grows with the
//! ring: nothing on it is ever written twice. The writer knows nothing of pages. A page is begun anew when its turn comes, so
//! there are never more than the ring has events for; all are dropped when the last reader leaves.

use std::sync::{Arc, PoisonError};

use supervisor_api::StampedEvent;

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, OnceLock};

/// Where the event of a page lies, once somebody has taken it apart.
pub(super) type Place = OnceLock<StampedEvent>;

/// Some consecutive events.
pub(super) struct Page {
    /// The first sequence that is on it.
    first: u64,
    places: Box<[Place]>,
    /// The last sequence that was looked for; from there on nobody has.
    settled: AtomicU64,
    /// The last sequence that was overwritten before anybody looked for it; 0 is none.
    gone: AtomicU64,
    /// Held by whoever looks for more.
    filling: Mutex<()>,
}

impl Page {
    fn new(first: u64, size: u64) -> Self {
        Self {
            first,
            places: (0..size).map(|_| Place::new()).collect(),
            settled: AtomicU64::new(first - 1),
            gone: AtomicU64::new(0),
            filling: Mutex::new(()),
        }
    }

    /// Begins it anew. Memory that is given back and asked for again all the time would cost more than what is written there.
    fn renew(&mut self, first: u64) {
        self.first = first;
        self.places.iter_mut().for_each(|place| *place = Place::new());
        self.settled.store(first - 1, Ordering::Relaxed);
        self.gone.store(0, Ordering::Relaxed);
    }

    /// Whether the event with this sequence belongs here.
    pub(super) fn has(&self, sequence: u64) -> bool {
        (self.first..=self.last()).contains(&sequence)
    }

    fn last(&self) -> u64 {
        self.first + self.places.len() as u64 - 1
    }

    /// Looks for the events up to `head`, as far as they belong here and nobody has done so; says up to where that is.
    /// `put` puts the event with a sequence into its place, or says that it is overwritten. There it is built, because it is
    /// large and would be copied on its way.
    pub(super) fn settle(&self, head: u64, mut put: impl FnMut(u64, &Place) -> bool) -> u64 {
        let settled = self.settled.load(Ordering::Acquire);
        let wanted = head.min(self.last());
        if wanted <= settled {
            return settled;
        }
        let _filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        let settled = self.settled.load(Ordering::Relaxed);
        for sequence in settled + 1..=wanted {
            if !put(sequence, self.place(sequence)) {
                self.gone.store(sequence, Ordering::Relaxed);
            }
        }
        let settled = settled.max(wanted);
        self.settled.store(settled, Ordering::Release);
        settled
    }

    /// The last sequence of those settled that was overwritten before it was read. Whoever stands before it is overtaken.
    pub(super) fn gone(&self) -> u64 {
        self.gone.load(Ordering::Relaxed)
    }

    fn place(&self, sequence: u64) -> &Place {
        &self.places[(sequence - self.first) as usize]
    }

    /// The event with this sequence, if it is settled and not gone.
    pub(super) fn get(&self, sequence: u64) -> Option<&StampedEvent> {
        self.place(sequence).get()
    }

    /// The places of these sequences.
    pub(super) fn places(&self, from: u64, to: u64) -> &[Place] {
        &self.places[(from - self.first) as usize..=(to - self.first) as usize]
    }
}

/// The pages of one journal.
pub(super) struct Pages {
    /// Events on a page.
    size: u64,
    /// By number, modulo their count. Somewhat fewer than the ring has events for: so a page is begun anew before the ring
    /// overwrites what is on it, and the writer gives back its texts, as if nobody had read. Who is about to be overtaken
    /// finds no page any more, and makes one for itself.
    shelf: Box<[Mutex<Option<Arc<Page>>>]>,
}

impl Pages {
    /// Pages of `size` events for a ring that keeps `capacity`.
    pub(super) fn new(capacity: usize, size: usize) -> Self {
        let count = (capacity / size).saturating_sub(2).max(1);
        Self { size: size as u64, shelf: (0..count).map(|_| Mutex::new(None)).collect() }
    }

    /// The page that the event with this sequence is on.
    pub(super) fn with(&self, sequence: u64) -> Arc<Page> {
        let number = (sequence - 1) / self.size;
        let first = number * self.size + 1;
        let place = &self.shelf[(number % self.shelf.len() as u64) as usize];
        let mut kept = place.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Page::new(first, self.size));
        match kept.as_mut() {
            Some(page) if page.first == first => {}
            // Whoever wants an older one than there is has almost been overtaken.
            Some(page) if page.first > first => return fresh(),
            Some(page) => match Arc::get_mut(page) {
                Some(page) => page.renew(first),
                None => *page = fresh(),
            },
            None => *kept = Some(fresh()),
        }
        kept.clone().unwrap_or_else(fresh)
    }

    /// Nobody reads any more.
    pub(super) fn clear(&self) {
        for place in &self.shelf {
            drop(place.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.shelf.iter().filter(|place| place.lock().unwrap().is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use supervisor_api::{Cause, ChildKey, Event, EventKind, Next, Row, SupervisorPath};

    use super::*;

    fn event(sequence: u64) -> StampedEvent {
        StampedEvent {
            sequence,
            occurred_at_unix_nanos: 0,
            at: 0,
            path: SupervisorPath::root(),
            cause_path: None,
            next_path: None,
            event: Event {
                kind: EventKind::ChildRunning,
                child: ChildKey::ROOT,
                row: Row::DECLARED,
                cause: Cause::Start,
                next: Next::Nothing,
                numbers: [0; 4],
                detail: None,
            },
        }
    }

    fn put(sequence: u64, place: &Place) -> bool {
        place.set(event(sequence)).is_ok()
    }

    fn there(page: &Page) -> Vec<u64> {
        page.places(page.first, page.last()).iter().filter_map(|place| Some(place.get()?.sequence)).collect()
    }

    #[test]
    fn a_page_grows_and_no_event_is_looked_for_twice() {
        let page = Page::new(5, 4);
        assert_eq!(page.settle(6, put), 6);
        assert_eq!(there(&page), [5, 6]);
        assert_eq!(page.settle(6, |_, _| panic!("it is there")), 6);
        let looked_for = std::cell::RefCell::new(Vec::new());
        let more = |sequence, place: &Place| {
            looked_for.borrow_mut().push(sequence);
            put(sequence, place)
        };
        assert_eq!(page.settle(100, more), 8, "what follows is on the next page");
        assert_eq!(looked_for.take(), [7, 8]);
        assert_eq!(there(&page), [5, 6, 7, 8]);
        assert_eq!(
            page.settle(5, |_, _| panic!("it is there")),
            8,
            "whoever knows of less gets what is there"
        );
    }

    #[test]
    fn a_page_knows_what_nobody_read_in_time() {
        let page = Page::new(5, 4);
        page.settle(8, |sequence, place| sequence != 6 && put(sequence, place));
        assert_eq!((page.gone(), page.get(6)), (6, None));
        assert_eq!(there(&page), [5, 7, 8]);
    }

    #[test]
    fn pages_are_shared_and_there_are_never_more_than_the_ring_has_events_for() {
        let pages = Pages::new(64, 8);
        let first = pages.with(1);
        assert!(Arc::ptr_eq(&first, &pages.with(8)));
        assert!(!Arc::ptr_eq(&first, &pages.with(9)));
        for sequence in 1..1_000 {
            assert!(pages.with(sequence).has(sequence));
            assert!(pages.count() * 8 < 64);
        }
        pages.clear();
        assert_eq!(pages.count(), 0);
    }

    #[test]
    fn a_page_in_somebodys_hands_stays_as_it_is() {
        let pages = Pages::new(64, 8);
        let held = pages.with(1);
        held.settle(8, put);
        let later = 1 + 8 * pages.shelf.len() as u64;
        assert!(pages.with(later).has(later), "it has the place of the other");
        assert_eq!(there(&held), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(pages.with(1).has(1), "one who comes late makes a page for himself");
        assert!(pages.with(later).has(later));
        // In nobody's hands it is begun anew.
        let last = later + 8 * pages.shelf.len() as u64;
        pages.with(later).settle(later, put);
        assert!(there(&pages.with(last)).is_empty());
    }
}
