//! Where the shared slots are: chunks that grow with the table and never move.

use crate::slot::Slot;
use crate::sync::OnceLock;

/// Slots in the first group of chunks; a power of two. Each group has twice as many as the one before.
const FIRST: u64 = 64;
/// Chunks in a group, all of one size; a power of two. More of them waste less at the end of the table.
const PARTS: u64 = 8;
/// Groups enough for every index of 32 bits.
const GROUPS: u64 = 27;

/// The shared slots of a tree by the machine's index.
pub(crate) struct Table {
    chunks: Box<[OnceLock<Box<[Slot]>>]>,
}

impl Default for Table {
    fn default() -> Self {
        Self { chunks: (0..GROUPS * PARTS).map(|_| OnceLock::new()).collect() }
    }
}

impl Table {
    /// The slot at `index`; its chunk is made when it is first asked for.
    pub(crate) fn slot(&self, index: u32) -> &Slot {
        let (chunk, at, size) = place(index);
        let slots = self.chunks[chunk].get_or_init(|| (0..size).map(|_| Slot::default()).collect());
        &slots[at]
    }
}

/// The chunk of an index, its place there, and the chunk's size.
fn place(index: u32) -> (usize, usize, u64) {
    let number = u64::from(index) + FIRST;
    let group = u64::from(number.ilog2() - FIRST.ilog2());
    let size = (FIRST / PARTS) << group;
    let offset = number - (FIRST << group);
    ((group * PARTS + offset / size) as usize, (offset % size) as usize, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for index in 0..200_000 {
            let (chunk, at, size) = place(index);
            assert_eq!((chunk, at), expected, "{index}");
            expected = if at as u64 + 1 == size { (chunk + 1, 0) } else { (chunk, at + 1) };
        }
        assert!(place(u32::MAX).0 < (GROUPS * PARTS) as usize);
    }

    #[test]
    fn a_slot_never_moves() {
        let table = Table::default();
        let first: *const Slot = table.slot(5);
        table.slot(100_000);
        assert_eq!(first, std::ptr::from_ref(table.slot(5)));
    }
}
