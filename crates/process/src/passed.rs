//! Descriptors that a program is given: its own from 3 on, in the words of systemd's socket activation.
//!
//! The numbers are the protocol's. What is put there, and what a child needs until it is executed, has numbers above those in
//! this process, so nothing of it is overwritten.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// The first number that is given.
pub(crate) const FIRST: i32 = 3;
/// The variable that tells how many there are.
const COUNT: &str = "LISTEN_FDS";
/// The variable with their names.
const NAMES: &str = "LISTEN_FDNAMES";
/// The variable that tells a program that they are for it and not for a child of it. Empty, it is filled in between fork
/// and exec.
pub(crate) const PID: &str = "LISTEN_PID";
/// The longest name, as in `sd_listen_fds_with_names(3)`.
const MAX_NAME: usize = 255;

/// A descriptor for a program, which is kept open as long as its spec.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    pub(crate) name: String,
    pub(crate) descriptor: Arc<OwnedFd>,
}

/// What is wrong with the names.
pub(crate) fn findings(all: &[Passed]) -> impl Iterator<Item = String> {
    let good = |name: &str| {
        let bytes = name.as_bytes();
        (1..=MAX_NAME).contains(&bytes.len())
            && bytes.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b':')
    };
    all.iter().filter(move |passed| !good(&passed.name)).map(|passed| {
        let name = passed.name.escape_debug();
        format!("pass: '{name}' cannot name a descriptor; use up to {MAX_NAME} ASCII characters without `:`")
    })
}

/// The variables that tell a program what it was given.
pub(crate) fn variables(all: &[Passed]) -> Vec<(&'static str, String)> {
    if all.is_empty() {
        return Vec::new();
    }
    let names: Vec<&str> = all.iter().map(|passed| passed.name.as_str()).collect();
    vec![(COUNT, all.len().to_string()), (NAMES, names.join(":")), (PID, String::new())]
}

/// The descriptors again, with numbers above those that a child puts them at.
pub(crate) fn above(all: &[Passed]) -> io::Result<Vec<OwnedFd>> {
    all.iter().map(|passed| raised(&passed.descriptor, all.len())).collect()
}

/// A descriptor again, with a number above the first `count` that are given.
pub(crate) fn raised(descriptor: &impl AsFd, count: usize) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(descriptor, end(count))?)
}

/// The number after the last one. There are far fewer descriptors than an `i32` counts.
fn end(count: usize) -> i32 {
    FIRST.saturating_add(i32::try_from(count).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn what_is_passed_has_numbers_above_those_that_are_given() {
        let passed = |name: &str| {
            let descriptor = Arc::new(std::fs::File::open("/dev/null").unwrap().into());
            Passed { name: name.to_owned(), descriptor }
        };
        let all = [passed("a"), passed("b")];
        assert!(above(&all).unwrap().iter().all(|descriptor| descriptor.as_raw_fd() >= 5));
        assert_eq!(variables(&[]), []);
        let said = variables(&all);
        assert_eq!(said[..2], [("LISTEN_FDS", "2".to_owned()), ("LISTEN_FDNAMES", "a:b".to_owned())]);
    }
}
