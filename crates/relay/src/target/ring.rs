//! The newest messages of a target, as they go out, in as many bytes as are granted to it.
//!
//! ```text
//!              first                                   head
//!   dropped ──► [event 7][delta][log 3][ state ][event 8] ◄── push
//!                                 ▲
//!                                 └ position: where a session stands
//! ```
//!
//! A position counts entries and is never used again. Sequences are the target's own, and begin anew with another life
//! of it. What is dropped here, or was lost before it came here, shows as a hole in the sequences: each reader compares
//! what comes with what is due, so that a loss cannot go unseen, wherever it happened.

use std::collections::VecDeque;
use std::sync::Arc;

use supervisor_api::wire::{DashboardState, EventFacts, LogFacts, Stream};

/// What an entry is counted for besides its text.
const ENTRY: usize = 256;
/// How many ended lives are remembered.
const LIVES: usize = 64;

/// The sequences that are due next in one life of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) events: u64,
    pub(crate) logs: u64,
}

impl Due {
    /// Of a life of which nothing was told.
    pub(crate) const FIRST: Self = Self { events: 1, logs: 1 };

    /// What is due for who has this state. A state may hold records that were not pushed yet.
    pub(crate) fn after(self, state: &DashboardState) -> Self {
        let event = state.recent_events.last().map_or(0, |event| event.sequence);
        let log = state.recent_logs.iter().rev().find_map(|log| log.sequence).unwrap_or(0);
        Self { events: self.events.max(event.saturating_add(1)), logs: self.logs.max(log.saturating_add(1)) }
    }

    pub(crate) fn of(&mut self, stream: Stream) -> &mut u64 {
        match stream {
            Stream::Events => &mut self.events,
            Stream::Logs => &mut self.logs,
        }
    }
}

/// One message.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The life of the target that it is from.
    pub(crate) life: u32,
    pub(crate) what: What,
    /// The text frame; empty for what has none.
    pub(crate) frame: Arc<str>,
}

#[derive(Debug)]
pub(crate) enum What {
    Event(EventFacts),
    Log(LogFacts),
    /// A change of the state.
    Delta,
    /// Somebody asked for something.
    Audit,
    /// Here the state has to be sent anew: what comes after it cannot be folded over what was before.
    NewState,
}

/// A life that is over.
#[derive(Debug)]
struct Ended {
    epoch: Arc<str>,
    /// What was due when it ended.
    due: Due,
}

#[derive(Debug)]
pub(crate) struct Ring {
    entries: VecDeque<Entry>,
    /// The position of the oldest entry.
    first: u64,
    bytes: usize,
    most: usize,
    life: u32,
    /// Names the life, for cursors; `None` before the first.
    epoch: Option<Arc<str>>,
    due: Due,
    /// The lives before, the last one at the back.
    ended: VecDeque<Ended>,
    /// The position after the last [`What::NewState`].
    state_from: u64,
}

