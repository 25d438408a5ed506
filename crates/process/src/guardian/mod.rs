//! The guardian: a small process that outlives the supervisor by an instant, and takes its programs with it.
//!
//! A supervisor that is killed with SIGKILL can clean up nothing. So before its runtime starts it starts a
//! guardian, which reads a pipe:
//!
//! ```text
//!  supervisor ──────────── pipe ───────────► guardian (own session, deaf to TERM, INT, HUP)
//!      │  "-4711"  (killed, not yet reaped)      book = { 4711, 4802, … }
//!      └── fork ── "+4802" ── exec program       pipe closed: SIGKILL each group in the book, then end
//! ```
//!
//! Each program writes its process group to the pipe by itself, between fork and exec. It holds an end of the
//! pipe until it executes, so the pipe cannot close between the birth of a program and its record. The end of
//! a group is written after the group was killed and before its leader is reaped: until then the number
//! belongs to the group, so the guardian never kills a stranger that was given the number since.
//!
//! A guardian that dies is replaced, and the new one is told the living groups. One that does not read
//! is killed and replaced. While there is none, and for a process that never called [`start`], a program
//! itself still gets SIGKILL when the supervisor dies (PDEATHSIG), but its children do not.

pub(crate) mod record;
mod serve;

use std::collections::HashSet;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

pub use serve::serve_if_asked;

use crate::between;

/// The argument that makes a helper a guardian; the supervisor's process id follows.
const ARGUMENT: &str = "--supervisor-guardian";
/// What a guardian says when it is listening.
const GREETING: &str = "supervisor-guardian 1\n";
/// How long a guardian may take to say it.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// How long a full pipe is waited for, which holds 8 000 records. Short, since a runtime's worker may wait
/// here.
const FULL_PIPE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

static GUARDIAN: OnceLock<Arc<Shared>> = OnceLock::new();

/// Who serves as the guardian. Its `main` must call [`serve_if_asked`] first.
#[derive(Debug, Clone)]
pub enum Helper {
    /// The running binary, executed again. Still found when its file was replaced or removed.
    ThisBinary,
    /// Another binary, for instance `supervisor-guardian` of this package.
    At(PathBuf),
}

/// Why there is no guardian.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardianError {
    /// [`start`] was called before in this process.
    #[error("the guardian of this process was started already; start it once, at the beginning of main")]
    AlreadyStarted,
    /// The helper could not be executed.
    #[error("cannot start the guardian {helper}: {error}")]
    Spawn {
        /// What was to be executed.
        helper: String,
        /// The system's reason.
        error: io::Error,
    },
    /// The helper ran, and is no guardian.
    #[error(
        "{helper} did not answer as a guardian: {answer}; \
         its main must begin with `supervisor_process::guardian::serve_if_asked`"
    )]
    NotAGuardian {
        /// What was executed.
        helper: String,
        /// What came instead of the greeting.
        answer: String,
    },
}

/// The guardian as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Its process id; `None` while it is being replaced.
    pub pid: Option<u32>,
    /// How often it was replaced.
    pub replaced: u64,
    /// How many process groups it would kill.
    pub groups: usize,
}

/// Starts the guardian of this process. Returns when it is listening.
///
/// Call it once, at the beginning of `main`, before the runtime; all programs that are started afterwards
/// are protected. It blocks for the few milliseconds that the helper needs to start, at most 5 seconds.
///
/// # Errors
///
/// When the helper cannot be executed, or does not answer as a guardian.
pub fn start(helper: Helper) -> Result<(), GuardianError> {
    let (tell, told) = sync_channel(1);
    // Forked there, too: a child belongs to the thread that forked it, and the main one has only those that were adopted.
    let watch = std::thread::Builder::new().name("guardian-watch".into()).spawn(move || {
        let begun = begin(helper);
        let watched = begun.as_ref().ok().cloned();
        // Whoever asked waits for this.
        let _ = tell.send(begun.map(drop));
        if let Some(shared) = watched {
            shared.watch();
        }
    });
    let thread = |error| GuardianError::Spawn { helper: "(the thread that watches it)".into(), error };
    watch.map_err(thread)?;
    told.recv().unwrap_or_else(|_| Err(thread(io::Error::other("it panicked"))))
}

fn begin(helper: Helper) -> Result<Arc<Shared>, GuardianError> {
    let link = Link::open(&helper)?;
    let shared = Arc::new(Shared { helper, state: Mutex::new(State::new(link)), changed: Condvar::new() });
    GUARDIAN.set(Arc::clone(&shared)).map_err(|_| GuardianError::AlreadyStarted)?;
    Ok(shared)
}

