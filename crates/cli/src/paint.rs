//! Colour: escape codes, and whether they are welcome.

use crate::args::ColorWhen;

pub(crate) const DIM: &str = "\x1b[2m";
pub(crate) const BOLD: &str = "\x1b[1m";
pub(crate) const CYAN: &str = "\x1b[36m";
pub(crate) const GREEN: &str = "\x1b[32m";
pub(crate) const YELLOW: &str = "\x1b[33m";
pub(crate) const RED: &str = "\x1b[31m";
pub(crate) const PLAIN: &str = "";

/// Paints, or leaves text as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    coloured: bool,
}

impl Paint {
    #[cfg(test)]
    pub(crate) const ALWAYS: Self = Self { coloured: true };
    #[cfg(test)]
    pub(crate) const NEVER: Self = Self { coloured: false };

    /// As the user wants it; `terminal`: somebody looks at it.
    pub(crate) fn new(when: ColorWhen, terminal: bool) -> Self {
        let coloured = match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => terminal && is_welcome(),
        };
        Self { coloured }
    }

    pub(crate) fn is_coloured(self) -> bool {
        self.coloured
    }

    /// The text in this colour.
    pub(crate) fn paint(self, colour: &str, text: &str) -> String {
        if self.coloured && !colour.is_empty() { format!("{colour}{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What a terminal and its user say about colour.
fn is_welcome() -> bool {
    let set = |key| std::env::var_os(key).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}
