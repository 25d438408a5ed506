//! What a child does until it executes another program.
//!
//! Another thread may have held the allocator's lock at the instant when the child was made, and the child may share its
//! memory with the parent. So everything that needs memory is made by the parent before, and what runs here are system
//! calls and arithmetic, nothing else.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Resource};

use super::birth::Errand;
use super::{Image, OWN_PID};
use crate::guardian::record;
use crate::identity::RunsAs;
use crate::passed;
use crate::step::Step;

/// Becomes the program. Returns when that failed, with the step and the error in one number.
pub(super) fn become_program(errand: &mut Errand<'_>) -> io::Error {
    match prepare(errand) {
        Ok(()) => execute(errand),
        Err(error) => error,
    }
}

fn prepare(errand: &Errand<'_>) -> io::Result<()> {
    let image = errand.image;
    default_actions();
    take_streams(errand.streams)?;
    if image.terminal {
        lead_session()?;
    } else {
        rustix::process::setpgid(None, None).map_err(|error| Step::Fork.failed(error))?;
    }
    // From here on a signal that comes is for its own group.
    block_nothing();
    // Before the limits: they may be below the number of a descriptor that is open.
    close_on_exec()?;
    // Before something else is put at its number.
    enter_cgroup(image)?;
    give(&image.passed)?;
    take_rights(image)?;
    // Not before: the kernel forgets it when the user changes.
    die_with(errand.supervisor)?;
    enter(image)?;
    list(errand.guardian)
}

fn execute(errand: &mut Errand<'_>) -> io::Error {
    let own_pid = OWN_PID.map(own_pid);
    for (at, text) in errand.image.own_pid.into_iter().zip(&own_pid) {
        if let Some(place) = at.and_then(|at| errand.environment.get_mut(at)) {
            *place = text.as_ptr().cast();
        }
    }
    // SAFETY: the path is a C string and both tables are null-terminated tables of C strings, alive until this call ends:
    // those of the image, which the errand borrows, and those above. `execve` is async-signal-safe.
    unsafe {
        libc::execve(errand.image.path.as_ptr(), errand.arguments.as_ptr(), errand.environment.as_ptr())
    };
    let error = last_error();
    unlist(errand.guardian);
    Step::Exec.failed(error)
}

/// Makes `command`, when it is spawned, start in a session of its own, with nothing inherited but its first
/// three descriptors, and deaf to the signals by which the supervisor is asked to end: it must outlive it.
pub(crate) fn become_guardian(command: &mut Command) {
    let child = || {
        default_actions();
        block_nothing();
        rustix::process::setsid()?;
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2]
        {
            set_signal(signal, libc::SIG_IGN);
        }
        close_on_exec()
    };
    // SAFETY: the closure makes system calls only. It does not allocate, take locks or panic, and captures nothing.
    unsafe { command.pre_exec(child) };
}

/// `NAME=` with the number of this process, as a C string. Made without memory from an allocator. The name is one of
/// [`OWN_PID`], so there is room.
fn own_pid(name: &str) -> [u8; 32] {
    let mut text = [0; 32];
    for (to, byte) in text.iter_mut().zip(name.bytes().chain([b'='])) {
        *to = byte;
    }
    let mut number = rustix::process::getpid().as_raw_nonzero().get().cast_unsigned();
    let mut digits = 1;
    let mut rest = number / 10;
    while rest > 0 {
        (digits, rest) = (digits + 1, rest / 10);
    }
    // At most ten digits, so the last byte stays 0.
    for to in text.iter_mut().skip(name.len() + 1).take(digits).rev() {
        (*to, number) = (b'0' + (number % 10) as u8, number / 10);
    }
    text
}

/// Default actions for all signals: what the supervisor ignores is its own business.
fn default_actions() {
    for signal in 1..=64 {
        default_action(signal);
    }
}