impl Ring {
    /// A ring of at most this many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            bytes: 0,
            most,
            life: 0,
            epoch: None,
            due: Due::FIRST,
            ended: VecDeque::new(),
            state_from: 0,
        }
    }

    /// The position of the oldest entry that is kept.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The position of what comes next.
    pub(crate) fn head(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(crate) fn get(&self, position: u64) -> Option<&Entry> {
        let at = usize::try_from(position.checked_sub(self.first)?).ok()?;
        self.entries.get(at)
    }

    /// Which life of the target this is.
    pub(crate) fn life(&self) -> u32 {
        self.life
    }

    /// What is due next in this life.
    pub(crate) fn due(&self) -> Due {
        self.due
    }

    /// The name of this life.
    pub(crate) fn epoch(&self) -> Option<&Arc<str>> {
        self.epoch.as_ref()
    }

    /// The life with this name, if it is remembered.
    pub(crate) fn life_of(&self, epoch: &str) -> Option<u32> {
        let is_current = self.epoch.as_deref() == Some(epoch);
        let ago = || self.ended.iter().rev().position(|ended| *ended.epoch == *epoch);
        let ago = if is_current { 0 } else { ago()? + 1 };
        self.life.checked_sub(u32::try_from(ago).ok()?)
    }

    /// The name of a life, if it is remembered.
    pub(crate) fn epoch_of(&self, life: u32) -> Option<&Arc<str>> {
        if life == self.life { self.epoch.as_ref() } else { self.ended_at(life).map(|ended| &ended.epoch) }
    }

    /// What was due when a life ended; `None` for one that goes on or was forgotten.
    pub(crate) fn end_of(&self, life: u32) -> Option<Due> {
        self.ended_at(life).map(|ended| ended.due)
    }

    fn ended_at(&self, life: u32) -> Option<&Ended> {
        let ago = self.life.checked_sub(life)?.checked_sub(1)?;
        let at = self.ended.len().checked_sub(1)?.checked_sub(ago as usize)?;
        self.ended.get(at)
    }

    /// The first position of which a state can be that is still of use.
    pub(crate) fn state_from(&self) -> u64 {
        self.state_from.max(self.first)
    }

    /// An event; one that was there already is passed by.
    pub(crate) fn event(&mut self, facts: EventFacts, frame: Arc<str>) {
        if facts.sequence >= self.due.events {
            self.due.events = facts.sequence.saturating_add(1);
            self.push(What::Event(facts), frame);
        }
    }

    /// A line of the logs; one that was there already is passed by.
    pub(crate) fn log(&mut self, facts: LogFacts, frame: Arc<str>) {
        match facts.sequence {
            Some(sequence) if sequence < self.due.logs => return,
            Some(sequence) => self.due.logs = sequence.saturating_add(1),
            None => {}
        }
        self.push(What::Log(facts), frame);
    }

    pub(crate) fn delta(&mut self, frame: Arc<str>) {
        if !self.push(What::Delta, frame) {
            self.new_state();
        }
    }

    /// Somebody asked for something.
    pub(crate) fn audit(&mut self, frame: Arc<str>) {
        self.push(What::Audit, frame);
    }

    /// From here on the state is another, as a whole.
    pub(crate) fn new_state(&mut self) {
        self.push(What::NewState, Arc::default());
        self.state_from = self.head();
    }

    /// Everything of a stream up to `to` will never come.
    pub(crate) fn lost(&mut self, stream: Stream, to: u64) {
        let due = self.due.of(stream);
        *due = (*due).max(to.saturating_add(1));
    }

    /// A life of this name begins, and with it the sequences; before the first there is nothing to end.
    pub(crate) fn begin(&mut self, epoch: Arc<str>) {
        if let Some(epoch) = self.epoch.replace(epoch) {
            if self.ended.len() == LIVES {
                self.ended.pop_front();
            }
            let due = std::mem::replace(&mut self.due, Due::FIRST);
            self.ended.push_back(Ended { epoch, due });
            self.life = self.life.saturating_add(1);
        }
        self.new_state();
    }

    /// Whether it was taken: one that is larger than the ring is not.
    fn push(&mut self, what: What, frame: Arc<str>) -> bool {
        let bytes = ENTRY + frame.len();
        if bytes > self.most {
            return false;
        }
        self.bytes += bytes;
        self.entries.push_back(Entry { life: self.life, what, frame });
        while self.bytes > self.most {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= ENTRY + oldest.frame.len();
            self.first += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use supervisor_api::{EventKind, Severity, SupervisorPath};

    use super::*;

    fn event(ring: &mut Ring, sequence: u64, bytes: usize) {
        let facts = EventFacts {
            sequence,
            path: SupervisorPath::root(),
            state: None,
            kind: EventKind::ChildReady.into(),
            severity: Severity::Info.into(),
            correlation_id: None,
        };
        ring.event(facts, "x".repeat(bytes).into());
    }

    fn sequences(ring: &Ring) -> Vec<u64> {
        let entries = (ring.first()..ring.head()).map(|at| ring.get(at).unwrap());
        let events = entries.filter_map(|entry| match &entry.what {
            What::Event(facts) => Some(facts.sequence),
            _ => None,
        });
        events.collect()
    }

    #[test]
    fn the_oldest_leave_when_the_bytes_are_used_up_and_positions_go_on() {
        let mut ring = Ring::new(4 * (ENTRY + 100));
        for sequence in 1..=10 {
            event(&mut ring, sequence, 100);
            assert!(ring.bytes <= ring.most);
        }
        assert_eq!(sequences(&ring), [7, 8, 9, 10]);
        assert_eq!((ring.first(), ring.head(), ring.due().events), (6, 10, 11));
        assert!(ring.get(5).is_none() && ring.get(10).is_none());
    }

    #[test]
    fn what_is_larger_than_the_ring_is_a_hole_and_drives_nobody_out() {
        let mut ring = Ring::new(4 * (ENTRY + 100));
        event(&mut ring, 1, 100);
        event(&mut ring, 2, 10_000);
        event(&mut ring, 3, 100);
        assert_eq!(sequences(&ring), [1, 3]);
        assert_eq!(ring.due().events, 4);
        ring.delta("x".repeat(10_000).into());
        assert_eq!(ring.state_from(), ring.head(), "a delta that is lost makes the state due");
    }

    #[test]
    fn what_comes_twice_is_there_once() {
        let mut ring = Ring::new(1 << 20);
        for sequence in [1, 2, 2, 1, 3] {
            event(&mut ring, sequence, 1);
        }
        assert_eq!(sequences(&ring), [1, 2, 3]);
    }

    #[test]
    fn the_ends_of_lives_are_remembered_and_bounded() {
        let mut ring = Ring::new(1 << 20);
        for life in 0..=100 {
            ring.begin(life.to_string().into());
            ring.lost(Stream::Events, life);
        }
        assert_eq!((ring.life(), ring.life_of("100"), ring.end_of(100)), (100, Some(100), None));
        assert_eq!((ring.life_of("99"), ring.end_of(99)), (Some(99), Some(Due { events: 100, logs: 1 })));
        assert_eq!((ring.life_of("36"), ring.end_of(36)), (Some(36), Some(Due { events: 37, logs: 1 })));
        assert_eq!((ring.life_of("35"), ring.end_of(35)), (None, None));
        assert_eq!(ring.ended.len(), LIVES);
    }
}