/// The guardian as it is now; `None` when [`start`] was not called.
pub fn status() -> Option<Status> {
    let shared = GUARDIAN.get()?;
    let state = shared.lock();
    Some(Status {
        pid: state.link.as_ref().map(|link| link.child.id()),
        replaced: state.epoch,
        groups: state.living.len(),
    })
}

/// The guardian, if this process has one.
pub(crate) fn current() -> Option<Arc<Shared>> {
    GUARDIAN.get().cloned()
}

/// The supervisor's side: who the guardian is, and which groups live.
pub(crate) struct Shared {
    helper: Helper,
    state: Mutex<State>,
    /// Signalled when the link changes.
    changed: Condvar,
}

struct State {
    link: Option<Link>,
    living: HashSet<Pid>,
    /// Which guardian `link` is, counted from 0.
    epoch: u64,
}

/// One guardian process and the way to it.
struct Link {
    pipe: Arc<OwnedFd>,
    child: Child,
}

/// An end of the pipe for a child that is about to be forked, and whose it is.
pub(crate) struct PipeEnd {
    pub(crate) pipe: Option<Arc<OwnedFd>>,
    epoch: u64,
}

impl Shared {
    /// A poisoned lock holds a state that is whole: every change of it is one call.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end to give to a child. Without a pipe when the guardian is being replaced.
    pub(crate) fn pipe_end(&self) -> PipeEnd {
        let state = self.lock();
        PipeEnd { pipe: state.link.as_ref().map(|link| link.pipe.clone()), epoch: state.epoch }
    }

    /// Takes note of a child that was given `end` and executed. A guardian that came since is told of it.
    pub(crate) fn began(&self, group: Pid, end: &PipeEnd) {
        let mut state = self.lock();
        state.living.insert(group);
        if end.pipe.is_none() || end.epoch != state.epoch {
            state.tell(&record::began(group));
        }
    }

    /// Takes note that the group was killed. Its leader must not have been reaped yet.
    pub(crate) fn ended(&self, group: Pid) {
        let mut state = self.lock();
        state.living.remove(&group);
        state.tell(&record::ended(group));
    }

