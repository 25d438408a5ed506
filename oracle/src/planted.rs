//! The table against our machine with faults built in (`--cfg planted`): does a scenario of the rules that a fault
//! breaks find it? This shows that a wrong implementation differs.

/// Plays the table under each fault that breaks a rule of the table; says whether each was found.
///
/// # Errors
/// A sentence, when the faults are not built in or the table cannot be read.
#[cfg(not(planted))]
pub fn hunt() -> Result<bool, String> {
    Err("the faults are not built in; run `cargo xtask oracle --planted`".into())
}
