//! Between fork and exec, and the one signal call that has no safe wrapper.
//!
//! This is the only module with `unsafe` in it. A child that was forked from a process with threads may
//! only make async-signal-safe calls until it executes: another thread may have held the allocator's
//! lock at the instant of the fork. So everything that needs memory ([`Image`], the pointer tables) is
//! made by the parent before the fork, and the functions here that run in the child are system calls and
//! arithmetic, nothing else.
//!
//! The program is executed from here too and not by std, for two reasons. C libraries' `execvp` hands a file
//! of an unknown format to `/bin/sh`, and programs are started without a shell. And each step can say which
//! one failed: std carries an error number from the child to the parent, and the step travels in its upper
//! half.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use rustix::process::{Pid, Resource, Rlimit};

use crate::guardian::record;

/// What becomes of the child: the program, and the surroundings it starts in.
#[derive(Debug)]
pub(crate) struct Image {
    /// The file to execute, absolute or relative to `working_dir`; never searched for.
    pub(crate) path: CString,
    pub(crate) arguments: Vec<CString>,
    pub(crate) environment: Vec<CString>,
    pub(crate) working_dir: Option<CString>,
    pub(crate) max_file_descriptors: Option<u64>,
    pub(crate) no_new_privileges: bool,
}

/// The steps of a child between fork and exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// std's own part: fork, the group, the three descriptors.
    Fork,
    /// The supervisor had died before its death could be watched.
    Orphaned,
    WorkingDir,
    FileLimit,
    NoNewPrivileges,
    Descriptors,
    /// The group could not be written to the guardian.
    Guardian,
    Exec,
}

const STEPS: [Step; 8] = [
    Step::Fork,
    Step::Orphaned,
    Step::WorkingDir,
    Step::FileLimit,
    Step::NoNewPrivileges,
    Step::Descriptors,
    Step::Guardian,
    Step::Exec,
];

impl Step {
    /// Error numbers are below 4096, so the step fits above them.
    fn failed(self, error: rustix::io::Errno) -> io::Error {
        io::Error::from_raw_os_error((self as i32) << 16 | error.raw_os_error())
    }

    /// The step and the plain error of a failed spawn.
    pub(crate) fn of(error: &io::Error) -> (Self, io::Error) {
        let raw = error.raw_os_error().unwrap_or(libc::EINVAL);
        let step = STEPS.get((raw >> 16) as usize).copied().unwrap_or(Self::Fork);
        (step, io::Error::from_raw_os_error(raw & 0xffff))
    }
}

/// A null-terminated table of C strings, as `execve` wants it.
struct Pointers {
    table: Vec<*const c_char>,
    _strings: Arc<Image>,
}

// SAFETY: the pointers lead into the strings of `_strings`, which are never changed and live as long as the
// table, wherever it is moved. Reading them from another thread is reading shared immutable memory.
unsafe impl Send for Pointers {}
// SAFETY: as above; nothing is written through the pointers.
unsafe impl Sync for Pointers {}

impl Pointers {
    fn to(image: &Arc<Image>, strings: fn(&Image) -> &[CString]) -> Self {
        let table = strings(image).iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect();
        Self { table, _strings: image.clone() }
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.table.as_ptr()
    }
}

