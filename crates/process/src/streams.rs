//! The first three descriptors of a program, and this process's ends of them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::input::Opened;

/// The program's own ends. What they are put to has the numbers 0, 1 and 2, so theirs are above.
#[derive(Debug)]
pub(crate) struct Streams([OwnedFd; 3]);

/// What this process keeps. What is read from is non-blocking.
#[derive(Debug)]
pub(crate) struct Ends {
    /// The writing end of its input, if that is a pipe or a terminal.
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) output: Output,
}

/// Where is read what a program prints.
#[derive(Debug)]
pub(crate) enum Output {
    Pipes {
        stdout: OwnedFd,
        stderr: OwnedFd,
    },
    /// Both streams come from one terminal.
    Terminal(OwnedFd),
}

impl Streams {
    /// Those of one birth.
    pub(crate) fn of(input: &Opened) -> io::Result<(Self, Ends)> {
        let (theirs, stdin) = match input {
            Opened::Null => (File::open("/dev/null")?.into(), None),
            Opened::File(file) => (file.try_clone()?.into(), None),
            Opened::Pipe => {
                let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
                (theirs, Some(ours))
            }
            Opened::Terminal(terminal) => {
                let side = || above(terminal.program_side()?);
                let output = Output::Terminal(terminal.our_side()?);
                let ends = Ends { stdin: Some(terminal.our_side()?), output };
                return Ok((Self([side()?, side()?, side()?]), ends));
            }
        };
        let (stdout, printed) = printing()?;
        let (stderr, complained) = printing()?;
        let output = Output::Pipes { stdout, stderr };
        Ok((Self([above(theirs)?, above(printed)?, above(complained)?]), Ends { stdin, output }))
    }

    pub(crate) fn each(&self) -> [BorrowedFd<'_>; 3] {
        self.0.each_ref().map(OwnedFd::as_fd)
    }
}

/// A pipe to read from without waiting, and its other end, which waits as programs expect of it.
fn printing() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    Ok((ours, theirs))
}

/// A process that has closed one of its own first three is given that number again.
fn above(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    const FIRST: i32 = 3;
    if descriptor.as_raw_fd() >= FIRST {
        return Ok(descriptor);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(descriptor, FIRST)?)
}
