//! A process is made, and its parent hears what became of it.
//!
//! ```text
//!  parent   errand and stack ready ─► clone ··········(waits)·········► report read, signals open again
//!                                       └─► child: the steps ─► exec
//!                                                     └ failed ─► report written ─► end
//! ```
//!
//! The child runs on a stack of its own while the thread that made it stands still (`CLONE_VFORK`), until it has executed
//! another program or has ended. It shares the memory of this process (`CLONE_VM`), as in `posix_spawn` of C libraries: to
//! copy the page tables of a large supervisor for a child that needs none of them takes longer than all the rest.
//!
//! One that becomes another user gets a copy all the same. The kernel marks the memory of a process that changes its user
//! as nobody's to look at, and with shared memory that mark would be on the supervisor.

use std::cell::OnceCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::process::{Pid, WaitOptions, waitpid};

use super::Image;
use super::child::become_program;

/// A program that was executed, and has not been waited for.
#[derive(Debug)]
pub(crate) struct Born {
    pub(crate) id: Pid,
    /// `None` before Linux 5.2.
    pub(crate) pidfd: Option<OwnedFd>,
}

/// What the parent has made ready for its child.
pub(super) struct Errand<'a> {
    pub(super) image: &'a Image,
    /// What becomes its first three descriptors. Their numbers are above those.
    pub(super) streams: [BorrowedFd<'a>; 3],
    /// The pipe in which it is listed. Its number is above those that are given.
    pub(super) guardian: Option<BorrowedFd<'a>>,
    /// Null-terminated tables of the strings of the image, as `execve` wants them.
    pub(super) arguments: Vec<*const c_char>,
    pub(super) environment: Vec<*const c_char>,
    pub(super) supervisor: Pid,
    /// Where the child says what failed. It is shared with the parent, whatever else is.
    report: &'a AtomicI32,
}

