//! The oracle: the same scenarios in a real OTP supervisor and in our machine.
//!
//! # Theory of operation
//!
//! A [`Scenario`] is a tree, steps, and the trace that belongs to each step. It is played twice: in an Erlang
//! virtual machine whose children do what the scenario says (`otp/`), and in `supervisor-core`'s machine under
//! `Profile::otp()`, with a driver whose children do the same ([`Ours`]). The words of a trace are those that both
//! sides can tell honestly:
//!
//! | line | what happened |
//! |---|---|
//! | `start a` | the start function of `a` was called |
//! | `stop a` | `a` noticed that it was asked to stop |
//! | `down a` | `a` ended after it was asked; ` normal`, ` error` … when it ended otherwise than asked |
//! | `killed a` | `a` was killed by its supervisor |
//! | `report a` | the end of `a` was reported |
//! | `errors d` | the dynamic supervisor `d` reported that children did not end as they should when it ended |
//! | `limit a` | `a` was not restarted, because its supervisor has reached its limit |
//! | `started`, `refused …` | the root's start is over, or its spec is wrong |
//! | `end shutdown`, `end start failed a` | the root ended |
//! | `= …` | the answer to a call; it stands last in its step |
//!
//! What a step itself does, such as the end of a child, is no line.
//!
//! The table stands in `scenarios/`; random scenarios come from a seed ([`random`]).

mod canon;
mod declare;
mod erlang;
pub mod fair;
pub mod model;
mod otp;
mod ours;
pub mod planted;
pub mod random;
pub mod rules;
mod shrink;
pub mod table;
pub mod text;
pub mod verdict;

pub use canon::canonical;
pub use model::Scenario;
pub use otp::{INSTALL, Otp};
pub use ours::{Ours, play};
pub use shrink::shrink;