/// Makes `command` become `image` when it is spawned, listed with the guardian that reads `guardian`.
///
/// Whatever program `command` was made with is not executed. The child must lead its own process group
/// (`process_group(0)`). It gets SIGKILL when the *thread* that spawns it ends, so that thread must
/// live as long as the supervisor.
pub(crate) fn become_program(command: &mut Command, image: &Arc<Image>, guardian: Option<Arc<OwnedFd>>) {
    let image = image.clone();
    let arguments = Pointers::to(&image, |image| &image.arguments);
    let environment = Pointers::to(&image, |image| &image.environment);
    let supervisor = rustix::process::getpid();
    let child = move || {
        reset_signals();
        die_with(supervisor)?;
        enter(&image)?;
        close_on_exec()?;
        list(guardian.as_deref())?;
        // SAFETY: the path is a C string and both tables are null-terminated tables of C strings, alive
        // until this call ends. `execve` is async-signal-safe.
        unsafe { libc::execve(image.path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        let error = last_error();
        unlist(guardian.as_deref());
        Err(Step::Exec.failed(error))
    };
    // SAFETY: the closure makes system calls only. It does not allocate, take locks or panic: what it uses
    // was made above, by the parent, and its drop never runs in the child, which executes or exits.
    unsafe { command.pre_exec(child) };
}

/// Makes `command`, when it is spawned, start in a session of its own, with nothing inherited but its first
/// three descriptors, and deaf to the signals by which the supervisor is asked to end: it must outlive it.
pub(crate) fn become_guardian(command: &mut Command) {
    let child = || {
        reset_signals();
        rustix::process::setsid()?;
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2]
        {
            set_signal(signal, libc::SIG_IGN);
        }
        close_on_exec()
    };
    // SAFETY: as in `become_program`.
    unsafe { command.pre_exec(child) };
}

/// Sends `signal` to the whole process group `group`, which `leader` leads or led.
///
/// With a pidfd and Linux 6.9 or later the group is the one of that very process, even when the number was
/// used again since. Otherwise the number is used, and the caller must know that it still stands.
pub(crate) fn signal_group(leader: Option<BorrowedFd<'_>>, group: Pid, signal: c_int) -> io::Result<()> {
    const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_ulong = 1 << 2;
    if let Some(leader) = leader {
        // SAFETY: the descriptor is open for the call, the information pointer may be null, and the call
        // touches no other memory of ours.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                leader.as_raw_fd(),
                signal,
                std::ptr::null::<libc::siginfo_t>(),
                PIDFD_SIGNAL_PROCESS_GROUP,
            )
        };
        match io::Error::last_os_error() {
            _ if sent == 0 => return Ok(()),
            error if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EPERM)) => {}
            error => return Err(error),
        }
    }
    // SAFETY: `kill` takes two numbers. A group's number is above 1, so this is neither "every process"
    // nor our own group.
    match unsafe { libc::kill(-group.as_raw_nonzero().get(), signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Default actions, nothing blocked: what the supervisor ignores or blocks is its own business.
fn reset_signals() {
    for signal in 1..=64 {
        default_action(signal);
    }
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initialises the set it is given, `sigprocmask` reads it and writes nothing when
    // the last pointer is null. Both are async-signal-safe.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// Asks the kernel itself: the C library keeps two signals from being set, and a parent may have ignored
/// them.
fn default_action(signal: c_int) {
    /// The kernel's set has one bit for each of 64 signals.
    const SET_SIZE: usize = 8;
    // The kernel's `struct sigaction` is smaller than this. All zero, it means SIG_DFL, no flags, an empty
    // mask.
    let default = [0_u64; 8];
    // SAFETY: the kernel reads the structure, which is alive and large enough, and writes nothing when the
    // last pointer is null. KILL and STOP are refused. The default action runs no code of this process.
    unsafe {
        libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null_mut::<u64>(), SET_SIZE)
    };
}

fn set_signal(signal: c_int, action: libc::sighandler_t) {
    // SAFETY: `SIG_DFL` and `SIG_IGN` are no functions of ours, so no code can run wrongly. Signals whose
    // action cannot be set (KILL, STOP, the C library's own) are refused by the call and left alone.
    unsafe { libc::signal(signal, action) };
}

/// Asks for SIGKILL when the forking thread ends, and looks whether it ended before we asked.
fn die_with(supervisor: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| Step::Orphaned.failed(error))?;
    if rustix::process::getppid() == Some(supervisor) {
        Ok(())
    } else {
        Err(Step::Orphaned.failed(rustix::io::Errno::SRCH))
    }
}

fn enter(image: &Image) -> io::Result<()> {
    if let Some(dir) = &image.working_dir {
        rustix::process::chdir(dir.as_c_str()).map_err(|error| Step::WorkingDir.failed(error))?;
    }
    if let Some(limit) = image.max_file_descriptors {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        rustix::process::setrlimit(Resource::Nofile, limit).map_err(|error| Step::FileLimit.failed(error))?;
    }
    if image.no_new_privileges {
        rustix::thread::set_no_new_privs(true).map_err(|error| Step::NoNewPrivileges.failed(error))?;
    }
    Ok(())
}

/// Marks every descriptor above the first three to be closed by exec, those of foreign libraries included.
///
/// Marking instead of closing keeps the pipe open through which std reports a failed exec.
fn close_on_exec() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 1 << 2;
    // SAFETY: the call takes three numbers and only sets flags of descriptors of this process.
    let marked =
        unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    if marked == 0 {
        return Ok(());
    }
    // Before Linux 5.11 each descriptor is marked by itself; those that are not open answer EBADF.
    let last = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(1 << 20).min(1 << 20);
    for fd in FIRST as c_int..last as c_int {
        // SAFETY: `fcntl` with F_SETFD takes numbers and sets a flag of a descriptor of this process.
        let marked = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        let error = last_error();
        if marked == -1 && error != rustix::io::Errno::BADF {
            return Err(Step::Descriptors.failed(error));
        }
    }
    Ok(())
}

/// Writes this group to the guardian's pipe. The group exists already, and the pipe cannot be seen closed
/// before this child executed or ended, since it holds an end of it until then: there is no window.
fn list(guardian: Option<&OwnedFd>) -> io::Result<()> {
    let Some(pipe) = guardian else { return Ok(()) };
    // A dead guardian is an error to report and not the end of the child.
    set_signal(libc::SIGPIPE, libc::SIG_IGN);
    let written = rustix::io::write(pipe.as_fd(), &record::began(rustix::process::getpid()));
    set_signal(libc::SIGPIPE, libc::SIG_DFL);
    written.map(drop).map_err(|error| Step::Guardian.failed(error))
}

/// Takes the group off the list again. Only this child knows its number when exec fails, and it still holds
/// it.
fn unlist(guardian: Option<&OwnedFd>) {
    if let Some(pipe) = guardian {
        set_signal(libc::SIGPIPE, libc::SIG_IGN);
        // A guardian that cannot be written to is dead, and the next one is told the living groups only.
        let _ = rustix::io::write(pipe.as_fd(), &record::ended(rustix::process::getpid()));
    }
}

fn last_error() -> rustix::io::Errno {
    // `last_os_error` holds the number alone and does not allocate.
    rustix::io::Errno::from_raw_os_error(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_comes_back_with_its_plain_error() {
        for step in STEPS {
            let (back, error) = Step::of(&step.failed(rustix::io::Errno::NOEXEC));
            assert_eq!((back, error.raw_os_error()), (step, Some(libc::ENOEXEC)));
        }
    }
}
