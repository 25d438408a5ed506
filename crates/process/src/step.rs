//! Which step of a start failed: a child leaves one number for its parent, the error with the step in its upper half.

use std::io;

use crate::limits::Limit;

/// The steps of a child between fork and exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// To make a process, its group, its first three descriptors.
    Fork,
    /// The supervisor had died before its death could be watched.
    Orphaned,
    WorkingDir,
    /// Another user or group.
    RunsAs,
    Nice,
    NoNewPrivileges,
    Descriptors,
    /// The group could not be written to the guardian.
    Guardian,
    Exec,
    /// It could not be put into its cgroup.
    Cgroup,
    /// The terminal could not become its own.
    Terminal,
    /// A limit could not be set.
    Limit(Limit),
}

/// Those that are numbered by their place; the limits follow.
const STEPS: [Step; 11] = [
    Step::Fork,
    Step::Orphaned,
    Step::WorkingDir,
    Step::RunsAs,
    Step::Nice,
    Step::NoNewPrivileges,
    Step::Descriptors,
    Step::Guardian,
    Step::Exec,
    Step::Cgroup,
    Step::Terminal,
];

impl Step {
    /// Its number, from 0.
    const fn number(self) -> i32 {
        match self {
            Self::Fork => 0,
            Self::Orphaned => 1,
            Self::WorkingDir => 2,
            Self::RunsAs => 3,
            Self::Nice => 4,
            Self::NoNewPrivileges => 5,
            Self::Descriptors => 6,
            Self::Guardian => 7,
            Self::Exec => 8,
            Self::Cgroup => 9,
            Self::Terminal => 10,
            Self::Limit(limit) => STEPS.len() as i32 + limit as i32,
        }
    }

    /// Error numbers are below 4096, so the step fits above them.
    pub(crate) fn failed(self, error: rustix::io::Errno) -> io::Error {
        io::Error::from_raw_os_error(self.number() << 16 | error.raw_os_error())
    }

    /// The step and the plain error of a failed spawn.
    pub(crate) fn of(error: &io::Error) -> (Self, io::Error) {
        let raw = error.raw_os_error().unwrap_or(libc::EINVAL);
        let number = (raw >> 16) as usize;
        let limit = || Limit::ALL.get(number.checked_sub(STEPS.len())?).copied().map(Self::Limit);
        let step = STEPS.get(number).copied().or_else(limit).unwrap_or(Self::Fork);
        (step, io::Error::from_raw_os_error(raw & 0xffff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_comes_back_with_its_plain_error() {
        let limits = Limit::ALL.iter().copied().map(Step::Limit);
        for step in STEPS.into_iter().chain(limits) {
            let (back, error) = Step::of(&step.failed(rustix::io::Errno::NOEXEC));
            assert_eq!((back, error.raw_os_error()), (step, Some(libc::ENOEXEC)));
        }
    }
}