/// What the supervisor blocks, and what its thread blocked for the birth, is not blocked in a program.
fn block_nothing() {
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

/// Puts the descriptors to the numbers 0, 1 and 2, where exec leaves them open.
fn take_streams(streams: [BorrowedFd<'_>; 3]) -> io::Result<()> {
    for (number, stream) in (0..).zip(streams) {
        put(stream, number).map_err(|error| Step::Fork.failed(error))?;
    }
    Ok(())
}

/// Puts what the program is given to its numbers, open over exec. Their numbers here are above those.
fn give(passed: &[OwnedFd]) -> io::Result<()> {
    for (number, descriptor) in (passed::FIRST..).zip(passed) {
        put(descriptor.as_fd(), number).map_err(|error| Step::Descriptors.failed(error))?;
    }
    Ok(())
}

/// Puts a descriptor to another number, open over exec.
fn put(descriptor: BorrowedFd<'_>, number: c_int) -> rustix::io::Result<()> {
    // SAFETY: what was at the number is this process's own copy of one of the parent's, and nothing uses it: no more code
    // of the parent runs here, and what the steps to come use has other numbers.
    match unsafe { libc::dup2(descriptor.as_raw_fd(), number) } {
        -1 => Err(last_error()),
        _ => Ok(()),
    }
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

fn enter_cgroup(image: &Image) -> io::Result<()> {
    if let Some(cgroup) = &image.cgroup {
        // To the kernel 0 is whoever writes it.
        rustix::io::write(cgroup.as_fd(), b"0").map_err(|error| Step::Cgroup.failed(error))?;
    }
    Ok(())
}

/// What only root may raise comes first; then root is given up, if the program runs as another.
fn take_rights(image: &Image) -> io::Result<()> {
    for &(limit, value) in &image.limits {
        rustix::process::setrlimit(limit.resource(), value)
            .map_err(|error| Step::Limit(limit).failed(error))?;
    }
    if let Some(nice) = image.nice {
        rustix::process::setpriority_process(None, nice).map_err(|error| Step::Nice.failed(error))?;
    }
    if let Some(mask) = image.umask {
        rustix::process::umask(mask);
    }
    image.runs_as.as_ref().map_or(Ok(()), become_user).map_err(|error| Step::RunsAs.failed(error))
}

/// Groups first, the user last: afterwards there is no right left to change the others. The calls are for the calling
/// thread alone, and a child has no other.
fn become_user(to: &RunsAs) -> rustix::io::Result<()> {
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    // Its output is its own to open again, as through `/dev/stderr`. Without it, that alone is refused to it.
    for output in [rustix::stdio::stdout(), rustix::stdio::stderr()] {
        let _ = rustix::fs::fchown(output, to.user, Some(to.group));
    }
    set_thread_groups(&to.groups)?;
    set_thread_res_gid(to.group, to.group, to.group)?;
    match to.user {
        Some(user) => set_thread_res_uid(user, user, user),
        None => Ok(()),
    }
}

/// A session of its own, whose group has the same number, and whose terminal is the standard input.
fn lead_session() -> io::Result<()> {
    rustix::process::setsid()
        .and_then(|_| rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()))
        .map_err(|error| Step::Terminal.failed(error))
}

/// As the user that it runs as: a directory that this one may not enter is not entered.
fn enter(image: &Image) -> io::Result<()> {
    if let Some(dir) = &image.working_dir {
        rustix::process::chdir(dir.as_c_str()).map_err(|error| Step::WorkingDir.failed(error))?;
    }
    if image.no_new_privileges {
        rustix::thread::set_no_new_privs(true).map_err(|error| Step::NoNewPrivileges.failed(error))?;
    }
    Ok(())
}

/// Marks every descriptor above the first three to be closed by exec, those of foreign libraries included.
///
/// Marking instead of closing keeps open what the steps to come use, and the pipe through which std reports that the
/// guardian was not executed.
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
fn list(guardian: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let Some(pipe) = guardian else { return Ok(()) };
    // A dead guardian is an error to report and not the end of the child.
    set_signal(libc::SIGPIPE, libc::SIG_IGN);
    let written = rustix::io::write(pipe, &record::began(rustix::process::getpid()));
    set_signal(libc::SIGPIPE, libc::SIG_DFL);
    written.map(drop).map_err(|error| Step::Guardian.failed(error))
}

/// Takes the group off the list again. Only this child knows its number when exec fails, and it still holds
/// it.
fn unlist(guardian: Option<BorrowedFd<'_>>) {
    if let Some(pipe) = guardian {
        set_signal(libc::SIGPIPE, libc::SIG_IGN);
        // A guardian that cannot be written to is dead, and the next one is told the living groups only.
        let _ = rustix::io::write(pipe, &record::ended(rustix::process::getpid()));
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
    fn the_own_number_is_written_in_digits() {
        for name in OWN_PID {
            let expected = format!("{name}={}\0", std::process::id());
            assert!(own_pid(name).starts_with(expected.as_bytes()));
        }
    }
}
