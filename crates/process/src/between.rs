//! Between fork and exec, and three calls that have no safe wrapper: a signal to a group, the group of a process, and
//! a datagram with its sender.
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

use rustix::fs::Mode;
use rustix::process::{Pid, Resource, Rlimit};

use crate::environment;
use crate::guardian::record;
use crate::identity::RunsAs;
use crate::limits::Limit;
use crate::passed;
use crate::step::Step;

/// What becomes of the child: the program, and the surroundings it starts in.
#[derive(Debug)]
pub(crate) struct Image {
    /// The file to execute, absolute or relative to `working_dir`; never searched for.
    pub(crate) path: CString,
    pub(crate) arguments: Vec<CString>,
    pub(crate) environment: Vec<CString>,
    /// Which variables of the environment become those of [`OWN_PID`] with the process id.
    pub(crate) own_pid: [Option<usize>; OWN_PID.len()],
    /// What the program is given from descriptor 3 on. Their numbers here are above those.
    pub(crate) passed: Vec<OwnedFd>,
    /// Whether its standard input is a terminal, which becomes its own.
    pub(crate) terminal: bool,
    pub(crate) working_dir: Option<CString>,
    pub(crate) limits: Vec<(Limit, Rlimit)>,
    pub(crate) runs_as: Option<RunsAs>,
    pub(crate) umask: Option<Mode>,
    pub(crate) nice: Option<i32>,
    pub(crate) no_new_privileges: bool,
    /// Its cgroup's list of processes, open for writing.
    pub(crate) cgroup: Option<Arc<OwnedFd>>,
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

    /// Puts another string in the place of one. It must live until the table is used for the last time.
    fn replace(&mut self, at: usize, string: *const c_char) {
        if let Some(place) = self.table.get_mut(at) {
            *place = string;
        }
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.table.as_ptr()
    }
}

