//! How many descriptors this process may have open: each program that runs takes three of them, and one more while its
//! log file is written, which waits when there is none.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A running program takes a pidfd and an end of two pipes.
const PER_PROGRAM: u64 = 3;
/// For sockets, files of the state, and programs in the middle of their start.
const OTHERS: u64 = 128;

/// The limit that this process was started with, if it was raised since.
static STARTED_WITH: OnceLock<Rlimit> = OnceLock::new();

/// Raises the limit of open files of this process as far as it may. Programs still get the one that the process was
/// started with, unless their spec says another ([`Limit::FileDescriptors`](crate::Limit::FileDescriptors)).
///
/// For a binary, at its start: a library leaves the limits of its host alone. A second call does nothing. `Err` is a
/// sentence, for when `programs` run at the same time are too many even for the raised limit; those that come too late
/// will not start.
pub fn raise_descriptors(programs: usize) -> Result<(), String> {
    let own = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: own.maximum, ..own };
    let may = if setrlimit(Resource::Nofile, raised).is_ok() {
        STARTED_WITH.get_or_init(|| own);
        own.maximum
    } else {
        own.current
    };
    check(programs, may)
}

fn check(programs: usize, may: Option<u64>) -> Result<(), String> {
    let needed = (programs as u64).saturating_mul(PER_PROGRAM).saturating_add(OTHERS);
    match may {
        Some(may) if may < needed => Err(format!(
            "{programs} programs need about {needed} open files, and this process may have {may}: \
             some of them will not start; raise the limit with `ulimit -n {needed}` where it is started"
        )),
        _ => Ok(()),
    }
}

/// The limit for programs that say none; `None` when they inherit the right one.
pub(crate) fn given_back() -> Option<Rlimit> {
    STARTED_WITH.get().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_programs_for_the_limit_are_said_with_the_remedy() {
        assert_eq!(check(10, Some(158)), Ok(()));
        assert_eq!(check(1_000_000, None), Ok(()));
        let said = check(5_000, Some(4_096)).unwrap_err();
        assert!(
            said.starts_with("5000 programs need about 15128 open files, and this process may have 4096")
        );
        assert!(said.contains("`ulimit -n 15128`"), "{said}");
    }
}
