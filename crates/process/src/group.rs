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
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::between::{self, Image};
use crate::cgroup::{Cgroup, Ended, Held};
use crate::guardian::{self, PipeEnd};
use crate::input::Opened;
use crate::passed::{self, Places};
use crate::processes;
use crate::signal::Signal;
use crate::start_error::{self, StartError};
use crate::step::Step;
use crate::worker::{SPAWNER, UNDERTAKER};

/// How often a leader without a pidfd (Linux before 5.3) is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How often a child is forked again that did not find the places of its descriptors as they were.
const TRIES: u32 = 100;

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
    leader: Option<Child>,
    id: Pid,
    pidfd: Option<OwnedFd>,
    /// The guardian that has this group in its book.
    guardian: Option<Arc<guardian::Shared>>,
    /// What it cannot leave.
    cgroup: Option<Cgroup>,
}

/// A program that was just executed, with the reading ends of its output.
pub(crate) struct Started {
    pub(crate) group: Group,
    /// The writing end of its input, if that is a pipe or a terminal.
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) output: Output,
}

/// Where is read what a program prints.
pub(crate) enum Output {
    Pipes {
        stdout: OwnedFd,
        stderr: OwnedFd,
    },
    /// Both streams come from one terminal.
    Terminal(OwnedFd),
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
    let mut tries = 0;
    loop {
        let end = guardian.as_ref().map(|guardian| (guardian, guardian.pipe_end()));
        match (fork_once(program, end.as_ref()), end) {
            (Err(error), Some((guardian, end))) if !renewed && Step::of(&error).0 == Step::Guardian => {
                renewed = guardian.renew(&end);
                if !renewed {
                    return Err(error);
                }
            }
            // Another thread had closed a descriptor in between.
            (Err(error), _) if is_again(&error) && tries < TRIES => tries += 1,
            (done, _) => return done,
        }
    }
}

fn is_again(error: &io::Error) -> bool {
    let (step, error) = Step::of(error);
    step == Step::Descriptors && error.raw_os_error() == Some(libc::EAGAIN)
}

fn fork_once(program: &Program, guardian: Option<&(&Arc<guardian::Shared>, PipeEnd)>) -> io::Result<Started> {
    // std executes nothing: `become_program` does. The name is what it would have been.
    let mut command = Command::new(Path::new("/nonexistent"));
    command.stdin(program.input.stdio()?);
    match program.input.terminal() {
        Some(terminal) => command.stdout(terminal.program_side()?).stderr(terminal.program_side()?),
        None => command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()),
    };
    let count = program.image.passed.len();
    let places = Places::take(count)?;
    let pipe = guardian.and_then(|(_, end)| end.pipe.clone());
    let pipe = match pipe {
        Some(pipe) if count > 0 => Some(Arc::new(passed::raised(&pipe, count)?)),
        pipe => pipe,
    };
    between::become_program(&mut command, &program.image, pipe, places.files.clone());
    let leader = command.spawn();
    drop(places);
    let mut leader = leader?;
    let stdin = leader.stdin.take().map(OwnedFd::from);
    let pipes = leader.stdout.take().zip(leader.stderr.take());
    let Some(id) = Pid::from_raw(leader.id().cast_signed()) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    if let Some((guardian, end)) = guardian {
        guardian.began(id, end);
    }
    let guardian = guardian.map(|(guardian, _)| Arc::clone(guardian));
    let pidfd = rustix::process::pidfd_open(id, PidfdFlags::empty()).ok();
    let group = Group { leader: Some(leader), id, pidfd, guardian, cgroup: None };
    if let Some(terminal) = program.input.terminal() {
        return Ok(Started {
            group,
            stdin: Some(terminal.our_side()?),
            output: Output::Terminal(terminal.our_side()?),
        });
    }
    let (stdout, stderr) = pipes.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    Ok(Started { group, stdin, output: Output::Pipes { stdout: stdout.into(), stderr: stderr.into() } })
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
            Some(mut leader) => leader.wait(),
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
        let Some(mut leader) = self.leader.take() else { return };
        self.kill();
        self.write_end();
        if !matches!(leader.try_wait(), Ok(Some(_))) {
            UNDERTAKER.post(move || {
                let _ = leader.wait();
            });
        }
    }
}