    /// Has the guardian that `end` belongs to replaced, because it does not read, and waits for that.
    /// Answers whether another one is there within 5 seconds.
    pub(crate) fn renew(&self, end: &PipeEnd) -> bool {
        let mut state = self.lock();
        if state.epoch == end.epoch {
            state.dismiss();
        }
        let waited = self.changed.wait_timeout_while(state, Duration::from_secs(5), |state| {
            state.epoch == end.epoch || state.link.is_none()
        });
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Replaces the guardian whenever it ends, for as long as the process lives.
    fn watch(&self) {
        loop {
            let pid = self.lock().link.as_ref().map(|link| link.child.id());
            if let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid.cast_signed())) {
                // Not reaped here, so that its number stays its own for as long as `dismiss` may use it.
                let wait = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while matches!(rustix::process::waitid(WaitId::Pid(pid), wait), Err(rustix::io::Errno::INTR))
                {
                }
            }
            if let Some(mut old) = self.lock().link.take() {
                tracing::warn!(guardian = old.child.id(), "the guardian ended and is replaced");
                let _ = old.child.wait();
            }
            self.replace();
        }
    }

    /// Starts a guardian, tries until there is one, and tells it the living groups.
    fn replace(&self) {
        let mut pause = Duration::from_millis(50);
        loop {
            match Link::open(&self.helper) {
                Ok(link) => {
                    let mut state = self.lock();
                    state.link = Some(link);
                    state.epoch += 1;
                    for group in state.living.clone() {
                        state.tell(&record::began(group));
                    }
                    self.changed.notify_all();
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "no guardian: children of programs would outlive a killed supervisor");
                    rest(pause);
                    pause = (pause * 2).min(Duration::from_secs(10));
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the watch is a thread of its own, outside of any runtime")]
fn rest(pause: Duration) {
    std::thread::sleep(pause);
}

impl State {
    fn new(link: Link) -> Self {
        Self { link: Some(link), living: HashSet::new(), epoch: 0 }
    }

    /// Writes a record. A guardian that does not read is dismissed: the next one is told what lives. One
    /// that is dead is noticed by its watch.
    fn tell(&mut self, record: &[u8]) {
        let Some(link) = &self.link else { return };
        if write_soon(link.pipe.as_fd(), record) == Err(rustix::io::Errno::AGAIN) {
            self.dismiss();
        }
    }

    /// Kills the guardian; its watch notices and replaces it. It kills no group by dying.
    fn dismiss(&mut self) {
        if let Some(pid) = self.link.as_ref().and_then(|link| Pid::from_raw(link.child.id().cast_signed())) {
            // It has not been reaped, so the number is its own; an error means that it is dead already.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}

fn write_soon(pipe: BorrowedFd<'_>, record: &[u8]) -> rustix::io::Result<()> {
    match rustix::io::write(pipe, record) {
        Err(rustix::io::Errno::AGAIN) => {}
        other => return other.map(drop),
    }
    rustix::event::poll(&mut [PollFd::new(&pipe, PollFlags::OUT)], Some(&FULL_PIPE))?;
    rustix::io::write(pipe, record).map(drop)
}

impl Link {
    fn open(helper: &Helper) -> Result<Self, GuardianError> {
        let name = helper.to_string();
        let failed = |error: io::Error| GuardianError::Spawn {
            helper: name.clone(),
            error: crate::step::Step::of(&error).1,
        };
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
        // Only the writing end: a supervisor must never wait for its guardian.
        rustix::fs::fcntl_setfl(&write, rustix::fs::OFlags::NONBLOCK).map_err(|e| failed(e.into()))?;
        let mut command = Command::new(helper.path());
        let supervisor = std::process::id().to_string();
        command.arg0("supervisor-guardian").args([ARGUMENT, &supervisor]).current_dir("/").env_clear();
        // A helper may be linked to libraries that are found by this variable only.
        command.envs(std::env::var_os("LD_LIBRARY_PATH").map(|dirs| ("LD_LIBRARY_PATH", dirs)));
        command.stdin(read).stdout(Stdio::piped()).stderr(Stdio::null());
        between::become_guardian(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        match greeting(&mut child) {
            Ok(()) => Ok(Self { pipe: Arc::new(write), child }),
            Err(answer) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(GuardianError::NotAGuardian { helper: name, answer })
            }
        }
    }
}

/// Waits for the greeting; an error says what came instead.
fn greeting(child: &mut Child) -> Result<(), String> {
    let Some(mut output) = child.stdout.take() else { return Err("it has no output".into()) };
    let mut heard = Vec::new();
    while !heard.ends_with(b"\n") && heard.len() < 256 {
        let mut fds = [PollFd::new(&output, PollFlags::IN)];
        match rustix::event::poll(&mut fds, Some(&PATIENCE)) {
            Ok(0) => return Err("it said nothing for 5 seconds".into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.to_string()),
        }
        let mut chunk = [0; 256];
        match output.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => heard.extend(&chunk[..n]),
            Err(error) => return Err(error.to_string()),
        }
    }
    match String::from_utf8_lossy(&heard) {
        text if text == GREETING => Ok(()),
        text if text.is_empty() => Err("it said nothing and ended".into()),
        text => Err(format!("it said {text:?}")),
    }
}

impl Helper {
    fn path(&self) -> PathBuf {
        match self {
            Self::ThisBinary => PathBuf::from("/proc/self/exe"),
            Self::At(path) => path.clone(),
        }
    }
}

impl std::fmt::Display for Helper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ThisBinary => f.write_str("(this binary, executed again)"),
            Self::At(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    /// A guardian that never reads, with a pipe that is soon full.
    fn deaf() -> (State, OwnedFd) {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        rustix::pipe::fcntl_setpipe_size(&write, 4096).unwrap();
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        (State::new(Link { pipe: Arc::new(write), child }), read)
    }

    #[test]
    fn a_guardian_that_does_not_read_is_killed_and_holds_nobody_up() {
        let (mut state, _read) = deaf();
        for number in 2..2 + 4096 / 8 {
            state.tell(&record::began(pid(number)));
        }
        let guardian = &mut state.link.as_mut().unwrap().child;
        assert_eq!(guardian.try_wait().unwrap(), None, "a full pipe is not too full yet");
        state.tell(&record::began(pid(2)));
        let ended = state.link.as_mut().unwrap().child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(9));
    }

    #[test]
    fn a_group_that_began_with_an_older_guardian_is_told_to_the_new_one() {
        let (mut state, read) = deaf();
        state.epoch = 1;
        let shared = Shared { helper: Helper::ThisBinary, state: Mutex::new(state), changed: Condvar::new() };
        let (old, new) = (PipeEnd { pipe: None, epoch: 0 }, shared.pipe_end());
        shared.began(pid(40), &old);
        shared.began(pid(50), &new);
        shared.ended(pid(50));
        let mut told = [0; 64];
        let length = rustix::io::read(&read, &mut told).unwrap();
        assert_eq!(told[..length], [record::began(pid(40)), record::ended(pid(50))].concat());
        assert_eq!(shared.lock().living, HashSet::from([pid(40)]));
        shared.lock().dismiss();
        shared.lock().link.as_mut().unwrap().child.wait().unwrap();
    }
}
