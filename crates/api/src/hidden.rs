//! What `Debug` shows in the place of what may be secret: that there is something, and not what it is.

use std::fmt;

/// Stands for a value.
pub(crate) struct Hidden;

impl Hidden {
    /// For a value that may be absent.
    pub(crate) fn some<T>(value: &Option<T>) -> Option<Self> {
        value.as_ref().map(|_| Self)
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[left out]")
    }
}
