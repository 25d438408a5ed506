//! The journal: the last 4 096 events, in order, without holes.
//!
//! A ring of small fixed records in atomics; the position is the sequence. Text lies in a second ring of
//! the same retention, one cell per entry. The writer claims a sequence, writes text and record, and moves
//! the head at the end of a *window*; what lies at or below the head is complete. A reader has a cursor of
//! its own and takes nothing from others. One that is overtaken sees exactly which events it missed:
//! lost + delivered = emitted.
//!
//! ```text
//!      claimed - 4096            cursor            head   claimed
//!   ───────┼───────────────────────┼────────────────┼───────┼────►
//!     lost │ can be read           │ to be read     │ being written
//! ```
//!
//! `epoch` is odd while a window is open. A pass over many rows that sees the same even epoch before and
//! after saw no window, so it is exact at the head; otherwise the events between the two heads are folded
//! over it (see [`crate::snapshot`]).
//!
//! | file | subject |
//! |---|---|
//! | `ring` | the ring: one writer, any number of readers |
//! | `pack` | an event in ten words |
//! | `page` | consecutive events, taken apart once for all readers |
//! | `stream`, `lent` | a reader, and what it lends |
//! | `wake` | readers that sleep, and who wakes them |

mod lent;
#[cfg(test)]
mod model;
mod pack;
mod page;
mod ring;
mod stream;
mod wake;

pub use lent::{EventBatch, LentEvents, LentIter};
pub(crate) use pack::Record;
pub(crate) use ring::Journal;
pub(crate) use stream::Names;
pub use stream::{EventItem, EventStream, Gap};