/// Makes a process that becomes `image`, listed with the guardian that reads `guardian`. Returns when it was executed.
///
/// It leads a process group of its own, or a session if it has a terminal. It gets SIGKILL when the *thread* that calls
/// this ends, so that thread must live as long as the supervisor. The number of each stream must be above 2, and that of
/// `guardian` above those of [`Image::passed`] in the child.
///
/// # Errors
///
/// When it was not executed: the step that failed and why, as [`Step::of`](crate::step::Step::of) reads it. Then there is
/// no process.
pub(crate) fn spawn(
    image: &Image,
    streams: [BorrowedFd<'_>; 3],
    guardian: Option<BorrowedFd<'_>>,
) -> io::Result<Born> {
    thread_local! {
        /// Made once, since to unmap memory interrupts all threads of this process.
        static STACK: OnceCell<Stack> = const { OnceCell::new() };
    }
    STACK.with(|place| {
        let stack = match place.get() {
            Some(stack) => stack,
            None => {
                let stack = Stack::new()?;
                place.get_or_init(|| stack)
            }
        };
        give_birth(stack, image, streams, guardian)
    })
}

fn give_birth(
    stack: &Stack,
    image: &Image,
    streams: [BorrowedFd<'_>; 3],
    guardian: Option<BorrowedFd<'_>>,
) -> io::Result<Born> {
    let report = stack.report();
    report.store(0, Ordering::Relaxed);
    let mut errand = Errand {
        image,
        streams,
        guardian,
        arguments: table(&image.arguments),
        environment: table(&image.environment),
        supervisor: rustix::process::getpid(),
        report,
    };
    let memory = if image.runs_as.is_none() { libc::CLONE_VM } else { 0 };
    let flags = memory | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: c_int = -1;
    let made = {
        let _blocked = Blocked::all();
        // SAFETY: the child runs `begin` on the stack, which is mapped, large enough, and used by nobody else: it is this
        // thread's, which stands still until the child has executed another program or has ended, as long as `errand` and
        // all that it borrows are alive. So whatever the child reads or writes happens as if it was called from here. No
        // handler of a signal runs in it: all are blocked, and it blocks them until none has a handler.
        let made = unsafe {
            libc::clone(begin, stack.top(), flags, (&raw mut errand).cast::<c_void>(), &raw mut pidfd)
        };
        Pid::from_raw(made).filter(|_| made > 0).ok_or_else(io::Error::last_os_error)
    };
    let id = made?;
    // SAFETY: the kernel has opened it for this call, and nobody else knows of it.
    let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    match report.load(Ordering::Relaxed) {
        0 => Ok(Born { id, pidfd }),
        failed => {
            // It has ended or is about to. An error means that somebody else was faster.
            while matches!(waitpid(Some(id), WaitOptions::empty()), Err(rustix::io::Errno::INTR)) {}
            Err(io::Error::from_raw_os_error(failed))
        }
    }
}

/// Where the child begins.
extern "C" fn begin(errand: *mut c_void) -> c_int {
    // SAFETY: it is the errand of `give_birth`, which stands still and so uses it no more than this.
    let errand = unsafe { &mut *errand.cast::<Errand<'_>>() };
    let error = become_program(errand);
    // Read by the parent when this process is no more, so in any order.
    errand.report.store(error.raw_os_error().unwrap_or(libc::EINVAL), Ordering::Relaxed);
    // SAFETY: ends the process and nothing else: nothing is dropped, and nothing runs that was registered for the end.
    unsafe { libc::_exit(127) }
}

fn table(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// The stack of children of one thread, one after the other, and above it where they report.
struct Stack {
    /// The lowest page cannot be touched: a stack that grows into it ends the child and harms nobody.
    bottom: NonNull<c_void>,
    length: usize,
}

/// The steps of a child need a few KiB.
const STACK: usize = 64 * 1024;
/// The report lies on top. A stack begins at a multiple of 16.
const REPORT: usize = 64;

impl Stack {
    fn new() -> io::Result<Self> {
        let guard = rustix::param::page_size();
        let length = STACK + guard;
        // Shared, so that a child with a copy of the other memory can report, too.
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: without an address it is memory that nobody has.
        let bottom = unsafe { libc::mmap(std::ptr::null_mut(), length, access, flags, -1, 0) };
        let bottom = NonNull::new(bottom).filter(|bottom| bottom.as_ptr() != libc::MAP_FAILED);
        let stack = Self { bottom: bottom.ok_or_else(io::Error::last_os_error)?, length };
        // SAFETY: it is the lowest page of what was mapped above, which nothing uses yet.
        match unsafe { libc::mprotect(stack.bottom.as_ptr(), guard, libc::PROT_NONE) } {
            0 => Ok(stack),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn top(&self) -> *mut c_void {
        // SAFETY: within what is mapped.
        unsafe { self.bottom.byte_add(self.length - REPORT) }.as_ptr()
    }

    fn report(&self) -> &AtomicI32 {
        // SAFETY: mapped as long as this lives, aligned, zero at first, and above the stack: only used as this.
        unsafe { &*self.top().cast::<AtomicI32>() }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and no child runs on it: the thread that owns it goes on.
        unsafe { libc::munmap(self.bottom.as_ptr(), self.length) };
    }
}

/// All signals blocked for this thread, until it is dropped.
struct Blocked {
    before: u64,
}

impl Blocked {
    fn all() -> Self {
        let mut before = 0;
        mask(&u64::MAX, &mut before);
        Self { before }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        mask(&self.before, &mut 0);
    }
}

/// Asks the kernel itself: the C library keeps two signals from being blocked.
fn mask(to: &u64, before: &mut u64) {
    // SAFETY: the kernel reads a set of 64 bits and writes one, and both are alive. It changes this thread's mask alone.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            std::ptr::from_ref(to),
            std::ptr::from_mut(before),
            size_of::<u64>(),
        )
    };
}
