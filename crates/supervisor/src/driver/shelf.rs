//! Bodies that came after the tree was launched, by number.
//!
//! Numbers are given out in order and never again, and children that came together mostly go together. So bodies lie
//! side by side on boards of a few, and a board is given up when it is empty: a child that stays keeps no more than its
//! own board.

use std::collections::HashMap;

use crate::spec::Body;

/// Bodies on one board.
const BOARD: u32 = 32;

#[derive(Default)]
pub(super) struct Shelf {
    boards: HashMap<u32, Board>,
}

#[derive(Default)]
struct Board {
    bodies: [Option<Body>; BOARD as usize],
    taken: u32,
}

/// The board of a number, and the place on it.
fn place(number: u32) -> (u32, usize) {
    (number / BOARD, (number % BOARD) as usize)
}

impl Shelf {
    pub(super) fn get(&self, number: u32) -> Option<&Body> {
        let (board, at) = place(number);
        self.boards.get(&board)?.bodies[at].as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Body> {
        let (board, at) = place(number);
        self.boards.get_mut(&board)?.bodies[at].as_mut()
    }

    /// Keeps a body under a number that has none.
    pub(super) fn put(&mut self, number: u32, body: Body) {
        let (board, at) = place(number);
        let board = self.boards.entry(board).or_default();
        board.bodies[at] = Some(body);
        board.taken += 1;
    }

    pub(super) fn take(&mut self, number: u32) -> Option<Body> {
        let (at_board, at) = place(number);
        let board = self.boards.get_mut(&at_board)?;
        let body = board.bodies[at].take()?;
        board.taken -= 1;
        if board.taken == 0 {
            self.boards.remove(&at_board);
        }
        Some(body)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Body)> {
        self.boards.iter_mut().flat_map(|(board, bodies)| {
            let numbers = board * BOARD..;
            numbers.zip(&mut bodies.bodies).filter_map(|(number, body)| Some((number, body.as_mut()?)))
        })
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.boards.iter().flat_map(|(board, bodies)| {
            let numbers = board * BOARD..;
            numbers.zip(&bodies.bodies).filter_map(|(number, body)| body.as_ref().map(|_| number))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Bound, Wanted};

    fn body(name: u32) -> Body {
        let wanted = Wanted { factory: name.to_string().into(), blocking: false };
        Body { run: Bound::No(wanted), extras: None }
    }

    fn name(body: &Body) -> Option<u32> {
        let Bound::No(wanted) = &body.run else { return None };
        wanted.factory.parse().ok()
    }

    #[test]
    fn each_number_has_its_own_body_and_an_empty_board_is_given_up() {
        let mut shelf = Shelf::default();
        (0..200).for_each(|number| shelf.put(number, body(number)));
        for number in (0..200).filter(|number| number % 50 != 7) {
            assert_eq!(shelf.get(number).and_then(name), Some(number));
            assert_eq!(shelf.take(number).as_ref().and_then(name), Some(number));
            assert!(shelf.take(number).is_none() && shelf.get(number).is_none());
        }
        let mut left: Vec<u32> = shelf.numbers().collect();
        left.sort_unstable();
        assert_eq!((left, shelf.boards.len()), (vec![7, 57, 107, 157], 4));
        for (number, kept) in shelf.iter_mut() {
            assert_eq!(name(kept), Some(number));
            *kept = body(number + 1);
        }
        assert_eq!(shelf.get_mut(57).map(|body| name(body)), Some(Some(58)));
        assert!(shelf.get(200).is_none() && shelf.get_mut(u32::MAX).is_none());
    }
}
