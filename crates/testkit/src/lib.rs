//! Tests for trees of tokio-supervisor, in virtual time.
//!
//! Three kinds of tests are served:
//!
//! - **Tests of your tree.** A [`TestTree`] runs a spec of the library under paused time; [`Run`] and [`Script`]
//!   say what its children do; [`lint`] says what is doubtful about a spec, and [`simulate`] runs it through random lives.
//!   `docs/testing.md` is the guide.
//!   This part is the feature `tokio`, which is on by default.
//! - **Tests of the machine.** A [`Bench`] plays the whole world for the machine of `supervisor-core`, and checks
//!   after every step what must hold in every tree. This part needs no runtime.
//! - **Simulation.** [`sim`] makes trees, children and operators at random, and runs the machine through whole lives
//!   of them. `docs/proof.md` says what that proves.
//!
//! # A tree of the library
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! use supervisor_testkit::{Run, Script, TestTree, secs};
//! use tokio_supervisor::{ChildSpec, SupervisorSpec};
//!
//! let script = Script::default().run(1, Run::fails_after(secs(2), "boom"));
//! let web = ChildSpec::service("web", script.play());
//! let mut tree = TestTree::start(SupervisorSpec::root([web])).await;
//! tree.advance(secs(3600)).await;
//! tree.expect([
//!     "web: declared → running",
//!     "web: running → starting (failed: boom), next start now",
//!     "web: starting → running",
//! ]);
//! # }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! # The machine
//!
//! The machine of `supervisor-core` decides everything and does nothing. A [`Bench`] plays the rest of
//! the world for it: a clock that moves only when a test says so, and children that follow a script
//! ([`Run`]). A test declares a tree in a few words, lets something happen, and compares what the machine
//! did with the lines it expects:
//!
//! ```
//! use supervisor_testkit::*;
//!
//! let mut bench = Bench::launch(otp(one_for_all([perm("a"), perm("b")]).budget(1, secs(5))));
//! assert_eq!(bench.take(), ["start a", "start b", "started"]);
//! bench.crash("b");
//! assert_eq!(bench.take(), ["down b: failed: boom", "stop a", "down a", "start a", "start b"]);
//! ```
//!
//! Children answer in the order in which they were told, each answer as an input of its own. Nothing
//! takes time unless its script says so. After every single input the bench checks what must hold in
//! every tree ([`Checker`]; [`Invariant`] has the list) and panics with the trace when it does not.

mod ask;
mod bench;
mod check;
#[cfg(feature = "tokio")]
mod kit;
mod line;
mod look;
#[cfg(all(doctest, feature = "tokio"))]
mod pages;
mod plan;
mod random;
mod script;
mod seen;
pub mod sim;

pub use bench::{Bench, Heard};
pub use check::{Checker, Did, Invariant, Violation};
#[cfg(feature = "tokio")]
pub use kit::{Play, TestTree, Trace, lint, simulate, simulate_with};
pub use plan::{
    Child, Tree, child, dynamic, job, one_for_all, one_for_one, otp, perm, rest_for_one, service, sidecar,
    sup, temp, tran, worker,
};
pub use random::Random;
pub use script::{Run, Script};

use std::time::Duration;

/// This many milliseconds.
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// This many seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