/// Makes `command` become `image` when it is spawned, listed with the guardian that reads `guardian`.
///
/// Whatever program `command` was made with is not executed. The child must lead its own process group
/// (`process_group(0)`), but for one with a terminal: that leads a session, and with it a group. It gets SIGKILL when the *thread* that spawns it ends, so that thread must
/// live as long as the supervisor.
///
/// `places` are what is at the numbers of [`Image::passed`] now. The descriptor of the guardian must be above those.
pub(crate) fn become_program(
    command: &mut Command,
    image: &Arc<Image>,
    guardian: Option<Arc<OwnedFd>>,
    places: Vec<Option<File>>,
) {
    let image = image.clone();
    let arguments = Pointers::to(&image, |image| &image.arguments);
    let mut environment = Pointers::to(&image, |image| &image.environment);
    let supervisor = rustix::process::getpid();
    let child = move || {
        reset_signals();
        if image.terminal {
            lead_session()?;
        }
        // Before the limits: they may be below the number of a descriptor that is open.
        close_on_exec()?;
        give(&image.passed, &places)?;
        take_rights(&image)?;
        // Not before: the kernel forgets it when the user changes.
        die_with(supervisor)?;
        enter(&image)?;
        list(guardian.as_deref())?;
        let own_pid = OWN_PID.map(own_pid);
        for (at, text) in image.own_pid.into_iter().zip(&own_pid) {
            if let Some(at) = at {
                environment.replace(at, text.as_ptr().cast());
            }
        }
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

/// The variables whose value is the process id of the program, which is known only between fork and exec.
pub(crate) const OWN_PID: [&str; 2] = [environment::WATCHDOG_PID, passed::PID];

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

/// The group of a process; `None` when there is no such process, and for a group that has no number here.
pub(crate) fn group_of(process: Pid) -> Option<Pid> {
    // SAFETY: the call takes and gives numbers.
    Pid::from_raw(unsafe { libc::getpgid(process.as_raw_nonzero().get()) }.max(0))
}

/// A datagram that was received.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// How much of the buffer it fills.
    pub(crate) length: usize,
    /// Whether it was longer than the buffer; the rest is lost.
    pub(crate) cut: bool,
    /// Who sent it, as the kernel says; `None` for a process that has no number here.
    pub(crate) sender: Option<Pid>,
}

/// Receives a datagram without waiting. The socket must ask for the credentials of senders (`SO_PASSCRED`).
///
/// There is room for those alone: descriptors that come with a datagram never become ours, the kernel closes them.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Datagram> {
    const CREDENTIALS: libc::c_uint = size_of::<libc::ucred>() as libc::c_uint;
    // SAFETY: `CMSG_SPACE` is arithmetic.
    const ROOM: usize = unsafe { libc::CMSG_SPACE(CREDENTIALS) } as usize;
    #[repr(C, align(8))]
    struct Control([u8; ROOM]);
    let mut control = Control([0; ROOM]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zero, a `msghdr` has no name, no parts and no room for control messages.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = ROOM as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the descriptor is open for the call, and `message` leads to one buffer and to room for control messages
    // of the lengths it says, all of them alive and ours alone until the call ends.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has filled `message`, whose room for control messages is still alive. A header lies in it as a
    // whole, and so do the credentials behind one of that length; they are read without a demand on their alignment,
    // and every bit pattern is one of theirs.
    let sender = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (!header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_CREDENTIALS
            && (*header).cmsg_len as usize >= libc::CMSG_LEN(CREDENTIALS) as usize)
            .then(|| libc::CMSG_DATA(header).cast::<libc::ucred>().read_unaligned().pid)
    };
    let cut = message.msg_flags & libc::MSG_TRUNC != 0;
    Ok(Datagram { length, cut, sender: sender.and_then(Pid::from_raw) })
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

/// Which file a descriptor leads to: the numbers of its device and of itself.
pub(crate) type File = (libc::dev_t, libc::ino_t);

/// The file at this number; `None` when nothing is open there.
pub(crate) fn file_at(number: c_int) -> Option<File> {
    let mut about = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `fstat` fills the structure, which is large enough and alive, or fails; it is async-signal-safe. It takes
    // any number, also one that is no open descriptor.
    let found = unsafe { libc::fstat(number, about.as_mut_ptr()) } == 0;
    // SAFETY: it was filled.
    found.then(|| unsafe { about.assume_init() }).map(|about| (about.st_dev, about.st_ino))
}

/// Puts what the program is given to its numbers, open over exec. Nothing is changed when one of the numbers has come to
/// something else since the parent looked: it may be std's own.
fn give(passed: &[OwnedFd], places: &[Option<File>]) -> io::Result<()> {
    let numbers = passed::FIRST..;
    if numbers.clone().zip(places).any(|(number, place)| place.is_none() || file_at(number) != *place) {
        return Err(Step::Descriptors.failed(rustix::io::Errno::AGAIN));
    }
    for (number, descriptor) in numbers.zip(passed) {
        // SAFETY: what was at the number is a copy of the parent's, which nothing in this process uses: no more code of
        // the parent runs here, and std's own descriptors are not there.
        if unsafe { libc::dup2(descriptor.as_raw_fd(), number) } == -1 {
            return Err(Step::Descriptors.failed(last_error()));
        }
    }
    Ok(())
}

/// What only root may raise comes first; then root is given up, if the program runs as another.
fn take_rights(image: &Image) -> io::Result<()> {
    if let Some(cgroup) = &image.cgroup {
        // To the kernel 0 is whoever writes it.
        rustix::io::write(cgroup.as_fd(), b"0").map_err(|error| Step::Cgroup.failed(error))?;
    }
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
    fn nothing_is_given_where_something_else_has_come_since() {
        let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        // Nobody has this file, so whatever is at the first number is another.
        for places in [vec![None], vec![Some((0, 0))]] {
            let (step, error) = Step::of(&give(&[null()], &places).unwrap_err());
            assert_eq!((step, error.raw_os_error()), (Step::Descriptors, Some(libc::EAGAIN)));
        }
        let open = null();
        assert!(file_at(open.as_raw_fd()).is_some());
        assert_eq!(file_at(-1), None);
    }

    #[test]
    fn the_own_number_is_written_in_digits() {
        for name in OWN_PID {
            let expected = format!("{name}={}\0", std::process::id());
            assert!(own_pid(name).starts_with(expected.as_bytes()));
        }
    }
}
