//! A command id is carried out at most once (security rule 11).
//!
//! The key of a command is the user and the id; what was said with it is kept as a digest. Said again by the same
//! user, the same command gets the outcome of the first one: if that still runs, it waits for it. Another command with
//! the id is refused, and so is one whose outcome a crash has lost. Users never see each other's.
//!
//! An id is used up when its intent is recorded. A command that is refused before that (`audit_write_failed`) leaves
//! it free. An id is remembered for 24 hours after its command was over; of all users together, 10 000 ids. Beyond
//! that, the user with the most loses its oldest, so a user with fewer than its share loses none. What runs is never
//! forgotten, and bounded by itself: 1 024 commands, 256 of one user.
//!
//! With an audit, all this outlives the target, as far back as the audit reaches. What is kept of an outcome is what
//! the audit keeps: status, error and a short answer, without values of manifests; not what it changed in the state.

mod claim;
mod digest;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod model;
mod once;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use claim::{Claim, Ids};
pub(crate) use digest::BodyDigest;
pub(crate) use once::Once;
pub(crate) use table::Limits;
