//! Where the shared slots and the rows are: chunks that grow with the table and never move.

use crate::row::RowCell;
use crate::slot::Slot;
use crate::sync::OnceLock;

/// Slots in the first group of chunks; a power of two. Each group has twice as many as the one before.
const FIRST: u64 = 64;
/// Chunks in a group, all of one size; a power of two. More of them waste less at the end of the table.
const PARTS: u64 = 8;
/// Groups enough for every index of 32 bits.
const GROUPS: u64 = 27;

/// The shared slots of a tree, and its rows, by the machine's index.
#[derive(Default)]
pub(crate) struct Table {
    slots: Chunks<Slot>,
    rows: Chunks<RowCell>,
}

impl Table {
    /// The slot at `index`.
    pub(crate) fn slot(&self, index: u32) -> &Slot {
        self.slots.at(index)
    }

    /// The row at `index`.
    pub(crate) fn row(&self, index: u32) -> &RowCell {
        self.rows.at(index)
    }

    /// The rows at these places. Neighbours are found at once.
    pub(crate) fn rows(&self, places: impl Iterator<Item = u32>) -> impl Iterator<Item = &RowCell> {
        let (mut first, mut chunk): (u32, &[RowCell]) = (0, &[]);
        places.map(move |index| {
            if let Some(row) = index.checked_sub(first).and_then(|at| chunk.get(at as usize)) {
                return row;
            }
            let (number, at, size) = place(index);
            (first, chunk) = (index - at as u32, self.rows.chunk(number, size));
            &chunk[at]
        })
    }
}

/// Places that are made when they are first asked for.
struct Chunks<T> {
    chunks: Box<[OnceLock<Box<[T]>>]>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: (0..GROUPS * PARTS).map(|_| OnceLock::new()).collect() }
    }
}

impl<T: Default> Chunks<T> {
    fn at(&self, index: u32) -> &T {
        let (number, at, size) = place(index);
        &self.chunk(number, size)[at]
    }

    fn chunk(&self, number: usize, size: u64) -> &[T] {
        self.chunks[number].get_or_init(|| (0..size).map(|_| T::default()).collect())
    }
}

/// The chunk of an index, its place there, and the chunk's size. No division: this is asked for at every step.
fn place(index: u32) -> (usize, usize, u64) {
    let number = u64::from(index) + FIRST;
    let group = number.ilog2() - FIRST.ilog2();
    let bits = group + FIRST.ilog2() - PARTS.ilog2();
    let offset = number - (FIRST << group);
    let (size, part) = (1 << bits, offset >> bits);
    ((u64::from(group) * PARTS + part) as usize, (offset & (size - 1)) as usize, size)
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
    fn many_rows_are_those_that_single_ones_are() {
        let table = Table::default();
        let places = [7, 8, 9, 63, 64, 0, 5_000, 4_999, 200_000, 7];
        for (row, place) in table.rows(places.into_iter()).zip(places) {
            assert!(std::ptr::eq(row, table.row(place)), "{place}");
        }
    }

    #[test]
    fn a_slot_never_moves() {
        let table = Table::default();
        let first: *const Slot = table.slot(5);
        table.slot(100_000);
        assert_eq!(first, std::ptr::from_ref(table.slot(5)));
    }
}
