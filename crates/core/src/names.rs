//! Which child has a name: a table of numbers, hashed by the text, so that no name is stored in it.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::resolve::FixedState;

/// Numbers by name. Whoever asks says which name a number has.
#[derive(Debug, Default, Clone)]
pub(crate) struct Names {
    table: HashTable<u32>,
    hasher: FixedState,
}

impl Names {
    /// No names. Whoever chooses names does not know the seed, and so not which names collide.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { table: HashTable::new(), hasher: FixedState::with_seed(seed) }
    }

    /// Room for so many more.
    pub(crate) fn reserve<'a>(&mut self, more: usize, name_of: impl Fn(u32) -> &'a str) {
        let Self { table, hasher } = self;
        table.reserve(more, |&number| hasher.hash_one(name_of(number)));
    }

    /// Who has this name.
    pub(crate) fn find<'a>(&self, name: &str, name_of: impl Fn(u32) -> &'a str) -> Option<u32> {
        self.table.find(self.hasher.hash_one(name), |&number| name_of(number) == name).copied()
    }

    /// Adds names that are not in the table. Many at once cost less each than one alone: the memory that one needs is
    /// fetched while the one before still waits for its own.
    pub(crate) fn insert<'a>(&mut self, numbers: &[u32], name_of: impl Fn(u32) -> &'a str) {
        let Self { table, hasher } = self;
        let hash_of = |&number: &u32| hasher.hash_one(name_of(number));
        table.reserve(numbers.len(), hash_of);
        for number in numbers {
            table.insert_unique(hash_of(number), *number, hash_of);
        }
    }

    /// Adds a name, unless somebody has it. Says whether nobody had.
    pub(crate) fn insert_new<'a>(&mut self, number: u32, name_of: impl Fn(u32) -> &'a str) -> bool {
        let Self { table, hasher } = self;
        let hash_of = |&number: &u32| hasher.hash_one(name_of(number));
        let same = |&other: &u32| name_of(other) == name_of(number);
        match table.entry(hash_of(&number), same, hash_of) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(number);
                true
            }
        }
    }

    /// Takes the name of this number out.
    pub(crate) fn remove(&mut self, name: &str, number: u32) {
        if let Ok(entry) = self.table.find_entry(self.hasher.hash_one(name), |&other| other == number) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once_until_it_is_taken_out() {
        const TEXTS: [&str; 4] = ["a", "b", "a", "c"];
        let name_of = |number: u32| TEXTS[number as usize];
        let mut names = Names::seeded(7);
        names.insert(&[0, 1], name_of);
        assert!(!names.insert_new(2, name_of) && names.insert_new(3, name_of));
        assert_eq!(
            ["a", "b", "c", "d"].map(|name| names.find(name, name_of)),
            [Some(0), Some(1), Some(3), None]
        );
        names.remove("a", 0);
        assert_eq!(names.find("a", name_of), None);
        assert!(names.insert_new(2, name_of));
        assert_eq!(names.find("a", name_of), Some(2));
    }
}
