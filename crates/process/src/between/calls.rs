//! Three calls that have no safe wrapper: a signal to a group, the group of a process, and a datagram with its sender.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::process::Pid;

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
