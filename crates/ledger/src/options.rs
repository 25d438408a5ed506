//! What the owner of a ledger decides.

use crate::error::Error;

/// Sizes, and what to do about damage. The defaults: segments of 8 MiB, 256 MiB in all, refuse.
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) segment_bytes: u64,
    pub(crate) total_bytes: u64,
    pub(crate) on_damage: OnDamage,
}

/// What happens to a ledger with a bad line in the middle when it is opened. Nothing is removed in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnDamage {
    /// It is not opened.
    #[default]
    Refuse,
    /// It is opened and locked, but every append is refused with [`Error::ReadOnly`].
    ReadOnly,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 8 << 20, total_bytes: 256 << 20, on_damage: OnDamage::Refuse }
    }
}

impl Options {
    /// A segment that would grow beyond this many bytes is ended, and the next one begins. A longer record gets a
    /// segment of its own.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// When all segments together have more than this many bytes, the oldest are dropped, whole ones, never the
    /// newest. What was recorded in them is gone.
    #[must_use]
    pub fn total_bytes(mut self, bytes: u64) -> Self {
        self.total_bytes = bytes;
        self
    }

    /// What happens when the ledger is damaged.
    #[must_use]
    pub fn on_damage(mut self, decision: OnDamage) -> Self {
        self.on_damage = decision;
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.segment_bytes == 0 {
            return Err(Error::Options("a segment of 0 bytes holds nothing; give segments a size above 0"));
        }
        if self.total_bytes < self.segment_bytes {
            return Err(Error::Options(
                "the total size is smaller than one segment; make it larger, or segments smaller",
            ));
        }
        Ok(())
    }
}
