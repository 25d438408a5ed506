//! One running program and its process group.
//!
//! ```text
//!  leader runs ─► leader is a zombie ─► group killed ─► end written ─► reaped ─► last member gone
//!      │           exit seen, number                                    number
//!      │           still taken                                          free
//!      └─ dropped: killed, end written, reaped by the undertaker
//! ```
//!
//! The order is what makes it safe. As long as the leader is not reaped its number is not given to anyone
//! else, so every signal meets the group that is meant, and so does the guardian's. Only our own child is
//! ever waited for, by its id: a process may have other children, and they are not ours to reap.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitpid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::between::{self, Born, Image};
use crate::cgroup::{Cgroup, Ended, Held};
use crate::guardian::{self, PipeEnd};
use crate::input::Opened;
use crate::passed;
use crate::processes;
use crate::signal::Signal;
use crate::start_error::{self, StartError};
use crate::step::Step;
use crate::streams::{Ends, Streams};
use crate::worker::{SPAWNER, UNDERTAKER};

/// How often a leader without a pidfd (Linux before 5.3) is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What is to be executed.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) image: Arc<Image>,
    /// The path in `image`, for messages.
    pub(crate) file: PathBuf,
    /// The working directory in `image`, for messages.
    pub(crate) working_dir: Option<PathBuf>,
    /// The cgroup that it enters. Dropped without a process in it, it is removed.
    pub(crate) cgroup: Option<Cgroup>,
    /// What it reads.
    pub(crate) input: Opened,
}

/// A program that was executed and has not been reaped. Dropping it kills the whole group.
pub(crate) struct Group {
    /// `None` once it was reaped or handed to the undertaker.
    leader: Option<Leader>,
    id: Pid,
    pidfd: Option<OwnedFd>,
    /// The guardian that has this group in its book.
    guardian: Option<Arc<guardian::Shared>>,
    /// What it cannot leave.
    cgroup: Option<Cgroup>,
}

/// The leader, as long as nobody has taken note of its end.
struct Leader(Pid);

/// A program that was just executed.
pub(crate) struct Started {
    pub(crate) group: Group,
    pub(crate) ends: Ends,
}

/// Starts the program that `prepare` gives, in a group of its own. Returns when it was executed.
///
/// `prepare` is called on the spawning thread: it looks at files. Cancel safe: a program that was started for
/// nobody is killed.
///
/// # Errors
///
/// When it cannot be executed; then there is no process.
pub(crate) async fn spawn(
    prepare: impl FnOnce() -> Result<Program, StartError> + Send + 'static,
) -> Result<Started, StartError> {
    let start = || {
        let mut program = prepare()?;
        let mut started = fork(&program).map_err(|error| start_error::explain(&error, &program))?;
        started.group.cgroup = program.cgroup.take();
        Ok(started)
    };
    SPAWNER.run(start).await.unwrap_or(Err(StartError::NoThread))
}

/// On the spawning thread. A guardian that does not take the record is replaced, once.
fn fork(program: &Program) -> io::Result<Started> {
    let guardian = guardian::current();
    let mut renewed = false;
    loop {
        let end = guardian.as_ref().map(|guardian| (guardian, guardian.pipe_end()));
        match (fork_once(program, end.as_ref()), end) {
            (Err(error), Some((guardian, end))) if !renewed && Step::of(&error).0 == Step::Guardian => {
                renewed = guardian.renew(&end);
                if !renewed {
                    return Err(error);
                }
            }
            (done, _) => return done,
        }
    }
}

fn fork_once(program: &Program, guardian: Option<&(&Arc<guardian::Shared>, PipeEnd)>) -> io::Result<Started> {
    let count = program.image.passed.len();
    let pipe = guardian.and_then(|(_, end)| end.pipe.clone());
    let pipe = match pipe {
        Some(pipe) if count > 0 => Some(Arc::new(passed::raised(&pipe, count)?)),
        pipe => pipe,
    };
    let (streams, ends) = Streams::of(&program.input)?;
    let listed = pipe.as_ref().map(|pipe| pipe.as_fd());
    let Born { id, pidfd } = between::spawn(&program.image, streams.each(), listed)?;
    // The program's ends are its own from here on.
    drop(streams);
    if let Some((guardian, end)) = guardian {
        guardian.began(id, end);
    }
    let guardian = guardian.map(|(guardian, _)| Arc::clone(guardian));
    Ok(Started { group: Group { leader: Some(Leader(id)), id, pidfd, guardian, cgroup: None }, ends })
}

