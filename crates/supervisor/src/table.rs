//! Where the shared slots are: chunks that double in size and never move.

use std::sync::OnceLock;

use crate::slot::Slot;

/// Slots in the first chunk; a power of two.
const FIRST: u64 = 64;
/// Chunks enough for every index of 32 bits.
const CHUNKS: usize = 27;

/// The shared slots of a tree by the machine's index.
#[derive(Default)]
pub(crate) struct Table {
    chunks: [OnceLock<Box<[Slot]>>; CHUNKS],
}

impl Table {
    /// The slot at `index`; its chunk is made when it is first asked for.
    pub(crate) fn slot(&self, index: u32) -> &Slot {
        let (chunk, at) = place(index);
        let slots = self.chunks[chunk].get_or_init(|| {
            let size = (FIRST << chunk) as usize;
            (0..size).map(|_| Slot::default()).collect()
        });
        &slots[at]
    }
}

fn place(index: u32) -> (usize, usize) {
    let number = u64::from(index) + FIRST;
    let chunk = number.ilog2() - FIRST.ilog2();
    (chunk as usize, (number - (FIRST << chunk)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_a_place_of_its_own() {
        assert_eq!(place(0), (0, 0));
        assert_eq!(place(63), (0, 63));
        assert_eq!(place(64), (1, 0));
        assert_eq!(place(191), (1, 127));
        assert_eq!(place(192), (2, 0));
        assert!(place(u32::MAX).0 < CHUNKS);
    }

    #[test]
    fn a_slot_never_moves() {
        let table = Table::default();
        let first: *const Slot = table.slot(5);
        table.slot(100_000);
        assert_eq!(first, std::ptr::from_ref(table.slot(5)));
    }
}
