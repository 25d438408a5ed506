//! Slow subscribers: they fold events into rows at their own pace. A bounded log forgets the oldest; who
//! missed some is told how many, takes a snapshot and goes on from there (invariants 22 and 23). The log may
//! fail for some events, and the wall clock that stamps them may jump; neither changes what readers see.

use std::collections::VecDeque;

use supervisor_api::{ChildKey, Lifecycle, Row};
use supervisor_core::Machine;

use crate::Random;

/// So many events are kept.
const KEPT: usize = 48;

/// What a reader finds wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It neither saw nor was told to have missed some events (22).
    Lost(String),
    /// Its rows are not the machine's (23).
    Differs(String),
}

/// The log, and who reads it.
#[derive(Debug, Default)]
pub(super) struct Readers {
    log: VecDeque<Entry>,
    head: u64,
    /// So many events that come will be lost.
    failing: u32,
    /// The last event that was lost.
    broken: u64,
    all: Vec<Reader>,
    pub(super) gaps: u64,
    pub(super) caught_up: u64,
    /// Gaps that hold events which the log has lost.
    pub(super) lost: u64,
    /// Events that were read after one with a later time on the wall.
    pub(super) back: u64,
}

/// An event as the log keeps it.
#[derive(Debug, Clone, Copy)]
struct Entry {
    sequence: u64,
    /// Nanoseconds since the machine's start.
    at: u64,
    /// What the wall clock said.
    unix: i64,
    key: ChildKey,
    row: Row,
}

#[derive(Debug, Default)]
struct Reader {
    /// The last event it saw, or was told to have missed.
    at: u64,
    seen: u64,
    missed: u64,
    /// How often it reads, in a hundred.
    pace: u64,
    /// The times of the last event it saw.
    time: u64,
    unix: i64,
    rows: Vec<Option<(u32, Row)>>,
}

impl Readers {
    pub(super) fn reset(&mut self, count: u32, random: &mut Random) {
        self.log.clear();
        (self.head, self.failing, self.broken) = (0, 0, 0);
        (self.gaps, self.caught_up, self.lost, self.back) = (0, 0, 0, 0);
        self.all.resize_with(count as usize, Reader::default);
        for reader in &mut self.all {
            reader.rows.clear();
            (reader.at, reader.seen, reader.missed) = (0, 0, 0);
            (reader.time, reader.unix) = (0, i64::MIN);
            reader.pace = 1 + random.below(60);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The log loses the next so many events, and with them what it had.
    pub(super) fn fail(&mut self, events: u32) {
        self.failing = events;
    }

    pub(super) fn publish(&mut self, at: u64, unix: i64, key: ChildKey, row: Row) {
        self.head += 1;
        if self.failing > 0 {
            self.failing -= 1;
            self.log.clear();
            self.broken = self.head;
            return;
        }
        if self.log.len() == KEPT {
            self.log.pop_front();
        }
        self.log.push_back(Entry { sequence: self.head, at, unix, key, row });
    }

    /// Some of the readers read; `keys` are all children that were ever declared.
    pub(super) fn read(
        &mut self,
        random: &mut Random,
        machine: &Machine,
        keys: impl Iterator<Item = ChildKey> + Clone,
    ) -> Result<(), Wrong> {
        for reader in &mut self.all {
            if !random.percent(reader.pace) || reader.at == self.head {
                continue;
            }
            let oldest = self.log.front().map_or(self.head + 1, |first| first.sequence);
            if reader.at + 1 < oldest {
                self.gaps += 1;
                self.lost += u64::from(reader.at < self.broken);
                reader.missed += self.head - reader.at;
                reader.at = self.head;
                reader.rows.clear();
                for key in keys.clone() {
                    // Who is not in the snapshot is not in the tree.
                    let gone = Row { lifecycle: Lifecycle::Removed, ..Row::DECLARED };
                    reader.put(key, machine.row(key).unwrap_or(gone));
                }
                continue;
            }
            let from = (reader.at + 1 - oldest) as usize;
            let many = 1 + random.below(30) as usize;
            for &Entry { sequence, at, unix, key, row } in self.log.iter().skip(from).take(many) {
                if sequence != reader.at + 1 || at < reader.time {
                    let text =
                        format!("event {sequence} of {at} ns follows {} of {} ns", reader.at, reader.time);
                    return Err(Wrong::Lost(text));
                }
                self.back += u64::from(unix < reader.unix);
                (reader.at, reader.time, reader.unix) = (sequence, at, unix);
                reader.seen += 1;
                reader.put(key, row);
            }
            if reader.at == self.head {
                self.caught_up += 1;
                reader.compare(machine, self.head, keys.clone())?;
            }
        }
        Ok(())
    }
}

impl Reader {
    fn put(&mut self, key: ChildKey, row: Row) {
        let at = key.index as usize;
        if self.rows.len() <= at {
            self.rows.resize(at + 1, None);
        }
        self.rows[at] = Some((key.epoch, row));
    }

    fn compare(
        &self,
        machine: &Machine,
        head: u64,
        keys: impl Iterator<Item = ChildKey>,
    ) -> Result<(), Wrong> {
        if self.seen + self.missed != head {
            let text = format!("saw {} and missed {} of {head} events", self.seen, self.missed);
            return Err(Wrong::Lost(text));
        }
        for key in keys {
            // Nothing was told of a child that was only declared.
            let folded = match self.rows.get(key.index as usize).copied().flatten() {
                Some((epoch, row)) if epoch == key.epoch => row,
                _ => Row::DECLARED,
            };
            let is = machine.row(key);
            let same = match is {
                Some(row) => row == folded,
                None => folded.lifecycle == Lifecycle::Removed,
            };
            if !same {
                let text =
                    format!("child {}.{}: a reader has {folded:?}, the machine {is:?}", key.index, key.epoch);
                return Err(Wrong::Differs(text));
            }
        }
        Ok(())
    }
}
