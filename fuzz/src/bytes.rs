//! Bytes as a source of decisions.

use std::time::Duration;

/// Decisions, one after the other. When the bytes are used up every decision is the first choice.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// A number below `limit`, which is at most 256.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }

    /// True about this often in 256; never when the bytes are used up.
    pub(crate) fn often(&mut self, chance: u8) -> bool {
        let byte = self.byte();
        byte != 0 && byte <= chance
    }

    /// One of these, which are not empty.
    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(crate) fn ms(&mut self, from: &[u64]) -> Duration {
        Duration::from_millis(self.pick(from))
    }
}
