//! The kit for trees of the library. `docs/testing.md` is its guide.
//!
//! | file | subject |
//! |---|---|
//! | `play` | a script as a factory of `ChildSpec` |
//! | `tree` | a tree under paused time |
//! | `trace` | what happened, as lines, and what a test expects of them |
//! | `line` | an event as such a line |
//! | `lint` | what is doubtful about a spec |
//! | `simulate` | the simulator on a spec |

mod line;
mod lint;
mod play;
mod simulate;
mod trace;
mod tree;

pub use lint::lint;
pub use play::Play;
pub use simulate::{simulate, simulate_with};
pub use trace::Trace;
pub use tree::TestTree;
