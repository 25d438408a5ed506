//! What supervision costs: each row of the benchmark, written by hand on bare tokio and with the library.
//!
//! One program per subject: `bench-raw ROW N` and `bench-ours ROW N` measure a row once in a fresh process and print
//! one line of JSON. `cargo xtask bench` runs them in turn, many times, and compares.
//!
//! A row is one file in [`rows`]. Both sides stand in it below each other, do the same work, and read the same clock
//! at the same places; the doc of the file says at which. `raw` is the best that one writes by hand, without `unsafe`
//! and without what a supervisor adds ([`team`]). `ours` uses the public API of `tokio-supervisor` with its default
//! options, plus what the row says. Nothing in the library knows of this crate.
//!
//! What a child of a row does where the peers in `benches/peers` do it too, and where the clock is read then, stands in
//! `supervisor-bench-kit`, which knows nothing of the library.
//!
//! Both run on a multi-thread runtime with two workers, and everything that is timed begins in a task of that
//! runtime: a task that is spawned from outside takes a longer way.

pub mod rows;
pub mod team;

pub use supervisor_bench_kit::program;
use supervisor_bench_kit::{
    End, Figures, Latch, Pulse, Starting, Stopping, Storm, failure, gauge, name, watched,
};
