//! What a relay withstands, over real connections (`security.md` 19 to 25).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crowd;
#[path = "../place/mod.rs"]
mod place;
mod tls;
mod wire;