impl Leader {
    /// Waits for its end and takes note of it.
    fn reap(&self) -> io::Result<ExitStatus> {
        loop {
            match waitpid(Some(self.0), WaitOptions::empty()) {
                Ok(Some((_, status))) => return Ok(ExitStatus::from_raw(status.as_raw())),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes note of its end, if it has ended already, and says whether that was so.
    fn is_reaped(&self) -> bool {
        matches!(waitpid(Some(self.0), WaitOptions::NOHANG), Ok(Some(_)))
    }
}

impl Group {
    /// The leader's process id, which is the group's number.
    pub(crate) fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().cast_unsigned()
    }

    /// Waits until the leader has ended. It is not reaped by this: its number stays taken.
    ///
    /// Cancel safe. May be called again, also after it returned.
    ///
    /// # Errors
    ///
    /// When the leader is no longer our child to wait for: something else in this process reaps every
    /// child, or ignores SIGCHLD.
    pub(crate) async fn exited(&self) -> io::Result<()> {
        let watch = self.fd().map(watch).transpose()?;
        while !self.has_exited()? {
            match &watch {
                Some(watch) => watch.readable().await?.clear_ready(),
                None => tokio::time::sleep(LOOK).await,
            }
        }
        Ok(())
    }

    fn has_exited(&self) -> io::Result<bool> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(rustix::process::waitid(WaitId::Pid(self.id), look)?.is_some())
    }

    /// Sends `signal` to every process of the group, and wakes those that are stopped so that they can
    /// obey it.
    pub(crate) fn signal(&self, signal: Signal) {
        self.send(signal.number());
        self.send(libc::SIGCONT);
    }

    /// Sends `signal` to the leader alone.
    pub(crate) fn signal_leader(&self, signal: Signal) {
        self.send_leader(signal.number());
    }

    /// SIGKILL to every process of the group, and of the cgroup.
    pub(crate) fn kill(&self) {
        self.send(libc::SIGKILL);
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
    }

    /// The limits that the kernel holds it to as a whole.
    pub(crate) fn held(&self) -> Held {
        self.cgroup.as_ref().map(Cgroup::held).unwrap_or_default()
    }

    /// To the group, and to the leader by itself when the group is empty because the leader moved to another
    /// one. Nobody left to receive it is no error: that is what a stop wants.
    fn send(&self, signal: i32) {
        let empty = between::signal_group(self.fd(), self.id, signal).is_err();
        if empty {
            self.send_leader(signal);
        }
    }

    fn send_leader(&self, signal: i32) {
        let Some(signal) = rustix::process::Signal::from_named_raw(signal) else { return };
        let _ = match self.fd() {
            Some(pidfd) => rustix::process::pidfd_send_signal(pidfd, signal),
            None => rustix::process::kill_process(self.id, signal),
        };
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Kills what is left of the group, reaps the leader, and waits until the last member is gone.
    ///
    /// Call it after [`Group::exited`] returned. A member that the kernel cannot end (a write to a disk that
    /// does not answer) makes it wait for as long as that lasts: the run has not ended before.
    ///
    /// # Errors
    ///
    /// When something else in this process has reaped the leader.
    pub(crate) async fn finish(mut self) -> (io::Result<ExitStatus>, Ended) {
        self.kill();
        self.write_end();
        let status = match self.leader.take() {
            Some(leader) => leader.reap(),
            None => Err(io::Error::from_raw_os_error(libc::ECHILD)),
        };
        processes::group_is_gone(self.id).await;
        let ended = match self.cgroup.take() {
            Some(cgroup) => cgroup.finish().await,
            None => Ended::default(),
        };
        (status, ended)
    }

    fn write_end(&mut self) {
        if let Some(guardian) = self.guardian.take() {
            guardian.ended(self.id);
        }
    }
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe, for descriptors that can close while they are watched; \
                               this one is borrowed until the watch ends"
)]
fn watch(pidfd: BorrowedFd<'_>) -> io::Result<AsyncFd<BorrowedFd<'_>>> {
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(leader) = self.leader.take() else { return };
        self.kill();
        self.write_end();
        if !leader.is_reaped() {
            UNDERTAKER.post(move || {
                let _ = leader.reap();
            });
        }
    }
}
