//! An event in ten words.

use supervisor_api::{Cause, ChildKey, Event, EventKind, Next, Row};

use crate::row::{pack_states, unpack_states};

/// Words of a record.
pub(super) const WORDS: usize = 10;

/// An event without its text, with its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// What happened.
    pub(crate) kind: EventKind,
    /// To whom.
    pub(crate) child: ChildKey,
    /// The row right after it.
    pub(crate) row: Row,
    /// Why.
    pub(crate) cause: Cause,
    /// What happens next.
    pub(crate) next: Next,
    /// The numbers that led to it.
    pub(crate) numbers: [u32; 4],
    /// Whether text belongs to it.
    pub(crate) has_detail: bool,
    /// Whether it tells how a run ended.
    pub(crate) has_exit: bool,
    /// The tree's time.
    pub(crate) at: u64,
    /// Wall-clock time.
    pub(crate) unix_nanos: u64,
}

impl Record {
    /// The record of an event.
    pub(crate) fn new(event: &Event, at: u64, unix_nanos: u64) -> Self {
        Self {
            kind: event.kind,
            child: event.child,
            row: event.row,
            cause: event.cause,
            next: event.next,
            numbers: event.numbers,
            has_detail: event.detail.is_some(),
            has_exit: event.detail.as_ref().is_some_and(|detail| detail.exit.is_some()),
            at,
            unix_nanos,
        }
    }

    pub(super) fn pack(&self) -> [u64; WORDS] {
        let (cause, cause_child) = pack_cause(self.cause);
        let (next, next_value) = pack_next(self.next);
        let head = [self.kind as u8, cause, next, u8::from(self.has_detail) | u8::from(self.has_exit) << 1];
        let words = [
            pair(u32::from_le_bytes(head), pack_states(&self.row)),
            pair(self.child.index, self.child.epoch),
            self.row.generation,
            pair(self.row.attempt, self.row.restart_count),
            u64::from(cause_child),
            next_value,
            pair(self.numbers[0], self.numbers[1]),
            pair(self.numbers[2], self.numbers[3]),
            self.at,
            self.unix_nanos,
        ];
        // The enums may grow; a word that is not in the tables below must not go unnoticed.
        debug_assert_eq!(Self::unpack(words), *self);
        words
    }

    pub(super) fn unpack(words: [u64; WORDS]) -> Self {
        let (head, states) = split(words[0]);
        let [kind, cause, next, has] = head.to_le_bytes();
        let (lifecycle, health, readiness) = unpack_states(states);
        let (index, epoch) = split(words[1]);
        let (attempt, restart_count) = split(words[3]);
        let (a, b) = split(words[6]);
        let (c, d) = split(words[7]);
        Self {
            kind: EventKind::ALL.get(usize::from(kind)).copied().unwrap_or(EventKind::ChildRunning),
            child: ChildKey { index, epoch },
            row: Row { lifecycle, health, readiness, generation: words[2], attempt, restart_count },
            cause: unpack_cause(cause, words[4] as u32),
            next: unpack_next(next, words[5]),
            numbers: [a, b, c, d],
            has_detail: has & 1 != 0,
            has_exit: has & 2 != 0,
            at: words[8],
            unix_nanos: words[9],
        }
    }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn split(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

/// Causes by number; those with a child take it from the second argument.
const CAUSES: &[fn(u32) -> Cause] = &[
    |_| Cause::Start,
    |_| Cause::Exit,
    |_| Cause::Report,
    |_| Cause::Backoff,
    |_| Cause::Deadline,
    |_| Cause::Heartbeat,
    Cause::Dependency,
    Cause::Group,
    Cause::Escalation,
    Cause::Unwind,
    Cause::Primary,
    Cause::Supervisor,
    Cause::Significant,
    |_| Cause::Budget,
    |_| Cause::Operator,
    |_| Cause::Shutdown,
    |_| Cause::Reload,
    |_| Cause::Schedule,
];

fn pack_cause(cause: Cause) -> (u8, u32) {
    let number = match cause {
        Cause::Start => 0,
        Cause::Exit => 1,
        Cause::Report => 2,
        Cause::Backoff => 3,
        Cause::Deadline => 4,
        Cause::Heartbeat => 5,
        Cause::Dependency(_) => 6,
        Cause::Group(_) => 7,
        Cause::Escalation(_) => 8,
        Cause::Unwind(_) => 9,
        Cause::Primary(_) => 10,
        Cause::Supervisor(_) => 11,
        Cause::Significant(_) => 12,
        Cause::Budget => 13,
        Cause::Operator => 14,
        Cause::Shutdown => 15,
        Cause::Reload => 16,
        Cause::Schedule => 17,
        _ => u8::MAX,
    };
    (number, cause.child().unwrap_or(0))
}

fn unpack_cause(number: u8, child: u32) -> Cause {
    CAUSES.get(usize::from(number)).map_or(Cause::Report, |make| make(child))
}

/// What happens next by number, with its value.
const NEXTS: &[fn(u64) -> Next] = &[
    |_| Next::Nothing,
    |_| Next::StartNow,
    Next::StartAt,
    Next::WithGroup,
    |value| Next::WaitsFor(value as u32),
    |_| Next::WhenGone,
    Next::KillAt,
    |_| Next::Operator,
    |_| Next::Escalate,
];

fn pack_next(next: Next) -> (u8, u64) {
    match next {
        Next::Nothing => (0, 0),
        Next::StartNow => (1, 0),
        Next::StartAt(at) => (2, at),
        Next::WithGroup(at) => (3, at),
        Next::WaitsFor(child) => (4, u64::from(child)),
        Next::WhenGone => (5, 0),
        Next::KillAt(at) => (6, at),
        Next::Operator => (7, 0),
        Next::Escalate => (8, 0),
        _ => (u8::MAX, 0),
    }
}

fn unpack_next(number: u8, value: u64) -> Next {
    NEXTS.get(usize::from(number)).map_or(Next::Nothing, |make| make(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use supervisor_api::{Health, Lifecycle, Readiness};

    #[test]
    fn every_kind_cause_and_next_reads_back() {
        let row = Row {
            lifecycle: Lifecycle::Quarantined,
            health: Health::Degraded,
            readiness: Readiness::NotReady,
            generation: u64::MAX >> 8,
            attempt: 3,
            restart_count: u32::MAX,
        };
        let causes = CAUSES.iter().map(|make| make(9));
        for (at, cause) in causes.enumerate() {
            for next in NEXTS.iter().map(|make| make(77)) {
                let record = Record {
                    kind: EventKind::ALL[at % EventKind::ALL.len()],
                    child: ChildKey { index: 5, epoch: 6 },
                    row,
                    cause,
                    next,
                    numbers: [1, u32::MAX, 3, 4],
                    has_detail: at % 2 == 0,
                    has_exit: at % 4 == 0,
                    at: u64::MAX,
                    unix_nanos: 12,
                };
                assert_eq!(Record::unpack(record.pack()), record);
            }
        }
        for (at, kind) in EventKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, at, "the number of a kind is its place in the catalogue");
        }
    }
}
