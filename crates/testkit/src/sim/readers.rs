//! Slow subscribers: they fold events into rows at their own pace. A bounded log forgets the oldest, and may lose some
//! that come; who missed some takes a snapshot and goes on from there. Who has read to the end then has what the
//! machine shows (invariant 23).
//!
//! The log is the simulator's own and so are its numbers: nothing here says that the library's journal counts without
//! holes (22). Its model tests do (`crates/supervisor/src/journal/model.rs`), and the record of what a reader of a
//! real tree was given (`crates/supervisor/src/driver/trace/check.rs`).

use std::collections::VecDeque;

use supervisor_api::{ChildKey, Lifecycle, Row};
use supervisor_core::Machine;

use crate::Random;

/// So many events are kept.
const KEPT: usize = 48;

/// The log, and who reads it.
#[derive(Debug, Default)]
pub(super) struct Readers {
    log: VecDeque<(ChildKey, Row)>,
    /// So many events came.
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
}

#[derive(Debug, Default)]
struct Reader {
    /// The last event it saw, or was told to have missed.
    at: u64,
    /// How often it reads, in a hundred.
    pace: u64,
    rows: Vec<Option<(u32, Row)>>,
}

impl Readers {
    pub(super) fn reset(&mut self, count: u32, random: &mut Random) {
        self.log.clear();
        (self.head, self.failing, self.broken) = (0, 0, 0);
        (self.gaps, self.caught_up, self.lost) = (0, 0, 0);
        self.all.resize_with(count as usize, Reader::default);
        for reader in &mut self.all {
            reader.rows.clear();
            (reader.at, reader.pace) = (0, 1 + random.below(60));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The log loses the next so many events, and with them what it had.
    pub(super) fn fail(&mut self, events: u32) {
        self.failing = events;
    }

    pub(super) fn publish(&mut self, key: ChildKey, row: Row) {
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
        self.log.push_back((key, row));
    }

    /// Some of the readers read; `keys` are all children that were ever declared. Refuses, with a sentence, when one that
    /// has read to the end has other rows than the machine.
    pub(super) fn read(
        &mut self,
        random: &mut Random,
        machine: &Machine,
        keys: impl Iterator<Item = ChildKey> + Clone,
    ) -> Result<(), String> {
        for reader in &mut self.all {
            if !random.percent(reader.pace) || reader.at == self.head {
                continue;
            }
            let oldest = self.head + 1 - self.log.len() as u64;
            if reader.at + 1 < oldest {
                self.gaps += 1;
                self.lost += u64::from(reader.at < self.broken);
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
            for &(key, row) in self.log.iter().skip(from).take(many) {
                reader.at += 1;
                reader.put(key, row);
            }
            if reader.at == self.head {
                self.caught_up += 1;
                reader.compare(machine, keys.clone())?;
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

    fn compare(&self, machine: &Machine, keys: impl Iterator<Item = ChildKey>) -> Result<(), String> {
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
                let ChildKey { index, epoch } = key;
                return Err(format!("child {index}.{epoch}: a reader has {folded:?}, the machine {is:?}"));
            }
        }
        Ok(())
    }
}
