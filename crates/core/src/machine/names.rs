//! Which child has a path: a table of indices, hashed by the path's text, so that every name is stored once.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use hashbrown::HashTable;

#[derive(Debug, Default, Clone)]
pub(crate) struct Names {
    table: HashTable<u32>,
    hasher: BuildHasherDefault<DefaultHasher>,
}

impl Names {
    /// The child with this path; `text_of` reads the path of an index.
    pub(crate) fn find<'a>(&self, path: &str, text_of: impl Fn(u32) -> &'a str) -> Option<u32> {
        self.table.find(self.hasher.hash_one(path), |&index| text_of(index) == path).copied()
    }

    /// Adds a path that is not in the table.
    pub(crate) fn insert<'a>(&mut self, path: &str, index: u32, text_of: impl Fn(u32) -> &'a str) {
        let hasher = self.hasher.clone();
        self.table.insert_unique(self.hasher.hash_one(path), index, |&other| hasher.hash_one(text_of(other)));
    }

    pub(crate) fn remove(&mut self, path: &str, index: u32) {
        if let Ok(entry) = self.table.find_entry(self.hasher.hash_one(path), |&other| other == index) {
            entry.remove();
        }
    }

    pub(crate) fn reserve<'a>(&mut self, more: usize, text_of: impl Fn(u32) -> &'a str) {
        let hasher = self.hasher.clone();
        self.table.reserve(more, |&other| hasher.hash_one(text_of(other)));
    }
}
