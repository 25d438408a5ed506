//! The guardian's own side: read the book, and when the supervisor is gone, act on it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
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
    let Some(supervisor) = asked(std::env::args_os().skip(1)) else { return false };
    // Opened before the greeting, so while the supervisor waits for it and lives.
    let parent = rustix::process::getppid().filter(|parent| *parent == supervisor);
    let supervisor = parent.and_then(|parent| rustix::process::pidfd_open(parent, PidfdFlags::empty()).ok());
    raise_file_limit();
    // Nobody reads this process's output after the greeting. If the greeting cannot be written the
    // supervisor is gone already, the pipe is closed, and the book is empty.
    let _ = io::stdout().write_all(GREETING.as_bytes()).and_then(|()| io::stdout().flush());
    serve(io::stdin(), supervisor);
    true
}

/// Whose guardian this process was started to be.
fn asked(mut arguments: impl Iterator<Item = OsString>) -> Option<Pid> {
    arguments.next().filter(|first| first == ARGUMENT)?;
    let number: i32 = arguments.next()?.to_str()?.parse().ok()?;
    let over = arguments.next().is_none() && number > 1;
    over.then(|| Pid::from_raw(number)).flatten()
}

/// Keeps the book until the last writer is gone, and kills what is in it.
///
/// The end of the supervisor is watched too. A child of it that hangs between fork and exec, on a file system
/// that does not answer, holds the pipe open for as long as it hangs, and the others must not live until
/// then.
fn serve(pipe: impl AsFd, mut supervisor: Option<OwnedFd>) {
    let mut book = Book::default();
    let mut orphaned = false;
    loop {
        let mut fds = vec![PollFd::new(&pipe, PollFlags::IN)];
        fds.extend(supervisor.as_ref().map(|supervisor| PollFd::new(supervisor, PollFlags::IN)));
        if poll(&mut fds, None).is_err() {
            continue; // interrupted
        }
        let is = |at: usize| fds.get(at).is_some_and(|fd: &PollFd<'_>| !fd.revents().is_empty());
        let (readable, ended) = (is(0), is(1));
        if ended {
            supervisor = None;
            orphaned = true;
        }
        if readable {
            let mut bytes = [0; 512 * record::SIZE];
            match rustix::io::read(&pipe, &mut bytes) {
                Ok(0) => break,
                Ok(read) => book.read(&bytes[..read]),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if orphaned {
            book.kill();
        }
    }
    book.kill();
}

/// The groups that began and have not ended.
///
/// Beside each a pidfd of its leader is kept: with it, a number that was used again since is told from the
/// group that was meant. It is opened while the leader cannot have been reaped, since the supervisor writes
/// the end of a group before it reaps its leader.
#[derive(Default)]
struct Book(HashMap<Pid, Option<OwnedFd>>);

impl Book {
    /// Takes whole records: each was written at once, and a pipe does not tear what was written at once.
    fn read(&mut self, bytes: &[u8]) {
        for bytes in bytes.as_chunks().0 {
            match record::decode(*bytes) {
                Some(Record::Began(group)) => {
                    let leader = rustix::process::pidfd_open(group, PidfdFlags::empty()).ok();
                    self.0.insert(group, leader);
                }
                Some(Record::Ended(group)) => drop(self.0.remove(&group)),
                None => {}
            }
        }
    }

    fn kill(&mut self) {
        for (group, leader) in self.0.drain() {
            // An error means that the group is gone, which is what is wanted.
            let _ = between::signal_group(leader.as_ref().map(AsFd::as_fd), group, libc::SIGKILL);
        }
    }
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
        let mut written = Vec::new();
        written.extend(record::began(pid(30)));
        written.extend(record::began(pid(20)));
        written.extend(record::ended(pid(30)));
        written.extend(*b"garbage!");
        written.extend(record::began(pid(40)));
        written.extend(record::ended(pid(40)));
        written.extend(record::began(pid(40)));
        let mut book = Book::default();
        book.read(&written);
        assert_eq!(book.0.into_keys().collect::<HashSet<_>>(), HashSet::from([pid(20), pid(40)]));
    }

    #[test]
    fn only_the_argument_and_a_process_make_a_guardian() {
        let asked = |words: &[&str]| asked(words.iter().map(OsString::from));
        assert_eq!(asked(&[ARGUMENT, "4711"]), Some(pid(4711)));
        for words in
            [&[][..], &[ARGUMENT], &["4711"], &[ARGUMENT, "1"], &[ARGUMENT, "x"], &[ARGUMENT, "7", "8"]]
        {
            assert_eq!(asked(words), None, "{words:?}");
        }
    }
}
