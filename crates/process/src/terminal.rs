//! A pseudo-terminal for a program that wants one.

use std::os::fd::OwnedFd;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::start_error::reason;

/// What programs are told of its size.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

/// A pseudo-terminal, both sides of it.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// What is written to the other side is read here. When it is closed the program is hung up.
    ours: OwnedFd,
    /// The terminal as the program sees it.
    programs: OwnedFd,
}

impl Terminal {
    /// A new one. The error is a sentence.
    pub(crate) fn open() -> Result<Self, String> {
        let open = || {
            let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let ours = openpt(flags)?;
            unlockpt(&ours)?;
            // By its other side and not by its name, which stands for something else where `/dev/pts` is another one.
            let programs = ioctl_tiocgptpeer(&ours, flags)?;
            tcsetwinsize(&programs, SIZE)?;
            let read = rustix::fs::fcntl_getfl(&ours)?;
            rustix::fs::fcntl_setfl(&ours, read | OFlags::NONBLOCK)?;
            Ok(Self { ours, programs })
        };
        open().map_err(|error: rustix::io::Errno| {
            format!(
                "the system gives no pseudo-terminal: {}; look at `/dev/ptmx` and `sysctl kernel.pty`",
                reason(&error.into())
            )
        })
    }

    /// For one of the first three descriptors of a child.
    pub(crate) fn program_side(&self) -> std::io::Result<OwnedFd> {
        self.programs.try_clone()
    }

    /// The side on which is read what the program prints; non-blocking. Its last copy must live as long as the program.
    pub(crate) fn our_side(&self) -> std::io::Result<OwnedFd> {
        self.ours.try_clone()
    }
}
