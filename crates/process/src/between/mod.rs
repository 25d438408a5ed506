//! Between fork and exec, and three calls that have no safe wrapper.
//!
//! This is the only module with `unsafe` in it.
//!
//! | file | holds |
//! |---|---|
//! | `birth` | the parent's side: a process is made, and what became of it is heard |
//! | `child` | the child's side: the steps until another program is executed |
//! | `calls` | a signal to a group, the group of a process, a datagram with its sender |
//!
//! Programs are made and executed from here and not by std, for three reasons. What must be done in the child (a death
//! signal, limits, a user) makes std copy the whole memory of this process for it, page by page, which costs more than all
//! the rest. C libraries' `execvp` hands a file of an unknown format to `/bin/sh`, and programs are started without a
//! shell. And each step can say which one failed: one number goes from the child to the parent, with the step in its upper
//! half.
#![allow(unsafe_code)]

mod birth;
mod calls;
mod child;

pub(crate) use birth::{Born, spawn};
pub(crate) use calls::{Datagram, group_of, receive, signal_group};
pub(crate) use child::become_guardian;

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::Mode;
use rustix::process::Rlimit;

use crate::environment;
use crate::identity::RunsAs;
use crate::limits::Limit;
use crate::passed;

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

/// The variables whose value is the process id of the program, which is known only between fork and exec.
pub(crate) const OWN_PID: [&str; 2] = [environment::WATCHDOG_PID, passed::PID];
