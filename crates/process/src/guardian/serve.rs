//! The guardian's own side: read the book, and when the pipe closes, act on it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, Resource, Rlimit};

use super::record::{self, Record};
use super::{ARGUMENT, GREETING};
use crate::between;

/// Serves as the guardian if this process was started as one, and says whether it did.
///
/// Call it first in `main`, before any runtime or thread, and return when it answers `true`:
///
/// ```no_run
/// # fn run() {}
/// use supervisor_process::guardian;
///
/// // in `main`
/// if guardian::serve_if_asked() {
///     return;
/// }
/// guardian::start(guardian::Helper::ThisBinary).expect("a guardian");
/// run();
/// ```
///
/// It answers `true` only after the supervisor that started it has ended, and then nothing is left to do.
pub fn serve_if_asked() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != ARGUMENT) || arguments.next().is_some() {
        return false;
    }
    // Nobody reads this process's output after the greeting. If the greeting cannot be written the
    // supervisor is gone already, the pipe is closed, and the book is empty.
    let _ = io::stdout().write_all(GREETING.as_bytes()).and_then(|()| io::stdout().flush());
    raise_file_limit();
    for (group, leader) in read_book(io::stdin().lock()) {
        // An error means that the group is gone, which is what is wanted.
        let _ = between::signal_group(leader.as_ref().map(AsFd::as_fd), group, libc::SIGKILL);
    }
    true
}

/// Reads records until the last writer is gone. What remains are the groups that began and have not ended.
///
/// Beside each group a pidfd of its leader is kept: with it, a number that was used again since is told from
/// the group that was meant. It is opened while the leader cannot have been reaped, since the supervisor
/// writes the end of a group before it reaps its leader.
fn read_book(mut input: impl Read) -> HashMap<Pid, Option<OwnedFd>> {
    let mut living = HashMap::new();
    let mut bytes = [0; record::SIZE];
    while input.read_exact(&mut bytes).is_ok() {
        match record::decode(bytes) {
            Some(Record::Began(group)) => {
                living.insert(group, rustix::process::pidfd_open(group, PidfdFlags::empty()).ok());
            }
            Some(Record::Ended(group)) => drop(living.remove(&group)),
            None => {}
        }
    }
    living
}

/// One descriptor per group is needed. If the limit stays low, groups beyond it are known by number only.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    #[test]
    fn the_book_holds_what_began_and_has_not_ended() {
        let mut book = Vec::new();
        book.extend(record::began(pid(30)));
        book.extend(record::began(pid(20)));
        book.extend(record::ended(pid(30)));
        book.extend(*b"garbage!");
        book.extend(record::began(pid(40)));
        book.extend(record::ended(pid(40)));
        book.extend(record::began(pid(40)));
        book.extend(b"+sg1"); // a writer that was killed in the middle
        let living: HashSet<_> = read_book(book.as_slice()).into_keys().collect();
        assert_eq!(living, HashSet::from([pid(20), pid(40)]));
    }
}
